#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "corbel/base/parallel.hpp"
#include "corbel/surrogate/internal/training_operations.hpp"

namespace corbel {

/// Dense layers with an activation after each but the last, forwards and backwards. The result does not depend on the
/// number of threads. Not thread-safe.
class DenseStack {
 public:
  struct Layer {
    std::size_t in, out;
    const float* weight;  ///< [out][in]
    const float* bias;    ///< [out]
  };

  explicit DenseStack(std::shared_ptr<Team> team, const TrainingOperations& operations = training_operations().front());
  ~DenseStack();

  /// @param layers         each as wide as the next wants it
  /// @param x              [rows][in of the first]
  /// @param for_gradients  whether backward() will follow
  /// @param out            [rows][out of the last]
  void forward(std::span<const Layer> layers, Activation activation, const float* x, std::size_t rows,
               bool for_gradients, float* out);
  /// For what forward() was called with last.
  /// @param gradient          of out
  /// @param x_gradient        is set, unless it is null
  /// @param weight_gradients  of each layer's weight and bias, are set
  void backward(const float* gradient, float* x_gradient, std::span<float* const> weight_gradients);

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
