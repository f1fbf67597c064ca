#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace corbel {

class DesignSpace;
class Member;
struct MemberParts;
struct NetworkSpec;

/// How precisely a model computes.
enum class Arithmetic {
  exact,  ///< single precision
  fast,   ///< what is fastest on this machine: it ranks designs, and the few best are then predicted exactly
};

/// One way to compute networks.
struct ScorerKernel {
  const char* name;
  Arithmetic arithmetic;  ///< the most precise that it is good for
  /// Whether it can compute such a network on a space.
  bool (*covers)(const NetworkSpec& spec, const DesignSpace& space);
  std::unique_ptr<Member> (*make)(const MemberParts& parts);  ///< of a network that it covers
  /// Runs its fastest multiplications and additions and nothing else, and says how many of each; null: not known of it.
  std::uint64_t (*multiply_adds)(std::uint64_t rounds);
};

/// Those that this machine can run, the fastest first. The last is the portable one, which defines the result and
/// covers every network.
std::span<const ScorerKernel> scorer_kernels();

/// @throws Error{invalid_input} naming those there are
const ScorerKernel& scorer_kernel(std::string_view name);
/// The fastest that is precise enough and covers the network.
const ScorerKernel& fastest_kernel(const NetworkSpec& spec, const DesignSpace& space, Arithmetic arithmetic);

}  // namespace corbel
