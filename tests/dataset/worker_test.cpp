#include "corbel/dataset/worker.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <cstdlib>
#include <map>
#include <set>

#include "corbel/base/random.hpp"
#include "corbel/dataset/executor.hpp"
#include "corbel/dataset/store_check.hpp"
#include "queue_testing.hpp"

namespace corbel::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Work : public QueueTest {
 protected:
  /// Works as another process would, until nothing was there to do for a moment.
  void work(const Simulator& simulator, std::size_t threads = 2, milliseconds lease = seconds(60),
            double idle_seconds = 0, const std::string& name = TrialQueue::worker_id()) {
    TrialQueue queue(location(), name);
    const TrialGroup group = trial_group(small_space(), simulator, nullptr);
    const GroupSimulator made(group, simulator, HardwareBinding(simulator, small_space()), nullptr);
    WorkerOptions options;
    options.threads = threads;
    options.lease = lease;
    Worker worker(
        queue, [&](Store::GroupId) -> const GroupSimulator& { return made; }, options, monitor);
    worker.run([&](std::chrono::duration<double> idle) { return idle.count() >= idle_seconds; });
    finished = worker.finished();
    failed = worker.failed();
  }
  std::vector<DesignId> all() const {
    std::vector<DesignId> designs(small_space().size());
    for (std::size_t i = 0; i < designs.size(); ++i) designs[i] = i;
    return designs;
  }
  Store::GroupId group_of(Store& store, const Simulator& simulator) const {
    return store.group(trial_group(small_space(), simulator, nullptr));
  }
  std::unique_ptr<Executor> handing_out(Store& store, const Simulator& simulator, bool works_too) const {
    const Store::GroupId group = group_of(store, simulator);
    std::vector<ExecutorTarget> targets;
    targets.push_back(
        {group, GroupSimulator(store.describe(group), simulator, HardwareBinding(simulator, small_space()), nullptr)});
    return queue_executor(store, std::move(targets), {"{}"}, {works_too, 2});
  }
  /// The dataset that a sweep without any queue makes.
  Dataset swept_alone(const Simulator& simulator, std::uint64_t designs) const {
    const TemporaryFolder folder;
    Store store(folder / "alone.db", Store::Mode::read_write);
    const Store::GroupId group = group_of(store, simulator);
    SweepOptions options;
    options.designs = designs;
    sweep(store, group, simulator, HardwareBinding(simulator, small_space()), nullptr, options, silent_monitor());
    return store.read(group);
  }

  RecordingMonitor monitor;
  std::uint64_t finished = 0, failed = 0;
};

TEST_P(Work, DoesWhatWaitsAndEnds) {
  const FakeSimulator simulator;
  Store store(location(), Store::Mode::read_write);
  const Store::GroupId group = group_of(store, simulator);
  TrialQueue coordinator(location(), "coordinator");
  coordinator.set_job(group, "{}");
  coordinator.offer(group, all());
  work(simulator);
  EXPECT_EQ(finished, 600U);
  EXPECT_EQ(simulator.calls(), 600U);
  EXPECT_EQ(store.read(group).fingerprint(), swept_alone(simulator, 600).fingerprint());
  const QueueStatus status = queue_status(location());
  ASSERT_EQ(status.workers.size(), 1U);
  EXPECT_EQ(status.workers[0].state, "stopped");
  EXPECT_EQ(status.workers[0].done, 600);
}

TEST_P(Work, ASweepThatHandsOutEndsWithTheRowsOfOneThatDoesNot) {
  const FakeSimulator simulator([](double width, double depth, Outcome& outcome) {
    if (width == 3 && depth < 6) outcome = {OutcomeState::failed, "crashed", "", {}};
  });
  Store store(location(), Store::Mode::read_write);
  const auto executor = handing_out(store, simulator, true);
  SweepOptions options;
  options.designs = 300;
  const SweepResult result = sweep(store, *executor, options, monitor);
  EXPECT_EQ(result.rows, 300U);
  EXPECT_GT(result.failed, 0U);
  EXPECT_EQ(store.read(1).fingerprint(), swept_alone(simulator, 300).fingerprint());
  EXPECT_EQ(monitor.last_done, 300U);
  // Once more: nothing is left to simulate.
  const std::uint64_t calls = simulator.calls();
  EXPECT_EQ(sweep(store, *executor, options, monitor).simulated, 0U);
  EXPECT_EQ(simulator.calls(), calls);
}

TEST_P(Work, LeavesAllToWorkersIfAsked) {
  const FakeSimulator simulator;
  Store(location(), Store::Mode::read_write);
  const pid_t worker = fork_child([&] { work(simulator, 1, seconds(60), 1e9); });
  {
    Store store(location(), Store::Mode::read_write);
    const FakeSimulator here;
    const auto executor = handing_out(store, here, false);
    SweepOptions options;
    options.designs = 200;
    EXPECT_EQ(sweep(store, *executor, options, monitor).rows, 200U);
    EXPECT_EQ(here.calls(), 0U);
  }
  kill(worker, SIGKILL);
  wait_for(worker);
}

