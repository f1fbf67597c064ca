#include "corbel/dataset/inspect.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

/// Rows of one feasible value each, on a space of 1,000 designs, with one metric.
Dataset dataset_of(const std::string& metric, const std::vector<double>& values) {
  const DesignSpace space({Parameter::ordinal("a", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), Parameter::integer("b", 0, 99)});
  Dataset data{{space, "fake", "f", "", "", {metric}}, {}, {}, {}, {"", "memory", "power"}, {}, 0};
  for (std::size_t i = 0; i < values.size(); ++i) {
    // Every value of both parameters is met when there are 100 rows.
    data.designs.push_back(i % 10 * 100 + i % 100);
    data.states.push_back(TrialState::complete);
    data.reasons.push_back(0);
    data.metrics.push_back(values[i]);
  }
  return data;
}

/// 100 rows, the last ten infeasible: five for each reason.
Dataset sound(const std::string& metric = "latency_ms") {
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(1 + i);
  Dataset data = dataset_of(metric, values);
  for (std::size_t i = 90; i < 100; ++i) {
    data.states[i] = TrialState::infeasible;
    data.reasons[i] = static_cast<std::uint16_t>(1 + i % 2);
    data.metrics[i] = nan;
  }
  return data;
}

testing::AssertionResult warns(const Dataset& data, const std::string& part) {
  const Inspection found = inspect(data);
  std::string all;
  for (const std::string& warning : found.warnings) {
    if (warning.find(part) != std::string::npos) return testing::AssertionSuccess();
    all += "\n  " + warning;
  }
  return testing::AssertionFailure() << "no warning has `" << part << "`; there are" << (all.empty() ? " none" : all);
}

TEST(Inspect, CountsAndSummarises) {
  const Inspection found = inspect(sound());
  EXPECT_EQ(found.rows, 100U);
  EXPECT_EQ(found.feasible, 90U);
  EXPECT_EQ(found.infeasible, 10U);
  EXPECT_EQ(found.space_size, 1000U);
  ASSERT_EQ(found.reasons.size(), 2U);
  EXPECT_EQ(found.reasons[0].reason, "memory");
  EXPECT_EQ(found.reasons[0].rows, 5U);
  ASSERT_EQ(found.metrics.size(), 1U);
  const MetricSummary& latency = found.metrics[0];
  EXPECT_EQ(latency.name, "latency_ms");
  EXPECT_EQ(latency.unit, "ms");
  EXPECT_EQ(latency.count, 90U);
  EXPECT_EQ(latency.min, 1);
  EXPECT_EQ(latency.median, 45.5);
  EXPECT_DOUBLE_EQ(latency.mean, 45.5);
  EXPECT_EQ(latency.max, 90);
  ASSERT_EQ(found.parameters.size(), 2U);
  ASSERT_EQ(found.parameters[0].values.size(), 10U);
  EXPECT_EQ(found.parameters[0].values[3].label, "4");
  EXPECT_EQ(found.parameters[0].values[3].rows, 10U);
  EXPECT_EQ(found.parameters[0].values[3].infeasible, 1U);
  EXPECT_EQ(found.parameters[1].values.size(), 100U);
  EXPECT_TRUE(found.warnings.empty()) << found.warnings.front();
}

TEST(Inspect, OrdersReasonsByFrequency) {
  Dataset data = sound();
  data.reasons[90] = 2;
  const Inspection found = inspect(data);
  EXPECT_EQ(found.reasons[0].reason, "power");
  EXPECT_EQ(found.reasons[0].rows, 6U);
}

TEST(Inspect, DoubtsLogsWithOneKindOfRow) {
  EXPECT_TRUE(warns(dataset_of("latency_ms", {}), "no rows"));
  Dataset feasible = sound(), infeasible = sound();
  for (std::size_t i = 0; i < 100; ++i) {
    feasible.states[i] = TrialState::complete;
    feasible.metrics[i] = 1 + static_cast<double>(i);
    infeasible.states[i] = TrialState::infeasible;
  }
  EXPECT_TRUE(warns(feasible, "no infeasible rows"));
  EXPECT_TRUE(warns(infeasible, "no feasible rows"));
  Dataset few = sound();
  for (std::size_t i = 40; i < 100; ++i) few.states[i] = TrialState::infeasible;
  EXPECT_TRUE(warns(few, "only 40 rows feasible"));
  EXPECT_FALSE(warns(sound(), "rows feasible"));
}

