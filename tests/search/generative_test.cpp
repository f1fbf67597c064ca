#include "corbel/search/generative.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "corbel/base/random.hpp"

namespace corbel {
namespace {

Parameter categories(const std::string& name, std::uint32_t count) {
  std::vector<std::string> labels;
  for (std::uint32_t i = 0; i < count; ++i) labels.push_back("v" + std::to_string(i));
  return Parameter::categorical(name, labels);
}

/// n random designs of the space and their scores.
std::vector<Evaluation> history(const DesignSpace& space, std::size_t n, std::function<Score(const Design&)> score) {
  Rng rng(7);
  std::vector<Evaluation> evaluations;
  while (evaluations.size() < n) {
    Design design = space.random(rng);
    const Score is = score(design);
    evaluations.push_back({std::move(design), is});
  }
  return evaluations;
}

/// Share of a strategy's next n designs for which something holds.
double share(const Strategy& strategy, std::size_t n, const std::function<bool(const Design&)>& holds) {
  const std::vector<Design> designs = Strategy(strategy).ask(n);
  return static_cast<double>(std::count_if(designs.begin(), designs.end(), holds)) / static_cast<double>(n);
}

TEST(Generative, LearnsWhichParametersDependOnEachOther) {
  // Good where two of five categories are equal, whichever they are: every category alone is as good as any other.
  const DesignSpace space(
      {categories("a", 8), categories("b", 8), categories("c", 8), categories("d", 8), categories("e", 8)});
  Strategy strategy = make_strategy("generative", {space, {}}, {}, 1);
  strategy.tell(history(space, 1000, [](const Design& x) { return Score{x[1] == x[3] ? 0.0 : 1.0, 0}; }));
  EXPECT_GT(share(strategy, 200, [](const Design& x) { return x[1] == x[3]; }), 0.75);
  // Nothing ties the others: an eighth is equal by chance.
  EXPECT_LT(share(strategy, 200, [](const Design& x) { return x[0] == x[2]; }), 0.3);
}

TEST(Generative, GoodDesignsAreFeasibleOnes) {
  // The best objectives break a limit.
  const DesignSpace space({Parameter::integer("x", 0, 15), Parameter::integer("y", 0, 15), categories("c", 6)});
  const auto score = [](const Design& x) { return Score{static_cast<double>(x[0] + x[1]), x[0] < 10 ? 0.5 : 0}; };
  Strategy strategy = make_strategy("generative", {space, {}}, {}, 1);
  strategy.tell(history(space, 300, score));
  EXPECT_GT(share(strategy, 100, [](const Design& x) { return x[0] >= 10 && x[0] < 13; }), 0.6);  // 0.19 by chance
}

TEST(Generative, GoesToTheLeastViolationWhileNothingIsFeasible) {
  const DesignSpace space({Parameter::integer("x", 0, 99), Parameter::integer("y", 0, 99)});
  Strategy strategy = make_strategy("generative", {space, {}}, {}, 1);
  strategy.tell(history(space, 300, [](const Design& x) { return Score{std::nan(""), 1 + std::abs(x[1] - 30.0)}; }));
  EXPECT_GT(share(strategy, 100, [](const Design& x) { return std::abs(x[1] - 30.0) <= 10; }), 0.6);  // 0.21 by chance
}

TEST(Generative, OrderedNeighboursOfGoodValuesAreLikelyCategoriesAreNot) {
  // Good at 8 … 12 of an ordered parameter that was never seen at 10, and at v8 … v12 of a category never seen as v10.
  const DesignSpace space({Parameter::integer("x", 0, 20), categories("c", 21), Parameter::integer("z", 0, 99)});
  std::vector<Evaluation> told;
  for (const Evaluation& each : history(space, 2000, [](const Design& x) {
         return Score{std::abs(x[0] - 10.0) + std::abs(x[1] - 10.0), 0};
       }))
    if (each.design[0] != 10 && each.design[1] != 10) told.push_back(each);
  double ordered = 0, categorical = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Strategy strategy = make_strategy("generative", {space, {}}, {{"candidates", 1}}, seed);
    strategy.tell(told);
    ordered += share(strategy, 20, [](const Design& x) { return x[0] == 10; }) / 50;
    categorical += share(strategy, 20, [](const Design& x) { return x[1] == 10; }) / 50;
  }
  EXPECT_GT(ordered, 0.04);
  EXPECT_LT(categorical, 0.012) << ordered;
}

TEST(Generative, AvoidsWhatWasTriedLately) {
  // Two bands are equally good, but most of the latest designs lie in the first.
  const DesignSpace space({categories("band", 4), Parameter::integer("x", 0, 999), Parameter::integer("y", 0, 999)});
  const auto score = [](const Design& x) { return Score{x[0] < 2 ? 0.0 : 1.0, 0}; };
  std::vector<Evaluation> told = history(space, 200, score);
  for (std::uint32_t i = 0; i < 256; ++i) told.push_back({{i % 8 ? 0u : 1u, i, i}, {0.5, 0}});
  Strategy strategy = make_strategy("generative", {space, {}}, {{"quantile", 0.2}}, 1);
  strategy.tell(told);
  EXPECT_GT(share(strategy, 100, [](const Design& x) { return x[0] == 1; }),
            0.65);  // 0.5 without regard to what was tried
}

TEST(Generative, FindsTheValueInsideARangeOfAVeryLongParameter) {
  // 2^20 values in 32 cells of 32,768: sampling them uniformly inside the right one would end about 100 away.
  const DesignSpace space({Parameter::integer("x", 0, (1 << 20) - 1)});
  Strategy strategy = make_strategy("generative", {space, {}}, {{"patience", 1e6}}, 1);
  double best = INFINITY;
  for (int i = 0; i < 400; ++i) {
    const Design design = strategy.ask(1).at(0);
    const Evaluation evaluation{design, {std::abs(design[0] - 700001.0), 0}};
    best = std::min(best, evaluation.score.objective);
    strategy.tell({&evaluation, 1});
  }
  EXPECT_LE(best, 5);
}

TEST(Generative, LargeBatchesAreNoStagnation) {
  // Five times `patience` in a batch: most results come after the best of their batch, from a model that did not know
  // it.
  const auto distance = [](const Design& x) {
    double sum = 0;
    for (const std::uint32_t value : x) sum += std::pow(value - 6.0, 2);
    return sum;
  };
  const auto least = [&](std::string_view id) {
    std::vector<Parameter> parameters;
    for (int i = 0; i < 10; ++i) parameters.push_back(Parameter::integer("p" + std::to_string(i), 0, 15));
    Strategy strategy = make_strategy(id, {DesignSpace(parameters), {}}, {}, 1);
    double best = INFINITY;
    for (int round = 0; round < 5; ++round) {
      std::vector<Evaluation> told;
      for (const Design& design : strategy.ask(1000)) told.push_back({design, {distance(design), 0}});
      for (const Evaluation& each : told) best = std::min(best, each.score.objective);
      strategy.tell(told);
    }
    return best;
  };
  EXPECT_LE(least("generative"), 10);
  EXPECT_GT(least("random"), 20);
}

TEST(Generative, RestartsWithRandomDesigns) {
  const DesignSpace space({Parameter::integer("x", 0, 999), Parameter::integer("y", 0, 999)});
  Strategy strategy = make_strategy("generative", {space, {}}, {{"patience", 5}, {"starts", 10}}, 1);
  strategy.tell(history(space, 300, [](const Design& x) { return Score{static_cast<double>(x[0]), 0}; }));
  const auto good = [](const Design& x) { return x[0] < 100; };
  EXPECT_GT(share(strategy, 10, good), 0.5);
  const std::vector<Design> designs = strategy.ask(8);
  const auto tell = [&](std::size_t i, double objective) {
    const Evaluation evaluation{designs[i], {objective, 0}};
    strategy.tell({&evaluation, 1});
  };
  for (std::size_t i = 0; i < 5; ++i) tell(i, 2000);
  EXPECT_LT(share(strategy, 10, good), 0.5);  // 0.1 by chance
  EXPECT_EQ(strategy.ask(1).size(), 1u);
  tell(5, 0);
  tell(6, 0);
  tell(7, 0);
  // What was out at the restart is told and forgotten: the first designs are as random as before.
  EXPECT_EQ(nlohmann::json::parse(strategy.save()).at("state").at("ranked").size(), 0u);
  EXPECT_LT(share(strategy, 10, good), 0.5);
}

}  // namespace
}  // namespace corbel
