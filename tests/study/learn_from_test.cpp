// Studies that learn from the trials of other networks, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/expect_error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/study/learning.hpp"
#include "corbel/study/pipeline.hpp"
#include "corbel/study/study_keys.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

std::string tiny(const std::string& name, int width) {
  return "name: " + name + "\ninput: [" + std::to_string(width) + "]\nlayers:\n  - fully_connected: {out: 64}\n";
}

const std::string space = R"(space:
  parameters:
    pes_x: {values: [1, 2, 4, 8]}
    compute_lanes: {values: [4, 8, 16, 32]}
    dram_bandwidth: {values: [5, 10, 20], unit: GB/s}
objective: latency_ms
seed: 3
threads: 1
train: {steps: 40, grid: [{alpha: 0.01, beta: 0.03}], trees: 0}
search: {proposals: 5}
)";

class LearnFrom : public testing::Test {
 protected:
  LearnFrom() {
    folder.write("a.yaml", tiny("a", 1024));
    folder.write("b.yaml", tiny("b", 2048));
    folder.write("c.yaml", tiny("c", 4096));
    folder.write("copy.yaml", tiny("copy", 1024));
    for (const char* name : {"b", "c"}) folder.write(std::string(name) + ".csv", log(name[0] == 'b' ? 1 : 5));
  }
  /// Of the whole space.
  static std::string log(int factor) {
    std::string text = "pes_x,compute_lanes,dram_bandwidth,feasible,latency_ms\n";
    for (const int pes : {1, 2, 4, 8}) {
      for (const int lanes : {4, 8, 16, 32}) {
        for (const int bandwidth : {5, 10, 20}) {
          const bool runs = pes * lanes <= 128;
          text += std::to_string(pes) + "," + std::to_string(lanes) + "," + std::to_string(bandwidth) + "," +
                  (runs ? "1," + std::to_string(factor * 1000.0 / (pes * lanes) + 100.0 / bandwidth) : "0,") + "\n";
        }
      }
    }
    return text;
  }
  StudyFile load(const std::string& rest) { return StudyFile::load(folder.write("study.yaml", space + rest)); }
  StudyFile simulated(const std::string& rest) {
    return load(
        "simulator: edge\nfixed: {pes_y: 2, cores: 2, pe_memory: 1 MiB, core_memory: 64 KiB, activation_memory: 1024, "
        "instruction_memory: 65536, parameter_memory: 16384}\nvalidate: {designs: 0}\n" +
        rest);
  }
  void refused(const std::string& rest, const std::string& part, const std::string& hint) {
    expect_error([&] { load(rest); }, ErrorCode::invalid_input, part, hint);
  }
  void refused_simulated(const std::string& rest, const std::string& part, const std::string& hint) {
    expect_error([&] { simulated(rest); }, ErrorCode::invalid_input, part, hint);
  }
  json run(const StudyFile& study) {
    Pipeline pipeline(study, silent_monitor());
    pipeline.run();
    return pipeline.results();
  }
  test::TemporaryFolder folder;
};

TEST_F(LearnFrom, IsReadWithWhereTheTrialsComeFrom) {
  const StudyFile study = simulated(
      "workload: a.yaml\nsweep: {designs: 0}\n"
      "learn_from: [b.yaml, {workload: {name: c.yaml, batch: 4}, designs: 20}]\n");
  EXPECT_EQ(study.sweep_designs, 0U);
  const std::vector<StudyFile> others = study.others();
  ASSERT_EQ(others.size(), 2U);
  EXPECT_EQ(others[0].workloads.name(), "b");
  EXPECT_EQ(others[0].sweep_designs, 8000U);
  EXPECT_EQ(others[1].workloads.members().front().network.batch, 4);
  EXPECT_EQ(others[1].sweep_designs, 20U);
  for (const StudyFile& other : others) {
    EXPECT_EQ(other.output, study.output);
    EXPECT_EQ(other.objective, "latency_ms");
    EXPECT_TRUE(other.learn_from.empty());
  }
  const StudyFile told = load("workload: a.yaml\nlearn_from: [{workload: b.yaml, import: {file: b.csv}}]\n");
  ASSERT_EQ(told.others().size(), 1U);
  EXPECT_EQ(told.others()[0].import->file.filename(), "b.csv");
  EXPECT_EQ(told.others()[0].import->workload, "b");
}

