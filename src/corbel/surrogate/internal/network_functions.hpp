#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "corbel/base/parallel.hpp"
#include "corbel/scorer/network_spec.hpp"
#include "corbel/surrogate/internal/dense_stack.hpp"
#include "corbel/surrogate/internal/encoder.hpp"

namespace corbel {

/// Which rows of a table are summed, each with a factor: a sparse matrix.
struct TableRows {
  std::vector<std::uint32_t> rows;
  std::vector<float> factors;     ///< of each of them
  std::vector<std::size_t> ends;  ///< of each sum's rows
};

/// The parts of the networks that take the time, as functions that LibTorch can differentiate. Not thread-safe.
class NetworkFunctions {
 public:
  virtual ~NetworkFunctions() = default;

  /// out[i] = bias[i mod bias rows] + Σ factor · table[row] over the rows of sum i: [sums, width].
  /// @param table  [rows, width]
  /// @param bias   [.., width]
  virtual torch::Tensor look_up(const torch::Tensor& table, const torch::Tensor& bias, TableRows rows) = 0;
  /// Dense layers x Wᵀ + b with an activation between them.
  /// @param x        [n, in]
  /// @param weights  of each layer weight [out, in] and bias [out]
  virtual torch::Tensor layers(const torch::Tensor& x, const std::vector<torch::Tensor>& weights,
                               Activation activation) = 0;
  /// Transformer layers.
  /// @param tokens   [n, tokens, embedding]
  /// @param weights  Encoder::tensors_per_layer of each layer
  virtual torch::Tensor encode(const torch::Tensor& tokens, const std::vector<torch::Tensor>& weights,
                               std::int64_t heads, const Encoder::Dropping& dropping) = 0;

  /// One dense layer.
  torch::Tensor dense(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
    return layers(x, {weight, bias}, Activation::relu);
  }
};

/// In LibTorch's own functions.
torch::Tensor activated(Activation activation, const torch::Tensor& x);

/// On the CPU, with the operations of an instruction set.
std::unique_ptr<NetworkFunctions> make_fast_functions(
    std::shared_ptr<Team> team, const TrainingOperations& operations = training_operations().front());
/// In LibTorch's own functions, on any device. What is dropped comes from LibTorch's own generator of the device.
std::unique_ptr<NetworkFunctions> make_plain_functions();

}  // namespace corbel
