#include "corbel/dataset/sweep.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

using std::filesystem::path;

/// A store with the group of FakeSimulator's trials.
struct Bench {
  explicit Bench(const path& file)
      : store(file, Store::Mode::read_write),
        group(store.group(trial_group(small_space(), FakeSimulator(), nullptr))) {}

  SweepResult run(const Simulator& simulator, const SweepOptions& options, Monitor& monitor = silent_monitor()) {
    return sweep(store, group, simulator, HardwareBinding(simulator, small_space()), nullptr, options, monitor);
  }
  std::vector<Trial> simulate(const Simulator& simulator, std::span<const Design> designs,
                              Monitor& monitor = silent_monitor()) {
    return simulate_designs(store, group, simulator, HardwareBinding(simulator, small_space()), nullptr, designs, 2,
                            monitor);
  }
  std::string fingerprint() const { return store.read(group).fingerprint(); }

  Store store;
  Store::GroupId group;
};

SweepOptions options_of(std::uint64_t designs, std::size_t threads = 2, std::size_t batch = 64) {
  SweepOptions options;
  options.designs = designs;
  options.threads = threads;
  options.batch = batch;
  return options;
}

TEST(Sweep, FillsTheGroupWithTheSimulatorsRows) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  const FakeSimulator simulator;
  RecordingMonitor monitor;
  const SweepResult result = bench.run(simulator, options_of(400), monitor);
  EXPECT_EQ(result.rows, 400U);
  EXPECT_EQ(result.simulated, 400U);
  EXPECT_EQ(result.failed, 0U);
  EXPECT_FALSE(result.exhausted);
  EXPECT_GT(result.seconds, 0);
  EXPECT_EQ(simulator.calls(), 400U);
  EXPECT_EQ(monitor.last_done, 400U);
  EXPECT_EQ(monitor.last_total, 400U);
  EXPECT_EQ(monitor.ends, 1U) << "a terminal keeps a line for each";
  EXPECT_TRUE(monitor.messages.empty());

  const Dataset data = bench.store.read(bench.group);
  ASSERT_EQ(data.rows(), 400U);
  for (std::size_t row = 0; row < data.rows(); ++row) {
    const Design design = data.group.space.design(data.designs[row]);
    const double width = design[0] + 1, depth = design[1] + 1;
    EXPECT_EQ(data.metric(row, 1), width + depth);
    if (width * depth > 120) {
      EXPECT_EQ(data.states[row], TrialState::infeasible);
      EXPECT_EQ(data.reason_names[data.reasons[row]], "too_wide");
      EXPECT_TRUE(std::isnan(data.metric(row, 0)));
    } else {
      EXPECT_EQ(data.states[row], TrialState::complete);
      EXPECT_EQ(data.metric(row, 0), 100 / (width * depth));
    }
  }
}

TEST(Sweep, GivesTheSameRowsForAnyThreadsAndBatches) {
  const TemporaryFolder folder;
  std::set<std::string> fingerprints;
  int file = 0;
  for (const std::size_t threads : {1, 4}) {
    for (const std::size_t batch : {0, 1, 7, 512}) {
      Bench bench(folder / (std::to_string(file++) + ".db"));
      bench.run(FakeSimulator(), options_of(40, threads, batch));
      fingerprints.insert(bench.fingerprint());
    }
  }
  EXPECT_EQ(fingerprints.size(), 1U);
  Bench other(folder / "other.db");
  SweepOptions options = options_of(40);
  options.seed = 2;
  other.run(FakeSimulator(), options);
  EXPECT_FALSE(fingerprints.contains(other.fingerprint())) << "another seed draws other designs";
}

