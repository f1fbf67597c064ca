#include "corbel/simulator/internal/run_input.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/base/units.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// Up to here every whole number is a double.
constexpr double most_whole = 9007199254740992;

bool is_whole(double number) {
  return number == std::floor(number) && std::fabs(number) <= most_whole;
}

}  // namespace

std::string value_text(const Value& value, bool is_boolean) {
  const double* number = std::get_if<double>(&value);
  if (!number) return std::get<std::string>(value);
  if (is_boolean) return *number != 0 ? "true" : "false";
  return is_whole(*number) ? fmt::format("{:.0f}", *number) : format_number(*number);
}

json value_json(const Value& value, bool is_boolean) {
  const double* number = std::get_if<double>(&value);
  if (!number) return std::get<std::string>(value);
  if (is_boolean) return *number != 0;
  return is_whole(*number) ? json(static_cast<std::int64_t>(*number)) : json(*number);
}

}  // namespace corbel
