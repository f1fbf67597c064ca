#include "corbel/search/optimise.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/random.hpp"

namespace corbel {
namespace {

using History = std::vector<std::pair<std::uint64_t, double>>;

class CountingMonitor final : public Monitor {
 public:
  explicit CountingMonitor(std::uint64_t stop_after = std::numeric_limits<std::uint64_t>::max())
      : stop_after_(stop_after) {}
  void progress(std::string_view, std::uint64_t done, std::uint64_t total, std::string_view note) override {
    const std::lock_guard lock(mutex_);
    last_done = std::max(last_done, done);
    last_total = total;
    last_note = note;
    stop_ = stop_ || ++calls >= stop_after_;
  }
  void message(std::string_view) override {}
  bool stop_requested() const override { return stop_; }

  std::uint64_t calls = 0, last_done = 0, last_total = 0;
  std::string last_note;

 private:
  std::mutex mutex_;
  std::uint64_t stop_after_;
  std::atomic<bool> stop_ = false;
};

DesignSpace line(std::int64_t count) {
  return DesignSpace({Parameter::integer("x", 0, count - 1)});
}

std::vector<DesignId> ids(const SearchResult& result, const DesignSpace& space) {
  std::vector<DesignId> list;
  for (const Evaluation& evaluation : result.best) list.push_back(space.id(evaluation.design));
  return list;
}

TEST(TopDesigns, KeepsTheBestWithTiesToTheSmallerIdInAnyOrder) {
  // Scores 0 0 0 1 1 1 … of designs 0 … 99; the last ten are infeasible.
  std::vector<std::uint32_t> order(100);
  for (std::uint32_t i = 0; i < 100; ++i) order[i] = i;
  for (const std::size_t keep : {1, 4, 95, 100, 200}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      Rng rng(seed);
      rng.shuffle(order);
      TopDesigns left(keep), right(keep);
      for (std::size_t i = 0; i < order.size(); ++i) {
        const Score score{order[i] / 3 * 1.0, order[i] < 90 ? 0.0 : 1.0};
        (i % 2 ? left : right).offer({order[i]}, order[i], score);
        left.offer({order[0]}, order[0], {order[0] / 3 * 1.0, order[0] < 90 ? 0.0 : 1.0});  // again and again
      }
      left.merge(right);
      const std::vector<Evaluation> best = left.sorted();
      ASSERT_EQ(best.size(), std::min<std::size_t>(keep, 100));
      for (std::uint32_t i = 0; i < best.size(); ++i) EXPECT_EQ(best[i].design, Design{i});
    }
  }
}

TEST(TopDesigns, EntryTestNeverRefusesWhatOfferWouldTake) {
  TopDesigns top(2);
  EXPECT_TRUE(top.would_enter({9, 1}));
  top.offer({5}, 5, {1, 0});
  top.offer({6}, 6, {2, 0});
  EXPECT_TRUE(top.would_enter({2, 0}));
  EXPECT_FALSE(top.would_enter({3, 0}));
  EXPECT_FALSE(top.would_enter({0, 0.1}));
  top.offer({4}, 4, {2, 0});
  EXPECT_EQ(top.sorted()[1].design, Design{4});
  top.offer({4}, 4, {0.5, 0});
  EXPECT_EQ(top.sorted()[0].design, Design{4});
  EXPECT_EQ(top.sorted().size(), 2u);
  EXPECT_FALSE(TopDesigns(0).would_enter({0, 0}));
}

TEST(Optimise, SpendsTheBudgetAndRecordsWhatItSaw) {
  const auto objective = make_objective(line(100000), [](const Design& d) { return Score{d[0] * 1.0, 0}; });
  Strategy strategy = make_strategy("random", {objective->space(), {}}, {}, 3);
  CountingMonitor monitor;
  const SearchResult result = optimise(*objective, strategy, {.budget = 1000, .batch = 64, .keep = 10}, monitor);
  EXPECT_EQ(result.scored, 1000u);
  EXPECT_FALSE(result.exhaustive);
  EXPECT_EQ(monitor.calls, 16u);  // 15 · 64 + 40
  EXPECT_EQ(monitor.last_done, 1000u);
  EXPECT_EQ(monitor.last_total, 1000u);

  // The same strategy by hand.
  Strategy reference = make_strategy("random", {objective->space(), {}}, {}, 3);
  std::vector<double> values;
  History history;
  for (const Design& design : reference.ask(1000)) {
    values.push_back(design[0]);
    if (history.empty() || values.back() < history.back().second) history.emplace_back(values.size(), values.back());
  }
  std::sort(values.begin(), values.end());
  ASSERT_EQ(result.best.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(result.best[i].score.objective, values[i]);
  EXPECT_EQ(result.history, history);
}

TEST(Optimise, KnowsWhenTheResultIsExact) {
  const auto objective = make_objective(line(50), [](const Design& d) { return Score{std::abs(d[0] - 31.0), 0}; });
  const SearchDomain odd{objective->space(), [](const Design& d) { return d[0] % 2 == 1; }};
  for (const StrategyInfo& info : strategies()) {
    Strategy strategy = make_strategy(info.id, odd);
    SearchResult result = optimise(*objective, strategy, {.budget = 1000, .batch = 8, .keep = 2}, silent_monitor());
    EXPECT_EQ(result.scored, 25u);
    EXPECT_TRUE(result.exhaustive);
    EXPECT_EQ(ids(result, objective->space()), (std::vector<DesignId>{31, 29}));
    result = optimise(*objective, strategy, {.budget = 1000}, silent_monitor());
    EXPECT_EQ(result.scored, 0u);
    EXPECT_FALSE(result.exhaustive) << "the optimum was scored by another call";
    EXPECT_TRUE(result.best.empty());
  }
}

TEST(Optimise, RanksInfeasibleDesignsBehindFeasibleOnes) {
  const auto objective = make_objective(line(10), [](const Design& d) {
    return d[0] < 7 ? Score{std::nan(""), 7.0 - d[0]} : Score{d[0] * 1.0, 0};
  });
  Strategy strategy = make_strategy("firefly", {objective->space(), {}});
  const SearchResult result = optimise(*objective, strategy, {.budget = 10, .batch = 1, .keep = 5}, silent_monitor());
  EXPECT_EQ(ids(result, objective->space()), (std::vector<DesignId>{7, 8, 9, 6, 5}));
  EXPECT_EQ(result.history.back().second, 7);
}

TEST(Optimise, StopsWhenAskedTo) {
  const auto objective = make_objective(line(100000), [](const Design& d) { return Score{d[0] * 1.0, 0}; });
  Strategy strategy = make_strategy("random", {objective->space(), {}});
  CountingMonitor monitor(3);
  try {
    optimise(*objective, strategy, {.budget = 1000, .batch = 10}, monitor);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::interrupted);
  }
  EXPECT_EQ(strategy.seen(), 30u);  // what was scored was told, so the search can go on
}

TEST(Optimise, RefusesAStrategyOfAnotherSpace) {
  const auto objective = make_objective(line(10), [](const Design&) { return Score{0, 0}; });
  Strategy strategy = make_strategy("random", {line(100), {}});
  try {
    optimise(*objective, strategy, {.batch = 100}, silent_monitor());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::mismatch);
  }
}

}  // namespace
}  // namespace corbel
