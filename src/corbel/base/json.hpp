#pragma once

#include <nlohmann/json_fwd.hpp>

namespace corbel {

/// The number, or null for NaN and the infinities, which JSON does not have.
nlohmann::json number_or_null(double value);

}  // namespace corbel
