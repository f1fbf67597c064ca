// What strategy.hpp promises, for every row of the table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>

#include "corbel/base/error.hpp"
#include "corbel/search/strategy.hpp"

namespace corbel {
namespace {

using ::testing::HasSubstr;

DesignSpace mixed_space() {
  return DesignSpace({Parameter::categorical("dataflow", {"ws", "os", "rs"}),
                      Parameter::ordinal("pes", {1, 2, 4, 8, 16}), Parameter::boolean("simd"),
                      Parameter::integer("banks", 1, 7)});
}

Score sum_of_indices(const Design& design) {
  double sum = 0;
  for (const std::uint32_t index : design) sum += index;
  return {sum, 0};
}

std::vector<Evaluation> evaluated(const std::vector<Design>& designs, Score (*score)(const Design&)) {
  std::vector<Evaluation> evaluations;
  for (const Design& design : designs) evaluations.push_back({design, score(design)});
  return evaluations;
}

/// All designs a strategy proposes in `rounds` asks of `n`.
std::vector<Design> run(Strategy& strategy, std::size_t rounds, std::size_t n, Score (*score)(const Design&)) {
  std::vector<Design> all;
  for (std::size_t i = 0; i < rounds; ++i) {
    const std::vector<Design> designs = strategy.ask(n);
    all.insert(all.end(), designs.begin(), designs.end());
    strategy.tell(evaluated(designs, score));
  }
  return all;
}

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no Error was thrown";
  return ErrorCode::usage;
}

class StrategyContract : public ::testing::TestWithParam<std::string> {
 protected:
  static Strategy make(SearchDomain domain, std::uint64_t seed = 1) {
    return make_strategy(GetParam(), domain, {}, seed);
  }
  static Strategy make(DesignSpace space, std::uint64_t seed = 1) {
    return make(SearchDomain{std::move(space), {}}, seed);
  }
};

TEST_P(StrategyContract, ExhaustsAFiniteSpaceWithoutRepeating) {
  const DesignSpace space = mixed_space();
  for (const std::size_t batch : {1, 7, 300}) {
    Strategy strategy = make(space);
    std::set<Design> seen;
    for (std::size_t i = 0; i < space.size(); ++i) {
      EXPECT_EQ(strategy.exhausted(), seen.size() == space.size());
      const std::vector<Design> designs = strategy.ask(batch);
      EXPECT_EQ(designs.size(), std::min<std::size_t>(batch, space.size() - seen.size()));
      for (const Design& design : designs) {
        EXPECT_TRUE(space.contains(design));
        EXPECT_TRUE(seen.insert(design).second) << space.design_text(design);
      }
      strategy.tell(evaluated(designs, sum_of_indices));
    }
    EXPECT_EQ(seen.size(), 210u);
    EXPECT_EQ(strategy.seen(), 210u);
    EXPECT_TRUE(strategy.ask(1).empty());
  }
}

TEST_P(StrategyContract, ProposesEverythingEvenIfNothingIsEverTold) {
  const DesignSpace space = mixed_space();
  Strategy strategy = make(space);
  std::set<Design> seen;
  for (std::uint64_t i = 0; i < space.size(); ++i)
    for (Design& design : strategy.ask(1)) seen.insert(std::move(design));
  EXPECT_EQ(seen.size(), space.size());
}

TEST_P(StrategyContract, AskingForNothingGivesNothingAndChangesNothing) {
  Strategy strategy = make(mixed_space()), other = make(mixed_space());
  EXPECT_TRUE(strategy.ask(0).empty());
  strategy.tell({});
  EXPECT_EQ(strategy.ask(20), other.ask(20));
}

TEST_P(StrategyContract, SeedDecides) {
  Strategy a = make(mixed_space(), 5), same = make(mixed_space(), 5), other = make(mixed_space(), 6);
  const std::vector<Design> designs = run(a, 15, 8, sum_of_indices);
  EXPECT_EQ(designs, run(same, 15, 8, sum_of_indices));
  EXPECT_NE(designs, run(other, 15, 8, sum_of_indices));
}

TEST_P(StrategyContract, CopyContinuesIdenticallyAndIndependently) {
  Strategy strategy = make(DesignSpace::edge());
  run(strategy, 30, 8, sum_of_indices);
  Strategy copy = strategy, assigned = make(DesignSpace::edge(), 9);
  assigned = strategy;
  const std::vector<Design> designs = run(strategy, 10, 8, sum_of_indices);
  EXPECT_EQ(designs, run(copy, 10, 8, sum_of_indices));
  EXPECT_EQ(designs, run(assigned, 10, 8, sum_of_indices));
}

TEST_P(StrategyContract, SavedStateContinuesIdentically) {
  Strategy strategy = make(DesignSpace::edge());
  run(strategy, 40, 8, [](const Design& design) {
    Score score = sum_of_indices(design);
    if (design[0] % 2)
      score = {std::numeric_limits<double>::quiet_NaN(),
               design[0] % 4 == 1 ? std::numeric_limits<double>::infinity() : 0.1 * design[1] + 0.1};
    return score;
  });
  // Half-way through a batch: five designs of it are still out.
  const std::vector<Design> pending = strategy.ask(9);
  strategy.tell(evaluated({pending.begin(), pending.begin() + 4}, sum_of_indices));
  const std::string state = strategy.save();
  EXPECT_EQ(state.find('\n'), std::string::npos);

  Strategy loaded = make(DesignSpace::edge(), 77);
  loaded.load(state);
  EXPECT_EQ(loaded.save(), state);
  EXPECT_EQ(loaded.seen(), strategy.seen());
  for (Strategy* each : {&strategy, &loaded})
    each->tell(evaluated({pending.begin() + 4, pending.end()}, sum_of_indices));
  EXPECT_EQ(run(loaded, 20, 8, sum_of_indices), run(strategy, 20, 8, sum_of_indices));
}

TEST_P(StrategyContract, ForeignStatesAreRefusedAndChangeNothing) {
  Strategy strategy = make(mixed_space());
  run(strategy, 4, 8, sum_of_indices);
  const std::string good = strategy.save();
  const auto with = [&](const std::string& pointer, nlohmann::json value) {
    nlohmann::json json = nlohmann::json::parse(good);
    json[nlohmann::json::json_pointer(pointer)] = std::move(value);
    return json.dump();
  };
  const auto load = [&](const std::string& state) { return code_of([&] { strategy.load(state); }); };
  EXPECT_EQ(load(make(DesignSpace::edge()).save()), ErrorCode::mismatch);
  EXPECT_EQ(load(with("/version", 2)), ErrorCode::mismatch);
  EXPECT_EQ(load(with("/strategy", "tarot")), ErrorCode::mismatch);
  EXPECT_EQ(load(""), ErrorCode::corrupt);
  EXPECT_EQ(load("[]"), ErrorCode::corrupt);
  EXPECT_EQ(load("{}"), ErrorCode::corrupt);
  EXPECT_EQ(load(with("/version", "one")), ErrorCode::corrupt);
  EXPECT_EQ(load(with("/random", "dice")), ErrorCode::corrupt);
  EXPECT_EQ(load(with("/designs/seen", {210})), ErrorCode::corrupt);
  EXPECT_EQ(load(with("/designs/seen", {-1})), ErrorCode::corrupt);
  EXPECT_EQ(load(with("/designs/seen", {1.5})), ErrorCode::corrupt);
  EXPECT_EQ(load(with("/designs/cursor", 211)), ErrorCode::corrupt);
  EXPECT_EQ(load(with("/options", {{"luck", 7}})), ErrorCode::corrupt);
  // Every shorter text is damaged in some way; none may crash or be taken for a state.
  for (std::size_t length = 0; length < good.size(); length += 13)
    EXPECT_EQ(load(good.substr(0, length)), ErrorCode::corrupt) << length;
  EXPECT_EQ(strategy.save(), good);
}

TEST_P(StrategyContract, DamagedNumbersInTheStateAreRefusedOrHarmless) {
  Strategy strategy = make(mixed_space());
  run(strategy, 8, 16, sum_of_indices);
  const nlohmann::json flat = nlohmann::json::parse(strategy.save()).flatten();
  // Of a list's numbers, the first and the last stand for all.
  std::map<std::string, std::array<std::string, 2>> kinds;
  for (const auto& [pointer, value] : flat.items()) {
    if (!value.is_number()) continue;
    const std::string kind = std::regex_replace(pointer, std::regex("/[0-9]+"), "/#");
    kinds.try_emplace(kind, std::array{pointer, pointer}).first->second[1] = pointer;
  }
  ASSERT_GE(kinds.size(), 2u);
  for (const auto& [kind, pointers] : kinds) {
    for (const std::string& pointer : pointers) {
      for (const nlohmann::json& bad :
           {nlohmann::json(-1), nlohmann::json(1e300), nlohmann::json("x"), nlohmann::json()}) {
        nlohmann::json json = flat;
        json[pointer] = bad;
        Strategy damaged = make(mixed_space());
        try {
          damaged.load(json.unflatten().dump());
          run(damaged, 3, 16, sum_of_indices);
        } catch (const Error& error) {
          EXPECT_FALSE(std::string(error.what()).empty());
        }
      }
    }
  }
}

TEST_P(StrategyContract, NeverProposesWhatWasToldAndAcceptsForeignDesigns) {
  const DesignSpace space = mixed_space();
  Strategy strategy = make(space);
  std::vector<Design> told;
  for (DesignId id = 0; id < space.size(); id += 2) told.push_back(space.design(id));
  strategy.tell(evaluated(told, sum_of_indices));
  strategy.tell(evaluated(told, sum_of_indices));  // twice does no harm
  EXPECT_EQ(strategy.seen(), 105u);
  const std::vector<Design> proposed = run(strategy, 20, 8, sum_of_indices);
  EXPECT_EQ(proposed.size(), 105u);
  for (const Design& design : proposed) EXPECT_EQ(space.id(design) % 2, 1u);
}

TEST_P(StrategyContract, DesignsOfAnotherSpaceAreRefusedAsAWhole) {
  const std::vector<Design> foreign = {{3, 0, 0, 0}, {0, 0, 0}, {0, 0, 0, 0, 0}, {}};
  for (const Design& design : foreign) {
    Strategy strategy = make(mixed_space());
    const std::vector<Evaluation> evaluations = {{{0, 0, 0, 0}, {1, 0}}, {design, {1, 0}}};
    EXPECT_EQ(code_of([&] { strategy.tell(evaluations); }), ErrorCode::mismatch);
    EXPECT_EQ(strategy.seen(), 0u);
  }
}

TEST_P(StrategyContract, StaysInTheDomain) {
  const auto admits = [](const Design& design) { return design[1] + design[3] <= 3; };
  // Pairs with a + b ≤ 3, a < 5, b < 7: 10; times 3 dataflows and 2.
  Strategy strategy = make({mixed_space(), admits});
  const std::vector<Design> designs = run(strategy, 30, 8, sum_of_indices);
  EXPECT_EQ(designs.size(), 60u);
  for (const Design& design : designs) EXPECT_TRUE(admits(design));
  EXPECT_TRUE(strategy.exhausted());
}

TEST_P(StrategyContract, FindsTheOnlyAdmittedDesign) {
  const Design only = {2, 3, 1, 5};
  Strategy strategy = make({mixed_space(), [&](const Design& design) { return design == only; }});
  EXPECT_EQ(strategy.ask(4), std::vector<Design>{only});
  EXPECT_TRUE(strategy.ask(4).empty());
}

TEST_P(StrategyContract, GivesUpWhereNothingIsAdmitted) {
  std::uint64_t asked = 0;
  Strategy strategy = make({DesignSpace::edge(), [&](const Design&) { return ++asked, false; }});
  EXPECT_TRUE(strategy.ask(1000).empty());
  EXPECT_FALSE(strategy.exhausted());  // not certain: the space has 4.5e8 designs
  EXPECT_LE(asked, std::uint64_t{1} << 22);
}

TEST_P(StrategyContract, SurvivesHistoriesWithoutAFeasibleDesign) {
  Strategy strategy = make(mixed_space());
  const std::vector<Design> designs = run(strategy, 30, 8, [](const Design&) {
    return Score{std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  });
  EXPECT_EQ(designs.size(), 210u);
}

TEST_P(StrategyContract, SurvivesEveryKindOfScore) {
  // NaN, infinite and negative objectives and violations, and a second opinion on every third design.
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  constexpr std::array<double, 7> objectives = {nan, inf, -inf, -1e300, 1e300, 0, 5};
  constexpr std::array<double, 8> violations = {0, nan, inf, -1, 1e-300, 1e300, 0, 2};
  const DesignSpace space = mixed_space();
  Strategy strategy = make(space);
  std::set<Design> seen;
  std::vector<Evaluation> evaluations;
  for (int round = 0; round < 30; ++round) {
    evaluations.clear();
    for (const Design& design : strategy.ask(8)) {
      EXPECT_TRUE(seen.insert(design).second);
      const std::size_t i = space.id(design);
      evaluations.push_back({design, {objectives[i % objectives.size()], violations[i % violations.size()]}});
      if (i % 3 == 0) evaluations.push_back({design, {static_cast<double>(i), 0}});
    }
    strategy.tell(evaluations);
    Strategy loaded = make(space, 9);
    loaded.load(strategy.save());
    EXPECT_EQ(loaded.save(), strategy.save());
  }
  EXPECT_EQ(seen.size(), space.size());
}

TEST_P(StrategyContract, ResultsMayComeLateInAnyOrderOrNever) {
  const DesignSpace space = DesignSpace::edge();
  Strategy strategy = make(space);
  std::set<Design> seen;
  std::vector<Design> out;
  for (int round = 0; round < 40; ++round) {
    for (Design& design : strategy.ask(8)) {
      EXPECT_TRUE(seen.insert(design).second) << space.design_text(design);
      out.push_back(std::move(design));
    }
    if (round < 5) continue;
    // The newest and the oldest of those that are out; every fourth is lost.
    for (int i = 0; i < 4; ++i) {
      const auto next = i % 2 ? out.begin() : out.end() - 1;
      if ((round + i) % 4) strategy.tell(evaluated({*next}, sum_of_indices));
      out.erase(next);
    }
  }
  EXPECT_EQ(seen.size(), 320u);
  EXPECT_EQ(strategy.seen(), 320u);
}

TEST_P(StrategyContract, SpacesOfOneDesignAndOfFixedParameters) {
  Strategy one = make(DesignSpace({Parameter::ordinal("pes", {4})}));
  EXPECT_EQ(run(one, 3, 2, sum_of_indices), (std::vector<Design>{{0}}));
  Strategy two = make(DesignSpace({Parameter::categorical("dataflow", {"ws"}), Parameter::boolean("simd")}));
  EXPECT_EQ(run(two, 3, 2, sum_of_indices).size(), 2u);
}

TEST_P(StrategyContract, WorksInTheLargestSpace) {
  const std::int64_t half = std::int64_t{1} << 31;
  Strategy strategy = make(DesignSpace(
      {Parameter::integer("x", 0, half - 1), Parameter::integer("y", 0, half - 1), Parameter::boolean("z")}));
  const std::vector<Design> designs = run(strategy, 20, 16, sum_of_indices);
  EXPECT_EQ(std::set<Design>(designs.begin(), designs.end()).size(), 320u);
}

TEST_P(StrategyContract, HasADocPageThatNamesEveryOption) {
  const auto page = std::filesystem::path(CORBEL_SOURCE_DIR) / "docs/strategies" / (GetParam() + ".md");
  std::ifstream file(page);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const StrategyInfo& info : strategies()) {
    if (info.id != GetParam()) continue;
    EXPECT_THAT(text, HasSubstr("`" + std::string(info.id) + "`")) << page;
    for (const StrategyOption& option : info.options) {
      EXPECT_THAT(text, HasSubstr("`" + std::string(option.name) + "`")) << page;
      EXPECT_GE(option.default_value, option.min);
      EXPECT_LE(option.default_value, option.max);
    }
  }
}

std::vector<std::string> ids() {
  std::vector<std::string> names;
  for (const StrategyInfo& info : strategies()) names.emplace_back(info.id);
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, StrategyContract, ::testing::ValuesIn(ids()), [](const auto& row) { return row.param; });

TEST(MakeStrategy, RefusesUnknownNamesAndBadOptions) {
  const SearchDomain domain{mixed_space(), {}};
  const auto error_of = [&](std::string_view id, const StrategyOptions& options) {
    try {
      make_strategy(id, domain, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_input);
      return std::string(error.what()) + " | " + error.hint();
    }
    return std::string("no error");
  };
  EXPECT_THAT(error_of("firefli", {}), HasSubstr("firefly"));
  EXPECT_THAT(error_of("evolution", {{"populaton", 8}}), HasSubstr("population"));
  EXPECT_THAT(error_of("random", {{"pool", 8}}), HasSubstr("pool"));
  EXPECT_THAT(error_of("evolution", {{"population", 1}}), HasSubstr("from 2"));
  EXPECT_THAT(error_of("evolution", {{"population", 8.5}}), HasSubstr("whole"));
  EXPECT_THAT(error_of("evolution", {{"crossover", std::nan("")}}), HasSubstr("crossover"));
  EXPECT_EQ(make_strategy("evolution", domain, {{"population", 8}}).id(), "evolution");
}

}  // namespace
}  // namespace corbel
