#include "corbel/surrogate/internal/training_operations.hpp"

#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace corbel {

std::span<const TrainingOperations> training_operations() {
  static const std::vector<TrainingOperations> all = [] {
    std::vector<TrainingOperations> found;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw")) {
      found.push_back(avx512_training_operations());
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(avx2_training_operations());
#endif
    found.push_back(portable_training_operations());
    return found;
  }();
  return all;
}

#if defined(__x86_64__)
FlushDenormals::FlushDenormals() : before_(_mm_getcsr()) {
  constexpr unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x0040;
  _mm_setcsr(before_ | flush_to_zero | denormals_are_zero);
}
FlushDenormals::~FlushDenormals() {
  _mm_setcsr(before_);
}
#else
FlushDenormals::FlushDenormals() = default;
FlushDenormals::~FlushDenormals() = default;
#endif

}  // namespace corbel
