#include "corbel/dataset/trial_sorter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <tuple>

#include "corbel/base/random.hpp"
#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

TEST(TrialSorter, SortsTheSameInMemoryAndThroughAFile) {
  const TemporaryFolder folder;
  using Seen = std::tuple<DesignId, std::uint32_t, std::uint64_t, TrialState, std::string, double>;
  std::vector<Seen> expected;
  TrialSorter small(folder.path(), 20'000), large(folder.path());
  Rng rng(5);
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const bool feasible = rng.below(2) == 0;
    const Trial trial{rng.below(1000),
                      feasible ? TrialState::complete : TrialState::infeasible,
                      feasible ? "" : std::string(rng.below(100), 'r'),
                      {static_cast<double>(i), nan},
                      1};
    const RowPlace place{static_cast<std::uint32_t>(i / 2000), i % 2000};
    small.add(trial, place);
    large.add(trial, place);
    expected.emplace_back(trial.design, place.file, place.number, trial.state, trial.reason, trial.metrics[0]);
  }
  std::ranges::sort(expected);
  for (TrialSorter* sorter : {&small, &large}) {
    std::vector<Seen> seen;
    sorter->for_each([&](const Trial& trial, const RowPlace& place) {
      EXPECT_TRUE(trial.metrics.size() == 2 && std::isnan(trial.metrics[1]));
      seen.emplace_back(trial.design, place.file, place.number, trial.state, trial.reason, trial.metrics[0]);
    });
    EXPECT_EQ(seen, expected);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "the temporary file has no name";
}

TEST(TrialSorter, SaysWhereItCannotWrite) {
  TrialSorter sorter("/nowhere/at/all", 1000);
  EXPECT_ERROR(
      {
        for (int i = 0; i < 100; ++i) sorter.add({1, TrialState::complete, "", {1}, 1}, {0, 1});
      },
      ErrorCode::file_access, "/nowhere/at/all");
}

}  // namespace
}  // namespace corbel::test
