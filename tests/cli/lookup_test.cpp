#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "program.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

const std::string v1 =
    "pes_x=4,pes_y=4,compute_lanes=64,cores=4,pe_memory=1 MiB,core_memory=32 KiB,activation_memory=1024,"
    "instruction_memory=65536,parameter_memory=16384,dram_bandwidth=17";

TEST(Describe, TellsTheTemplateOfTheEdgeSimulator) {
  const Finished run = corbel({"describe", "simulator", "edge"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  for (const char* part : {"dram_bandwidth", "area_mm2", "host_latency_us", "core_memory_overflow", "host_latency + ",
                           "45nm", "docs/simulator.md"}) {
    EXPECT_NE(run.out.find(part), std::string::npos) << part << " is missing in\n" << run.out;
  }
  const json result = json::parse(corbel({"describe", "simulator", "edge", "--format", "json"}).out);
  EXPECT_EQ(result.at("hardware_parameters").size(), 10u);
  EXPECT_EQ(result.at("technology").size(), 4u);
  EXPECT_FALSE(result.at("equations").empty());
  EXPECT_EQ(result.at("documentation"), "docs/simulator.md");
}

TEST(Describe, NamesEveryReasonThatASimulationGives) {
  std::vector<std::string> described;
  const json description = json::parse(corbel({"describe", "simulator", "edge", "--format", "json"}).out);
  for (const json& reason : description.at("reasons")) {
    described.push_back(reason.at("name"));
  }
  // Each starves one memory of a chip on which the network compiles.
  for (const auto& [wanted, starved] :
       std::vector<std::pair<std::string, std::string>>{{"pe_memory=1 MiB", "pe_memory=16 KiB"},
                                                        {"core_memory=32 KiB", "core_memory=64 B"},
                                                        {"activation_memory=1024", "activation_memory=1"},
                                                        {"instruction_memory=65536", "instruction_memory=16"},
                                                        {"parameter_memory=16384", "parameter_memory=1"}}) {
    std::string design = v1;
    design.replace(design.find(wanted), wanted.size(), starved);
    const Finished run =
        corbel({"simulate", "--design", design, "--workload", "mobilenet_v2", "--format", "json", "--quiet"});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const json outcome = json::parse(run.out);
    EXPECT_EQ(outcome.at("state"), "infeasible") << starved;
    EXPECT_NE(std::find(described.begin(), described.end(), outcome.at("reason")), described.end())
        << outcome.at("reason");
  }
}

TEST(Simulate, TellsNetworksOfOneNameApart) {
  const TemporaryFolder folder;
  const std::string text = "input: [1024]\nlayers: [{fully_connected: {out: 64}}]\n";
  const std::string own = folder.write("own.yaml", "name: mobilenet_v2\n" + text).string();
  const Finished run = corbel({"simulate", "--design", v1, "--workload", "mobilenet_v2", own, "--format", "json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(json::parse(run.out).at("workloads").at(0).at("workload"), "mobilenet_v2");
  EXPECT_EQ(json::parse(run.out).at("workloads").at(1).at("workload"), own);
  // No metric is named after it here, so that any name will do.
  const std::string spaced = folder.write("spaced.yaml", "name: my net\n" + text).string();
  EXPECT_EQ(corbel({"simulate", "--design", v1, "--workload", spaced, "mobilenet_v2"}).exit_code, 0);
}

TEST(Simulate, ShowsWhereTheWeightsOfEachLayerLive) {
  const std::vector<std::string> arguments = {"simulate", "--design", v1, "--workload", "trnn_encoder", "--layers"};
  const Finished people = corbel(arguments);
  ASSERT_EQ(people.exit_code, 0) << people.err;
  EXPECT_NE(people.out.find("kept on chip"), std::string::npos) << people.out;
  EXPECT_NE(people.out.find("stay on chip between inferences"), std::string::npos);
  EXPECT_EQ(people.out.find("PEs x"), std::string::npos) << "mappings only when asked for";

  std::vector<std::string> for_programs = arguments;
  for_programs.insert(for_programs.end(), {"--format", "json"});
  const json outcome = json::parse(corbel(for_programs).out);
  double weights = 0, resident = 0, latency_ms = 0;
  for (const json& layer : outcome.at("layers")) {
    EXPECT_LE(layer.at("resident_weight_bytes"), layer.at("weight_bytes")) << layer;
    weights += layer.at("weight_bytes").get<double>();
    resident += layer.at("resident_weight_bytes").get<double>();
    latency_ms += layer.at("latency_ms").get<double>();
  }
  EXPECT_NEAR(resident / weights, outcome.at("resident_weight_share"), 1e-6);
  EXPECT_NEAR(latency_ms, outcome.at("latency_ms"), 1e-6);
  EXPECT_GT(resident, 0);
  EXPECT_LT(resident, weights) << "20 MB of weights on 16 MiB";
}

TEST(Simulate, ShowsMappingsWhenAsked) {
  const Finished run = corbel({"simulate", "--design", v1, "--workload", "mobilenet_v2", "--mappings"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("layer "), std::string::npos);
  EXPECT_NE(run.out.find("mapping"), std::string::npos);
  EXPECT_EQ(run.out.find("kept on chip"), std::string::npos);
}

}  // namespace
}  // namespace corbel::test
