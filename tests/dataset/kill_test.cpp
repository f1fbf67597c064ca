#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "corbel/base/random.hpp"
#include "corbel/dataset/store_check.hpp"
#include "corbel/simulator/simulator.hpp"
#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

/// A process sweeps, and tells after each step through a pipe how many rows were acknowledged; it is killed at a random
/// moment, 200 times.
TEST(SweepKilled, AcknowledgedRowsAreThereAndTheStoreIsWell) {
  constexpr int kills = 200;
  const TemporaryFolder folder;
  const DesignSpace space({Parameter::integer("width", 1, 40), Parameter::integer("depth", 1, 500),
                           Parameter::categorical("flow", {"row", "column", "both"})});
  const FakeSimulator simulator;
  const HardwareBinding binding(simulator, space);
  const auto sweep_to = [&](Store& store, std::uint64_t designs, std::size_t batch) {
    SweepOptions options;
    options.designs = designs;
    options.threads = 1;
    options.batch = batch;
    const auto group = store.group(trial_group(space, simulator, nullptr));
    return sweep(store, group, simulator, binding, nullptr, options, silent_monitor()).rows;
  };
  const std::filesystem::path file = folder / "trials.db";
  Rng rng(11);
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < kills; ++round) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    const pid_t child = fork_child([&] {
      close(ends[0]);
      Store store(file, Store::Mode::read_write);
      for (std::uint64_t wanted = acknowledged + 1;; wanted += 11) {
        const std::uint64_t rows = sweep_to(store, wanted, 7);
        if (write(ends[1], &rows, sizeof rows) != sizeof rows) _exit(2);
      }
    });
    close(ends[1]);
    std::uint64_t rows = 0;
    for (std::uint64_t n = 1 + rng.below(4); n > 0 && read(ends[0], &rows, sizeof rows) == sizeof rows; --n) {
      acknowledged = std::max(acknowledged, rows);
    }
    for (std::uint64_t n = rng.below(3000); n > 0; --n) sched_yield();
    kill(child, SIGKILL);
    ASSERT_EQ(wait_for(child), -1) << "the child was to be killed";
    while (read(ends[0], &rows, sizeof rows) == sizeof rows) acknowledged = std::max(acknowledged, rows);
    close(ends[0]);

    ASSERT_EQ(check_store(file, silent_monitor()).listed, std::vector<std::string>{}) << "after kill " << round;
    const Store store(file, Store::Mode::read_only);
    ASSERT_GE(store.finished(1).size(), acknowledged) << "after kill " << round;
  }
  EXPECT_GT(acknowledged, static_cast<std::uint64_t>(kills));
  // What is there is the beginning of the sweep that nobody killed.
  Store killed(file, Store::Mode::read_write), whole(folder / "whole.db", Store::Mode::read_write);
  const std::uint64_t rows = sweep_to(killed, acknowledged + 100, 512);
  sweep_to(whole, rows, 512);
  EXPECT_EQ(killed.read(1).fingerprint(), whole.read(1).fingerprint());
}

}  // namespace
}  // namespace corbel::test
