#include <gtest/gtest.h>
#include <signal.h>
#include <time.h>

#include <cstdlib>
#include <optional>

#include "corbel/base/random.hpp"
#include "corbel/dataset/store_check.hpp"
#include "queue_testing.hpp"

namespace corbel::test {
namespace {

void pause_for(long milliseconds) {
  const timespec time{0, milliseconds * 1'000'000};
  nanosleep(&time, nullptr);
}

struct Ordeal {
  std::uint64_t trials;
  int kills, restarts;
};

/// A sweep hands out to 8 workers that are killed at random, again and again, while the server is restarted, too, and
/// once crashes. 1,500 trials, 12 kills and 2 restarts; with CORBEL_SLOW_TESTS=1 10,000, 50 and 3.
TEST(QueueKilled, EveryTrialIsFinishedExactlyOnce) {
  if (!PostgresServer::missing().empty()) GTEST_SKIP() << PostgresServer::missing();
  const Ordeal ordeal = std::getenv("CORBEL_SLOW_TESTS") == nullptr ? Ordeal{1'500, 12, 2} : Ordeal{10'000, 50, 3};
  PostgresServer server;
  const StoreLocation location = server.url(server.new_database());
  const DesignSpace space({Parameter::integer("width", 1, 40), Parameter::integer("depth", 1, 500),
                           Parameter::categorical("flow", {"row", "column", "both"})});
  // Long enough that a kill finds every worker at work.
  const FakeSimulator simulator([](double, double, Outcome&) { pause_for(4); });
  Store(location, Store::Mode::read_write);

  const auto start_worker = [&] {
    return fork_child([&] { work_on(location, simulator, 1, std::chrono::seconds(2), 1e9, silent_monitor()); });
  };
  const pid_t coordinator = fork_child([&] {
    Store store(location, Store::Mode::read_write);
    SweepOptions options;
    options.designs = ordeal.trials;
    const auto executor = handing_out(store, space, simulator, false);
    if (sweep(store, *executor, options, silent_monitor()).rows != ordeal.trials) _exit(2);
  });
  std::vector<pid_t> workers;
  for (int i = 0; i < 8; ++i) workers.push_back(start_worker());

  // What is done in turn when so many trials are complete.
  Rng rng(5);
  const int steps = ordeal.kills + ordeal.restarts;
  int killed = 0, restarted = 0;
  // Whether the coordinator lives: what it ended with is asked for once.
  std::optional<int> end;
  const auto has_ended = [&] {
    int status = 0;
    if (!end && waitpid(coordinator, &status, WNOHANG) == coordinator) end = status;
    return end.has_value();
  };
  const auto wait_for_trials = [&](std::int64_t wanted) {
    while (!has_ended()) {
      const QueueStatus status = queue_status(location);
      if (status.of(TrialState::complete) + status.of(TrialState::infeasible) >= wanted) return;
      pause_for(10);
    }
  };
  for (int step = 0; step < steps; ++step) {
    wait_for_trials(step * static_cast<std::int64_t>(ordeal.trials) / (steps + 1));
    if ((step + 1) * (ordeal.restarts + 1) / steps > restarted && restarted < ordeal.restarts) {
      restarted++ == 0 ? server.kill() : server.stop();
      server.start();
    } else {
      pid_t& victim = workers[rng.below(workers.size())];
      kill(victim, SIGKILL);
      EXPECT_EQ(wait_for(victim), -1) << "it was alive until now, restarts or not";
      ++killed;
      victim = start_worker();
    }
  }
  while (!has_ended()) pause_for(10);
  EXPECT_EQ(*end, 0);
  for (const pid_t worker : workers) {
    kill(worker, SIGKILL);
    EXPECT_EQ(wait_for(worker), -1);
  }
  EXPECT_EQ(killed, ordeal.kills);
  EXPECT_EQ(restarted, ordeal.restarts);

  const QueueStatus status = queue_status(location);
  std::int64_t counted = 0, lost = 0;
  for (const WorkerStatus& worker : status.workers) {
    counted += worker.done + worker.failed;
    lost += worker.state == "lost" ? 1 : 0;
  }
  EXPECT_EQ(counted, static_cast<std::int64_t>(ordeal.trials)) << "finishes that counted";
  EXPECT_GE(lost, 1);
  EXPECT_EQ(status.of(TrialState::complete) + status.of(TrialState::infeasible),
            static_cast<std::int64_t>(ordeal.trials));
  EXPECT_EQ(Store(location, Store::Mode::read_only).read(1).fingerprint(),
            swept_alone(space, FakeSimulator(), ordeal.trials).fingerprint());
  EXPECT_EQ(check_store(location, silent_monitor()).listed, std::vector<std::string>{});
}

}  // namespace
}  // namespace corbel::test
