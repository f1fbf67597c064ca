#pragma once

#include <cstdint>

#include "corbel/base/random.hpp"
#include "corbel/space/parameter.hpp"

namespace corbel {

/// Another value of a parameter that has more than one: of an ordered one a step up or down; with probability `jump`,
/// and of a categorical one always, any other.
inline std::uint32_t mutated_value(const Parameter& parameter, std::uint32_t value, double jump, Rng& rng) {
  if (parameter.is_ordered() && !rng.chance(jump)) {
    const bool up = value == 0 || (value + 1 < parameter.count() && rng.chance(0.5));
    return up ? value + 1 : value - 1;
  }
  const auto other = static_cast<std::uint32_t>(rng.below(parameter.count() - 1));
  return other < value ? other : other + 1;
}

}  // namespace corbel
