#include "corbel/simulator/suite.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/expect_error.hpp"

namespace corbel {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

const std::vector<MetricInfo> edge_like = {{"latency_ms", "", true},
                                           {"energy_mj", "", true},
                                           {"power_w", "", true},
                                           {"area_mm2", "", false},
                                           {"resident_weight_share", "", true}};
enum : std::size_t { latency, energy, power, area, share, first_own };
constexpr std::size_t own_metrics = 4;

/// A network unlike that of another number.
Network network(const std::string& name, std::int64_t channels) {
  Network made;
  made.name = name;
  made.layers.resize(1);
  made.layers[0].in_channels = made.layers[0].out_channels = channels;
  return made;
}

WorkloadSuite suite_of(CombineRule rule, const std::vector<double>& weights) {
  WorkloadSuite suite(rule);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    suite.add({network(name, static_cast<std::int64_t>(i) + 1), name, weights[i]});
  }
  return suite;
}

/// Complete, of 10 mm².
Outcome complete(double latency_ms, double energy_mj, double resident = 0.5) {
  return {OutcomeState::complete, "", "", {latency_ms, energy_mj, energy_mj / latency_ms, 10, resident}};
}

Outcome infeasible(const std::string& reason, const std::string& detail) {
  return {OutcomeState::infeasible, reason, detail, {nan, nan, nan, 10, nan}};
}

std::vector<double> combined(CombineRule rule, const std::vector<double>& weights,
                             const std::vector<Outcome>& outcomes) {
  const Outcome one = suite_of(rule, weights).combine(edge_like, outcomes);
  EXPECT_EQ(one.state, OutcomeState::complete);
  EXPECT_EQ(one.reason, "");
  return one.metrics;
}

TEST(WorkloadSuite, TakesTheGeometricMean) {
  // √(2·8) = 4 ms and √(4·1) = 2 mJ; power √(2·⅛) = ½ W is their ratio; shares √(0.25·1) = 0.5.
  const auto equal = combined(CombineRule::geometric_mean, {1, 1}, {complete(2, 4, 0.25), complete(8, 1, 1)});
  EXPECT_DOUBLE_EQ(equal[latency], 4);
  EXPECT_DOUBLE_EQ(equal[energy], 2);
  EXPECT_DOUBLE_EQ(equal[power], 0.5);
  EXPECT_DOUBLE_EQ(equal[area], 10);
  EXPECT_DOUBLE_EQ(equal[share], 0.5);
  // ∛(2²·16) = 4: weights are relative, so 6 and 3 are 2 and 1.
  for (const double scale : {1.0, 3.0}) {
    const auto weighted = combined(CombineRule::geometric_mean, {2 * scale, scale}, {complete(2, 1), complete(16, 1)});
    EXPECT_DOUBLE_EQ(weighted[latency], 4);
  }
}

TEST(WorkloadSuite, GeometricMeanWithAZeroIsZero) {
  const auto metrics = combined(CombineRule::geometric_mean, {1, 3}, {complete(2, 4, 0), complete(8, 1, 1)});
  EXPECT_EQ(metrics[share], 0);
  EXPECT_GT(metrics[latency], 0);
}

TEST(WorkloadSuite, SumsAmountsAndAveragesTheRestOverTime) {
  const auto metrics = combined(CombineRule::sum, {3, 1}, {complete(2, 4, 0.25), complete(4, 2, 1)});
  EXPECT_DOUBLE_EQ(metrics[latency], 10);  // 3·2 + 4
  EXPECT_DOUBLE_EQ(metrics[energy], 14);   // 3·4 + 2
  EXPECT_DOUBLE_EQ(metrics[power], 1.4);   // 14 mJ over 10 ms, not 3·2 + 0.5
  EXPECT_DOUBLE_EQ(metrics[share], 0.55);  // (6·0.25 + 4·1) / 10
  EXPECT_DOUBLE_EQ(metrics[area], 10);
}

TEST(WorkloadSuite, AveragesByWeightWhereNothingTellsTheTime) {
  const std::vector<MetricInfo> only = {{"power_w", "", true}};
  const std::vector<Outcome> outcomes = {{OutcomeState::complete, "", "", {2}}, {OutcomeState::complete, "", "", {6}}};
  EXPECT_DOUBLE_EQ(suite_of(CombineRule::sum, {3, 1}).combine(only, outcomes).metrics[0], 3);
}