TEST(Inspect, DoubtsMetrics) {
  const auto with = [](const std::string& metric, const std::function<void(Dataset&)>& change) {
    Dataset data = sound(metric);
    change(data);
    return data;
  };
  EXPECT_TRUE(warns(with("latency_ms", [](Dataset& d) { d.metrics[7] = -3; }), "negative on 1 row, down to -3"));
  EXPECT_TRUE(warns(with("latency_ms", [](Dataset& d) { d.metrics[7] = nan; }), "missing on 1 row"));
  EXPECT_TRUE(warns(with("latency_ms", [](Dataset& d) { d.metrics[7] = INFINITY; }), "infinite on 1 row"));
  EXPECT_TRUE(warns(with("latency_ms", [](Dataset& d) { d.metrics[7] = 0; }), "is 0 on 1 row"));
  EXPECT_FALSE(warns(with("stall_cycles", [](Dataset& d) { d.metrics[7] = 0; }), "is 0"));
  EXPECT_TRUE(warns(with("latency_ms", [](Dataset& d) { std::fill_n(d.metrics.begin(), 90, 0.1); }),
                    "is 0.1 on every feasible row"));
  EXPECT_EQ(inspect(with("x", [](Dataset& d) { std::fill_n(d.metrics.begin(), 90, 0.1); })).metrics[0].mean, 0.1);
  EXPECT_TRUE(warns(with("latency_ms",
                         [](Dataset& d) {
                           for (std::size_t i = 0; i < 90; ++i)
                             d.metrics[i] = std::pow(10.0, static_cast<double>(i) / 14);
                         }),
                    "more than 6 orders of magnitude"));
  EXPECT_TRUE(warns(with("latency_ms",
                         [](Dataset& d) {
                           for (std::size_t i = 0; i < 90; i += 3) d.metrics[i] *= 1e5;
                         }),
                    "jumps from 90 to 100,000 with nothing between"));
  const auto scale = [](double by) {
    return [by](Dataset& d) {
      for (std::size_t i = 0; i < 90; ++i) d.metrics[i] *= by;
    };
  };
  EXPECT_TRUE(warns(with("latency_ms", scale(1e4)), "half of `latency_ms` is 455,000 ms or more: is it really in us"));
  EXPECT_TRUE(warns(with("area_mm2", scale(1e6)), "is it really in um2?"));
  EXPECT_TRUE(warns(with("power_w", scale(1e3)), "is it really in mW?"));
  EXPECT_FALSE(warns(with("latency_us", scale(1e4)), "really"));
}

TEST(Inspect, TellsWhereOneNetworkAloneDecides) {
  const auto twice = [](const std::string& second) {
    Dataset data = sound("latency_ms");
    data.group.metrics = {"latency_ms", second};
    std::vector<double> both;
    for (const double value : data.metrics) both.insert(both.end(), {value, value});
    data.metrics = both;
    return data;
  };
  EXPECT_TRUE(warns(twice("unet.latency_ms"),
                    "`latency_ms` and `unet.latency_ms` are equal on every feasible row: the "
                    "other networks play no part in it"));
  EXPECT_TRUE(warns(twice("time_ms"), "are equal on every feasible row: one column twice?"));
}

