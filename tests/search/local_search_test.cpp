#include "corbel/search/local_search.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace corbel {
namespace {

SearchDomain mixed() {
  return {DesignSpace({Parameter::categorical("dataflow", {"ws", "os", "rs", "is"}), Parameter::integer("x", 0, 99),
                       Parameter::integer("y", 0, 99), Parameter::boolean("simd")}),
          {}};
}

void tell(Strategy& strategy, const Design& design, double objective) {
  const Evaluation evaluation{design, {objective, 0}};
  strategy.tell({&evaluation, 1});
}

std::set<Design> as_set(const std::vector<Design>& designs) {
  return {designs.begin(), designs.end()};
}

std::ptrdiff_t changes(const Design& a, const Design& b) {
  std::ptrdiff_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
  return count;
}

// From the design of a history: no random starts are needed.
Strategy started(const Design& start, StrategyOptions options = {}) {
  options.insert({"starts", 1});
  Strategy strategy = make_strategy("local_search", mixed(), options, 3);
  tell(strategy, start, 10);
  return strategy;
}

TEST(LocalSearch, ProposesEveryNeighbourOnceAndThenKicks) {
  for (const Design& start : {Design{1, 50, 50, 0}, Design{0, 0, 99, 1}, Design{3, 99, 0, 0}}) {
    Strategy strategy = started(start);
    const std::vector<Design> neighbours = mixed().space.neighbours(start);
    EXPECT_EQ(as_set(strategy.ask(neighbours.size())), as_set(neighbours));
    for (const Design& kick : strategy.ask(5)) EXPECT_EQ(changes(kick, start), 3);
  }
}

TEST(LocalSearch, StepsGoOnInTheDirectionThatHelped) {
  Strategy strategy = started({1, 50, 50, 0});
  strategy.ask(8);
  tell(strategy, {1, 51, 50, 0}, 9);
  EXPECT_EQ(strategy.ask(1), (std::vector<Design>{{1, 52, 50, 0}}));
  tell(strategy, {1, 52, 50, 0}, 8);
  EXPECT_EQ(strategy.ask(1), (std::vector<Design>{{1, 53, 50, 0}}));
  tell(strategy, {1, 53, 50, 0}, 9);
  const std::vector<Design> neighbours = strategy.ask(6);  // of (1, 52, 50, 0), whose neighbours in x were seen
  for (const Design& design : neighbours) EXPECT_EQ(design[1], 52u);
  EXPECT_EQ(as_set(neighbours).size(), 6u);
}

TEST(LocalSearch, CrossesPlateausButNotUphill) {
  Strategy strategy = started({1, 50, 50, 0});
  strategy.ask(8);
  tell(strategy, {1, 49, 50, 0}, 11);
  EXPECT_EQ(changes(strategy.ask(1)[0], {1, 50, 50, 0}), 3);  // nothing left around the start
  tell(strategy, {1, 50, 51, 0}, 10);
  EXPECT_EQ(strategy.ask(1), (std::vector<Design>{{1, 50, 52, 0}}));
}

TEST(LocalSearch, ClimbsFromAKickAndReturnsHome) {
  Strategy strategy = started({1, 50, 50, 0}, {{"kick", 1}, {"jump", 1}});
  for (const Design& neighbour : strategy.ask(8)) tell(strategy, neighbour, 11);
  const Design kick = strategy.ask(1).at(0);
  tell(strategy, kick, 20);
  // Of eight neighbours the start may be one, and so may a neighbour of the start.
  const std::vector<Design> around = mixed().space.neighbours(kick);
  std::vector<Design> proposed = strategy.ask(4);
  for (const Design& design : proposed) {
    EXPECT_TRUE(std::find(around.begin(), around.end(), design) != around.end());
    tell(strategy, design, 30);
  }
  for (;;) {
    const Design design = strategy.ask(1).at(0);
    tell(strategy, design, 30);
    if (std::find(around.begin(), around.end(), design) != around.end()) continue;
    EXPECT_EQ(changes(design, {1, 50, 50, 0}), 1) << "the next kick is from the best";
    break;
  }
}

TEST(LocalSearch, RestartsFromTheBestOfSomeRandomDesigns) {
  const Design optimum = {1, 50, 50, 0};
  Strategy strategy = make_strategy("local_search", mixed(), {{"starts", 4}, {"patience", 1}}, 3);
  for (int i = 0; i < 4; ++i) tell(strategy, {1, 50, 50 + static_cast<std::uint32_t>(i), 0}, 10 + i);
  const std::vector<Design> neighbours = strategy.ask(7);  // the eighth was told
  for (const Design& neighbour : neighbours) EXPECT_EQ(changes(neighbour, optimum), 1);
  for (const Design& neighbour : neighbours) tell(strategy, neighbour, 11);
  tell(strategy, strategy.ask(1).at(0), 12);
  const std::vector<Design> starts = strategy.ask(4);
  for (std::size_t i = 0; i < 4; ++i) tell(strategy, starts[i], i == 2 ? 15 : 20);
  const std::vector<Design> around = mixed().space.neighbours(starts[2]);
  const Design next = strategy.ask(1).at(0);
  EXPECT_TRUE(std::find(around.begin(), around.end(), next) != around.end());
}

TEST(LocalSearch, LateResultsOfAnEarlierClimbDoNotLeadBack) {
  Strategy strategy = started({1, 50, 50, 0}, {{"jump", 1}});
  const std::vector<Design> neighbours = strategy.ask(8);
  const Design kick = strategy.ask(1).at(0);
  tell(strategy, kick, 20);
  tell(strategy, neighbours[0], 15);  // better than the kick, but the climb has left
  const std::vector<Design> around = mixed().space.neighbours(kick);
  const Design next = strategy.ask(1).at(0);
  EXPECT_TRUE(std::find(around.begin(), around.end(), next) != around.end());
  tell(strategy, neighbours[1], 5);  // a new best is welcome from anywhere
  EXPECT_EQ(changes(strategy.ask(1).at(0), neighbours[1]), 1);
}

}  // namespace
}  // namespace corbel
