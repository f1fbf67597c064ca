#include <cmath>
#include <limits>
#include <type_traits>

#include "corbel/surrogate/internal/training_operations.hpp"

namespace corbel {
namespace {

constexpr std::size_t register_width = 4;
#include "corbel/surrogate/internal/training_code.inc"

}  // namespace

TrainingOperations portable_training_operations() {
  return operations("portable");
}

}  // namespace corbel
