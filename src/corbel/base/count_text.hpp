#pragma once

#include <cstdint>
#include <string>

#include "corbel/base/units.hpp"

namespace corbel {

/// All digits of a count, for people: "452,760,000".
inline std::string count_text(std::uint64_t count) {
  return format_for_people(static_cast<double>(count), 18);
}

}  // namespace corbel