TEST_P(Work, StopsWhenAskedAndGivesBack) {
  RecordingMonitor stopping(1);
  const FakeSimulator simulator;
  Store store(location(), Store::Mode::read_write);
  const auto executor = handing_out(store, simulator, true);
  SweepOptions options;
  options.designs = 600;
  const std::vector<DesignId> some = {1, 2, 3, 4};
  // Asked to stop from the start: handed out, and not begun.
  stopping.progress("", 0, 0, "");
  const Share share{0, some};
  EXPECT_TRUE(executor->run(std::span(&share, 1), stopping, [](std::size_t) {}).shares[0].trials.empty());
  EXPECT_EQ(stopping.messages, std::vector<std::string>{"4 trials stay handed out to workers"});
  TrialQueue other(location(), "other");
  EXPECT_EQ(other.open(1), some);
  other.enter(1, seconds(60));
  EXPECT_EQ(other.claim(other.waiting_groups(), 10, 1).designs, some);
}

TEST_P(Work, AMachineWhereEverythingFailsLeavesTheRestToOthers) {
  const FakeSimulator broken([](double, double, Outcome& outcome) {
    outcome = {OutcomeState::failed, "crashed", "no licence", {}};
  });
  Store store(location(), Store::Mode::read_write);
  const Store::GroupId group = group_of(store, broken);
  TrialQueue coordinator(location(), "coordinator");
  coordinator.set_job(group, "{}");
  coordinator.offer(group, all());
  work(broken, 1);
  EXPECT_GE(failed, 100U);
  EXPECT_LT(failed, 600U);
  EXPECT_EQ(coordinator.open(group).size(), 600 - failed) << "and holds nothing back";
  ASSERT_FALSE(monitor.messages.empty());
  EXPECT_NE(monitor.messages[0].find("leaves group 1 to others: all of the first "), std::string::npos);
  EXPECT_NE(monitor.messages[0].find("no licence"), std::string::npos);
}

TEST_P(Work, ASimulatorThatThrowsStopsTheSweepAndNotTheWorker) {
  const FakeSimulator simulator([](double width, double, Outcome&) {
    if (width == 10) throw Error(ErrorCode::not_found, "no program `sim`", "install it");
  });
  Store store(location(), Store::Mode::read_write);
  const Store::GroupId group = group_of(store, simulator);
  TrialQueue coordinator(location(), "coordinator");
  coordinator.set_job(group, "{}");
  coordinator.offer(group, all());
  work(simulator, 1);
  EXPECT_NE(monitor.messages.at(0).find("no program `sim`"), std::string::npos);
  EXPECT_EQ(coordinator.open(group).size() + finished, 600U);
  const auto executor = handing_out(store, simulator, true);
  SweepOptions options;
  options.designs = 600;
  EXPECT_ERROR(sweep(store, *executor, options, monitor), ErrorCode::not_found, "no program `sim`");
}

/// Workers are killed at random, again and again, and every trial is finished exactly once all the same.
TEST_P(Work, KilledWorkersLoseNothing) {
  const int kills = 12;
  const FakeSimulator simulator;
  TrialQueue coordinator(location(), "coordinator");
  Store::GroupId group = 0;
  {
    Store store(location(), Store::Mode::read_write);
    group = group_of(store, simulator);
  }
  coordinator.set_job(group, "{}");
  coordinator.offer(group, all());
  Rng rng(3);
  const auto start = [&] { return fork_child([&] { work(simulator, 1, milliseconds(100), 1e9); }); };
  std::vector<pid_t> workers = {start(), start(), start()};
  for (int i = 0; i < kills && !coordinator.open(group).empty(); ++i) {
    for (std::uint64_t n = rng.below(3000); n > 0; --n) sched_yield();
    pid_t& victim = workers[rng.below(workers.size())];
    kill(victim, SIGKILL);
    EXPECT_EQ(wait_for(victim), -1);
    victim = start();
  }
  while (!coordinator.open(group).empty()) sched_yield();
  for (const pid_t worker : workers) {
    kill(worker, SIGKILL);
    wait_for(worker);
  }
  const Store store(location(), Store::Mode::read_only);
  EXPECT_EQ(store.read(group).fingerprint(), swept_alone(simulator, 600).fingerprint());
  std::int64_t counted = 0;
  for (const WorkerStatus& worker : queue_status(location()).workers) counted += worker.done + worker.failed;
  EXPECT_EQ(counted, 600) << "each finish that counted is one of a trial";
  EXPECT_EQ(check_store(location(), silent_monitor()).listed, std::vector<std::string>{});
}

INSTANTIATE_TEST_SUITE_P(Backends, Work, backends(), backend_name);

}  // namespace
}  // namespace corbel::test
