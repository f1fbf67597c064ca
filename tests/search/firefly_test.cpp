#include "corbel/search/firefly.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace corbel {
namespace {

SearchDomain twelve_bits() {
  return {DesignSpace({Parameter::integer("x", 0, 63), Parameter::integer("y", 0, 63)}), {}};
}

void tell(Strategy& strategy, const std::vector<Design>& designs, double objective) {
  std::vector<Evaluation> evaluations;
  for (const Design& design : designs) evaluations.push_back({design, {objective, 0}});
  strategy.tell(evaluations);
}

nlohmann::json flies(const Strategy& strategy) {
  return nlohmann::json::parse(strategy.save()).at("state").at("flies");
}

TEST(Firefly, NoiseShrinksToItsFloorAndStaysThere) {
  Strategy strategy = make_strategy("firefly", twelve_bits(), {{"pool", 1}}, 1);
  tell(strategy, strategy.ask(1), 0);
  tell(strategy, strategy.ask(1), 1);
  EXPECT_DOUBLE_EQ(flies(strategy)[0].at("noise"), 0.1 * 0.9);
  for (int i = 0; i < 100; ++i) tell(strategy, strategy.ask(1), 1);
  ASSERT_EQ(flies(strategy).size(), 1u) << "the best fly stays";
  EXPECT_DOUBLE_EQ(flies(strategy)[0].at("noise"), 0.001);
}

TEST(Firefly, AFlyAtRestIsReplacedByARandomDesign) {
  Strategy strategy = make_strategy("firefly", twelve_bits(), {{"pool", 2}}, 1);
  const std::vector<Design> first = strategy.ask(2);
  tell(strategy, {first[0]}, 0);
  tell(strategy, {first[1]}, 1);
  // 0.1 · 0.9^43 > 0.001 ≥ 0.1 · 0.9^44: the worse fly goes with its 44th failure, and the flies take turns.
  int failures = 0;
  while (flies(strategy).size() == 2 && failures < 200) {
    tell(strategy, strategy.ask(1), 2);
    ++failures;
  }
  EXPECT_GE(failures, 87);
  EXPECT_LE(failures, 88);
  const std::vector<Design> seed = strategy.ask(1);
  tell(strategy, seed, 3);
  ASSERT_EQ(flies(strategy).size(), 2u);
  EXPECT_EQ(flies(strategy)[1].at("evaluation").at("design"), twelve_bits().space.id(seed[0]));
  EXPECT_DOUBLE_EQ(flies(strategy)[1].at("noise"), 0.1);
}

TEST(Firefly, AForeignDesignTakesThePlaceOfTheNearestFlyIfItIsBetter) {
  Strategy strategy = make_strategy("firefly", twelve_bits(), {{"pool", 2}}, 1);
  tell(strategy, {{0, 0}, {60, 60}}, 5);
  tell(strategy, {{50, 50}}, 6);
  EXPECT_EQ(flies(strategy)[1].at("evaluation").at("design"), 60 * 64 + 60);
  tell(strategy, {{50, 51}}, 4);
  EXPECT_EQ(flies(strategy)[0].at("evaluation").at("design"), 0);
  EXPECT_EQ(flies(strategy)[1].at("evaluation").at("design"), 50 * 64 + 51);
}

TEST(Firefly, ADesignToldTwiceIsOneFly) {
  Strategy strategy = make_strategy("firefly", twelve_bits(), {{"pool", 3}}, 1);
  for (int i = 0; i < 3; ++i) tell(strategy, {{7, 7}, {50, 50}}, 5);
  EXPECT_EQ(flies(strategy).size(), 2u);
}

TEST(Firefly, CategoricalDistanceCountsTheCategoriesThatDiffer) {
  // Five categories; the better fly differs from the other in all of them, or in none but the number. At distance d²/n
  // = 1 a category is copied with probability exp(−5 · 0.2) = 0.37, so a child takes about 1.8 of the five; an
  // attraction blind to distance, or counting equal categories as different, would copy all five.
  std::vector<Parameter> parameters;
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    std::vector<std::string> labels;
    for (int i = 0; i < 1000; ++i) labels.push_back("v" + std::to_string(i));
    parameters.push_back(Parameter::categorical(name, labels));
  }
  const SearchDomain domain{DesignSpace(parameters), {}};
  int copied = 0;
  constexpr int runs = 2000;
  for (std::uint64_t seed = 0; seed < runs; ++seed) {
    Strategy strategy = make_strategy("firefly", domain, {{"pool", 2}, {"perturbation", 1e-3}, {"repulsion", 0}}, seed);
    tell(strategy, {{1, 1, 1, 1, 1}}, 0);
    tell(strategy, {{2, 2, 2, 2, 2}}, 9);
    Design child;
    for (const Design& design : strategy.ask(2))
      if (std::count(design.begin(), design.end(), 2u) > 0) child = design;  // a move of the worse fly
    copied += static_cast<int>(std::count(child.begin(), child.end(), 1u));
  }
  // A child that copies none or all five was seen, so its noise is raised and it is tried again: of 1 … 4 of 5 with
  // p = 0.368, the mean is (1.839 − 5 · 0.0067) / (1 − 0.1009 − 0.0067) = 2.02.
  EXPECT_NEAR(copied / static_cast<double>(runs), 2.02, 0.1);
}

}  // namespace
}  // namespace corbel
