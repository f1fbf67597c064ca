#include "corbel/dataset/combine.hpp"

#include <gtest/gtest.h>

#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

Network network(const std::string& name, std::int64_t channels) {
  Network made;
  made.name = name;
  made.layers.resize(1);
  made.layers[0].in_channels = channels;
  return made;
}

const std::vector<MetricInfo> metric_infos = {{"latency_ms", "", true}, {"area_mm2", "", false}};

Dataset trials(std::vector<DesignId> designs, const std::vector<double>& latencies) {
  Dataset data{small_group(), std::move(designs), {}, {}, {"", "too_wide"}, {}, 0};
  for (const double latency : latencies) {
    const bool complete = !std::isnan(latency);
    data.states.push_back(complete ? TrialState::complete : TrialState::infeasible);
    data.reasons.push_back(complete ? 0 : 1);
    data.metrics.insert(data.metrics.end(), {latency, 10});
  }
  return data;
}

TEST(Combine, HasARowForEveryDesignThatAllNetworksFinished) {
  WorkloadSuite suite(CombineRule::maximum);
  suite.add({network("a", 1), "a", 1});
  suite.add({network("b", 2), "b", 2});
  const std::vector<Dataset> parts = {trials({1, 4, 5, 9}, {3, 5, nan, 7}), trials({0, 4, 5, 6, 9}, {1, 4, 2, 2, nan})};
  const Dataset all = combine(suite, metric_infos, {parts[0], parts[1]}).read();
  EXPECT_EQ(all.group.metrics, (std::vector<std::string>{"latency_ms", "area_mm2", "a.latency_ms", "b.latency_ms"}));
  EXPECT_EQ(all.group.workload, "a + b");
  EXPECT_EQ(all.group.workload_fingerprint, suite.fingerprint());
  EXPECT_EQ(all.designs, (std::vector<DesignId>{4, 5, 9}));
  EXPECT_EQ(all.states, (std::vector{TrialState::complete, TrialState::infeasible, TrialState::infeasible}));
  EXPECT_EQ(all.reason_names, (std::vector<std::string>{"", "too_wide"}));
  EXPECT_EQ(all.reasons, (std::vector<std::uint16_t>{0, 1, 1}));
  EXPECT_EQ(all.metric(0, 0), 8);  // max(5, 2·4)
  EXPECT_EQ(all.metric(0, 2), 5);
  EXPECT_EQ(all.metric(0, 3), 4);
  EXPECT_TRUE(std::isnan(all.metric(1, 0)));
  EXPECT_EQ(all.metric(1, 1), 10);
  EXPECT_TRUE(std::isnan(all.metric(1, 2)));
  EXPECT_EQ(all.metric(1, 3), 2);
  EXPECT_FALSE(combine(suite, metric_infos, {parts[0], trials({}, {})}).has_rows());
  EXPECT_FALSE(combine(suite, metric_infos, {trials({}, {}), parts[0]}).has_rows());
  EXPECT_FALSE(combine(suite, metric_infos, {trials({1}, {3}), trials({2}, {3})}).has_rows());
}

/// As FakeSimulator, but on networks: latency in proportion to the first layer's channels.
class NetworkSimulator : public FakeSimulator {
 public:
  bool needs_workload() const override { return true; }
  std::vector<Outcome> simulate(std::span<const Hardware> hardware, const Network* on) const override {
    std::vector<Outcome> outcomes = FakeSimulator::simulate(hardware, on);
    const auto channels = static_cast<double>(on->layers[0].in_channels);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      outcomes[i].metrics[0] *= channels;
      const double width = std::get<double>(hardware[i][0]);
      if (channels == fails_on && width == 3) outcomes[i] = {OutcomeState::failed, "crash", "signal 8", {}};
      if (channels == breaks_on) outcomes[i] = {OutcomeState::failed, "crash", "no such program", {}};
    }
    return outcomes;
  }
  double fails_on = 0, breaks_on = 0;
};

struct SuiteBench {
  explicit SuiteBench(const std::filesystem::path& file) : store(file, Store::Mode::read_write) {}

  SweepResult run(std::uint64_t designs, std::size_t networks, std::uint64_t seed = 1,
                  Monitor& monitor = silent_monitor()) {
    SweepOptions options;
    options.designs = designs;
    options.seed = seed;
    options.threads = 2;
    options.batch = 64;
    std::vector<SweepTarget> targets;
    for (std::size_t k = 0; k < networks; ++k) {
      targets.push_back({store.group(trial_group(small_space(), simulator, &all[k])), &all[k]});
    }
    return sweep(store, targets, simulator, HardwareBinding(simulator, small_space()), options, monitor);
  }
  std::vector<DesignId> finished(std::size_t network) {
    return store.finished(store.group(trial_group(small_space(), simulator, &all[network])));
  }