TEST(Inspect, DoubtsCoverage) {
  Dataset data = sound();
  for (std::size_t i = 0; i < 100; ++i) {
    if (i % 10 >= 8) data.designs[i] = i % 100;  // a = 1 instead of 9 and 10
  }
  EXPECT_TRUE(warns(data, "2 of 10 values of `a` were never logged: 9, 10"));
  EXPECT_EQ(inspect(data).parameters[0].values[9].rows, 0U);

  Dataset hopeless = sound();
  for (std::size_t i = 0; i < 30; ++i) {
    hopeless.designs[i] = 300 + i;
    hopeless.states[i] = TrialState::infeasible;
  }
  for (std::size_t i = 30; i < 100; ++i) {
    if (i % 10 == 3) hopeless.designs[i] = i;
  }
  EXPECT_TRUE(warns(hopeless, "`a` = 4 is infeasible on every row"));
}

TEST(Inspect, DoubtsReasonsAndRepeats) {
  Dataset data = sound();
  for (std::size_t i = 60; i < 100; ++i) {
    data.states[i] = TrialState::infeasible;
    data.reasons[i] = i < 62 ? 2 : 1;
  }
  EXPECT_TRUE(warns(data, "95 % of the infeasible rows have one reason, `memory`"));
  for (std::size_t i = 62; i < 66; ++i) data.reasons[i] = 2;
  EXPECT_FALSE(warns(data, "one reason"));  // 34 of 40
  Dataset silent = sound();
  for (std::size_t i = 0; i < 100; ++i) silent.reasons[i] = 0;
  EXPECT_TRUE(warns(silent, "no infeasible row says why"));
  Dataset repeated = sound();
  repeated.duplicates = 11;
  EXPECT_TRUE(warns(repeated, "11 rows of the log repeated others"));
  repeated.duplicates = 10;
  EXPECT_FALSE(warns(repeated, "repeated"));
}

TEST(Inspect, NoticesOneColumnTwice) {
  Dataset data = sound();
  data.group.metrics = {"latency_ms", "runtime_ms"};
  std::vector<double> twice;
  for (const double value : data.metrics) twice.insert(twice.end(), 2, value);
  data.metrics = twice;
  EXPECT_TRUE(warns(data, "`latency_ms` and `runtime_ms` are equal on every feasible row"));
  std::ranges::fill(data.metrics, 3.0);
  EXPECT_TRUE(warns(data, "`runtime_ms` is 3 on every feasible row"));
  EXPECT_FALSE(warns(data, "are equal")) << "two constants are not one column twice";
}

TEST(Inspect, ListsOnlyLoggedValuesOfAVeryLargeParameter) {
  const DesignSpace space({Parameter::integer("seed", 1, 4000000000)});
  Dataset data{{space, "f", "f", "", "", {"x_ms"}},
               {5, 3999999999},
               {TrialState::complete, TrialState::infeasible},
               {0, 0},
               {""},
               {1, nan},
               0};
  const Inspection found = inspect(data);
  ASSERT_EQ(found.parameters[0].values.size(), 2U);
  EXPECT_EQ(found.parameters[0].values[1].label, "4000000000");
  EXPECT_EQ(found.parameters[0].values[1].infeasible, 1U);
  EXPECT_FALSE(warns(data, "never logged"));
}

TEST(Inspect, BecomesJson) {
  Dataset data = sound();
  for (std::size_t i = 0; i < 100; ++i) data.states[i] = TrialState::infeasible;
  data.duplicates = 3;
  const nlohmann::json json = to_json(inspect(data));
  EXPECT_EQ(json["rows"], 100);
  EXPECT_EQ(json["feasible"], 0);
  EXPECT_EQ(json["infeasible"], 100);
  EXPECT_EQ(json["duplicates"], 3);
  EXPECT_EQ(json["space_size"], 1000);
  EXPECT_EQ(json["reasons"][0], (nlohmann::json{{"reason", ""}, {"rows", 90}}));
  EXPECT_TRUE(json["metrics"][0]["median"].is_null());
  EXPECT_EQ(json["metrics"][0]["count"], 0);
  EXPECT_EQ(json["parameters"][0]["values"][0], (nlohmann::json{{"label", "1"}, {"rows", 10}, {"infeasible", 10}}));
  EXPECT_FALSE(json["warnings"].empty());
}

}  // namespace
}  // namespace corbel::test
