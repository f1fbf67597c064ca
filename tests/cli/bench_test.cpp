#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

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

TEST(BenchSearch, MeasuresEveryStrategyAgainstRandom) {
  const Finished run = corbel({"bench", "search", "--observations", "100", "--suggestions", "16", "--seconds", "0.01",
                               "--format", "json", "--quiet"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  const json all = json::parse(run.out), results = all.at("results");
  std::set<std::string> names;
  std::map<std::pair<std::string, int>, json> of;
  for (const json& result : results) {
    const auto [at, added] =
        of.emplace(std::pair(result.at("strategy").get<std::string>(), result.at("batch").get<int>()), result);
    EXPECT_TRUE(added) << result;
    names.insert(at->first.first);
    EXPECT_EQ(result.at("observations"), 100);
    EXPECT_EQ(result.at("parameters"), 10);
    EXPECT_GE(result.at("runs"), 1);
    const double ms = result.at("ms_per_suggestion");
    EXPECT_GT(ms, 0);
    EXPECT_GE(ms, result.at("ms_per_suggestion_min"));
    EXPECT_LE(ms, result.at("ms_per_suggestion_max"));
  }
  for (const char* name : {"random", "evolution", "firefly"}) EXPECT_TRUE(names.contains(name)) << name;
  EXPECT_EQ(results.size(), 2 * names.size());
  for (const int batch : {1, 8}) {
    const double random = of.at({"random", batch}).at("ms_per_suggestion");
    EXPECT_EQ(of.at({"random", batch}).at("ratio_to_random"), 1);
    for (const std::string& name : names) {
      const json& result = of.at({name, batch});
      EXPECT_NEAR(result.at("ratio_to_random").get<double>() * random, result.at("ms_per_suggestion").get<double>(),
                  1e-9);
    }
    // Moving a fly by every other one is more work than drawing a number.
    EXPECT_GT(of.at({"firefly", batch}).at("ratio_to_random"), 1.5);
  }

  const json& parts = all.at("parts");
  ASSERT_EQ(parts.size(), 6u);
  EXPECT_EQ(parts[0].at("part"), "walk");
  EXPECT_EQ(parts[0].at("ratio_to_walk"), 1);
  for (const json& row : parts) {
    EXPECT_GT(row.at("ns_per_design"), 0);
    EXPECT_DOUBLE_EQ(row.at("ratio_to_walk").get<double>(),
                     row.at("ns_per_design").get<double>() / parts[0].at("ns_per_design").get<double>());
  }
  // What designs share along the enumeration is computed once.
  EXPECT_LT(parts[2].at("ns_per_design"), parts[3].at("ns_per_design"));
  const json& scan = all.at("scan");
  ASSERT_EQ(scan.size(), 5u);
  EXPECT_TRUE(scan[0].at("limit").is_null());
  EXPECT_EQ(scan[0].at("scored"), 4527600);
  for (const json& row : scan) {
    EXPECT_EQ(row.at("scored").get<int>() + row.at("pruned").get<int>(), row.at("designs").get<int>());
    EXPECT_GT(row.at("ns_per_design"), 0);
  }
  // compute_lanes 4 … 256 times cores of the grid: 30 of 70 pairs are at most 128.
  EXPECT_EQ(scan[1].at("scored"), 4527600 / 70 * 30);
  for (const int row : {1, 3}) {
    EXPECT_EQ(scan[row].at("limit"), scan[row + 1].at("limit"));
    EXPECT_EQ(scan[row].at("scored"), scan[row + 1].at("scored"));
    EXPECT_FALSE(scan[row].at("boxes").get<bool>());
    EXPECT_TRUE(scan[row + 1].at("boxes").get<bool>());
    EXPECT_LT(scan[row + 1].at("ns_per_design"), scan[row].at("ns_per_design"));
  }
}

TEST(BenchSearch, MeasuresWhatIsChosenAndRefusesWhatItDoesNotKnow) {
  const Finished one = corbel({"bench", "search", "--strategy", "evolution", "--observations", "20", "--suggestions",
                               "8", "--seconds", "0", "--format", "json", "--quiet"});
  ASSERT_EQ(one.exit_code, 0) << one.err;
  const json result = json::parse(one.out);
  ASSERT_EQ(result.at("results").size(), 2u);
  EXPECT_EQ(result.at("results")[0].at("strategy"), "evolution");
  EXPECT_EQ(result.at("results")[1].at("batch"), 8);
  EXPECT_TRUE(result.at("scan").empty());
  const Finished unknown = corbel({"bench", "search", "--strategy", "fire_fly"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("`firefly`"), std::string::npos) << unknown.err;
  EXPECT_EQ(corbel({"bench", "search", "--observations", "-1"}).exit_code, 2);
}

TEST(BenchScorer, MeasuresEveryKernelAndChecksItsResults) {
  const Finished run = corbel({"bench", "scorer", "--network", "mlp", "attention", "--threads", "2", "--seconds",
                               "0.05", "--format", "json", "--quiet"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  const json results = json::parse(run.out).at("results");
  std::set<std::string> portable;
  std::map<std::string, double> rates;
  for (const json& row : results) {
    const double rate = row.at("designs_per_second");
    EXPECT_GT(rate, 0) << row;
    EXPECT_GE(rate, row.at("designs_per_second_min"));
    EXPECT_LE(rate, row.at("designs_per_second_max"));
    EXPECT_NEAR(row.at("ratio").get<double>() * row.at("libtorch_designs_per_second").get<double>(), rate, 1e-6 * rate);
    if (row.at("network") == "attention") {
      EXPECT_NEAR(
          row.at("rewritten_ratio").get<double>() * row.at("libtorch_rewritten_designs_per_second").get<double>(), rate,
          1e-6 * rate);
      EXPECT_NE(row.at("libtorch_rewritten_designs_per_second"), row.at("libtorch_designs_per_second"));
      if (row.at("threads") == 1) rates[row.at("kernel")] = rate;
    } else {
      EXPECT_TRUE(row.at("rewritten_ratio").is_null()) << "the MLP has one form";
    }
    EXPECT_GT(row.at("share_of_peak"), 0);
    EXPECT_GE(row.at("max_error"), row.at("rms_error"));
    EXPECT_GT(row.at("spearman"), 0.999) << row;
    const std::string mode = row.at("mode");
    EXPECT_TRUE(mode == "enumeration" || mode == "batch") << mode;
    if (row.at("kernel") != "portable") continue;
    EXPECT_EQ(row.at("max_error"), 0);
    portable.insert(row.at("network").get<std::string>() + " " + mode);
  }
  EXPECT_EQ(portable.size(), 4u) << "both networks in both modes";
  if (rates.contains("amx_bf16")) {
    EXPECT_GT(rates.at("amx_bf16"), 2 * rates.at("avx512"));
  }
}

TEST(BenchScorer, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(corbel({"bench", "scorer", "--network", "mpl"}).exit_code, 2);
  const Finished kernel = corbel({"bench", "scorer", "--kernel", "abacus"});
  EXPECT_EQ(kernel.exit_code, 1);
  EXPECT_NE(kernel.err.find("portable"), std::string::npos) << kernel.err;
}

TEST(DescribeMachine, NamesAKernelForEveryNetwork) {
  const Finished run = corbel({"describe", "machine", "--format", "json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json machine = json::parse(run.out);
  EXPECT_GE(machine.at("cores"), 1);
  std::map<std::string, std::string> arithmetic;
  for (const json& kernel : machine.at("kernels")) arithmetic[kernel.at("name")] = kernel.at("arithmetic");
  EXPECT_TRUE(arithmetic.contains("portable"));
  ASSERT_EQ(machine.at("networks").size(), 3u);
  for (const json& network : machine.at("networks")) {
    EXPECT_EQ(arithmetic.at(network.at("exact")), "single precision") << network;
    EXPECT_TRUE(arithmetic.contains(network.at("fast"))) << network;
  }
  EXPECT_NE(corbel({"describe", "machine"}).out.find("portable"), std::string::npos);
}

TEST(BenchTraining, ComparesEachNetworkWithLibTorch) {
  const Finished run = corbel(
      {"bench", "training", "--rows", "20", "--threads", "1", "2", "--seconds", "0", "--format", "json", "--quiet"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json results = json::parse(run.out).at("results");
  ASSERT_EQ(results.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    const json& result = results[i];
    EXPECT_EQ(result.at("network"), i < 2 ? "attention" : "mlp");
    EXPECT_EQ(result.at("threads"), i % 2 + 1);
    EXPECT_EQ(result.at("rows"), 20);
    EXPECT_EQ(result.at("runs"), 5);
    EXPECT_GE(result.at("step_ms"), result.at("step_ms_min"));
    const double step = result.at("step_ms"), of_libtorch = result.at("libtorch_step_ms");
    EXPECT_GT(step, 0);
    EXPECT_NEAR(result.at("ratio").get<double>(), of_libtorch / step, 1e-9);
    EXPECT_LT(result.at("loss_error"), 1e-3);
    EXPECT_LT(result.at("gradient_error"), 1e-3);
  }
  EXPECT_EQ(results[0].at("gradient_error"), results[1].at("gradient_error")) << "threads change nothing";
  const Finished unknown = corbel({"bench", "training", "--network", "atention"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_NE(unknown.err.find("attention"), std::string::npos) << unknown.err;
}

}  // namespace
}  // namespace corbel::test
