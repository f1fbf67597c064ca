#include "corbel/base/parallel.hpp"

#include <atomic>
#include <limits>
#include <mutex>
#include <stdexcept>
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
