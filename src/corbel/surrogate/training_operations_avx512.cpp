#include <cmath>
#include <limits>
#include <type_traits>

#include "corbel/surrogate/internal/training_operations.hpp"

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,fma")

namespace corbel {
namespace {

constexpr std::size_t register_width = 16;
#include "corbel/surrogate/internal/training_code.inc"

}  // namespace

TrainingOperations avx512_training_operations() {
  return operations("avx512");
}

}  // namespace corbel

#pragma GCC pop_options
#endif
