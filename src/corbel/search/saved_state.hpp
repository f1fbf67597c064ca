#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "corbel/search/strategy.hpp"

namespace corbel {

class Error;

/// An Error{corrupt} that says what is wrong with a saved search.
Error damaged_state(const std::string& what);

/// A whole number ≥ 0. @throws Error{corrupt} for anything else
std::uint64_t whole_from_json(const nlohmann::json& json);
/// A number, or one of the texts nan, inf and -inf, which JSON has no numbers for. @throws Error{corrupt}
double number_from_json(const nlohmann::json& json);
nlohmann::json number_to_json(double value);

/// A design's id. @throws Error{corrupt} for anything else
DesignId design_id_from_json(const DesignSpace& space, const nlohmann::json& json);

/// {"design": id, "objective": number, "violation": number}
nlohmann::json evaluation_to_json(const DesignSpace& space, const Evaluation& evaluation);
/// @throws Error{corrupt} or a JSON exception
Evaluation evaluation_from_json(const DesignSpace& space, const nlohmann::json& json);

}  // namespace corbel
