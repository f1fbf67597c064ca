#pragma once

#include <string_view>

#include "corbel/scorer/kernels.hpp"

namespace corbel {

/// LibTorch on a device as a way to compute any network, for fast arithmetic: Model::with_kernel() takes it, and
/// predicts exactly on the CPU as ever. In single precision, but summed in the device's order.
/// @param device  "cuda", or "cpu", which is slow and there to test with
/// @throws Error{invalid_input} for another; Error{unsupported} where LibTorch finds no such device, or is not there
const ScorerKernel& device_kernel(std::string_view device);

}  // namespace corbel
