#pragma once

#include <string>
#include <string_view>

namespace corbel {

/// Which way a metric is better. Searches and learners minimise throughout: they see costs. What is logged, told,
/// stored and shown is the metric itself.
enum class Direction { minimise, maximise };
std::string_view to_string(Direction direction);
/// Of results, where nothing said is minimise.
Direction direction_from(std::string_view text);

/// The metric's value turned so that lower is better.
constexpr double cost_of(Direction direction, double value) {
  return direction == Direction::maximise ? -value : value;
}
/// Its inverse.
constexpr double value_of(Direction direction, double cost) {
  return cost_of(direction, cost);
}
constexpr bool is_better(Direction direction, double value, double than) {
  return cost_of(direction, value) < cost_of(direction, than);
}
/// How many times worse a value is than a reference > 0: their ratio, above 1 where it is worse. Infinite for a value
/// of a maximised metric that is not above 0.
double times_worse(Direction direction, double value, double reference);

/// A metric, and which way it is better.
struct Goal {
  std::string metric;
  Direction direction = Direction::minimise;

  /// "METRIC", "minimise:METRIC" or "maximise:METRIC".
  static Goal parse(std::string_view text);
};

}  // namespace corbel