TEST(Sweep, GrowsToMoreRowsWithoutSimulatingTwice) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  const FakeSimulator simulator;
  bench.run(simulator, options_of(100));
  RecordingMonitor monitor;
  const SweepResult more = bench.run(simulator, options_of(250), monitor);
  EXPECT_EQ(more.rows, 250U);
  EXPECT_EQ(more.simulated, 150U);
  EXPECT_EQ(simulator.calls(), 250U);
  ASSERT_EQ(monitor.messages.size(), 1U);
  EXPECT_EQ(monitor.messages[0], "resuming: 100 of 250 rows are there");
  const SweepResult nothing = bench.run(simulator, options_of(250));
  EXPECT_EQ(nothing.rows, 250U);
  EXPECT_EQ(nothing.simulated, 0U);
  Bench at_once(folder / "at_once.db");
  at_once.run(simulator, options_of(250));
  EXPECT_EQ(bench.fingerprint(), at_once.fingerprint());
}

TEST(Sweep, StopsWhenAskedAndGoesOn) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  std::uint64_t stored = 0;
  for (const std::uint64_t stop_after : {1, 3, 10}) {
    RecordingMonitor monitor(stop_after);
    EXPECT_ERROR(bench.run(FakeSimulator(), options_of(500), monitor), ErrorCode::interrupted, "of 500 rows");
    const std::uint64_t now = bench.store.finished(bench.group).size();
    EXPECT_GT(now, stored);
    EXPECT_LT(now, 500U);
    stored = now;
  }
  EXPECT_EQ(bench.run(FakeSimulator(), options_of(500)).simulated, 500 - stored);
  Bench whole(folder / "whole.db");
  whole.run(FakeSimulator(), options_of(500));
  EXPECT_EQ(bench.fingerprint(), whole.fingerprint());
}

TEST(Sweep, StopsAlsoWhileLookingForAdmittedDesigns) {
  const TemporaryFolder folder;
  Store store(folder / "trials.db", Store::Mode::read_write);
  std::vector<Parameter> parameters;
  for (const char* name : {"width", "depth", "flow"}) parameters.push_back(Parameter::integer(name, 1, 1 << 20));
  const DesignSpace space(std::move(parameters));
  const FakeSimulator simulator;
  const auto group = store.group(trial_group(space, simulator, nullptr));
  std::atomic<int> asked = 0;
  SweepOptions options = options_of(10);
  options.admits = [&](const Design&) { return ++asked < 0; };
  class Impatient : public RecordingMonitor {
   public:
    explicit Impatient(const std::atomic<int>& count) : count_(count) {}
    bool stop_requested() const override { return count_ > 0; }

   private:
    const std::atomic<int>& count_;
  } monitor(asked);
  EXPECT_ERROR(sweep(store, group, simulator, HardwareBinding(simulator, space), nullptr, options, monitor),
               ErrorCode::interrupted, "0 of 10 rows");
}

/// Kills its own process at a given simulation, with other threads in the middle of theirs.
TEST(Sweep, EndsWithTheSameRowsAfterKillsInTheMiddleOfSimulations) {
  const TemporaryFolder folder;
  Bench whole(folder / "whole.db");
  whole.run(FakeSimulator(), options_of(500));
  const path file = folder / "killed.db";
  std::uint64_t rows = 0;
  for (const std::uint64_t kill_at : {1, 30, 100, 101, 200}) {
    std::atomic<std::uint64_t> calls = 0;
    const pid_t child = fork_child([&] {
      const FakeSimulator simulator([&](double, double, Outcome&) {
        if (++calls == kill_at) kill(getpid(), SIGKILL);
      });
      Bench(file).run(simulator, options_of(500));
    });
    ASSERT_EQ(wait_for(child), -1) << "the child was to be killed";
    const std::uint64_t now = Bench(file).store.finished(1).size();
    EXPECT_GE(now, rows);
    EXPECT_LT(now, 500U);
    rows = now;
  }
  Bench resumed(file);
  const FakeSimulator simulator;
  EXPECT_EQ(resumed.run(simulator, options_of(500)).rows, 500U);
  EXPECT_EQ(simulator.calls(), 500 - rows);
  EXPECT_EQ(resumed.store.groups().size(), 1U);
  EXPECT_EQ(resumed.fingerprint(), whole.fingerprint());
}

