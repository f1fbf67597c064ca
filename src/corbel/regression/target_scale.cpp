#include "corbel/regression/target_scale.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace corbel {

namespace {

// Tukey's fence of what is far out, in distances of the quartiles from the upper one; no fence where they are equal.
constexpr double far_out = 3;

double fence(std::vector<double> values) {
  const auto quantile = [&](std::size_t quarters) {
    const auto place = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) * quarters / 4);
    std::nth_element(values.begin(), place, values.end());
    return *place;
  };
  const double lower = quantile(1), upper = quantile(3);
  return upper > lower ? upper + far_out * (upper - lower) : std::numeric_limits<double>::infinity();
}

}  // namespace

TargetScale::TargetScale(std::span<const double> values) {
  if (values.empty()) return;
  least_ = *std::min_element(values.begin(), values.end());
  logarithmic_ = least_ > 0;
  std::vector<double> all(values.begin(), values.end());
  if (logarithmic_)
    for (double& each : all) each = std::log(each);
  const double limit = fence(all);
  double largest = 0;
  for (double& each : all) {
    each = std::min(each, limit);
    largest = std::max(largest, std::abs(each));
  }
  if (!logarithmic_ && largest > 0) exponent_ = std::ilogb(largest);
  const auto count = static_cast<double>(all.size());
  double sum = 0, squares = 0;
  for (double& each : all) sum += each = std::ldexp(each, -exponent_);
  mean_ = sum / count;
  for (const double each : all) squares += (each - mean_) * (each - mean_);
  const double deviation = std::sqrt(squares / count);
  // Below that, it is what rounding leaves of equal values.
  const double rounding = count * std::numeric_limits<double>::epsilon() * std::ldexp(largest, -exponent_);
  if (deviation > rounding) deviation_ = deviation;
}

double TargetScale::scaled(double value) const {
  // A power of two is exact, and keeps sums and squares of any numbers from running out of range.
  return logarithmic_ ? std::log(value > 0 ? value : least_) : std::ldexp(value, -exponent_);
}

double TargetScale::to_target(double value) const {
  return (scaled(value) - mean_) / deviation_;
}

double TargetScale::to_value(double target) const {
  const double scaled = target * deviation_ + mean_;
  return logarithmic_ ? std::exp(scaled) : std::ldexp(scaled, exponent_);
}

}  // namespace corbel
