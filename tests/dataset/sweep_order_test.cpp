#include "corbel/dataset/sweep_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "dataset_testing.hpp"
#include "store_backends.hpp"

namespace corbel::test {
namespace {

using SweepOrderOverAStore = StoreBackends;
INSTANTIATE_TEST_SUITE_P(On, SweepOrderOverAStore, ::testing::Values("Sqlite", "Postgres"), backend_name);

TrialGroup wide_group(std::uint32_t designs, const std::string& simulator = "s") {
  return {DesignSpace({Parameter::integer("n", 0, static_cast<std::int64_t>(designs) - 1)}),
          "fake",
          simulator,
          "",
          "",
          {"x_ms"}};
}

void record(Store& store, Store::GroupId group, std::uint64_t first, std::uint64_t step, std::uint64_t end,
            TrialState state = TrialState::complete) {
  std::vector<Trial> trials;
  for (DesignId id = first; id < end; id += step) trials.push_back({id, state, "", {1}, 1});
  store.record(group, trials);
}

/// Without running any: scanned where that is asked for.
std::vector<DesignId> rest_of(SweepOrder& order) {
  std::vector<DesignId> designs;
  do {
    if (order.wants_scan()) order.scan();
    for (DesignId id = 0; order.next(id);) designs.push_back(id);
  } while (order.wants_scan());
  return designs;
}

TEST_P(SweepOrderOverAStore, GivesEachDesignOnceAndLeavesOutWhatIsSettled) {
  Store store = open();
  const auto group = store.group(wide_group(1000));
  SweepOrder fresh(store, {group}, 1000, 7);
  fresh.scan();
  EXPECT_EQ(fresh.rows(), 0U);
  const std::vector<DesignId> all = rest_of(fresh);
  EXPECT_EQ(std::set<DesignId>(all.begin(), all.end()).size(), 1000U);
  record(store, group, 0, 3, 1000);
  record(store, group, 1, 3, 1000, TrialState::failed);
  record(store, group, 2, 6, 1000, TrialState::abandoned);
  SweepOrder order(store, {group}, 1000, 7);
  order.scan();
  EXPECT_EQ(order.rows(), 334U);
  std::vector<DesignId> expected = all;
  std::erase_if(expected, [](DesignId id) { return id % 3 == 0 || id % 6 == 2; });
  EXPECT_EQ(rest_of(order), expected) << "in the order of an empty store";
}

TEST_P(SweepOrderOverAStore, BeginsWithDesignsThatSomeGroupsHave) {
  Store store = open();
  const auto one = store.group(wide_group(1000, "one")), two = store.group(wide_group(1000, "two"));
  record(store, one, 0, 10, 1000);
  record(store, two, 0, 100, 1000);
  record(store, two, 50, 100, 1000, TrialState::failed);
  SweepOrder order(store, {one, two}, 1000, 7);
  order.scan();
  EXPECT_EQ(order.rows(), 10U);
  const std::vector<DesignId> designs = rest_of(order);
  ASSERT_EQ(designs.size(), 990U);
  EXPECT_EQ(std::set<DesignId>(designs.begin(), designs.end()).size(), 990U);
  // 100 less 10 that are done, less 10 that were tried on both: these have their turn among the others.
  for (std::size_t i = 0; i < 80; ++i) EXPECT_EQ(designs[i] % 10, 0U);
  for (std::size_t i = 0; i < 80; ++i) EXPECT_NE(designs[i] % 100, 50U);
  EXPECT_FALSE(std::ranges::is_sorted(designs.begin(), designs.begin() + 80)) << "they are drawn, too";
  // As many are left where a part of them was done, in the same order.
  for (std::size_t i = 0; i < 30; ++i)
    store.record(two, std::vector<Trial>{{designs[i], TrialState::complete, "", {1}, 1}});
  SweepOrder later(store, {one, two}, 1000, 7);
  later.scan();
  EXPECT_EQ(rest_of(later), (std::vector<DesignId>(designs.begin() + 30, designs.end())));
}

TEST_P(SweepOrderOverAStore, GivesADesignThatFailedNoSecondTurn) {
  Store store = open();
  const auto one = store.group(wide_group(100, "one")), two = store.group(wide_group(100, "two"));
  record(store, one, 0, 10, 100);
  SweepOrder order(store, {one, two}, 100, 7);
  order.scan();
  DesignId first = 0;
  ASSERT_TRUE(order.next(first));
  store.record(two, std::vector<Trial>{{first, TrialState::failed, "", {}, 1}});
  order.has_failed(first);
  order.scan();
  EXPECT_EQ(std::ranges::count(rest_of(order), first), 0);
}

TEST_P(SweepOrderOverAStore, LosesNoneThatOthersBegin) {
  Store store = open();
  const auto one = store.group(wide_group(100, "one")), two = store.group(wide_group(100, "two"));
  record(store, one, 0, 10, 100);
  SweepOrder order(store, {one, two}, 100, 7);
  order.scan();
  std::set<DesignId> all;
  for (int i = 0; i < 5; ++i) {
    DesignId id = 0;
    ASSERT_TRUE(order.next(id));
    all.insert(id);
    record(store, two, id, 1, id + 1);
  }
  record(store, one, 0, 1, 100);  // by another process
  order.scan();
  const std::vector<DesignId> rest = rest_of(order);
  all.insert(rest.begin(), rest.end());
  EXPECT_EQ(all.size(), 100U);
  EXPECT_EQ(rest.size(), 95U) << "none twice";
}

TEST_P(SweepOrderOverAStore, HoldsWhatIsHandedOutForBegun) {
  Store store = open();
  const auto one = store.group(wide_group(100, "one")), two = store.group(wide_group(100, "two"));
  record(store, one, 0, 10, 100);
  record(store, two, 0, 20, 100, TrialState::waiting);
  record(store, two, 10, 20, 100, TrialState::running);
  SweepOrder order(store, {one, two}, 100, 7);
  order.scan();
  for (int i = 0; i < 10; ++i) {
    DesignId id = 1;
    ASSERT_TRUE(order.next(id));
    EXPECT_EQ(id % 10, 0U);
  }
}

TEST_P(SweepOrderOverAStore, HasMoreBegunDesignsThanItHoldsAtOnce) {
  Store store = open();
  constexpr std::uint32_t designs = 200'000;
  const auto one = store.group(wide_group(designs, "one")), two = store.group(wide_group(designs, "two"));
  record(store, one, 0, 1, 150'000);
  SweepOrder order(store, {one, two}, designs, 7);
  std::vector<DesignId> given;
  int scans = 0;
  do {
    order.scan();
    ++scans;
    std::vector<Trial> trials;
    for (DesignId id = 0; order.next(id);) {
      given.push_back(id);
      trials.push_back({id, TrialState::complete, "", {1}, 1});
    }
    store.record(two, trials);
  } while (order.wants_scan());
  EXPECT_EQ(scans, 3);
  ASSERT_EQ(given.size(), designs);
  EXPECT_TRUE(std::all_of(given.begin(), given.begin() + 150'000, [](DesignId id) { return id < 150'000; }));
  std::ranges::sort(given);
  EXPECT_EQ(std::ranges::adjacent_find(given), given.end());
}

TEST_P(SweepOrderOverAStore, GoesOnBehindItsWindow) {
  Store store = open();
  constexpr std::uint32_t designs = 18'000'000;  // a window is 2^24
  const auto group = store.group(wide_group(designs));
  record(store, group, 0, 1000, designs);
  SweepOrder order(store, {group}, designs, 7);
  order.scan();
  std::uint64_t given = 0, sum = 0, scans = 0;
  do {
    if (order.wants_scan()) order.scan();
    ++scans;
    for (DesignId id = 0; order.next(id); ++given) {
      sum += id;
      if (id % 1000 == 0) FAIL() << id << " is done";
    }
  } while (order.wants_scan());
  EXPECT_EQ(scans, 2U);
  EXPECT_EQ(given, designs - 18'000U);
  EXPECT_EQ(sum, std::uint64_t{designs} * (designs - 1) / 2 - std::uint64_t{1000} * 18'000 * 17'999 / 2);
}

}  // namespace
}  // namespace corbel::test
