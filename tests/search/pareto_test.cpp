#include "corbel/search/pareto.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <set>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/random.hpp"
#include "corbel/search/decomposition.hpp"
#include "corbel/search/hypervolume.hpp"
#include "maestro_table.hpp"

namespace corbel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
const double nan_value = std::nan("");

/// A function of one design, which remembers what it was asked.
class FunctionObjective final : public MultiObjective {
 public:
  FunctionObjective(DesignSpace space, std::size_t objectives, std::function<MultiScore(const Design&)> function)
      : space_(std::move(space)), objectives_(objectives), function_(std::move(function)) {}
  const DesignSpace& space() const override { return space_; }
  std::size_t objectives() const override { return objectives_; }
  std::vector<MultiScore> score(std::span<const Design> designs) const override {
    std::vector<MultiScore> scores;
    for (const Design& design : designs) {
      asked.push_back(space_.id(design));
      scores.push_back(function_(design));
    }
    return scores;
  }
  mutable std::vector<DesignId> asked;

 private:
  DesignSpace space_;
  std::size_t objectives_;
  std::function<MultiScore(const Design&)> function_;
};

std::vector<DesignId> ids(const std::vector<MultiEvaluation>& front, const DesignSpace& space) {
  std::vector<DesignId> list;
  for (const MultiEvaluation& evaluation : front) list.push_back(space.id(evaluation.design));
  return list;
}

TEST(Domination, IsNoWorseAndSomewhereBetter) {
  const auto over = [](std::vector<double> a, std::vector<double> b) { return dominates(a, b); };
  EXPECT_TRUE(over({1, 2}, {1, 3}));
  EXPECT_TRUE(over({0, 0, 0}, {1, 1, 1}));
  EXPECT_FALSE(over({1, 2}, {1, 2}));
  EXPECT_FALSE(over({1, 3}, {2, 2}));
  EXPECT_FALSE(over({nan_value, 0}, {1, 1}));
  EXPECT_FALSE(over({0, 0}, {nan_value, 1}));
}

TEST(ParetoFront, KeepsWhatNothingDominatesInAnyOrder) {
  // A 12 × 12 table of objectives where every pair comes twice, of ids i and i + 144; 0 ≤ x + y ≤ 22, and only
  // x + y ≥ 9 is feasible: the front is the diagonal x + y = 9, by its smaller ids.
  struct Row {
    DesignId id;
    MultiScore score;
  };
  std::vector<Row> rows;
  for (DesignId i = 0; i < 288; ++i) {
    const auto x = static_cast<double>(i % 12), y = static_cast<double>(i / 12 % 12);
    rows.push_back({i, {{x, y}, std::max(0.0, 9 - x - y)}});
  }
  rows.push_back({300, {{nan_value, -1}, 0}});
  rows.push_back({301, {{-1, -std::numeric_limits<double>::infinity()}, 0}});
  rows.push_back({302, {{-1, -1}, nan_value}});
  rows.push_back({303, {{}, 0}});
  Rng rng(5);
  for (int round = 0; round < 20; ++round) {
    rng.shuffle(rows);
    ParetoFront left, right;
    for (std::size_t i = 0; i < rows.size(); ++i)
      (i % 3 ? left : right).offer({static_cast<std::uint32_t>(rows[i].id)}, rows[i].id, rows[i].score);
    left.merge(right);
    const std::vector<MultiEvaluation> front = left.sorted();
    ASSERT_EQ(front.size(), 10u);
    for (std::uint32_t x = 0; x < 10; ++x) {
      EXPECT_THAT(front[x].score.objectives, ElementsAre(x, 9 - x));
      EXPECT_THAT(front[x].design, ElementsAre(x + 12 * (9 - x)));
    }
  }
}

TEST(ParetoFront, TellsWhetherADesignIsInIt) {
  ParetoFront front;
  EXPECT_TRUE(front.offer({5}, 5, {{1, 1}, 0}));
  EXPECT_TRUE(front.offer({5}, 5, {{1, 1}, 0}));
  EXPECT_FALSE(front.offer({6}, 6, {{1, 1}, 0}));
  EXPECT_TRUE(front.offer({4}, 4, {{1, 1}, 0}));
  EXPECT_FALSE(front.offer({3}, 3, {{1, 2}, 0}));
  EXPECT_FALSE(front.offer({3}, 3, {{0, 0}, 1e-9}));
  EXPECT_TRUE(front.offer({3}, 3, {{0, 2}, 0}));
  EXPECT_TRUE(front.offer({9}, 9, {{0, 0}, 0}));
  EXPECT_EQ(front.size(), 1u);
}

