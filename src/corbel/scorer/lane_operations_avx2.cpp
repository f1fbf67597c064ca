#include <cmath>
#include <limits>

#include "corbel/scorer/lane_operations.hpp"

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace corbel {
namespace {

constexpr std::size_t register_width = 8;
#include "corbel/scorer/internal/lane_code.inc"

}  // namespace

LaneOperations avx2_lane_operations() {
  return operations("avx2");
}

}  // namespace corbel

#pragma GCC pop_options
#endif
