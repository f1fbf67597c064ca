#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "corbel/scorer/network_spec.hpp"

namespace corbel {

/// Rows of a batch that are computed together, side by side in vector registers, so that all arithmetic is vertical.
/// Activations are [blocks][features][lanes]; a block is a token of so many rows, or just so many rows.
inline constexpr std::size_t training_lanes = 32;
/// From block to block, in features: odd, so that blocks do not meet in the same lines of the cache.
constexpr std::size_t block_distance(std::size_t features) {
  return features | 1;
}
/// Numbers in so many blocks.
constexpr std::size_t blocks_size(std::size_t blocks, std::size_t features) {
  return blocks * block_distance(features) * training_lanes;
}

/// Outputs whose sums stay in registers together; weights are packed in groups of them.
inline constexpr std::size_t training_tile = 8;

/// Which elements of an activation are zeroed: a function of the keys and the element's number, so that a backward pass
/// need not be told, and neither instruction set nor threads matter.
struct Dropout {
  std::uint32_t keys[2] = {};
  std::uint32_t first = 0;             ///< number of the first element
  std::int32_t threshold = INT32_MIN;  ///< what hashes to less is zeroed
  float scale = 1;                     ///< of what is kept
  bool is_on() const { return threshold != INT32_MIN; }
  Dropout from(std::size_t element) const {
    Dropout moved = *this;
    moved.first += static_cast<std::uint32_t>(element);
    return moved;
  }
};

enum class Store { set, relu, add };

/// Everything that a training step spends time on, compiled for one instruction set. All are the same code
/// (internal/training_code.inc): the portable one is the definition, and the others differ from it by the rounding of
/// fused multiply-add and by the order of sums.
struct TrainingOperations {
  const char* name;  ///< "avx512", "avx2", "portable"

  /// y = W x + b.
  /// @param packed  [out / training_tile][in][training_tile], zero-padded
  /// @param bias    [out], or null
  void (*multiply)(const float* packed, const float* bias, std::size_t in, std::size_t out, const float* x, float* y,
                   std::size_t blocks, Store how);
  /// products[i][j] += Σ a_i b_j over all lanes of all blocks, for features `first` … `end` of a.
  /// @param products  [a_features][b_features]
  void (*add_products)(const float* a, std::size_t a_features, std::size_t first, std::size_t end, const float* b,
                       std::size_t b_features, std::size_t blocks, float* products);
  /// sums[i] += Σ a_i, for features `first` … `end`.
  void (*add_sums)(const float* a, std::size_t features, std::size_t first, std::size_t end, std::size_t blocks,
                   float* sums);
  /// y = LayerNorm(x + dropout(change)).
  /// @param normalised  [blocks][rows][lanes], before weight and bias
  /// @param factors     [blocks][lanes], 1 / deviation
  void (*norm)(const float* weight, const float* bias, std::size_t rows, std::size_t blocks, const float* x,
               const float* change, const Dropout& dropout, float* normalised, float* factors, float* y);
  /// y = normalised · weight + bias
  void (*unnormalise)(const float* weight, const float* bias, std::size_t rows, std::size_t blocks,
                      const float* normalised, float* y);
  /// The gradients of norm(): sets those of x and change, adds those of weight and bias.
  /// @param gradient  of y
  void (*norm_backward)(const float* weight, std::size_t rows, std::size_t blocks, const float* normalised,
                        const float* factors, const float* gradient, const Dropout& dropout, float* x_gradient,
                        float* change_gradient, float* weight_gradient, float* bias_gradient);
  /// What each token of a block takes from all others.
  /// @param qkv     [tokens][3 · heads · size][lanes]: queries, keys, values
  /// @param shares  [heads][tokens][tokens][lanes]
  /// @param out     [tokens][heads · size][lanes]
  void (*attend)(const float* qkv, std::size_t tokens, std::size_t heads, std::size_t size, float* shares, float* out);
  /// @param gradient      of out
  /// @param room          [tokens][tokens][lanes], scratch
  /// @param qkv_gradient  is set
  void (*attend_backward)(const float* qkv, const float* shares, const float* gradient, std::size_t tokens,
                          std::size_t heads, std::size_t size, float* room, float* qkv_gradient);
  /// y = activation(z)
  void (*activate)(Activation activation, std::size_t features, std::size_t blocks, const float* z, float* y);
  /// gradient ·= activation'(z), in place.
  void (*activate_backward)(Activation activation, std::size_t features, std::size_t blocks, const float* z,
                            float* gradient);
  /// From [count rows][stride] to [features][lanes]; lanes without a row are zero.
  void (*to_lanes)(const float* rows, std::size_t stride, std::size_t count, std::size_t features, float* lanes);
  /// And back.
  void (*from_lanes)(const float* lanes, std::size_t features, std::size_t count, std::size_t stride, float* rows);
  /// to += factor · from
  void (*add_scaled)(const float* from, float factor, std::size_t n, float* to);
  /// One step of Adam (β 0.9, 0.999, ε 1e-8).
  /// @param rate  with the correction of the first moment
  /// @param root  1 / √ of the correction of the second
  void (*adam)(const float* gradient, std::size_t n, float rate, float root, float* first, float* second,
               float* parameters);
};

/// Those that this machine can run, the fastest first; the portable ones are the last.
std::span<const TrainingOperations> training_operations();

/// Those of each instruction set; to be run where the machine has it only.
TrainingOperations portable_training_operations();
#if defined(__x86_64__)
TrainingOperations avx2_training_operations();
TrainingOperations avx512_training_operations();
#endif

/// Lets denormals count as zero in this thread: they cost a hundred times as much as other numbers.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned before_ = 0;
};

}  // namespace corbel
