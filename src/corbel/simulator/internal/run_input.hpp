#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "corbel/simulator/simulator.hpp"

namespace corbel {

/// A value as a program is told it: whole numbers without point or exponent, booleans as true and false.
std::string value_text(const Value& value, bool is_boolean);
nlohmann::json value_json(const Value& value, bool is_boolean);

}  // namespace corbel
