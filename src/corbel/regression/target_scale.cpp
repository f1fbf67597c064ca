#include "corbel/regression/target_scale.hpp"

#include <algorithm>
#include <cmath>

namespace corbel {

TargetScale::TargetScale(std::span<const double> values) {
  if (values.empty()) return;
  least_ = *std::min_element(values.begin(), values.end());
  logarithmic_ = least_ > 0;
  const auto count = static_cast<double>(values.size());
  const auto scaled = [this](double value) { return logarithmic_ ? std::log(value) : value; };
  double sum = 0, squares = 0;
  for (const double value : values) sum += scaled(value);
  mean_ = sum / count;
  for (const double value : values) squares += (scaled(value) - mean_) * (scaled(value) - mean_);
  const double deviation = std::sqrt(squares / count);
  if (deviation > 0 && std::isfinite(deviation)) deviation_ = deviation;
}

double TargetScale::to_target(double value) const {
  return ((logarithmic_ ? std::log(value > 0 ? value : least_) : value) - mean_) / deviation_;
}

double TargetScale::to_value(double target) const {
  const double scaled = target * deviation_ + mean_;
  return logarithmic_ ? std::exp(scaled) : scaled;
}

}  // namespace corbel
