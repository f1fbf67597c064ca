#include "corbel/dataset/worker.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include "corbel/dataset/executor.hpp"
#include "queue_testing.hpp"

namespace corbel::test {
namespace {

using std::chrono::seconds;

class Work : public QueueTest {
 protected:
  void work(const Simulator& simulator, std::size_t threads = 2) {
    const Worked worked = work_on(location(), simulator, threads, seconds(60), 0, monitor);
    finished = worked.finished;
    failed = worked.failed;
  }
  std::vector<DesignId> all() const {
    std::vector<DesignId> designs(small_space().size());
    for (std::size_t i = 0; i < designs.size(); ++i) designs[i] = i;
    return designs;
  }
  RecordingMonitor monitor;
  std::uint64_t finished = 0, failed = 0;
};

TEST_P(Work, DoesWhatWaitsAndEnds) {
  const FakeSimulator simulator;
  Store store(location(), Store::Mode::read_write);
  const Store::GroupId group = group_of(store, small_space(), simulator);
  TrialQueue coordinator(location(), "coordinator");
  coordinator.set_job(group, "{}");
  coordinator.offer(group, all());
  work(simulator);
  EXPECT_EQ(finished, 600U);
  EXPECT_EQ(simulator.calls(), 600U);
  EXPECT_EQ(store.read(group).fingerprint(), swept_alone(small_space(), simulator, 600).fingerprint());
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
  const auto executor = handing_out(store, small_space(), simulator, true);
  SweepOptions options;
  options.designs = 300;
  const SweepResult result = sweep(store, *executor, options, monitor);
  EXPECT_EQ(result.rows, 300U);
  EXPECT_GT(result.failed, 0U);
  EXPECT_EQ(store.read(1).fingerprint(), swept_alone(small_space(), simulator, 300).fingerprint());
  EXPECT_EQ(monitor.last_done, 300U);
  // Once more: nothing is left to simulate.
  const std::uint64_t calls = simulator.calls();
  EXPECT_EQ(sweep(store, *executor, options, monitor).simulated, 0U);
  EXPECT_EQ(simulator.calls(), calls);
}

TEST_P(Work, LeavesAllToWorkersIfAsked) {
  const FakeSimulator simulator;
  Store(location(), Store::Mode::read_write);
  const pid_t worker = fork_child([&] { work_on(location(), simulator, 1, seconds(60), 1e9, silent_monitor()); });
  {
    Store store(location(), Store::Mode::read_write);
    const FakeSimulator here;
    const auto executor = handing_out(store, small_space(), here, false);
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
  const auto executor = handing_out(store, small_space(), simulator, true);
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
  const Store::GroupId group = group_of(store, small_space(), broken);
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
  const Store::GroupId group = group_of(store, small_space(), simulator);
  TrialQueue coordinator(location(), "coordinator");
  coordinator.set_job(group, "{}");
  coordinator.offer(group, all());
  work(simulator, 1);
  EXPECT_NE(monitor.messages.at(0).find("no program `sim`"), std::string::npos);
  EXPECT_EQ(coordinator.open(group).size() + finished, 600U);
  const auto executor = handing_out(store, small_space(), simulator, true);
  SweepOptions options;
  options.designs = 600;
  EXPECT_ERROR(sweep(store, *executor, options, monitor), ErrorCode::not_found, "no program `sim`");
}

INSTANTIATE_TEST_SUITE_P(Backends, Work, backends(), backend_name);

}  // namespace
}  // namespace corbel::test
