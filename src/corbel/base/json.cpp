#include "corbel/base/json.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace corbel {

nlohmann::json number_or_null(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

}  // namespace corbel
