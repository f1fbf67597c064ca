#include "corbel/scorer/kernels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/scorer/amx_operations.hpp"
#include "corbel/scorer/member.hpp"

namespace corbel {
namespace {

bool covers_everything(const NetworkSpec&, const DesignSpace&) {
  return true;
}

const LaneOperations& operations_named(std::string_view name) {
  const auto all = lane_operations();
  return *std::find_if(all.begin(), all.end(), [&](const LaneOperations& each) { return each.name == name; });
}

std::unique_ptr<Member> make_with(const MemberParts& parts, const LaneOperations& operations) {
  switch (parts.spec.kind) {
    case NetworkKind::attention:
      return make_attention(parts, operations);
    case NetworkKind::lstm:
      return make_lstm(parts, operations);
    case NetworkKind::mlp:
      break;
  }
  return make_mlp(parts, operations);
}

#if defined(__x86_64__) && defined(__linux__)
bool covered_by_amx(const NetworkSpec& spec, const DesignSpace& space) {
  return amx::covers_attention(spec, space) || amx::covers_mlp(spec, space);
}

std::unique_ptr<Member> make_on_amx(const MemberParts& parts) {
  return parts.spec.kind == NetworkKind::mlp ? amx::make_mlp(parts) : amx::make_attention(parts);
}
#endif

// In the order of their speed.
constexpr ScorerKernel all_kernels[] = {
#if defined(__x86_64__) && defined(__linux__)
    {"amx_bf16", Arithmetic::fast, covered_by_amx, make_on_amx, amx::multiply_adds},
#endif
    {"avx512", Arithmetic::exact, covers_everything,
     [](const MemberParts& parts) { return make_with(parts, operations_named("avx512")); },
     [](std::uint64_t rounds) { return operations_named("avx512").multiply_adds(rounds); }},
    {"avx2", Arithmetic::exact, covers_everything,
     [](const MemberParts& parts) { return make_with(parts, operations_named("avx2")); },
     [](std::uint64_t rounds) { return operations_named("avx2").multiply_adds(rounds); }},
    {"portable", Arithmetic::exact, covers_everything,
     [](const MemberParts& parts) { return make_with(parts, operations_named("portable")); },
     [](std::uint64_t rounds) { return operations_named("portable").multiply_adds(rounds); }},
};

}  // namespace

std::span<const ScorerKernel> scorer_kernels() {
  static const std::vector<ScorerKernel> runnable = [] {
    std::vector<ScorerKernel> found;
    const auto runs = [](std::string_view name) {
      const auto all = lane_operations();
#if defined(__x86_64__) && defined(__linux__)
      if (name == "amx_bf16") return amx::available();
#endif
      return std::any_of(all.begin(), all.end(), [&](const LaneOperations& each) { return each.name == name; });
    };
    for (const ScorerKernel& kernel : all_kernels) {
      if (runs(kernel.name)) found.push_back(kernel);
    }
    return found;
  }();
  return runnable;
}

const ScorerKernel& scorer_kernel(std::string_view name) {
  std::string known;
  for (const ScorerKernel& kernel : scorer_kernels()) {
    if (kernel.name == name) return kernel;
    known += (known.empty() ? "" : ", ") + std::string(kernel.name);
  }
  throw Error(ErrorCode::invalid_input, fmt::format("this machine has no scorer kernel `{}`", name),
              fmt::format("those it can run: {}", known));
}

const ScorerKernel& fastest_kernel(const NetworkSpec& spec, const DesignSpace& space, Arithmetic arithmetic) {
  const auto kernels = scorer_kernels();
  return *std::find_if(kernels.begin(), kernels.end(), [&](const ScorerKernel& kernel) {
    return (arithmetic == Arithmetic::fast || kernel.arithmetic == Arithmetic::exact) && kernel.covers(spec, space);
  });
}

}  // namespace corbel
