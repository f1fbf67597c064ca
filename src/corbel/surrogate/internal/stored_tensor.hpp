#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "corbel/scorer/safetensors.hpp"

namespace corbel {

StoredTensor to_stored(const torch::Tensor& tensor);

/// @throws Error{corrupt} if there is no such tensor of that many elements
const std::vector<float>& stored_values(const TensorMap& tensors, std::string_view name, std::int64_t count);

}  // namespace corbel
