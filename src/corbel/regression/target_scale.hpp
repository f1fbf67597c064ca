#pragma once

#include <span>

namespace corbel {

/// The scale on which a metric is learnt: logarithmic if all its values are positive, since runtimes and energies span
/// orders of magnitude, then shifted and stretched to mean 0 and deviation 1. Increasing, so that order is kept. For
/// mean and deviation, values far above the others (Tukey 1977) count as the fence that they lie beyond: a penalty of
/// 1e9 leaves the others apart.
class TargetScale {
 public:
  TargetScale() = default;
  /// @param values  finite; a deviation of 0 counts as 1
  explicit TargetScale(std::span<const double> values);
  /// @param value  beyond what a logarithm takes (≤ 0), the least of the values it was made of stands for it
  double to_target(double value) const;
  double to_value(double target) const;

 private:
  double scaled(double value) const;

  bool logarithmic_ = false;
  int exponent_ = 0;  // without logarithm, values are in units of 2 to this power
  double least_ = 0, mean_ = 0, deviation_ = 1;
};

}  // namespace corbel
