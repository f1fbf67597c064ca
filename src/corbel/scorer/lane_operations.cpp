#include "corbel/scorer/lane_operations.hpp"

#include <vector>

namespace corbel {

std::span<const LaneOperations> lane_operations() {
  static const std::vector<LaneOperations> runnable = [] {
    std::vector<LaneOperations> found;
#if defined(__x86_64__)
    const bool has_fma = __builtin_cpu_supports("fma");
    if (has_fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")) {
      found.push_back(avx512_lane_operations());
    }
    if (has_fma && __builtin_cpu_supports("avx2")) found.push_back(avx2_lane_operations());
#endif
    found.push_back(portable_lane_operations());
    return found;
  }();
  return runnable;
}

}  // namespace corbel
