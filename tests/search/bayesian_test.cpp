#include "corbel/search/bayesian.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/random.hpp"
#include "corbel/search/optimise.hpp"

namespace corbel {
namespace {

using ::testing::HasSubstr;

/// 16⁴ · 4² = 1,048,576 designs; the best is (11, 3 | c | 7, 14 | z) with value 0.
DesignSpace million_designs() {
  return DesignSpace({Parameter::integer("a", 0, 15), Parameter::integer("b", 0, 15),
                      Parameter::categorical("dataflow", {"a", "b", "c", "d"}), Parameter::integer("c", 0, 15),
                      Parameter::integer("d", 0, 15), Parameter::categorical("order", {"w", "x", "y", "z"})});
}

double bowl(const Design& x) {
  const auto square = [](double v) { return v * v; };
  return square(x[0] - 11.0) + square(x[1] - 3.0) + square(x[3] - 7.0) + square(x[4] - 14.0) +
         40 * ((x[2] != 2) + (x[5] != 3));
}

/// How many of five seeds find `optimum`.
int solved(const Objective& objective, std::string_view strategy, std::uint64_t budget, std::size_t batch,
           double optimum, std::span<const Evaluation> history = {}) {
  int count = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Strategy search = make_strategy(strategy, {objective.space(), {}}, {}, seed);
    search.tell(history);
    const auto result = optimise(objective, search, {.budget = budget, .batch = batch, .keep = 1}, silent_monitor());
    const Score& best = result.best.at(0).score;
    count += best.feasible() && best.objective == optimum;
  }
  return count;
}

TEST(Bayesian, FindsTheBottomOfABowl) {
  const auto objective = make_objective(million_designs(), [](const Design& x) { return Score{bowl(x), 0}; });
  EXPECT_EQ(solved(*objective, "bayesian", 100, 1, 0), 5);
  EXPECT_EQ(solved(*objective, "bayesian", 96, 16, 0), 5);
  EXPECT_EQ(solved(*objective, "random", 120, 16, 0), 0);
}

TEST(Bayesian, FindsTheOptimumBehindAConstraint) {
  // The best with a + d ≤ 20 has 20 of the 25 at the bottom: 2² + 3² = 13. 0.5 % of the designs are feasible.
  const auto objective = make_objective(million_designs(), [](const Design& x) {
    const double off = std::max(0.0, x[0] + x[4] - 20.0) + std::max(0.0, x[1] - 3.0) + std::max(0.0, 7.0 - x[3]) +
                       (x[2] != 2) + (x[5] != 3);
    return off > 0 ? Score{std::nan(""), off} : Score{bowl(x), 0};
  });
  EXPECT_GE(solved(*objective, "bayesian", 150, 1, 13), 4);
  EXPECT_EQ(solved(*objective, "random", 150, 16, 13), 0);
}

TEST(Bayesian, LearnsTheObjectiveFromDesignsThatBreakALimit) {
  // Only a ≤ 1 is feasible, and it is told nowhere in the history: what leads to the optimum (1, 3, c, 7, 14, z) is
  // the objective of infeasible designs.
  const auto objective = make_objective(million_designs(), [](const Design& x) {
    return Score{bowl(x), std::max(0.0, x[0] - 1.0) / 4};
  });
  std::vector<Evaluation> history;
  Rng rng(4);
  while (history.size() < 100) {
    const Design design = objective->space().random(rng);
    if (design[0] > 1) history.push_back({design, {bowl(design), (design[0] - 1.0) / 4}});
  }
  EXPECT_EQ(solved(*objective, "bayesian", 25, 1, 100, history), 5);
}

TEST(Bayesian, DesignsThatAreOutSpreadTheNextOnes) {
  // Two valleys of equal promise: without what is out, half of the seeds go twice to the same one.
  const DesignSpace space({Parameter::integer("x", 0, 900)});
  const std::vector<Evaluation> told = {{{0}, {1, 0}},   {{150}, {0, 0}}, {{300}, {0, 0}}, {{450}, {1, 0}},
                                        {{600}, {0, 0}}, {{750}, {0, 0}}, {{900}, {1, 0}}};
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Strategy strategy = make_strategy("bayesian", {space, {}}, {{"initial", 2}}, seed);
    strategy.tell(told);
    const std::vector<Design> designs = strategy.ask(2);
    EXPECT_NE(designs.at(0)[0] < 450, designs.at(1)[0] < 450) << seed;
  }
}

