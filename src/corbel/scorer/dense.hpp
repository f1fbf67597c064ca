#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "corbel/scorer/network_spec.hpp"

namespace corbel {

/// Designs that are evaluated together, side by side in vector registers: every activation is stored feature-major,
/// [feature][lane], so that all arithmetic is vertical.
inline constexpr std::size_t lanes = 32;

/// One implementation of a dense layer. All are the same template: the portable one is the definition, and the others
/// differ from it by the rounding of fused multiply-add at most.
struct DenseKernel {
  const char* name;  ///< "avx512", "avx2", "portable"
  void (*multiply)(const float* packed, const float* bias, std::size_t in, std::size_t out, const float* x, float* y,
                   std::size_t columns);
};
/// Those that this machine can run, the fastest first.
std::span<const DenseKernel> dense_kernels();

/// y = W x + b for many columns at once.
class Dense {
 public:
  Dense() = default;
  /// @param weight  [out, in], row-major
  /// @param bias    [out]
  Dense(std::span<const float> weight, std::span<const float> bias);

  std::size_t in() const { return in_; }
  std::size_t out() const { return out_; }
  /// @param x        [in][columns]
  /// @param y        [out][columns], not overlapping x
  /// @param columns  a multiple of `lanes`
  void apply(const float* x, float* y, std::size_t columns) const { apply(x, y, columns, dense_kernels().front()); }
  void apply(const float* x, float* y, std::size_t columns, const DenseKernel& kernel) const {
    kernel.multiply(packed_.data(), bias_.data(), in_, out_, x, y, columns);
  }

 private:
  std::size_t in_ = 0, out_ = 0;
  std::vector<float> packed_;  // [out / 8][in][8], zero-padded
  std::vector<float> bias_;    // padded to a multiple of 8
};

/// In place over n values.
void activate(Activation activation, float* values, std::size_t n);

}  // namespace corbel
