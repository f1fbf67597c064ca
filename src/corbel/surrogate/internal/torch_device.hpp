#pragma once

#include <torch/torch.h>

#include <string_view>

namespace corbel {

/// @param name  "cpu" or "cuda"
/// @throws Error{invalid_input} for another; Error{unsupported} where LibTorch finds no such device
torch::Device torch_device(std::string_view name);

}  // namespace corbel
