#include "corbel/base/parallel.hpp"

#include <atomic>
#include <latch>
#include <limits>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/expect_error.hpp"
#include "corbel/base/monitor.hpp"

namespace corbel {
namespace {

TEST(ParallelFor, CoversEveryIndexOnce) {
  for (const std::size_t threads : {0, 1, 3, 64}) {
    for (const std::size_t chunk : {1, 7, 100, 5000}) {
      std::vector<std::atomic<int>> visits(1000);
      parallel_for(visits.size(), threads, chunk, [&](std::size_t begin, std::size_t end) {
        EXPECT_LE(end - begin, chunk);
        for (std::size_t i = begin; i < end; ++i) ++visits[i];
      });
      for (const auto& count : visits) ASSERT_EQ(count, 1);
    }
  }
}

TEST(ParallelFor, DoesNothingForNothing) {
  parallel_for(0, 4, 10, [](std::size_t, std::size_t) { FAIL(); });
}

TEST(ParallelFor, TakesAChunkOfZeroAsOne) {
  int calls = 0;
  parallel_for(3, 1, 0, [&](std::size_t begin, std::size_t end) {
    EXPECT_EQ(end, begin + 1);
    ++calls;
  });
  EXPECT_EQ(calls, 3);
}

TEST(ParallelFor, DoesNotOverflowNearTheLargestCount) {
  const std::size_t count = std::numeric_limits<std::size_t>::max();
  std::mutex mutex;
  std::size_t covered = 0;
  parallel_for(count, 2, count / 2 + 1, [&](std::size_t begin, std::size_t end) {
    const std::lock_guard lock(mutex);
    covered += end - begin;
  });
  EXPECT_EQ(covered, count);
}

TEST(ParallelFor, RethrowsAndStopsHandingOutWork) {
  std::atomic<int> calls = 0;
  EXPECT_THROW(parallel_for(1'000'000, 2, 1,
                            [&](std::size_t, std::size_t) {
                              ++calls;
                              throw std::runtime_error("stop");
                            }),
               std::runtime_error);
  EXPECT_LE(calls, 2);  // each thread at most once
}

TEST(Team, DoesEveryPieceOnceForEveryCaller) {
  for (const std::size_t threads : {1, 2, 5}) {
    Team team(threads);
    EXPECT_EQ(team.threads(), threads);
    std::vector<std::atomic<int>> visits(300);
    parallel_for(3, 3, 1, [&](std::size_t begin, std::size_t) {
      const Team::Caller caller(team);
      for (int round = 0; round < 50; ++round) {
        team.run(100, [&](std::size_t i) { ++visits[100 * begin + i]; });
      }
    });
    for (const auto& count : visits) ASSERT_EQ(count, 50);
  }
}

TEST(Team, HelpsAsLongAsThereAreCoresLeft) {
  Team team(2);
  const auto threads_at_work = [&] {
    std::mutex mutex;
    std::set<std::thread::id> seen;
    team.run(2, [&](std::size_t) {
      const std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
    });
    return seen.size();
  };
  const Team::Caller one(team);
  {
    const Team::Caller other(team);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(threads_at_work(), 1u);
  }
  std::latch both(2);
  team.run(2, [&](std::size_t) { both.arrive_and_wait(); });  // would never end on one thread
}

TEST(Team, RethrowsOnceNobodyIsAtWork) {
  Team team(3);
  std::atomic<int> at_work = 0;
  for (int round = 0; round < 20; ++round) {
    EXPECT_THROW(team.run(50,
                          [&](std::size_t i) {
                            ++at_work;
                            if (i == 7) {
                              --at_work;
                              throw std::runtime_error("seven");
                            }
                            --at_work;
                          }),
                 std::runtime_error);
    EXPECT_EQ(at_work, 0);
  }
  std::atomic<int> done = 0;
  team.run(10, [&](std::size_t) { ++done; });
  EXPECT_EQ(done, 10);
}

TEST(AvailableCores, IsAtLeastOne) {
  EXPECT_GE(available_cores(), 1u);
}

class StoppingMonitor : public Monitor {
 public:
  void progress(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
  void message(std::string_view) override {}
  bool stop_requested() const override { return true; }
};

TEST(Monitor, CheckThrowsOnceAStopWasAsked) {
  expect_error([] { StoppingMonitor().check(); }, ErrorCode::interrupted, "interrupted", "run the same command again");
  EXPECT_NO_THROW(silent_monitor().check());
  EXPECT_FALSE(silent_monitor().stop_requested());
}

}  // namespace
}  // namespace corbel