TEST(WorkloadSuite, AveragesOverCyclesWhereTimeIsInCycles) {
  const std::vector<MetricInfo> metrics = {{"power_mw", "", true}, {"runtime_cycles", "", true}};
  const std::vector<Outcome> outcomes = {{OutcomeState::complete, "", "", {2, 100}},
                                         {OutcomeState::complete, "", "", {6, 300}}};
  const Outcome sum = suite_of(CombineRule::sum, {1, 1}).combine(metrics, outcomes);
  EXPECT_DOUBLE_EQ(sum.metrics[0], 5);  // (2·100 + 6·300) / 400
  EXPECT_DOUBLE_EQ(sum.metrics[1], 400);
}

TEST(WorkloadSuite, TakesTheMaximumOfWeightedAmountsAndOfTheRestAsTheyAre) {
  const auto metrics = combined(CombineRule::maximum, {3, 1}, {complete(2, 4, 0.25), complete(4, 20, 1)});
  EXPECT_DOUBLE_EQ(metrics[latency], 6);
  EXPECT_DOUBLE_EQ(metrics[energy], 20);
  EXPECT_DOUBLE_EQ(metrics[power], 5);  // max(4/2, 20/4): 3·2 W would be nobody's power
  EXPECT_DOUBLE_EQ(metrics[share], 1);
  const WorkloadSuite suite = suite_of(CombineRule::maximum, {3, 1});
  EXPECT_TRUE(suite.weighs("latency_ms"));
  EXPECT_FALSE(suite.weighs("power_w"));
  EXPECT_TRUE(suite_of(CombineRule::sum, {3, 1}).weighs("power_w"));
}

TEST(WorkloadSuite, KeepsEachNetworksOwnMetrics) {
  const WorkloadSuite suite = suite_of(CombineRule::sum, {1, 2});
  const std::vector<MetricInfo> metrics = suite.metrics(edge_like);
  const Outcome one = suite.combine(edge_like, std::vector<Outcome>{complete(2, 4, 0.25), complete(8, 1, 1)});
  ASSERT_EQ(metrics.size(), first_own + 2 * own_metrics);
  ASSERT_EQ(one.metrics.size(), metrics.size());
  EXPECT_EQ(metrics[latency].name, "latency_ms");
  EXPECT_FALSE(metrics[area].needs_workload);
  EXPECT_EQ(metrics[first_own].name, "a.latency_ms");
  EXPECT_EQ(one.metrics[first_own], 2);
  EXPECT_EQ(metrics[first_own + own_metrics].name, "b.latency_ms");
  EXPECT_EQ(one.metrics[first_own + own_metrics], 8);
  EXPECT_EQ(metrics.back().name, "b.resident_weight_share");
  EXPECT_EQ(one.metrics.back(), 1);
}

TEST(WorkloadSuite, IsInfeasibleIfAnyIsAndNamesTheFirst) {
  const WorkloadSuite suite = suite_of(CombineRule::geometric_mean, {1, 1, 1});
  const Outcome one = suite.combine(
      edge_like, std::vector<Outcome>{complete(2, 4), infeasible("core_memory_overflow", "layer 3 needs 48 KiB"),
                                      infeasible("other", "")});
  EXPECT_EQ(one.state, OutcomeState::infeasible);
  EXPECT_EQ(one.reason, "core_memory_overflow");
  EXPECT_EQ(one.detail, "b: layer 3 needs 48 KiB");
  EXPECT_TRUE(std::isnan(one.metrics[latency]));
  EXPECT_TRUE(std::isnan(one.metrics[power]));
  EXPECT_EQ(one.metrics[area], 10);
  EXPECT_EQ(one.metrics[first_own], 2) << "what is known of a is kept";
  EXPECT_TRUE(std::isnan(one.metrics[first_own + own_metrics]));
  for (const CombineRule rule : {CombineRule::sum, CombineRule::maximum}) {
    const Outcome again =
        suite_of(rule, {1, 1}).combine(edge_like, std::vector<Outcome>{infeasible("x", ""), complete(2, 4)});
    EXPECT_TRUE(std::isnan(again.metrics[latency]));
    EXPECT_TRUE(std::isnan(again.metrics[share]));
    EXPECT_EQ(again.detail, "a");
  }
}

