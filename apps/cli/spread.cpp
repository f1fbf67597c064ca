#include "spread.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "corbel/base/statistics.hpp"
#include "corbel/base/units.hpp"

namespace corbel::cli {
namespace {

std::string range(double from, double to) {
  return fmt::format("{} to {}", format_for_people(from, 3), format_for_people(to, 3));
}

}  // namespace

Spread Spread::of(const std::vector<double>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return {corbel::median(values), *least, *most};
}

std::string Spread::rising() const {
  return range(least, most);
}

std::string Spread::falling() const {
  return range(most, least);
}

void Spread::add_to(nlohmann::json& object, const std::string& name) const {
  object[name] = median;
  object[name + "_min"] = least;
  object[name + "_max"] = most;
}

}  // namespace corbel::cli
