#include "corbel/scorer/transform.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "corbel/base/error.hpp"

namespace corbel {

double MetricTransform::normalise(double value) const {
  return ((log ? std::log(value) : value) - mean) / scale;
}

double MetricTransform::restore(double normalised) const {
  constexpr double limit = std::numeric_limits<double>::max();
  const double value = std::clamp(normalised * scale + mean, -limit, limit);
  return log ? std::exp(std::clamp(value, -700.0, 700.0)) : value;
}

MetricTransform MetricTransform::fit(std::span<const double> values, Direction direction) {
  std::vector<double> finite;
  for (const double value : values) {
    if (std::isfinite(value)) finite.push_back(value);
  }
  MetricTransform transform;
  transform.scale = cost_of(direction, 1);
  if (finite.empty()) return transform;
  std::sort(finite.begin(), finite.end());
  transform.log = finite.front() > 0;
  if (transform.log) {
    for (double& value : finite) value = std::log(value);
  }
  const std::size_t trim = finite.size() / 100;
  const std::span<const double> kept = std::span<const double>(finite).subspan(trim, finite.size() - 2 * trim);
  const auto count = static_cast<double>(kept.size());
  double sum = 0;
  for (const double value : kept) sum += value / count;
  double largest = 0;
  for (const double value : kept) largest = std::max(largest, std::abs(value - sum));
  // Squares of huge or tiny values leave the range of double; in units of a power of two no rounding changes.
  const double unit = largest > 0 ? std::exp2(std::ilogb(largest)) : 1;
  double squares = 0;
  for (const double value : kept) squares += (value - sum) / unit / count * ((value - sum) / unit);
  transform.mean = sum;
  const double deviation = unit * std::sqrt(squares);
  // Equal values leave rounding noise, which must not become the unit.
  const bool usable = std::isfinite(deviation) && deviation > 1e-9 * std::max(1e-300, std::abs(sum));
  transform.scale = cost_of(direction, usable ? deviation : 1);
  return transform;
}

nlohmann::json to_json(const MetricTransform& transform) {
  return {{"log", transform.log}, {"mean", transform.mean}, {"scale", transform.scale}};
}

MetricTransform metric_transform_from_json(const nlohmann::json& json) {
  MetricTransform transform;
  transform.log = json.at("log").get<bool>();
  transform.mean = json.at("mean").get<double>();
  transform.scale = json.at("scale").get<double>();
  if (!std::isfinite(transform.mean) || !std::isfinite(transform.scale) || transform.scale == 0) {
    throw Error(ErrorCode::corrupt, "a metric's normalisation is not a finite mean and a finite scale other than 0");
  }
  return transform;
}

}  // namespace corbel