TEST(Bayesian, LongHistoriesKeepTheirBest) {
  // Ten times more observations than a model takes: the best of them lead to the optimum nevertheless.
  const auto objective = make_objective(million_designs(), [](const Design& x) { return Score{bowl(x), 0}; });
  std::vector<Evaluation> history;
  Rng rng(5);
  std::set<Design> seen;
  while (history.size() < 1000) {
    const Design design = objective->space().random(rng);
    if (bowl(design) > 20 && seen.insert(design).second) history.push_back({design, {bowl(design), 0}});
  }
  Strategy search = make_strategy("bayesian", {objective->space(), {}}, {{"rows", 100}}, 1);
  search.tell(history);
  const auto result = optimise(*objective, search, {.budget = 100, .batch = 4, .keep = 1}, silent_monitor());
  EXPECT_EQ(result.best.at(0).score.objective, 0);
}

TEST(Bayesian, HostileScoresAreHarmless) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> values = {0, -1, 1, 1e300, -1e300, infinity, -infinity, std::nan(""), 5e-324};
  const DesignSpace space = million_designs();
  Strategy strategy = make_strategy("bayesian", {space, {}}, {}, 1);
  Rng rng(6);
  std::set<Design> seen;
  for (int round = 0; round < 30; ++round) {
    std::vector<Evaluation> evaluations;
    for (Design& design : strategy.ask(8)) {
      EXPECT_TRUE(seen.insert(design).second);
      const Score score{values[rng.below(values.size())], values[rng.below(values.size())]};
      evaluations.push_back({std::move(design), score});
    }
    strategy.tell(evaluations);
  }
  EXPECT_EQ(seen.size(), 240u);
  Strategy loaded = make_strategy("bayesian", {space, {}}, {}, 2);
  loaded.load(strategy.save());
  EXPECT_EQ(loaded.ask(8), strategy.ask(8));
}

TEST(Bayesian, AnInfiniteObjectiveDoesNotBlindIt) {
  // Nothing is better than what was told first; the other designs lead to the bottom of the bowl all the same.
  Strategy strategy = make_strategy("bayesian", {million_designs(), {}}, {}, 1);
  const Evaluation absurd{{0, 0, 0, 0, 0, 0}, {-std::numeric_limits<double>::infinity(), 0}};
  strategy.tell({&absurd, 1});
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 120; ++i) {
    const Design design = strategy.ask(1).at(0);
    const Evaluation evaluation{design, {bowl(design), 0}};
    best = std::min(best, evaluation.score.objective);
    strategy.tell({&evaluation, 1});
  }
  EXPECT_LE(best, 1);
}

TEST(Bayesian, LostEvaluationsDoNotStopIt) {
  // Two of three results never come back.
  Strategy strategy = make_strategy("bayesian", {million_designs(), {}}, {}, 1);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 600; ++i) {
    const std::vector<Design> designs = strategy.ask(1);
    if (i % 3) continue;
    const Evaluation evaluation{designs.at(0), {bowl(designs.at(0)), 0}};
    best = std::min(best, evaluation.score.objective);
    strategy.tell({&evaluation, 1});
  }
  EXPECT_LE(best, 1);  // the optimum itself may be among the lost
}

TEST(Bayesian, AStateWhoseModelsAreNotOfItsObservationsIsRefused) {
  Strategy strategy = make_strategy("bayesian", {million_designs(), {}}, {}, 1);
  for (int i = 0; i < 30; ++i) {
    const std::vector<Design> designs = strategy.ask(1);
    const Evaluation evaluation{designs.at(0), {bowl(designs.at(0)), 0}};
    strategy.tell({&evaluation, 1});
  }
  nlohmann::json json = nlohmann::json::parse(strategy.save());
  json["state"]["models"][0]["noise"] = 0.01;
  try {
    strategy.load(json.dump());
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_THAT(error.what(), HasSubstr("digest"));
  }
}

}  // namespace
}  // namespace corbel