/// Kills at moments that fall anywhere, also inside a transaction: the parent kills after some bytes of progress.
TEST(Sweep, EndsWithTheSameRowsAfterKillsAtAnyMoment) {
  const TemporaryFolder folder;
  Bench whole(folder / "whole.db");
  whole.run(FakeSimulator(), options_of(600));
  const path file = folder / "killed.db";
  class PipeMonitor : public RecordingMonitor {
   public:
    explicit PipeMonitor(int pipe) : pipe_(pipe) {}
    void progress(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {
      if (write(pipe_, ".", 1) != 1) _exit(2);
    }

   private:
    int pipe_;
  };
  int killed = 0;
  for (int round = 0; round < 12; ++round) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    const pid_t child = fork_child([&] {
      close(ends[0]);
      PipeMonitor monitor(ends[1]);
      // One design per transaction: most of the time is spent in the store.
      Bench(file).run(FakeSimulator(), options_of(600, 1, 1), monitor);
    });
    close(ends[1]);
    char byte = 0;
    for (int i = 0; i < 5 + 3 * round && read(ends[0], &byte, 1) == 1; ++i) {
    }
    kill(child, SIGKILL);
    killed += wait_for(child) == -1 ? 1 : 0;
    close(ends[0]);
  }
  EXPECT_EQ(killed, 12);
  Bench resumed(file);
  const std::uint64_t rows = resumed.store.finished(resumed.group).size();
  EXPECT_GT(rows, 60U);
  EXPECT_LT(rows, 600U);
  EXPECT_EQ(resumed.run(FakeSimulator(), options_of(600)).rows, 600U);
  EXPECT_EQ(resumed.fingerprint(), whole.fingerprint());
}

TEST(Sweep, SharesAGroupBetweenProcesses) {
  const TemporaryFolder folder;
  const path file = folder / "trials.db";
  { Bench bench(file); }
  std::vector<pid_t> children;
  for (int child = 0; child < 3; ++child) {
    children.push_back(fork_child([&] { Bench(file).run(FakeSimulator(), options_of(300, 1, 20)); }));
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  Bench alone(folder / "alone.db");
  alone.run(FakeSimulator(), options_of(300));
  EXPECT_EQ(Bench(file).fingerprint(), alone.fingerprint());
}

TEST(Sweep, ExhaustsTheSpaceAndSaysSo) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  RecordingMonitor monitor;
  const SweepResult result = bench.run(FakeSimulator(), options_of(1000), monitor);
  EXPECT_EQ(result.rows, 600U);
  EXPECT_TRUE(result.exhausted);
  ASSERT_EQ(monitor.messages.size(), 1U);
  EXPECT_EQ(monitor.messages[0], "every admitted design has been tried: 600 rows where 1,000 were asked for");
}

TEST(Sweep, SimulatesAdmittedDesignsOnly) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  SweepOptions options = options_of(1000);
  options.admits = [](const Design& design) { return design[2] == 1; };
  const SweepResult result = bench.run(FakeSimulator(), options);
  EXPECT_EQ(result.rows, 200U);
  EXPECT_TRUE(result.exhausted);
  for (const DesignId id : bench.store.finished(bench.group)) EXPECT_EQ(small_space().design(id)[2], 1U);
}

TEST(Sweep, RecordsFailuresApartAndTriesThemAgain) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  const FakeSimulator flaky([](double width, double, Outcome& outcome) {
    if (width == 3) outcome = {OutcomeState::failed, "crash", "signal 8", {}};
  });
  RecordingMonitor monitor;
  const SweepResult first = bench.run(flaky, options_of(300), monitor);
  EXPECT_EQ(first.rows, 300U);
  EXPECT_GT(first.failed, 0U);
  EXPECT_EQ(first.simulated, 300 + first.failed);
  ASSERT_EQ(monitor.messages.size(), 1U);
  EXPECT_NE(monitor.messages[0].find("signal 8"), std::string::npos) << monitor.messages[0];
  EXPECT_EQ(bench.store.groups()[0].failed, first.failed);
  for (const DesignId id : bench.store.finished(bench.group)) EXPECT_NE(small_space().design(id)[0], 2U);

  const SweepResult second = bench.run(flaky, options_of(600));
  EXPECT_TRUE(second.exhausted);
  EXPECT_EQ(second.rows, 540U);
  EXPECT_EQ(second.failed, 60U);
  EXPECT_EQ(second.simulated, 240U + 60U);

  // The simulator is mended: the failed ones, and only they, are simulated.
  const FakeSimulator mended;
  EXPECT_EQ(bench.run(mended, options_of(600)).rows, 600U);
  EXPECT_EQ(mended.calls(), 60U);
  EXPECT_EQ(bench.store.groups()[0].failed, 0U);
  Bench whole(folder / "whole.db");
  whole.run(mended, options_of(600));
  EXPECT_EQ(bench.fingerprint(), whole.fingerprint());
  const std::vector<DesignId> failed_first = {small_space().id({2, 0, 0})};
  EXPECT_GE(bench.store.find(bench.group, failed_first)[0].attempt, 2U);
}

