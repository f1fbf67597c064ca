#include "corbel/search/objective.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

namespace corbel {

namespace {

// Both orders put NaN last, which keeps better() a strict weak order.
bool less_nan_last(double a, double b) {
  return std::isnan(b) ? !std::isnan(a) : a < b;
}

class FunctionObjective final : public Objective {
 public:
  FunctionObjective(DesignSpace space, std::function<Score(const Design&)> function)
      : space_(std::move(space)), function_(std::move(function)) {}
  const DesignSpace& space() const override { return space_; }
  void score(std::span<const Design> designs, std::span<Score> out) const override {
    assert(designs.size() == out.size());
    std::transform(designs.begin(), designs.end(), out.begin(), function_);
  }

 private:
  DesignSpace space_;
  std::function<Score(const Design&)> function_;
};

}  // namespace

bool better(const Score& a, const Score& b) {
  if (a.feasible() != b.feasible()) return a.feasible();
  return a.feasible() ? less_nan_last(a.objective, b.objective) : less_nan_last(a.violation, b.violation);
}

void Objective::score_range(DesignId first, std::span<Score> out) const {
  if (out.empty()) return;
  const std::size_t batch = std::max<std::size_t>(1, preferred_batch());
  std::vector<Design> designs;
  Design design = space().design(first);
  for (std::size_t begin = 0; begin < out.size(); begin += batch) {
    const std::size_t n = std::min(batch, out.size() - begin);
    designs.resize(n);
    for (Design& each : designs) {
      each = design;
      space().advance(design);
    }
    score(designs, out.subspan(begin, n));
  }
}

std::unique_ptr<Objective> make_objective(DesignSpace space, std::function<Score(const Design&)> function) {
  return std::make_unique<FunctionObjective>(std::move(space), std::move(function));
}

}  // namespace corbel
