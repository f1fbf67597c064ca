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

/// The parts of the networks that LibTorch is slow at, as functions that it can differentiate: on the CPU, in single
/// precision, with the fastest operations this machine has. Not thread-safe.
class NetworkFunctions {
 public:
  explicit NetworkFunctions(std::shared_ptr<Team> team,
                            const TrainingOperations& operations = training_operations().front());

  /// out[i] = bias[i mod bias rows] + Σ factor · table[row] over the rows of sum i: [sums, width].
  /// @param table  [rows, width]
  /// @param bias   [.., width]
  torch::Tensor look_up(const torch::Tensor& table, const torch::Tensor& bias, TableRows rows);

  /// x Wᵀ + b on the last dimension of x, with W [out, in] and b [out].
  torch::Tensor dense(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias);
  /// Several of these with an activation between them.
  /// @param x        [n, in]
  /// @param weights  of each layer weight and bias
  torch::Tensor layers(const torch::Tensor& x, const std::vector<torch::Tensor>& weights, Activation activation);

  /// Transformer layers.
  /// @param tokens   [n, tokens, embedding]
  /// @param weights  Encoder::tensors_per_layer of each layer
  torch::Tensor encode(const torch::Tensor& tokens, const std::vector<torch::Tensor>& weights, std::int64_t heads,
                       const Encoder::Dropping& dropping);

 private:
  std::shared_ptr<Team> team_;
  TrainingOperations operations_;
  // What functions work on; one that nobody holds any more is used again.
  std::vector<std::shared_ptr<DenseStack>> stacks_;
  std::vector<std::shared_ptr<Encoder>> encoders_;
  EncoderShape encoder_shape_ = {};
};

}  // namespace corbel
