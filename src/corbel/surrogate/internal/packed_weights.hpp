#pragma once

#include <cstddef>

#include "corbel/surrogate/internal/aligned_floats.hpp"

namespace corbel {

/// A dense layer's weights as TrainingOperations::multiply reads them, in both directions.
class PackedWeights {
 public:
  /// @param weight    [out][in]
  /// @param backward  whether backward() is wanted, too
  void pack(const float* weight, std::size_t out, std::size_t in, bool backward);
  std::size_t in() const { return in_; }
  std::size_t out() const { return out_; }
  /// From in to out.
  const float* forward() const { return forward_.data(); }
  /// From the outputs' gradient to the inputs'.
  const float* backward() const { return backward_.data(); }

 private:
  std::size_t in_ = 0, out_ = 0;
  AlignedFloats forward_, backward_;
};

}  // namespace corbel