TEST(WorkloadSuite, IsFailedOnlyWhereNothingIsInfeasible) {
  const WorkloadSuite suite = suite_of(CombineRule::maximum, {1, 1});
  const Outcome crash{OutcomeState::failed, "crash", "signal 8", {}};
  const Outcome retry = suite.combine(edge_like, std::vector<Outcome>{complete(2, 4), crash});
  EXPECT_EQ(retry.state, OutcomeState::failed);
  EXPECT_EQ(retry.reason, "crash");
  EXPECT_EQ(retry.detail, "b: signal 8");
  EXPECT_EQ(retry.metrics[area], 10);
  EXPECT_TRUE(std::isnan(retry.metrics[latency]));
  // A design that does not fit one network is out, whatever a second try of the other would say.
  const Outcome settled = suite.combine(edge_like, std::vector<Outcome>{crash, infeasible("x", "too large")});
  EXPECT_EQ(settled.state, OutcomeState::infeasible);
  EXPECT_EQ(settled.detail, "b: too large");
}

TEST(WorkloadSuite, OfOneNetworkIsThatNetworks) {
  const WorkloadSuite suite = suite_of(CombineRule::sum, {7});
  EXPECT_EQ(suite.fingerprint(), network("a", 1).fingerprint());
  EXPECT_EQ(suite.metrics(edge_like).size(), edge_like.size());
  const Outcome one = suite.combine(edge_like, std::vector<Outcome>{infeasible("x", "layer 3")});
  EXPECT_EQ(one.detail, "layer 3");
  EXPECT_EQ(suite.combine(edge_like, std::vector<Outcome>{complete(2, 4)}).metrics, complete(2, 4).metrics);
  EXPECT_EQ(WorkloadSuite().fingerprint(), "");
  EXPECT_EQ(WorkloadSuite().metrics(edge_like).size(), edge_like.size());
}

TEST(WorkloadSuite, HasAFingerprintOfAllThatDecides) {
  const std::string base = suite_of(CombineRule::sum, {1, 2}).fingerprint();
  EXPECT_EQ(suite_of(CombineRule::sum, {1, 2}).fingerprint(), base);
  EXPECT_NE(suite_of(CombineRule::sum, {1, 3}).fingerprint(), base);
  EXPECT_NE(suite_of(CombineRule::maximum, {1, 2}).fingerprint(), base);
  EXPECT_NE(suite_of(CombineRule::sum, {1, 2, 1}).fingerprint(), base);
  EXPECT_EQ(suite_of(CombineRule::sum, {1, 2}).name(), "a + b");
}

TEST(WorkloadSuite, RefusesWhatCannotBeToldApartOrWeighed) {
  WorkloadSuite suite(CombineRule::sum);
  suite.add({network("net", 1), "net", 1});
  const auto refused = [&](const WorkloadSuite::Member& member, const std::string& part, const std::string& hint) {
    expect_error([&] { suite.add(member); }, ErrorCode::invalid_input, part, hint);
  };
  refused({network("net", 1), "net", 1}, "net is named twice", "weight");
  refused({network("other", 1), "other", 1}, "net and other are the same network", "weight");
  refused({network("net", 2), "net", 1}, "two networks are called net", "another word");
  for (const double weight : {0.0, -1.0, nan, std::numeric_limits<double>::infinity(), 1e-320, 1e308}) {
    refused({network("b", 2), "b", weight}, "the weight of b is", "from 1e-09 to 1e+09");
  }
  EXPECT_EQ(suite.members().size(), 1U);
}

TEST(WorkloadSuite, StaysFiniteAtTheGreatestWeights) {
  for (const CombineRule rule : {CombineRule::geometric_mean, CombineRule::sum, CombineRule::maximum}) {
    const auto metrics = combined(rule, {WorkloadSuite::most_weight, WorkloadSuite::least_weight},
                                  {complete(1e6, 1e6), complete(1e-6, 1e-6)});
    for (const double metric : metrics) EXPECT_TRUE(std::isfinite(metric)) << to_string(rule);
    EXPECT_NEAR(metrics[power], 1, 1e-9) << to_string(rule);
  }
}

TEST(WorkloadSuite, IsCalledByTheLabelsOfSeveral) {
  WorkloadSuite suite;
  suite.add({network("net", 1), "small", 1});
  EXPECT_EQ(suite.name(), "net");
  suite.add({network("net", 2), "large", 1});
  EXPECT_EQ(suite.name(), "small + large") << "the same network in two batches has one name";
}

}  // namespace
}  // namespace corbel