TEST(SimplexLattice, IsThatOfDasAndDennis) {
  EXPECT_THAT(simplex_lattice(2, 2), ElementsAre(ElementsAre(0, 1), ElementsAre(0.5, 0.5), ElementsAre(1, 0)));
  // (d + 2 over 2) vectors; their coordinates add up to 1.
  const auto vectors = simplex_lattice(3, 4);
  EXPECT_EQ(vectors.size(), 15u);
  EXPECT_EQ(std::set(vectors.begin(), vectors.end()).size(), 15u);
  for (const auto& vector : vectors) EXPECT_EQ(vector[0] + vector[1] + vector[2], 1);
}

/// 100 · 10⁴ designs of two objectives in the form of ZDT1 (Zitzler, Deb and Thiele 2000), with the middle of its front
/// cut off by a limit on the sum of both: there the best designs have g > 1. A ninth of the designs has no objectives.
MultiScore zdt(const Design& x) {
  const double f1 = x[0] / 99.0;
  const double g = 1 + (std::abs(x[1] - 3.0) + std::abs(x[2] - 6.0) + std::abs(x[3] - 1.0) + 3 * (x[4] != 7)) / 4;
  const double f2 = g * (1 - std::sqrt(f1 / g));
  if ((x[0] + x[1]) % 9 == 4) return {{}, 1};
  return {{f1, f2}, std::max(0.0, 0.8 - f1 - f2)};
}

