#pragma once

#include <torch/torch.h>

namespace corbel {

/// x Wᵀ + b on the last dimension of x, with W [out, in] and b [out].
torch::Tensor dense(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias);

}  // namespace corbel
