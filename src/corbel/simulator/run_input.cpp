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

json network_json(const Network& network) {
  json layers = json::array();
  for (const Layer& layer : network.layers) {
    layers.push_back({{"name", layer.name},
                      {"kind", to_string(layer.kind)},
                      {"batch", layer.batch},
                      {"in_channels", layer.in_channels},
                      {"in_height", layer.in_height},
                      {"in_width", layer.in_width},
                      {"out_channels", layer.out_channels},
                      {"out_height", layer.out_height},
                      {"out_width", layer.out_width},
                      {"kernel_height", layer.kernel_height},
                      {"kernel_width", layer.kernel_width},
                      {"stride_height", layer.stride_height},
                      {"stride_width", layer.stride_width},
                      {"dilation", layer.dilation},
                      {"groups", layer.groups},
                      {"steps", layer.steps},
                      {"weight_operand", layer.weight_operand},
                      {"bias", layer.bias},
                      {"operands", layer.operands},
                      {"operations", layer.operations},
                      {"inputs", layer.inputs},
                      {"macs", layer.macs()}});
  }
  return {{"name", network.name},
          {"title", network.title},
          {"batch", network.batch},
          {"fingerprint", network.fingerprint()},
          {"layers", std::move(layers)}};
}

}  // namespace corbel