  Store store;
  NetworkSimulator simulator;
  std::vector<Network> all = {network("one", 1), network("two", 2), network("three", 3)};
};

TEST(SweepOfSeveralNetworks, SimulatesTheSameDesignsOnAll) {
  const TemporaryFolder folder;
  SuiteBench bench(folder / "trials.db");
  RecordingMonitor monitor;
  const SweepResult result = bench.run(200, 2, 1, monitor);
  EXPECT_EQ(result.rows, 200U);
  EXPECT_EQ(result.simulated, 400U);
  EXPECT_EQ(monitor.last_done, 200U);
  EXPECT_EQ(bench.finished(0).size(), 200U);
  EXPECT_EQ(bench.finished(0), bench.finished(1));
  EXPECT_EQ(bench.run(200, 2).simulated, 0U);
  // They are those that a sweep of one network draws.
  SuiteBench alone(folder / "alone.db");
  alone.run(200, 1);
  EXPECT_EQ(alone.finished(0), bench.finished(0));
}

TEST(SweepOfSeveralNetworks, SimulatesANewNetworkOnTheDesignsThatAreThere) {
  const TemporaryFolder folder;
  SuiteBench bench(folder / "trials.db");
  bench.run(200, 2);
  const SweepResult added = bench.run(200, 3);
  EXPECT_EQ(added.rows, 200U);
  EXPECT_EQ(added.simulated, 200U);
  EXPECT_EQ(bench.finished(2), bench.finished(0));
  // Also where another seed drew them, and before any design is drawn anew.
  SuiteBench other(folder / "other.db");
  other.run(150, 1, 2);
  const SweepResult more = other.run(200, 2, 1);
  EXPECT_EQ(more.simulated, 150U + 2 * 50U);
  EXPECT_EQ(other.finished(0), other.finished(1));
}

TEST(SweepOfSeveralNetworks, EndsWithTheSameRowsAfterStops) {
  const TemporaryFolder folder;
  SuiteBench whole(folder / "whole.db"), bench(folder / "trials.db");
  for (SuiteBench* each : {&whole, &bench}) each->run(300, 1, 2);  // more than is asked for below
  whole.run(100, 2);
  int stops = 0;
  for (const std::uint64_t stop_after : {1, 2, 3, 5, 8, 1000}) {
    RecordingMonitor monitor(stop_after);
    try {
      bench.run(100, 2, 1, monitor);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::interrupted) << error.what();
      ++stops;
    }
  }
  EXPECT_GE(stops, 3);
  EXPECT_EQ(bench.finished(1).size(), 100U);
  EXPECT_EQ(bench.finished(1), whole.finished(1));
}

TEST(SweepOfSeveralNetworks, TriesFailuresOfOneNetworkAgain) {
  const TemporaryFolder folder;
  SuiteBench bench(folder / "trials.db");
  bench.simulator.fails_on = 2;
  RecordingMonitor monitor;
  const SweepResult first = bench.run(600, 2, 1, monitor);
  EXPECT_TRUE(first.exhausted);
  EXPECT_EQ(first.rows, 540U);
  EXPECT_EQ(first.failed, 60U);
  EXPECT_NE(monitor.messages.back().find("60 simulations failed"), std::string::npos) << monitor.messages.back();
  EXPECT_NE(monitor.messages.back().find("two: crash: signal 8"), std::string::npos) << monitor.messages.back();
  EXPECT_EQ(bench.finished(0).size(), 600U);
  bench.simulator.fails_on = 0;
  const SweepResult mended = bench.run(600, 2);
  EXPECT_EQ(mended.rows, 600U);
  EXPECT_EQ(mended.simulated, 60U);
}

TEST(SweepOfSeveralNetworks, GivesUpOnANetworkThatOnlyFails) {
  const TemporaryFolder folder;
  SuiteBench bench(folder / "trials.db");
  bench.simulator.breaks_on = 2;
  EXPECT_ERROR(bench.run(500, 2), ErrorCode::tool_failure, "two: crash: no such program");
  EXPECT_LE(bench.simulator.calls(), 2 * (100U + 64U));
}

}  // namespace
}  // namespace corbel::test
