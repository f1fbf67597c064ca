#include "corbel/dataset/trial_log.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "dataset_testing.hpp"
#include "store_backends.hpp"

namespace corbel::test {
namespace {

using TrialLogOfAStore = StoreBackends;
INSTANTIATE_TEST_SUITE_P(On, TrialLogOfAStore, ::testing::Values("Sqlite", "Postgres"), backend_name);

Trial complete(DesignId design, double latency) {
  return {design, TrialState::complete, "", {latency, 2}, 1};
}

std::vector<Trial> some_trials() {
  return {complete(9, 1.5),
          {4, TrialState::infeasible, "too_wide", {nan, 7}, 1},
          complete(2, 3),
          {5, TrialState::failed, "crash", {}, 1}};
}

TEST_P(TrialLogOfAStore, ReadsWhatADatasetHolds) {
  Store store = open();
  const auto id = store.group(small_group());
  EXPECT_FALSE(TrialLog(store, id).has_rows());
  store.record(id, some_trials());
  const TrialLog log(store, id);
  const Dataset rows = store.read(id);
  EXPECT_TRUE(log.has_rows());
  EXPECT_EQ(log.rows(), 3U);
  EXPECT_EQ(log.feasible(), 2U);
  EXPECT_EQ(log.fingerprint(), rows.fingerprint());
  EXPECT_EQ(log.read().designs, rows.designs);
  std::vector<DesignId> designs;
  log.each([&](const TrialView& trial) {
    designs.push_back(trial.design);
    EXPECT_EQ(trial.is_complete(), trial.reason.empty());
    EXPECT_EQ(trial.metrics.size(), 2U);
  });
  EXPECT_EQ(designs, (std::vector<DesignId>{2, 4, 9}));
  // Memory and store are the same to whoever reads.
  const TrialLog held(rows);
  EXPECT_EQ(held.fingerprint(), log.fingerprint());
  EXPECT_EQ(held.without({4, 700}).fingerprint(), log.without({700, 4}).fingerprint());
}

TEST_P(TrialLogOfAStore, LeavesDesignsOut) {
  Store store = open();
  const auto id = store.group(small_group());
  store.record(id, some_trials());
  const TrialLog log = TrialLog(store, id).without({9, 1, 4});
  EXPECT_EQ(log.read().designs, std::vector<DesignId>{2});
  EXPECT_NE(log.fingerprint(), TrialLog(store, id).fingerprint());
  EXPECT_EQ(log.without({}).fingerprint(), log.fingerprint());
  EXPECT_FALSE(log.without({2}).has_rows());
}

TEST_P(TrialLogOfAStore, HasFurtherMetricsThatNobodyMeasured) {
  Store store = open();
  const auto id = store.group(small_group());
  store.record(id, some_trials());
  const std::shared_ptr<const Store> shared = std::make_shared<const Store>(location(), Store::Mode::read_only);
  const Dataset rows = TrialLog(shared, id, {"power_w", "latency_ms"}).read();
  EXPECT_EQ(rows.group.metrics, (std::vector<std::string>{"latency_ms", "area_mm2", "power_w"}));
  EXPECT_EQ(rows.metric(0, 0), 3);
  EXPECT_TRUE(std::isnan(rows.metric(0, 2)));
}

TEST_P(TrialLogOfAStore, IsTheSameAgainWhateverOthersWrite) {
  Store store = open();
  const auto id = store.group(small_group());
  store.record(id, some_trials());
  const TrialLog log(std::make_shared<const Store>(location(), Store::Mode::snapshot), id);
  const std::string before = TrialLog(store, id).fingerprint();
  EXPECT_EQ(log.read().designs.size(), 3U);  // the first look
  store.record(id, std::vector{complete(100, 1), complete(5, 8)});
  EXPECT_EQ(log.rows(), 3U);
  EXPECT_EQ(log.fingerprint(), before);
  EXPECT_EQ(log.read().designs.size(), 3U);
  EXPECT_EQ(TrialLog(std::make_shared<const Store>(location(), Store::Mode::snapshot), id).rows(), 5U);
}

TEST_P(TrialLogOfAStore, IsReadSideBySideWithOthers) {
  Store store = open();
  const auto one = store.group(small_group("one")), two = store.group(small_group("two"));
  std::vector<Trial> many;
  for (DesignId id = 0; id < 600; ++id) many.push_back(complete(id, static_cast<double>(id)));
  store.record(one, many);
  store.record(two, std::span(many).subspan(100, 50));
  const auto a = store.open(one), b = store.open(two);
  TrialView x, y;
  ASSERT_TRUE(b->next(y));
  while (a->next(x) && x.design < 100) EXPECT_EQ(x.metrics[0], static_cast<double>(x.design));
  EXPECT_EQ(x.design, y.design);
  EXPECT_EQ(x.metrics[0], y.metrics[0]);
  // One that ends first does not end the other, nor does one that is given up.
  std::uint64_t rest = 0;
  store.open(two)->next(y);
  while (b->next(y)) ++rest;
  EXPECT_EQ(rest, 49U);
  while (a->next(x)) ++rest;
  EXPECT_EQ(rest, 49U + 499U);
  // None is open any more: others may write here again.
  store.record(one, std::vector{complete(3, 1)});
  EXPECT_EQ(store.record(two, std::vector{complete(3, 1)}), 1U);
}

TEST_P(TrialLogOfAStore, TellsTheStatesOfAllTrials) {
  Store store = open();
  const auto id = store.group(small_group());
  store.record(id, some_trials());
  std::vector<std::pair<DesignId, TrialState>> states;
  TrialView trial;
  for (const auto trials = store.open(id, Store::Read::states); trials->next(trial);) {
    states.emplace_back(trial.design, trial.state);
  }
  EXPECT_EQ(
      states,
      (std::vector<std::pair<DesignId, TrialState>>{
          {2, TrialState::complete}, {4, TrialState::infeasible}, {5, TrialState::failed}, {9, TrialState::complete}}));
}

}  // namespace
}  // namespace corbel::test
