#include <cmath>
#include <limits>
#include <type_traits>

#include "corbel/surrogate/internal/training_operations.hpp"

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace corbel {
namespace {

constexpr std::size_t register_width = 8;
#include "corbel/surrogate/internal/training_code.inc"

}  // namespace

TrainingOperations avx2_training_operations() {
  return operations("avx2");
}

}  // namespace corbel

#pragma GCC pop_options
#endif
