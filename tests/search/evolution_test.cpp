#include "corbel/search/evolution.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace corbel {
namespace {

SearchDomain line() {
  return {DesignSpace({Parameter::integer("x", 0, 999)}), {}};
}

void tell(Strategy& strategy, std::uint32_t x, double objective) {
  const Evaluation evaluation{{x}, {objective, 0}};
  strategy.tell({&evaluation, 1});
}

std::vector<DesignId> population(const Strategy& strategy) {
  std::vector<DesignId> ids;
  const nlohmann::json json = nlohmann::json::parse(strategy.save());
  for (const nlohmann::json& member : json.at("state").at("population"))
    ids.push_back(member.at("design").get<DesignId>());
  return ids;
}

TEST(Evolution, TheOldestLeavesUnlessItIsTheBest) {
  Strategy strategy = make_strategy("evolution", line(), {{"population", 3}});
  for (const std::uint32_t x : {10, 11, 12}) tell(strategy, x, x == 11 ? 1 : 5);
  EXPECT_EQ(population(strategy), (std::vector<DesignId>{10, 11, 12}));
  tell(strategy, 13, 5);
  EXPECT_EQ(population(strategy), (std::vector<DesignId>{11, 12, 13}));
  tell(strategy, 14, 5);
  EXPECT_EQ(population(strategy), (std::vector<DesignId>{11, 13, 14}));
  tell(strategy, 15, 0);
  tell(strategy, 16, 5);
  tell(strategy, 17, 5);
  EXPECT_EQ(population(strategy), (std::vector<DesignId>{15, 16, 17}));
}

TEST(Evolution, ChildrenOfAnOrderedParameterStepWithoutJumps) {
  Strategy strategy =
      make_strategy("evolution", line(), {{"population", 2}, {"tournament", 50}, {"jump", 0}, {"crossover", 0}});
  tell(strategy, 500, 0);
  tell(strategy, 900, 9);
  // Of the best one only, with probability 1 − 2⁻⁵⁰ per child: 499 and 501 in some order.
  const std::vector<Design> children = strategy.ask(2);
  EXPECT_EQ(children[0][0] + children[1][0], 1000u);
  EXPECT_EQ(std::max(children[0][0], children[1][0]), 501u);
}

TEST(Evolution, RestartsFromTheBestWhenItStagnates) {
  Strategy strategy = make_strategy("evolution", line(), {{"population", 4}, {"patience", 6}});
  tell(strategy, 0, 1);
  for (std::uint32_t x = 1; x <= 5; ++x) tell(strategy, x, 2);
  EXPECT_EQ(population(strategy).size(), 4u);
  tell(strategy, 6, 2);
  EXPECT_EQ(population(strategy), std::vector<DesignId>{0});
}

}  // namespace
}  // namespace corbel
