#include <cmath>
#include <limits>

#include "corbel/scorer/lane_operations.hpp"

namespace corbel {
namespace {

constexpr std::size_t register_width = 4;
#include "corbel/scorer/internal/lane_code.inc"

}  // namespace

LaneOperations portable_lane_operations() {
  return operations("portable");
}

}  // namespace corbel