TEST(Sweep, GivesUpOnASimulatorThatOnlyFails) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  const FakeSimulator broken([](double, double, Outcome& outcome) {
    outcome = {OutcomeState::failed, "no_output", "cannot run x", {}};
  });
  EXPECT_ERROR(bench.run(broken, options_of(500)), ErrorCode::tool_failure, "cannot run x");
  EXPECT_GE(broken.calls(), 100U);
  EXPECT_LE(broken.calls(), 100U + 64U);
  EXPECT_TRUE(bench.store.finished(bench.group).empty());
}

TEST(Sweep, KeepsWhatWasDoneWhenASimulatorThrows) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  std::atomic<int> calls = 0;
  const FakeSimulator throwing([&](double, double, Outcome&) {
    if (++calls == 200) throw Error(ErrorCode::invalid_input, "a value I cannot read", "mend it");
  });
  EXPECT_ERROR(bench.run(throwing, options_of(500)), ErrorCode::invalid_input, "a value I cannot read");
  EXPECT_GT(bench.store.finished(bench.group).size(), 100U);
  EXPECT_EQ(bench.run(FakeSimulator(), options_of(500)).rows, 500U);
  Bench whole(folder / "whole.db");
  whole.run(FakeSimulator(), options_of(500));
  EXPECT_EQ(bench.fingerprint(), whole.fingerprint());
}

TEST(Sweep, TakesNoImpossibleResultForARow) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  const FakeSimulator odd([](double width, double, Outcome& outcome) {
    if (width == 1) outcome = {OutcomeState::complete, "", "", {std::numeric_limits<double>::infinity(), 1}};
    if (width == 2) outcome = {OutcomeState::complete, "", "", {1}};
    if (width == 3) outcome = {OutcomeState::complete, "", "", {nan, nan}};
    if (width == 4) outcome = {OutcomeState::complete, "", "", {}};
    if (width == 5) outcome = {OutcomeState::complete, "", "", {nan, 5}};
    if (width == 6) outcome = {OutcomeState::infeasible, "x", "", {}};
  });
  EXPECT_EQ(bench.run(odd, options_of(600)).rows, 360U);
  const auto trial = [&](std::uint32_t width) {
    return bench.store.find(bench.group, std::vector<DesignId>{small_space().id({width - 1, 0, 0})})[0];
  };
  EXPECT_EQ(trial(1).reason, "infinite_metric");
  EXPECT_EQ(trial(2).reason, "wrong_number_of_metrics");
  EXPECT_EQ(trial(3).reason, "no_metrics");
  EXPECT_EQ(trial(4).reason, "wrong_number_of_metrics");
  for (const std::uint32_t width : {1U, 2U, 3U, 4U}) EXPECT_EQ(trial(width).state, TrialState::failed);
  EXPECT_EQ(trial(5).state, TrialState::complete);
  EXPECT_EQ(trial(6).state, TrialState::infeasible);
}

TEST(Sweep, RefusesAnotherSimulatorsGroup) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  TrialGroup other = trial_group(small_space(), FakeSimulator(), nullptr);
  other.simulator = "edge";
  other.simulator_fingerprint = "edge 1";
  bench.group = bench.store.group(other);
  EXPECT_ERROR(bench.run(FakeSimulator(), options_of(10)), ErrorCode::mismatch, "`edge`, not `fake`");
}

