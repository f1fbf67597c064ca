#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "corbel/base/parallel.hpp"
#include "corbel/surrogate/internal/training_operations.hpp"

namespace corbel {

struct EncoderShape {
  std::size_t tokens = 0, embedding = 0, heads = 0, feed_forward = 0, layers = 0;
  bool operator==(const EncoderShape&) const = default;
};

/// The transformer layers of the attention network, forwards and backwards: post-norm, ReLU. Rows are cut into parts
/// whose gradients are summed in order, whatever the number of threads. Not thread-safe.
class Encoder {
 public:
  /// Tensors of a layer, in the order of a model file: attention.in, attention.out, norm1, feed_forward.in,
  /// feed_forward.out, norm2, each weight and bias.
  static constexpr std::size_t tensors_per_layer = 12;

  Encoder(EncoderShape shape, std::shared_ptr<Team> team,
          const TrainingOperations& operations = training_operations().front());
  ~Encoder();

  /// What is dropped is a function of the seed.
  struct Dropping {
    double rate = 0;
    std::uint64_t seed = 0;
  };

  /// @param weights        [layers · tensors_per_layer]
  /// @param tokens         [rows][tokens][embedding]
  /// @param for_gradients  whether backward() will follow
  /// @param out            [rows][tokens][embedding]
  void forward(std::span<const float* const> weights, const float* tokens, std::size_t rows, const Dropping& dropping,
               bool for_gradients, float* out);
  /// For what forward() was called with last; its weights must still be there.
  /// @param gradient          of out
  /// @param token_gradient    is set
  /// @param weight_gradients  [layers · tensors_per_layer], are set
  void backward(const float* gradient, float* token_gradient, std::span<float* const> weight_gradients);

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
