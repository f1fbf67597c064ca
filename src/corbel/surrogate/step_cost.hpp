#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace corbel {

class Monitor;

struct StepCostOptions {
  std::string network = "attention";  ///< or "mlp", "lstm": of the shape that training has without options
  std::size_t rows = 256;             ///< of each of the three classes in a batch
  std::size_t threads = 1;
  double seconds = 3;  ///< what is measured in, at least
  std::uint64_t seed = 1;
};

/// What a training step costs, and what it costs in plain LibTorch.
struct StepCost {
  std::string kernel;             ///< instruction set of this step
  std::string libtorch_function;  ///< of the linear layers: PlainNetwork::linear_function()
  std::size_t runs = 0;
  double step_ms = 0, step_ms_min = 0, step_ms_max = 0;  ///< median, fastest and slowest
  double libtorch_step_ms = 0, libtorch_step_ms_min = 0, libtorch_step_ms_max = 0;
  double gflops = 0;  ///< of the dense layers, forwards and backwards, at the median
  /// Of the loss, and of the gradient in the Euclidean norm, relative to LibTorch's.
  double loss_error = 0, gradient_error = 0;
};

/// Steps of both in turn on the space `edge`, random designs and targets, with the default optimizer and dropout, each
/// on so many threads.
/// @throws Error{mismatch} if losses or gradients differ; Error{invalid_input} for an unknown network;
///         Error{unsupported} without LibTorch; Error{interrupted}
StepCost measure_step(const StepCostOptions& options, Monitor& monitor);

}  // namespace corbel
