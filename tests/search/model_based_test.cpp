#include "corbel/search/model_based.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "corbel/base/monitor.hpp"
#include "corbel/search/optimise.hpp"

namespace corbel {
namespace {

/// 16⁴ · 4 = 262,144 designs under a + d ≤ 20; the best within it is 13, five steps from the bottom of the bowl.
Score bowl(const Design& x) {
  const auto square = [](double v) { return v * v; };
  const double value = square(x[0] - 11.0) + square(x[1] - 3.0) + square(x[3] - 7.0) + square(x[4] - 14.0);
  return {10 + value + 40 * (x[2] != 2), std::max(0.0, (x[0] + x[4] - 20.0) / 20)};
}

double best_of(const std::string& strategy, std::uint64_t seed) {
  const auto objective = make_objective(DesignSpace({Parameter::integer("a", 0, 15), Parameter::integer("b", 0, 15),
                                                     Parameter::categorical("dataflow", {"a", "b", "c", "d"}),
                                                     Parameter::integer("c", 0, 15), Parameter::integer("d", 0, 15)}),
                                        bowl);
  Strategy search = make_strategy(strategy, {objective->space(), {}}, {}, seed);
  const SearchResult found = optimise(*objective, search, {.budget = 160, .batch = 8, .keep = 1}, silent_monitor());
  const Score& best = found.best.at(0).score;
  return best.feasible() ? best.objective : INFINITY;
}

TEST(ModelBased, FindsTheBestWithinALimitInFewQueries) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    EXPECT_LE(best_of("model_based", seed), 23 + 2) << "the optimum is 10 + 4 + 9";
    EXPECT_GT(best_of("random", seed), 23 + 2);
  }
}

TEST(ModelBased, IsRandomWhereNothingTellsDesignsApart) {
  // All are infeasible and equally so: the mean of 60 uniform numbers is within four deviations of the middle.
  Strategy search = make_strategy(
      "model_based", {DesignSpace({Parameter::integer("a", 0, 999), Parameter::integer("b", 0, 9)}), {}}, {}, 1);
  double sum = 0;
  for (int i = 0; i < 84; ++i) {
    const Evaluation evaluation{search.ask(1).at(0), {std::nan(""), 1}};
    if (i >= 24) sum += evaluation.design[0];
    search.tell({&evaluation, 1});
  }
  EXPECT_NEAR(sum / 60, 499.5, 4 * 289 / std::sqrt(60));
}

}  // namespace
}  // namespace corbel