DesignSpace zdt_space() {
  return DesignSpace({Parameter::integer("a", 0, 99), Parameter::integer("b", 0, 9), Parameter::integer("c", 0, 9),
                      Parameter::integer("d", 0, 9),
                      Parameter::categorical("e", {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"})});
}

/// 25² · 40² designs of three objectives in the form of DTLZ2 (Deb et al. 2002), of which a slab is cut off.
MultiScore dtlz(const Design& x) {
  const double a = x[0] / 24.0 * std::numbers::pi / 2, b = x[1] / 24.0 * std::numbers::pi / 2;
  const double g = 1 + (std::abs(x[2] - 31.0) + std::abs(x[3] - 4.0)) / 10;
  const double f1 = g * std::cos(a) * std::cos(b), f2 = g * std::cos(a) * std::sin(b), f3 = g * std::sin(a);
  return {{f1, f2, f3}, std::max(0.0, 0.1 - std::abs(f1 - f2))};
}

DesignSpace dtlz_space() {
  return DesignSpace({Parameter::integer("a", 0, 24), Parameter::integer("b", 0, 24), Parameter::integer("c", 0, 39),
                      Parameter::integer("d", 0, 39)});
}

struct Problem {
  FunctionObjective objective;
  std::vector<double> reference;
  double exact;

  Problem(DesignSpace space, std::vector<double> to, MultiScore (*function)(const Design&))
      : objective(std::move(space), to.size(), function), reference(std::move(to)) {
    ParetoFront front;
    Design design = objective.space().design(0);
    DesignId id = 0;
    do {
      front.offer(design, id++, function(design));
    } while (objective.space().advance(design));
    exact = hypervolume(front.points(), reference);
  }
};

const Problem& zdt_problem() {
  static const Problem problem(zdt_space(), {1, 4}, zdt);
  return problem;
}
const Problem& dtlz_problem() {
  static const Problem problem(dtlz_space(), {2, 2, 2}, dtlz);
  return problem;
}

/// Shares of the exact hypervolume for seeds 1 … 3, ascending.
std::vector<double> shares(const Problem& problem, const std::string& method, std::uint64_t budget, std::size_t batch) {
  std::vector<double> shares;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const ParetoOptions options{
        .method = method, .budget = budget, .batch = batch, .seed = seed, .reference = problem.reference};
    const ParetoResult result =
        pareto_search(problem.objective, {problem.objective.space(), {}}, options, silent_monitor());
    shares.push_back(result.hypervolume / problem.exact);
  }
  std::sort(shares.begin(), shares.end());
  return shares;
}

class GuidedMethod : public ::testing::TestWithParam<std::string> {};

TEST_P(GuidedMethod, FindsTheFrontOfTwoObjectives) {
  for (const std::size_t batch : {1, 32}) EXPECT_GE(shares(zdt_problem(), GetParam(), 3000, batch).front(), 0.99);
  EXPECT_LT(shares(zdt_problem(), "random", 3000, 32).back(), 0.92);
}

TEST_P(GuidedMethod, FindsTheFrontOfThreeObjectives) {
  for (const std::size_t batch : {1, 32}) EXPECT_GE(shares(dtlz_problem(), GetParam(), 3000, batch).front(), 0.99);
  EXPECT_LT(shares(dtlz_problem(), "random", 3000, 32).back(), 0.94);
}

INSTANTIATE_TEST_SUITE_P(All, GuidedMethod, ::testing::Values("nsga2", "evolution"),
                         [](const auto& row) { return row.param; });

class AnyMethod : public ::testing::TestWithParam<std::string> {
 protected:
  static ParetoResult run(const MultiObjective& objective, ParetoOptions options,
                          std::function<bool(const Design&)> admits = {}) {
    options.method = GetParam();
    return pareto_search(objective, {objective.space(), std::move(admits)}, options, silent_monitor());
  }
};

TEST_P(AnyMethod, IsDeterministicForASeed) {
  FunctionObjective first(zdt_space(), 2, zdt), second(zdt_space(), 2, zdt), other(zdt_space(), 2, zdt);
  const ParetoResult a = run(first, {.budget = 300, .batch = 7, .seed = 4});
  const ParetoResult b = run(second, {.budget = 300, .batch = 7, .seed = 4});
  run(other, {.budget = 300, .batch = 7, .seed = 5});
  EXPECT_EQ(first.asked, second.asked);
  EXPECT_NE(first.asked, other.asked);
  EXPECT_EQ(ids(a.front, zdt_space()), ids(b.front, zdt_space()));
  EXPECT_EQ(a.history, b.history);
}

TEST_P(AnyMethod, ScoresNoDesignTwiceAndCountsEveryQuery) {
  // A seventh of the evaluations fails: these count, and are not tried again.
  FunctionObjective objective(
      zdt_space(), 2, [](const Design& x) { return (x[1] + x[2] + x[3]) % 7 == 0 ? MultiScore::failure() : zdt(x); });
  const ParetoResult result = run(objective, {.budget = 500, .batch = 16, .seed = 2});
  EXPECT_EQ(result.scored, 500u);
  EXPECT_EQ(objective.asked.size(), 500u);
  EXPECT_EQ(std::set(objective.asked.begin(), objective.asked.end()).size(), 500u);
  std::uint64_t failed = 0, feasible = 0;
  ParetoFront front;
  for (const DesignId id : objective.asked) {
    const Design x = objective.space().design(id);
    const bool fails = (x[1] + x[2] + x[3]) % 7 == 0;
    failed += fails;
    feasible += !fails && zdt(x).feasible();
    if (!fails) front.offer(x, id, zdt(x));
  }
  EXPECT_GT(failed, 0u);
  EXPECT_EQ(result.failed, failed);
  EXPECT_EQ(result.feasible, feasible);
  EXPECT_EQ(ids(result.front, objective.space()), ids(front.sorted(), objective.space()));
  EXPECT_FALSE(result.exhaustive);
}

TEST_P(AnyMethod, ScoresTheWholeOfASmallSpace) {
  const DesignSpace space({Parameter::integer("a", 0, 11), Parameter::integer("b", 0, 8)});
  const auto function = [](const Design& x) {
    if (x[0] == 3) return MultiScore::failure();
    return MultiScore{{x[0] * 1.0, 20.0 - x[0] + x[1]}, x[1] < 2 ? 1.0 : 0.0};
  };
  const FunctionObjective objective(space, 2, function);
  const ParetoResult result = run(objective, {.budget = 1000, .batch = 10}, [](const Design& x) { return x[0] != 5; });
  EXPECT_EQ(result.scored, 11 * 9u);
  EXPECT_EQ(result.failed, 9u);
  EXPECT_TRUE(result.exhaustive);
  EXPECT_EQ(result.front.size(), 10u);
  for (const MultiEvaluation& evaluation : result.front) EXPECT_EQ(evaluation.design[1], 2u);
}

TEST_P(AnyMethod, EndsWithoutAFrontWhereNothingIsFeasible) {
  const FunctionObjective infeasible(zdt_space(), 2, [](const Design& x) { return MultiScore{{}, 1.0 + x[0]}; });
  const ParetoResult result = run(infeasible, {.budget = 200, .batch = 16});
  EXPECT_EQ(result.scored, 200u);
  EXPECT_TRUE(result.front.empty());
  EXPECT_TRUE(result.reference.empty());
  EXPECT_EQ(result.hypervolume, 0);
  EXPECT_TRUE(result.history.empty());
  const FunctionObjective failing(zdt_space(), 2, [](const Design&) { return MultiScore::failure(); });
  EXPECT_EQ(run(failing, {.budget = 200, .batch = 16}).failed, 200u);
  // Feasible by its word, but without its numbers.
  const FunctionObjective odd(zdt_space(), 2, [](const Design& x) { return MultiScore{{x[0] * 1.0, nan_value}, 0}; });
  EXPECT_EQ(run(odd, {.budget = 200, .batch = 16}).feasible, 0u);
}

TEST_P(AnyMethod, SearchesASpaceOfOneDesign) {
  const FunctionObjective objective(DesignSpace({Parameter::integer("a", 7, 7)}), 3, [](const Design&) {
    return MultiScore{{1, 2, 3}, 0};
  });
  const ParetoResult result = run(objective, {.budget = 10, .batch = 4, .reference = {2, 4, 6}});
  EXPECT_EQ(result.scored, 1u);
  EXPECT_EQ(result.hypervolume, 1 * 2 * 3);
  EXPECT_TRUE(result.exhaustive);
}

INSTANTIATE_TEST_SUITE_P(All, AnyMethod, ::testing::Values("nsga2", "random", "evolution", "firefly"),
                         [](const auto& row) { return row.param; });

/// The exhaustive table of a network: runtime, energy and area of 384,000 designs under a limit on the area, which 3.7
/// % of them meet and are feasible.
class MaestroFront : public ::testing::TestWithParam<const char*> {};

TEST_P(MaestroFront, IsNearlyReached) {
  if (!std::filesystem::exists(test::MaestroTable::file(GetParam())))
    GTEST_SKIP() << test::MaestroTable::file(GetParam()) << " is not on this machine";
  const test::MaestroTable table(GetParam());
  const auto trade = [&](const Design& design) {
    const DesignId id = table.space().id(design);
    const auto& metrics = table.metrics(id);
    return MultiScore{{metrics.begin(), metrics.end()}, table.score(id).violation};
  };
  ParetoFront front;
  std::vector<double> worst(3, 0);
  for (DesignId id = 0; id < table.space().size(); ++id) {
    const Design design = table.space().design(id);
    const MultiScore score = trade(design);
    front.offer(design, id, score);
    for (std::size_t k = 0; k < 3 && score.feasible(); ++k) worst[k] = std::max(worst[k], score.objectives[k]);
  }
  const double exact = hypervolume(front.points(), worst);
  const auto median_share = [&](const std::string& method, std::uint64_t budget) {
    std::vector<double> shares;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      const FunctionObjective objective(table.space(), 3, trade);
      const ParetoOptions options{
          .method = method, .budget = budget, .batch = 16, .seed = seed, .reference = worst, .history_points = 0};
      shares.push_back(pareto_search(objective, {table.space(), {}}, options, silent_monitor()).hypervolume / exact);
    }
    std::sort(shares.begin(), shares.end());
    return shares[1];
  };
  for (const char* method : {"nsga2", "evolution", "firefly"}) {
    EXPECT_GE(median_share(method, 1000), 0.99) << method;
    EXPECT_GE(median_share(method, 4000), 0.999) << method;
  }
  EXPECT_LT(median_share("random", 1000), 0.95);
}

INSTANTIATE_TEST_SUITE_P(Networks, MaestroFront, ::testing::Values("resnet50", "mobilenetv2"),
                         [](const auto& row) { return std::string(row.param); });

TEST(Nsga2, HasRoomForLargeGenerations) {
  // Lists of who dominates whom took 8 bytes for every pair: 800 MB.
  const DesignSpace space({Parameter::integer("a", 0, 9999), Parameter::integer("b", 0, 9999)});
  const FunctionObjective objective(space, 2, [](const Design& x) {
    return MultiScore{{x[0] + x[1] * 1e-4, x[0] * 1e-4 + x[1]}, x[0] % 2 ? 1.0 + x[1] : 0};
  });
  const auto peak_kilobytes = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const auto before = peak_kilobytes();
  const ParetoResult result =
      pareto_search(objective, {space, {}}, {.budget = 14'000, .batch = 14'000}, silent_monitor());
  EXPECT_EQ(result.scored, 14'000U);
  EXPECT_LT(peak_kilobytes() - before, 300'000);
}

TEST(ParetoSearch, MeasuresUpToTheWorstOfTheFeasibleDesigns) {
  // Feasible: (0, 9), (1, 8), …, and (5, 20), which the rest dominates; all of 11 designs are scored.
  const FunctionObjective objective(DesignSpace({Parameter::integer("a", 0, 11)}), 2, [](const Design& x) {
    if (x[0] == 11) return MultiScore{{99, 99}, 1};
    if (x[0] == 10) return MultiScore{{5, 20}, 0};
    return MultiScore{{x[0] * 1.0, 9.0 - x[0]}, 0};
  });
  const ParetoResult result =
      pareto_search(objective, {objective.space(), {}}, {.budget = 100, .batch = 1}, silent_monitor());
  EXPECT_THAT(result.reference, ElementsAre(9, 20));
  // Columns of width 1 at 0 … 8 of heights 20 − 9, …, 20 − 1.
  EXPECT_EQ(result.hypervolume, 11 + 12 + 13 + 14 + 15 + 16 + 17 + 18 + 19);
  ASSERT_FALSE(result.history.empty());
  EXPECT_EQ(result.history.back().second, result.hypervolume);
  for (std::size_t i = 1; i < result.history.size(); ++i) {
    EXPECT_GT(result.history[i].first, result.history[i - 1].first);
    EXPECT_GT(result.history[i].second, result.history[i - 1].second);
  }
}

TEST(ParetoSearch, HistoryIsTheHypervolumeOfWhatWasScoredUntilThen) {
  const FunctionObjective objective(dtlz_space(), 3, dtlz);
  const ParetoResult result = pareto_search(objective, {objective.space(), {}},
                                            {.budget = 400, .batch = 9, .history_points = 20}, silent_monitor());
  ASSERT_GE(result.history.size(), 5u);
  EXPECT_LE(result.history.size(), 20u);
  for (const auto& [queries, volume] : result.history) {
    ParetoFront front;
    for (std::uint64_t i = 0; i < queries; ++i) {
      const Design design = objective.space().design(objective.asked[i]);
      front.offer(design, objective.asked[i], dtlz(design));
    }
    EXPECT_EQ(volume, hypervolume(front.points(), result.reference)) << queries;
  }
}

TEST(ParetoSearch, NamesWhatItCannotDo) {
  const FunctionObjective one(zdt_space(), 1, zdt), four(zdt_space(), 4, zdt), two(zdt_space(), 2, zdt);
  const auto message = [](const MultiObjective& objective, const SearchDomain& domain, const ParetoOptions& options) {
    try {
      pareto_search(objective, domain, options, silent_monitor());
    } catch (const Error& error) {
      return std::string(error.what()) + " | " + error.hint();
    }
    return std::string();
  };
  const SearchDomain domain{zdt_space(), {}};
  EXPECT_THAT(message(one, domain, {}), HasSubstr("two or three objectives, not 1"));
  EXPECT_THAT(message(four, domain, {}), HasSubstr("not 4"));
  EXPECT_THAT(message(two, domain, {.method = "nsga"}), HasSubstr("did you mean `nsga2`"));
  EXPECT_THAT(message(two, domain, {.options = {{"populatoin", 3}}}), HasSubstr("population"));
  EXPECT_THAT(message(two, domain, {.method = "firefly", .options = {{"population", 3}}}), HasSubstr("population"));
  EXPECT_THAT(message(two, domain, {.reference = {1}}), HasSubstr("reference"));
  EXPECT_THAT(message(two, domain, {.reference = {1, nan_value}}), HasSubstr("reference"));
  EXPECT_THAT(message(two, {dtlz_space(), {}}, {}), HasSubstr("another design space"));
}

TEST(ParetoSearch, StopsWhenAsked) {
  class Stopped final : public Monitor {
    void progress(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
    void message(std::string_view) override {}
    bool stop_requested() const override { return true; }
  } monitor;
  const FunctionObjective objective(zdt_space(), 2, zdt);
  EXPECT_THROW(pareto_search(objective, {objective.space(), {}}, {}, monitor), Error);
  EXPECT_TRUE(objective.asked.empty());
}

}  // namespace
}  // namespace corbel
