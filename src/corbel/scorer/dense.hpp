#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "corbel/scorer/network_spec.hpp"

namespace corbel {

/// Designs that are evaluated together, side by side in vector registers: every activation is stored feature-major,
/// [feature][lane], so that all arithmetic is vertical.
inline constexpr std::size_t lanes = 32;

/// y = W x + b for many columns at once. The arithmetic is one template, compiled for the instruction sets of
/// `dense_instruction_set`; every output is the same sum in the same order on each, rounded with or without fused
/// multiply-add.
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
  void apply(const float* x, float* y, std::size_t columns) const;

 private:
  std::size_t in_ = 0, out_ = 0;
  std::vector<float> packed_;  // [out / 8][in][8], zero-padded
  std::vector<float> bias_;    // padded to a multiple of 8
};

/// What Dense runs on here: "avx512", "avx2" or "portable".
const char* dense_instruction_set();

/// In place over n values.
void activate(Activation activation, float* values, std::size_t n);

}  // namespace corbel