TEST_F(LearnFrom, IsRefusedWithPlaceAndRemedy) {
  refused_simulated("workload: a.yaml\nlearn_from: b.yaml\n", "study.yaml:15:13: `learn_from` is a list", "such as [");
  refused_simulated("workload: a.yaml\nlearn_from: []\n", "is a list of other networks", "such as [");
  refused_simulated("workload: a.yaml\nlearn_from: [a.yaml]\n", "study.yaml:15:14: `a` is the study's own", "remove");
  refused_simulated("workload: a.yaml\nlearn_from: [copy.yaml]\n", "`copy` is the study's own", "remove");
  refused_simulated("workload: a.yaml\nlearn_from: [b.yaml, c.yaml, b.yaml]\n", "15:30: `b` is the study's own", "");
  refused_simulated("workloads: [a.yaml, b.yaml]\nlearn_from: [c.yaml]\n", "for a study of one network", "workload");
  refused_simulated("workload: a.yaml\nlearn_from: [{workload: b.yaml, design: 3}]\n", "`design`", "designs");
  refused_simulated("workload: a.yaml\nlearn_from: [{workload: b.yaml, designs: 0}]\n", "15:42", "");
  refused_simulated("workload: a.yaml\nlearn_from: [{workload: b.yaml, import: {file: b.csv}}]\n",
                    "the study simulates its own trials", "`designs:`");
  refused_simulated("workload: a.yaml\nsweep: {designs: 0}\n", "study.yaml:15:18", "");
  refused("learn_from: [{workload: b.yaml, import: {file: b.csv}}]\n", "the study names none", "`workload:`");
  refused("workload: a.yaml\nlearn_from: [{workload: b.yaml, designs: 3}]\n", "simulates nothing", "`import:");
  refused("workload: a.yaml\nlearn_from: [b.yaml]\n", "where the trials of `b` come from", "import");
  refused("workload: a.yaml\nlearn_from: [{workload: b.yaml, import: {file: out/trials.db}}]\n",
          "overwrite its own trials.db", "`output`");
  folder.write("own.csv", log(2));
  expect_error(
      [&] {
        StudyFile::load(folder.write("study.yaml",
                                     "import: {file: own.csv}\nworkload: a.yaml\nobjective: latency_ms\n"
                                     "learn_from: [{workload: b.yaml, import: {file: b.csv}}]\n"));
      },
      ErrorCode::invalid_input, "no space can be inferred", "`space:`");
  expect_error([&] { simulated("workload: a.yaml\nlearn_from: [mobilenet_v9]\n"); }, ErrorCode::not_found,
               "study.yaml:15:14: unknown workload `mobilenet_v9`", "mobilenet_v");
}

TEST_F(LearnFrom, ChangesWhichModelItIsButNotTheQuestion) {
  const StudyFile alone = simulated("workload: a.yaml\n");
  const StudyFile taught = simulated("workload: a.yaml\nlearn_from: [{workload: b.yaml, designs: 20}]\n");
  const StudyFile longer = simulated("workload: a.yaml\nlearn_from: [{workload: b.yaml, designs: 30}]\n");
  const StudyFile other = simulated("workload: a.yaml\nlearn_from: [{workload: c.yaml, designs: 20}]\n");
  EXPECT_EQ(StudyKeys(taught).question(), StudyKeys(alone).question());
  EXPECT_NE(StudyKeys(taught).model(), StudyKeys(alone).model());
  EXPECT_NE(StudyKeys(longer).model(), StudyKeys(taught).model());
  EXPECT_NE(StudyKeys(other).model(), StudyKeys(taught).model());
}

TEST_F(LearnFrom, AnswersForANetworkThatWasNeverSimulated) {
  const std::string text =
      "workload: a.yaml\nsweep: {designs: 0}\n"
      "learn_from: [{workload: b.yaml, designs: 40}, {workload: c.yaml, designs: 40}]\n";
  const json results = run(simulated(text));
  EXPECT_EQ(results["dataset"]["rows"], 0);
  const json& workloads = results["training"]["workloads"];
  ASSERT_EQ(workloads.size(), 3U);
  EXPECT_EQ(workloads[0]["fitted"], 0);
  EXPECT_EQ(workloads[1]["name"], "b");
  EXPECT_EQ(workloads[1]["feasible"].get<int>() + workloads[1]["infeasible"].get<int>(), 40);
  ASSERT_FALSE(results["proposals"].empty());
  for (const json& proposal : results["proposals"]) {
    EXPECT_EQ(proposal["verdict"], "extrapolated");
    EXPECT_THAT(proposal["reasons"], ElementsAre(HasSubstr("the predicted value is a guess")));
    EXPECT_TRUE(proposal["nearest"].is_null());
  }
  EXPECT_NE(results["answer"]["verdict"], "supported");

  // Nothing is done twice, and trials of its own join.
  EXPECT_EQ(run(simulated(text))["steps"], results["steps"]);
  const json few =
      run(simulated("workload: a.yaml\nsweep: {designs: 15}\n"
                    "learn_from: [{workload: b.yaml, designs: 40}, {workload: c.yaml, designs: 40}]\n"));
  EXPECT_EQ(few["dataset"]["rows"], 15);
  EXPECT_GT(few["training"]["workloads"][0]["fitted"], 0);
  EXPECT_NE(few["steps"]["train"], results["steps"]["train"]);
}

TEST_F(LearnFrom, TakesLogsWhereNothingWasToldYet) {
  const StudyFile study = load(
      "workload: a.yaml\nlearn_from: [{workload: b.yaml, import: {file: b.csv}}, "
      "{workload: c.yaml, import: {file: c.csv}}]\n");
  const json results = run(study);
  EXPECT_EQ(results["dataset"]["rows"], 0);
  EXPECT_EQ(results["training"]["workloads"][1]["feasible"], 45);
  EXPECT_FALSE(results["proposals"].empty());
  EXPECT_EQ(results["proposals"][0]["verdict"], "extrapolated");
}

TEST_F(LearnFrom, SaysWhichLogLacksAMetric) {
  folder.write("b.csv", "pes_x,compute_lanes,dram_bandwidth,feasible,energy_mj\n1,4,5,1,3\n2,4,5,1,4\n4,4,5,1,2\n");
  const StudyFile study = load("workload: a.yaml\nlearn_from: [{workload: b.yaml, import: {file: b.csv}}]\n");
  expect_error([&] { run(study); }, ErrorCode::invalid_input, "`b`: ", "energy_mj");
}

}  // namespace
}  // namespace corbel
