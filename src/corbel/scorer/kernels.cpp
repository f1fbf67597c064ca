#include "corbel/scorer/kernels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/scorer/dense.hpp"

namespace corbel {

std::span<const ScorerKernel> scorer_kernels() {
  static const std::vector<ScorerKernel> kernels = [] {
    std::vector<ScorerKernel> all;
    for (const DenseKernel& kernel : dense_kernels()) all.push_back({kernel.name, Arithmetic::exact});
    return all;
  }();
  return kernels;
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

}  // namespace corbel