TEST(Sweep, RefusesAnotherWorkloadsGroup) {
  const TemporaryFolder folder;
  Network one, other;
  one.name = "one";
  other.name = "other";
  other.layers.resize(1);
  const FakeSimulator simulator;
  Store store(folder / "trials.db", Store::Mode::read_write);
  const auto group = store.group(trial_group(small_space(), simulator, &one));
  const HardwareBinding binding(simulator, small_space());
  RecordingMonitor monitor;
  EXPECT_ERROR(sweep(store, group, simulator, binding, &other, options_of(10), monitor), ErrorCode::mismatch,
               "of workload `one`, not of this `other`");
  EXPECT_EQ(sweep(store, group, simulator, binding, &one, options_of(10), monitor).rows, 10u);
}

TEST(TrialGroup, HasFixedHardwareInItsFingerprint) {
  const FakeSimulator simulator;
  const TrialGroup plain = trial_group(small_space(), simulator, nullptr);
  EXPECT_EQ(plain.simulator_fingerprint, simulator.fingerprint());
  EXPECT_EQ(plain.metrics, (std::vector<std::string>{"latency_ms", "area_mm2"}));
  const TrialGroup fixed = trial_group(small_space(), simulator, nullptr, {{"a", "1"}, {"b", "2"}});
  EXPECT_NE(fixed.simulator_fingerprint, plain.simulator_fingerprint);
  EXPECT_EQ(trial_group(small_space(), simulator, nullptr, {{"b", "2"}, {"a", "1"}}).simulator_fingerprint,
            fixed.simulator_fingerprint);
  EXPECT_NE(trial_group(small_space(), simulator, nullptr, {{"a", "1"}, {"b", "3"}}).simulator_fingerprint,
            fixed.simulator_fingerprint);
}

TEST(SimulateDesigns, AnswersInOrderAndSimulatesOnce) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  const FakeSimulator simulator;
  const std::vector<Design> designs = {{9, 19, 0}, {0, 0, 0}, {0, 1, 2}, {0, 0, 0}};
  const std::vector<Trial> trials = bench.simulate(simulator, designs);
  ASSERT_EQ(trials.size(), 4U);
  EXPECT_EQ(trials[0].state, TrialState::infeasible);
  EXPECT_EQ(trials[0].reason, "too_wide");
  EXPECT_EQ(trials[0].metrics[1], 30);
  EXPECT_EQ(trials[1].metrics, (std::vector<double>{100, 2}));
  EXPECT_EQ(trials[2].metrics, (std::vector<double>{50, 3}));
  EXPECT_EQ(trials[3].design, trials[1].design);
  EXPECT_EQ(simulator.calls(), 3U);
  EXPECT_EQ(bench.simulate(simulator, designs)[2].metrics, (std::vector<double>{50, 3}));
  EXPECT_EQ(simulator.calls(), 3U);
  EXPECT_EQ(bench.store.finished(bench.group).size(), 3U);
  EXPECT_TRUE(bench.simulate(simulator, {}).empty());
  EXPECT_ERROR(bench.simulate(simulator, std::vector<Design>{{10, 0, 0}}), ErrorCode::invalid_input, "outside");
}

