#include "corbel/scorer/machine.hpp"

#include "corbel/scorer/amx_operations.hpp"

namespace corbel {

std::vector<std::string> instruction_sets() {
  std::vector<std::string> found;
#if defined(__x86_64__)
  const auto add = [&](const char* name, bool has) {
    if (has) found.emplace_back(name);
  };
  add("avx2", __builtin_cpu_supports("avx2"));
  add("fma", __builtin_cpu_supports("fma"));
  add("avx512f", __builtin_cpu_supports("avx512f"));
  add("avx512bw", __builtin_cpu_supports("avx512bw"));
  add("avx512dq", __builtin_cpu_supports("avx512dq"));
  add("avx512vl", __builtin_cpu_supports("avx512vl"));
#if defined(__linux__)
  add("avx512_fp16", amx::available() && amx::has_halves());
  add("amx_bf16", amx::available());
#endif
#endif
  return found;
}

}  // namespace corbel
