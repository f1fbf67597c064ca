#include "corbel/study/study_keys.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "base/expect_error.hpp"
#include "corbel/base/error.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

/// Which keys of a study a change of its file moves: m(odel), q(uestion), t(raining), s(earch), v(alidation).
std::string moved(const std::string& before, const std::string& after, const std::string& log_after = "") {
  const test::TemporaryFolder folder;
  folder.write("log.csv", "pes,feasible,runtime_cycles,power_w\n1,1,9,1\n2,1,8,2\n");
  const StudyFile first = StudyFile::load(folder.write("a.yaml", before));
  const StudyKeys one(first);
  if (!log_after.empty()) folder.write("log.csv", log_after);
  const StudyFile second = StudyFile::load(folder.write("b.yaml", after));
  const StudyKeys two(second);
  std::string letters;
  if (one.model() != two.model()) letters += 'm';
  if (one.question() != two.question()) letters += 'q';
  if (one.training() != two.training()) letters += 't';
  if (one.search("x") != two.search("x")) letters += 's';
  if (one.validation("x") != two.validation("x")) letters += 'v';
  return letters;
}

const std::string edge = "space: edge\nworkload: mobilenet_v2\nsimulator: edge\nobjective: latency_ms\n";
const std::string log_study = "import: {file: log.csv}\nobjective: runtime_cycles\n";

TEST(StudyKeys, MoveWithWhatTheyRestOn) {
  EXPECT_EQ(moved(edge, edge + "name: other\noutput: elsewhere\n"), "");
  EXPECT_EQ(moved(edge, edge + "validate: {designs: 5}\n"), "v");
  EXPECT_EQ(moved(edge, edge + "search: {budget: 7}\n"), "sv");
  EXPECT_EQ(moved(edge, edge + "search: {caution: 0.25}\n"), "sv");
  EXPECT_EQ(moved(edge, edge + "search: {method: firefly, options: {attraction: 0.5}}\n"), "sv");
  EXPECT_EQ(moved(edge, edge + "constraints: [area_mm2 <= 29]\n"), "qtsv");
  EXPECT_EQ(moved(edge, edge + "train: {steps: 7}\n"), "mt");
  EXPECT_EQ(moved(edge, edge + "seed: 2\n"), "mtsv");
  EXPECT_EQ(moved(edge, edge + "pareto: [energy_mj]\n"), "mt") << "a model predicts what is traded off";
  EXPECT_EQ(moved(edge, "space: edge\nworkload: mobilenet_v2\nsimulator: edge\nobjective: power_w\n"), "mqtsv");
  EXPECT_EQ(moved(edge, "space: edge\nworkload: resnet50\nsimulator: edge\nobjective: latency_ms\n"), "mqtsv");
  EXPECT_EQ(moved(edge,
                  "space: edge\nworkload: mobilenet_v2\nsimulator: {name: edge, clock_mhz: 801}\n"
                  "objective: latency_ms\n"),
            "mqtsv");
}

TEST(StudyFile, SaysWhichWayItsObjectiveIsBetter) {
  const test::TemporaryFolder folder;
  const auto load = [&](const std::string& objective) {
    return StudyFile::load(
        folder.write("a.yaml", "space: edge\nworkload: mobilenet_v2\nsimulator: edge\nobjective: " + objective + "\n"));
  };
  for (const char* least : {"power_w", "{minimise: power_w}"}) {
    EXPECT_EQ(load(least).objective, "power_w");
    EXPECT_EQ(load(least).direction, Direction::minimise);
  }
  const StudyFile most = load("{maximise: power_w}");
  EXPECT_EQ(most.objective, "power_w");
  EXPECT_EQ(most.direction, Direction::maximise);
  EXPECT_EQ(StudyKeys(load("power_w")).model(), StudyKeys(load("{minimise: power_w}")).model());
  EXPECT_NE(StudyKeys(load("power_w")).model(), StudyKeys(most).model());
  EXPECT_NE(StudyKeys(load("power_w")).question(), StudyKeys(most).question());
  const auto refused = [&](const char* objective, const char* part, const char* hint) {
    expect_error([&] { load(objective); }, ErrorCode::invalid_input, part, hint);
  };
  refused("{maximize: power_w}", "a.yaml:4:13: unknown key `maximize`", "maximise");
  refused("{maximise: power_v}", "unknown metric of simulator edge `power_v`", "power_w");
  refused("{maximise: power_w, minimise: latency_ms}", "a.yaml:4:12: an objective is one metric",
          "maximise: throughput");
  refused("{}", "an objective is one metric", "maximise: throughput");
}

TEST(StudyKeys, OfRoundsMoveWithAllButTheirNumber) {
  const test::TemporaryFolder folder;
  const auto key = [&](const std::string& more) {
    const StudyFile study = StudyFile::load(folder.write("study.yaml", edge + more));
    return StudyKeys(study).rounds();
  };
  const std::string four = key("search: {rounds: 4}\n");
  EXPECT_EQ(key("search: {rounds: 7}\n"), four) << "more of them go on from those that are done";
  EXPECT_EQ(key("search: {rounds: 4, proposals: 7}\nvalidate: {designs: 5}\n"), four);
  for (const char* other :
       {"search: {rounds: 4, simulate: 63}\n", "search: {rounds: 4, budget: 777}\n",
        "search: {rounds: 4, caution: 0.25}\n", "search: {rounds: 4, min_feasibility: 0.6}\n",
        "search: {rounds: 4, method: evolution}\n", "search: {rounds: 4}\nseed: 2\n",
        "search: {rounds: 4}\ntrain: {steps: 7}\n", "search: {rounds: 4}\nconstraints: [area_mm2 <= 29]\n"}) {
    EXPECT_NE(key(other), four) << other;
  }
}

TEST(StudyKeys, MoveWithTheLogAndHowItIsRead) {
  EXPECT_EQ(moved(log_study, log_study), "");
  EXPECT_EQ(moved(log_study, log_study, "pes,feasible,runtime_cycles,power_w\n1,1,9,1\n2,1,7,2\n"), "mqtsv");
  EXPECT_EQ(moved(log_study, "import: {file: log.csv, columns: {power_w: ignore}}\nobjective: runtime_cycles\n"),
            "mqtsv");
  // Neighbouring texts do not run into each other.
  EXPECT_NE(moved("import: {file: log.csv, simulator: x, workload: yz}\nobjective: runtime_cycles\n",
                  "import: {file: log.csv, simulator: xy, workload: z}\nobjective: runtime_cycles\n"),
            "");
}

}  // namespace
}  // namespace corbel
