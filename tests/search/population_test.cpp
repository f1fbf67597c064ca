#include "corbel/search/population.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/search/optimise.hpp"
#include "maestro_table.hpp"

namespace corbel {
namespace {

using nlohmann::json;

SearchDomain square() {
  return {DesignSpace({Parameter::integer("x", 0, 999), Parameter::integer("y", 0, 999)}), {}};
}

StrategyOptions members(std::map<std::string, double> of) {
  StrategyOptions options;
  for (const StrategyOption& option : population_options)
    for (const StrategyInfo& info : strategies())
      if (info.id == option.name) options[std::string(option.name)] = of[std::string(option.name)];
  return options;
}

void tell(Strategy& strategy, const Design& design, double objective) {
  const Evaluation evaluation{design, {objective, 0}};
  strategy.tell({&evaluation, 1});
}

json state(const Strategy& strategy) {
  return json::parse(strategy.save()).at("state");
}

std::vector<std::string> kinds(const Strategy& strategy) {
  std::vector<std::string> ids;
  const json members = state(strategy).at("members");
  for (const json& member : members) ids.push_back(member.at("search").at("strategy"));
  return ids;
}

TEST(Population, CreditIsTheShareOfRecordsAmongProposals) {
  StrategyOptions options = members({{"random", 1}});
  options.insert({{"starts", 1}, {"decay", 0.5}, {"adaptive", 0}});
  Strategy strategy = make_strategy("population", square(), options, 1);
  const auto counts = [&] {
    const json member = state(strategy).at("members").at(0);
    return std::pair(member.at("proposals").get<double>(), member.at("records").get<double>());
  };
  tell(strategy, {1, 1}, 10);
  EXPECT_EQ(counts(), std::pair(0.0, 0.0)) << "nobody proposed it";
  const std::vector<Design> designs = strategy.ask(4);
  tell(strategy, designs[0], 9);
  EXPECT_EQ(counts(), std::pair(1.0, 1.0));
  tell(strategy, designs[1], 9);
  EXPECT_EQ(counts(), std::pair(1.5, 0.5)) << "equal is no record";
  tell(strategy, designs[2], 8);
  EXPECT_EQ(counts(), std::pair(1.75, 1.25));
  tell(strategy, designs[2], 1);
  tell(strategy, {2, 2}, 1);
  EXPECT_EQ(counts(), std::pair(1.75, 1.25)) << "told twice, and by others";
}

TEST(Population, MembersAreAskedInProportionToTheExponentialOfTheirCredit) {
  StrategyOptions options = members({{"random", 1}, {"evolution", 1}});
  options.insert({{"starts", 1}, {"temperature", 0.25}});
  Strategy strategy = make_strategy("population", square(), options, 1);
  tell(strategy, {1, 1}, 10);
  json saved = json::parse(strategy.save());
  // Credits 15 / (15 + 5) = 0.75 and 5 / (5 + 5) = 0.5: one temperature apart.
  saved["state"]["members"][0].update({{"proposals", 15}, {"records", 15}});
  saved["state"]["members"][1].update({{"proposals", 5}, {"records", 5}});
  strategy.load(saved.dump());
  std::map<std::uint64_t, int> asked;
  strategy.ask(4000);
  const json proposers = state(strategy).at("proposers");
  for (const json& pair : proposers) ++asked[pair.at(1).get<std::uint64_t>()];
  EXPECT_EQ(asked[1] + asked[2], 4000);
  EXPECT_NEAR(asked[1] / 4000.0, 1 / (1 + std::exp(-1)), 0.03);
}

TEST(Population, EveryMemberIsToldEverything) {
  Strategy strategy = make_strategy("population", square(), {}, 1);
  std::set<DesignId> told;
  for (std::uint32_t i = 0; i < 30; ++i) {
    for (const Design& design : strategy.ask(3)) {
      tell(strategy, design, design[0] + design[1]);
      told.insert(square().space.id(design));
    }
    tell(strategy, {i, i}, 2 * i);
    told.insert(square().space.id({i, i}));
  }
  std::size_t count = 0;
  const json all = state(strategy);
  for (const json& member : all.at("members")) {
    std::set<DesignId> seen;
    for (const json& id : member.at("search").at("designs").at("seen")) seen.insert(id.get<DesignId>());
    for (const DesignId id : told) EXPECT_TRUE(seen.contains(id));
    ++count;
  }
  EXPECT_GE(count, 5u);
}

TEST(Population, OptionsEvolveAndNoStrategyDiesOut) {
  StrategyOptions options = members({{"random", 1}, {"evolution", 2}, {"firefly", 1}});
  options.insert({{"starts", 5}, {"period", 10}, {"variants", 3}});
  Strategy strategy = make_strategy("population", square(), options, 1);
  const StrategyOptions fixed = [&] {
    StrategyOptions same = options;
    same["adaptive"] = 0;
    return same;
  }();
  Strategy without = make_strategy("population", square(), fixed, 1);
  std::vector<std::size_t> sizes;
  for (int round = 0; round < 30; ++round) {
    for (Strategy* each : {&strategy, &without})
      for (const Design& design : each->ask(10)) tell(*each, design, std::hypot(design[0] - 300.0, design[1] - 700.0));
    sizes.push_back(kinds(strategy).size());
  }
  // 5 random designs and then 295 of members: 29 evolved, of which 3 have room.
  EXPECT_EQ(std::vector<std::size_t>(sizes.begin(), sizes.begin() + 5), (std::vector<std::size_t>{4, 5, 6, 7, 7}));
  EXPECT_EQ(sizes.back(), 7u);
  const std::vector<std::string> at_end = kinds(strategy);
  EXPECT_EQ(std::set<std::string>(at_end.begin(), at_end.end()),
            (std::set<std::string>{"random", "evolution", "firefly"}));
  EXPECT_EQ(kinds(without), (std::vector<std::string>{"random", "evolution", "evolution", "firefly"}));

  int changed = 0;
  const json all = state(strategy);
  for (const json& member : all.at("members")) {
    const std::string id = member.at("search").at("strategy");
    for (const StrategyInfo& info : strategies()) {
      if (info.id != id) continue;
      for (const StrategyOption& option : info.options) {
        const double value = member.at("search").at("options").at(std::string(option.name));
        changed += value != option.default_value;
        EXPECT_GE(value, option.min);
        EXPECT_LE(value, option.max);
        const auto scale = [&](double x) { return option.max > 1 ? x : x / (1 - x); };
        if (option.default_value == option.max) continue;  // of infinite odds
        EXPECT_GE(scale(value), scale(option.default_value) / 2 - 0.5) << id << " " << option.name;
        EXPECT_LE(scale(value), scale(option.default_value) * 2 + 0.5) << id << " " << option.name;
      }
    }
  }
  EXPECT_GE(changed, 8);
}

TEST(Population, AMemberIsAskedAgainForADesignThatAnotherHasOut) {
  // Two hill climbers at the same place want the same neighbours; results are never told.
  StrategyOptions options = members({{"local_search", 2}});
  options.insert({"starts", 1});
  Strategy strategy = make_strategy("population", square(), options, 1);
  for (std::uint32_t i = 0; i < 10; ++i) tell(strategy, {500, 500 + i}, i);
  const std::vector<Design> designs = strategy.ask(3);  // the fourth neighbour was told
  std::set<DesignId> ids;
  for (const Design& design : designs) {
    EXPECT_LE(std::abs(static_cast<int>(design[0]) - 500) + std::abs(static_cast<int>(design[1]) - 500), 2);
    ids.insert(square().space.id(design));
  }
  EXPECT_EQ(ids.size(), 3u);
}

TEST(Population, RefusesToHaveNoMembers) {
  try {
    make_strategy("population", square(), members({}), 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_input);
  }
}

TEST(Population, AStateWithAPopulationOrAnUnknownStrategyInsideIsRefused) {
  Strategy strategy = make_strategy("population", square(), {}, 1);
  tell(strategy, {1, 1}, 10);
  const json good = json::parse(strategy.save());
  const auto code = [&](const json& bad) {
    try {
      strategy.load(bad.dump());
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::usage;
  };
  json nested = good;
  nested["state"]["members"][0]["search"] = good;
  EXPECT_EQ(code(nested), ErrorCode::corrupt);
  json unknown = good;
  unknown["state"]["members"][0]["search"]["strategy"] = "tarot";
  EXPECT_EQ(code(unknown), ErrorCode::corrupt);
  json empty = good;
  empty["state"]["members"] = json::array();
  EXPECT_EQ(code(empty), ErrorCode::corrupt);
  json more = good;
  more["state"]["members"][0]["records"] = 1;
  EXPECT_EQ(code(more), ErrorCode::corrupt);
  EXPECT_EQ(json::parse(strategy.save()), good);
}

class PopulationOnMaestro : public ::testing::TestWithParam<const char*> {};

TEST_P(PopulationOnMaestro, ReachesTheKnownOptimum) {
  if (!std::filesystem::exists(test::MaestroTable::file(GetParam())))
    GTEST_SKIP() << test::MaestroTable::file(GetParam()) << " is not on this machine";
  const test::MaestroTable table(GetParam());
  for (const std::size_t batch : {1, 16}) {
    Strategy strategy = make_strategy("population", {table.space(), {}}, {}, 1);
    const auto result = optimise(table, strategy, {.budget = 300, .batch = batch, .keep = 1}, silent_monitor());
    EXPECT_EQ(result.best.at(0).score.objective, table.optimum()) << batch;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, PopulationOnMaestro, ::testing::Values("resnet50", "mobilenetv2"),
                         [](const auto& row) { return std::string(row.param); });

}  // namespace
}  // namespace corbel
