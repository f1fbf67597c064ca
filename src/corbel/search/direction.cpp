#include "corbel/search/direction.hpp"

#include <limits>

namespace corbel {

std::string_view to_string(Direction direction) {
  return direction == Direction::maximise ? "maximise" : "minimise";
}

Direction direction_from(std::string_view text) {
  return text == to_string(Direction::maximise) ? Direction::maximise : Direction::minimise;
}

double times_worse(Direction direction, double value, double reference) {
  if (direction == Direction::minimise) return value / reference;
  return value > 0 ? reference / value : std::numeric_limits<double>::infinity();
}

Goal Goal::parse(std::string_view text) {
  for (const Direction direction : {Direction::minimise, Direction::maximise}) {
    const std::string_view name = to_string(direction);
    if (text.size() <= name.size() || !text.starts_with(name) || text[name.size()] != ':') continue;
    return {std::string(text.substr(name.size() + 1)), direction};
  }
  return {std::string(text), Direction::minimise};
}

}  // namespace corbel
