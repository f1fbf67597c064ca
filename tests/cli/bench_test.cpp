#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "program.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

TEST(BenchSimulator, ReportsARateForEveryWorkload) {
  const Finished run = corbel({"bench", "simulator", "--workload", "mobilenet_v2", "resnet50", "--designs", "600",
                               "--seconds", "0", "--format", "json", "--quiet"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  const json results = json::parse(run.out).at("results");
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].at("workload"), "mobilenet_v2");
  EXPECT_EQ(results[1].at("workload"), "resnet50");
  for (const json& result : results) {
    EXPECT_EQ(result.at("designs"), 600);
    EXPECT_EQ(result.at("runs"), 3);
    const double rate = result.at("designs_per_second_per_core");
    EXPECT_GT(rate, 0);
    EXPECT_GE(rate, result.at("designs_per_second_per_core_min"));
    EXPECT_LE(rate, result.at("designs_per_second_per_core_max"));
    EXPECT_GT(result.at("feasible_share"), 0);
    EXPECT_LT(result.at("feasible_share"), 1);
    // The costs are the rate, shared out.
    const double layers = result.at("distinct_layers");
    const double per_layer = result.at("nanoseconds_per_layer");
    EXPECT_NEAR(per_layer * layers * rate, 1e9, 1);
    const double per_mapping = result.at("nanoseconds_per_layer_mapping");
    const double mappings = result.at("mappings_per_layer");
    EXPECT_NEAR(per_mapping * mappings, per_layer, 1e-6 * per_layer);
  }
}

TEST(BenchSimulator, SharesOfTheSameDesignsAreTheSame) {
  const auto share = [](const std::string& seed) {
    const Finished run = corbel({"bench", "simulator", "--workload", "mobilenet_v2", "--designs", "1000", "--seconds",
                                 "0", "--seed", seed, "--format", "json", "--quiet"});
    return json::parse(run.out).at("results").at(0).at("feasible_share").get<double>();
  };
  const double first = share("1");
  EXPECT_EQ(first, share("1"));
  EXPECT_NE(first, share("2"));
}

TEST(BenchSimulator, RefusesWhatItDoesNotKnow) {
  const Finished workload = corbel({"bench", "simulator", "--workload", "mobilenet_edgetp"});
  EXPECT_EQ(workload.exit_code, 1);
  EXPECT_NE(workload.err.find("mobilenet_edgetpu"), std::string::npos) << workload.err;
  EXPECT_EQ(corbel({"bench", "simulator", "--designs", "0"}).exit_code, 2);
  EXPECT_EQ(corbel({"bench", "simulator", "--seed", "-1", "--designs", "10"}).exit_code, 2);
  EXPECT_EQ(corbel({"bench"}).exit_code, 2);
}

}  // namespace
}  // namespace corbel::test