TEST(Sweep, AbandonedDesignsAreNotTriedAgain) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  const FakeSimulator giving_up([](double width, double depth, Outcome& outcome) {
    if (width == 3) outcome = {OutcomeState::abandoned, "too_slow", "stopped after 1 h", {}};
    if (width == 4 && depth == 1) outcome = {OutcomeState::failed, "crash", "signal 8", {}};
  });
  RecordingMonitor monitor;
  const SweepResult result = bench.run(giving_up, options_of(600), monitor);
  EXPECT_TRUE(result.exhausted);
  EXPECT_EQ(result.rows, 600U - 60 - 3);
  EXPECT_EQ(result.abandoned, 60U);
  EXPECT_EQ(result.failed, 3U);
  ASSERT_FALSE(monitor.messages.empty());
  EXPECT_NE(
      monitor.messages.back().find("63 designs failed (3 crash, 60 too_slow); 3 are tried again next time, 60 are "
                                   "not; the last: "),
      std::string::npos)
      << monitor.messages.back();

  const FakeSimulator mended;
  EXPECT_EQ(bench.run(mended, options_of(600)).simulated, 3U);
  const std::vector<Design> asked = {{2, 0, 0}};
  EXPECT_EQ(bench.simulate(mended, asked).front().state, TrialState::abandoned);
  EXPECT_EQ(mended.calls(), 3U);
}

/// Waits, in every call, until so many calls are there at once.
class GatheringSimulator final : public FakeSimulator {
 public:
  explicit GatheringSimulator(std::size_t jobs) : jobs_(jobs) {}
  std::size_t jobs() const override { return jobs_; }
  std::vector<Outcome> simulate(std::span<const Hardware> hardware, const Network* network) const override {
    std::unique_lock lock(mutex_);
    most_ = std::max(most_, ++here_);
    gathered_.notify_all();
    gathered_.wait_for(lock, std::chrono::seconds(10), [&] { return most_ >= jobs_; });
    --here_;
    return FakeSimulator::simulate(hardware, network);
  }
  std::size_t most() const { return most_; }

 private:
  std::size_t jobs_;
  mutable std::mutex mutex_;
  mutable std::condition_variable gathered_;
  mutable std::size_t here_ = 0, most_ = 0;
};

TEST(Sweep, RunsAsManySideBySideAsTheSimulatorAsks) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  const GatheringSimulator simulator(5);
  EXPECT_EQ(bench.run(simulator, options_of(40, 1)).rows, 40U);
  EXPECT_EQ(simulator.most(), 5U);
}

TEST(Sweep, StoresWhatIsThereWhileOthersStillRun) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  const auto start = std::chrono::steady_clock::now();
  const auto wait_until = [&](std::chrono::milliseconds most, const std::function<bool()>& holds) {
    while (!holds() && std::chrono::steady_clock::now() < start + most) std::this_thread::yield();
    return holds();
  };
  std::atomic<int> calls = 0;
  std::atomic<bool> was_stored = false;
  const FakeSimulator simulator([&](double, double, Outcome&) {
    const int call = ++calls;
    if (call == 1) wait_until(std::chrono::milliseconds(1100), [] { return false; });
    if (call != 2) return;
    was_stored = wait_until(std::chrono::seconds(20), [&] {
      return !Store(bench.store.location(), Store::Mode::read_only).finished(bench.group).empty();
    });
  });
  EXPECT_EQ(bench.run(simulator, options_of(16, 2)).rows, 16U);
  EXPECT_TRUE(was_stored);
}

TEST(SimulateDesigns, TriesFailedOnesAgainAndStopsWhenAsked) {
  const TemporaryFolder folder;
  Bench bench(folder / "trials.db");
  const FakeSimulator broken([](double, double, Outcome& outcome) {
    outcome = {OutcomeState::failed, "crash", "", {}};
  });
  const std::vector<Design> designs = {{0, 0, 0}, {1, 1, 1}};
  EXPECT_EQ(bench.simulate(broken, designs)[1].state, TrialState::failed);
  EXPECT_EQ(bench.simulate(FakeSimulator(), designs)[1].state, TrialState::complete);

  std::vector<Design> all;
  for (DesignId id = 0; id < 600; ++id) all.push_back(small_space().design(id));
  RecordingMonitor monitor(3);
  EXPECT_ERROR(bench.simulate(FakeSimulator(), all, monitor), ErrorCode::interrupted, "stored");
  const std::size_t stored = bench.store.finished(bench.group).size();
  EXPECT_GT(stored, 2U);
  EXPECT_LT(stored, 600U);
  EXPECT_EQ(bench.simulate(FakeSimulator(), all).size(), 600U);
}

}  // namespace
}  // namespace corbel::test
