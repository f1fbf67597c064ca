#include "corbel/search/saved_state.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"

namespace corbel {

Error damaged_state(const std::string& what) {
  return Error(ErrorCode::corrupt, "the saved search is damaged: " + what, "start the search anew");
}

std::uint64_t whole_from_json(const nlohmann::json& json) {
  if (!json.is_number_unsigned()) throw damaged_state(fmt::format("{} is not a whole number", json.dump()));
  return json.get<std::uint64_t>();
}

double number_from_json(const nlohmann::json& json) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (json.is_number()) return json.get<double>();
  if (json == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (json == "inf") return infinity;
  if (json == "-inf") return -infinity;
  throw damaged_state(fmt::format("{} is not a number", json.dump()));
}

nlohmann::json number_to_json(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

DesignId design_id_from_json(const DesignSpace& space, const nlohmann::json& json) {
  const DesignId id = whole_from_json(json);
  if (id >= space.size()) throw damaged_state(fmt::format("design {} lies outside the space", id));
  return id;
}

nlohmann::json evaluation_to_json(const DesignSpace& space, const Evaluation& evaluation) {
  return {{"design", space.id(evaluation.design)},
          {"objective", number_to_json(evaluation.score.objective)},
          {"violation", number_to_json(evaluation.score.violation)}};
}

Evaluation evaluation_from_json(const DesignSpace& space, const nlohmann::json& json) {
  return {space.design(design_id_from_json(space, json.at("design"))),
          {number_from_json(json.at("objective")), number_from_json(json.at("violation"))}};
}

}  // namespace corbel
