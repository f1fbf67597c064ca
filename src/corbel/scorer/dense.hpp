#pragma once

#include <span>
#include <vector>

#include "corbel/scorer/aligned_vector.hpp"
#include "corbel/scorer/lane_operations.hpp"

namespace corbel {

/// y = W x + b for `lanes` columns at once.
class Dense {
 public:
  Dense() = default;
  /// @param weight  [out, in], row-major
  /// @param bias    [out]
  Dense(std::span<const float> weight, std::span<const float> bias);

  std::size_t in() const { return in_; }
  std::size_t out() const { return out_; }
  /// @param x      [in][lanes]
  /// @param y      [out][lanes], not overlapping x
  /// @param added  [out][lanes], added to the result unless null; may be y
  void apply(const LaneOperations& operations, const float* x, float* y, const float* added = nullptr) const {
    operations.dense(packed_.data(), bias_.data(), in_, out_, x, added, y);
  }

 private:
  std::size_t in_ = 0, out_ = 0;
  AlignedVector<float> packed_;  // [out / dense_tile][in][dense_tile], zero-padded
  std::vector<float> bias_;      // padded to a multiple of dense_tile
};

}  // namespace corbel
