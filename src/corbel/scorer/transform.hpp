#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "corbel/search/direction.hpp"

namespace corbel {

/// How a metric is brought to mean 0 and spread 1 for the network: logarithm first if every value is positive. Low is
/// good: where the metric is maximised, the scale is negative.
struct MetricTransform {
  bool log = false;
  double mean = 0;
  double scale = 1;  ///< not 0

  double normalise(double value) const;
  /// Always finite: what lies outside the range of double is clipped.
  double restore(double normalised) const;
  Direction direction() const { return scale < 0 ? Direction::maximise : Direction::minimise; }

  /// From the finite ones among `values`; mean and deviation ignore the outer 1 % on each side, so that one damaged row
  /// does not squeeze all others together. Identity if there is no finite value, scale 1 if all are equal;
  /// of a maximised metric, the negative of these scales.
  static MetricTransform fit(std::span<const double> values, Direction direction = Direction::minimise);
};
nlohmann::json to_json(const MetricTransform& transform);
/// @throws nlohmann::json::exception or Error{corrupt}
MetricTransform metric_transform_from_json(const nlohmann::json& json);

}  // namespace corbel
