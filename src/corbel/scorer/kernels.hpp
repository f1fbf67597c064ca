#pragma once

#include <span>
#include <string_view>

namespace corbel {

/// How precisely a model computes.
enum class Arithmetic {
  exact,  ///< single precision
  fast,   ///< what is fastest on this machine: it ranks designs, and the few best are then predicted exactly
};

/// One way to compute networks.
struct ScorerKernel {
  const char* name;
  Arithmetic arithmetic;  ///< the most precise that it is good for
};

/// Those that this machine can run, the fastest first. The last is the portable one, which defines the result.
std::span<const ScorerKernel> scorer_kernels();

/// @throws Error{invalid_input} naming those there are
const ScorerKernel& scorer_kernel(std::string_view name);

}  // namespace corbel
