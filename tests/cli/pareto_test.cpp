// Trade-offs on the simulator and on the surrogate, as a user searches for them.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "program.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

const std::string study_text = R"(
space: edge
workload: mobilenet_v2
simulator: edge
objective: latency_ms
pareto: [energy_mj, area_mm2]
constraints: [area_mm2 <= 29]
sweep: {designs: 1200}
train: {steps: 40, ensemble: 1, grid: [{alpha: 0.01, beta: 0.03}]}
search: {method: firefly, budget: 2000, proposals: 12}
validate: {designs: 4}
)";

std::string with(std::string text, const std::string& old, const std::string& replacement) {
  text.replace(text.find(old), old.size(), replacement);
  return text;
}

std::vector<std::string> search(const std::string& study, std::vector<std::string> more) {
  std::vector<std::string> arguments = {"search", study};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

json front_of(const json& results) {
  json front = results.at("pareto");
  front.erase("seconds");
  return front;
}

TEST(ParetoSearch, OnTheSimulatorGivesAFrontThatSimulatesToWhatItSays) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  const std::vector<std::string> command =
      search(study, {"--on", "simulator", "--pareto", "--budget", "400", "--format", "json"});
  const json result = parse_success(corbel(command));
  const json& found = result["pareto"];
  EXPECT_EQ(found["metrics"], (json{"latency_ms", "energy_mj", "area_mm2"}));
  EXPECT_EQ(found["method"], "nsga2");
  EXPECT_EQ(found["queries"], 400);
  EXPECT_EQ(found["simulated"], 400);
  const json& front = found["front"];
  ASSERT_GT(front.size(), 10U);
  for (std::size_t i = 0; i < front.size(); ++i) {
    EXPECT_LE(front[i]["metrics"]["area_mm2"].get<double>(), 29);
    EXPECT_EQ(front[i]["objectives"][1], front[i]["metrics"]["energy_mj"]);
    if (i == 0) continue;
    EXPECT_LE(front[i - 1]["objectives"][0].get<double>(), front[i]["objectives"][0].get<double>());
  }
  std::string design;
  for (const auto& [name, value] : front[0]["design"].items())
    design += (design.empty() ? "" : ",") + name + "=" + value.dump();
  const json simulated =
      parse_success(corbel({"simulate", "--design", design, "--workload", "mobilenet_v2", "--format", "json"}));
  EXPECT_EQ(simulated["energy_mj"], front[0]["metrics"]["energy_mj"]);
  // The end of the front is the best design known.
  EXPECT_EQ(result["best"]["source"], "searched");
  EXPECT_EQ(result["best"]["objective"], front[0]["objectives"][0]);
  const std::string page = read_text(folder / "out/report.html");
  EXPECT_NE(page.find("Trade-offs"), std::string::npos);
  EXPECT_NE(page.find("trade-off-1-2"), std::string::npos);

  // The same again simulates nothing and finds the same; a larger reference point counts more volume.
  EXPECT_EQ(front_of(parse_success(corbel(command))), front_of(result));
  std::vector<std::string> referred = command;
  referred.insert(referred.end(), {"--reference", "1000,1000,1000"});
  const json larger = parse_success(corbel(referred));
  EXPECT_EQ(larger["pareto"]["reference"], (json{1000, 1000, 1000}));
  EXPECT_EQ(larger["pareto"]["simulated"], 0);
  EXPECT_EQ(larger["pareto"]["front"], front);
  EXPECT_GT(larger["pareto"]["hypervolume"].get<double>(), found["hypervolume"].get<double>());

  const Finished table = corbel(search(study, {"--on", "simulator", "--pareto", "--budget", "400"}));
  EXPECT_EQ(table.exit_code, 0);
  for (const char* part : {"nsga2 on the simulator: 400 queries, 400 simulated", "energy_mj  area_mm2", "hypervolume",
                           "up to latency_ms", "(the worst found within the limits)"}) {
    EXPECT_NE(table.out.find(part), std::string::npos) << part << "\n" << table.out;
  }
}

TEST(ParetoSearch, ByAnyStrategyWithOtherMetricsOnSeveralNetworks) {
  const TemporaryFolder folder;
  const std::string study =
      folder.write("study.yaml", with(study_text, "workload: mobilenet_v2", "workloads: [mobilenet_v2, resnet50]"))
          .string();
  const json result =
      parse_success(corbel(search(study, {"--on", "simulator", "--pareto", "resnet50.latency_ms", "--budget", "150",
                                          "--strategy", "evolution", "--format", "json"})));
  const json& found = result["pareto"];
  EXPECT_EQ(found["metrics"], (json{"latency_ms", "resnet50.latency_ms"}));
  EXPECT_EQ(found["method"], "decomposition");
  EXPECT_EQ(found["strategy"], "evolution");
  ASSERT_FALSE(found["front"].empty());
  const json& metrics = found["front"][0]["metrics"];
  EXPECT_NEAR(
      metrics["latency_ms"].get<double>(),
      std::sqrt(metrics["mobilenet_v2.latency_ms"].get<double>() * metrics["resnet50.latency_ms"].get<double>()),
      1e-12);
}

TEST(ParetoSearch, IsNotShownOnceTheStudyAsksForSomethingElse) {
  const TemporaryFolder folder;
  const auto report = [&] {
    const Finished finished = corbel({"report", (folder / "study.yaml").string()});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return read_text(folder / "out/report.html");
  };
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"<= 29", "<= 28"},
      {"pareto: [energy_mj, area_mm2]", "pareto: [energy_mj]"},
      {"simulator: edge", "simulator: {name: edge, clock_mhz: 801}"}};
  for (const auto& [old, replacement] : changes) {
    const std::string study = folder.write("study.yaml", study_text).string();
    parse_success(corbel(search(study, {"--on", "simulator", "--pareto", "--budget", "60", "--format", "json"})));
    EXPECT_NE(report().find("Trade-offs"), std::string::npos);
    folder.write("study.yaml", with(study_text, old, replacement));
    EXPECT_EQ(report().find("Trade-offs"), std::string::npos) << replacement;
  }
}

TEST(ParetoSearch, OnTheSurrogatePredictsEveryMetric) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  const Finished early = corbel(search(study, {"--pareto"}));
  EXPECT_EQ(early.exit_code, 1);
  const json run = parse_success(corbel({"run", study, "--format", "json"}));
  EXPECT_TRUE(run["training"]["errors"].contains("energy_mj")) << run["training"]["errors"];
  const json result = parse_success(corbel(search(study, {"--pareto", "--budget", "3000", "--format", "json"})));
  const json& found = result["pareto"];
  EXPECT_EQ(found["basis"], "predicted");
  EXPECT_EQ(found["queries"], 3000);
  EXPECT_FALSE(found.contains("simulated"));
  ASSERT_FALSE(found["front"].empty());
  for (const json& design : found["front"]) {
    EXPECT_EQ(design["margins"][0]["basis"], "formula");
    EXPECT_LE(design["objectives"][2].get<double>(), 29);
    EXPECT_GE(design["feasibility"].get<double>(), 0.5);
  }
  EXPECT_EQ(result["proposals"], run["proposals"]);
  EXPECT_EQ(result["best"], run["best"]) << "a prediction of several metrics is no design to build";
  EXPECT_NE(corbel(search(study, {"--pareto", "--budget", "3000"})).out.find("predicted, not simulated"),
            std::string::npos);
  // What the model was not trained for cannot be traded off.
  const Finished unknown = corbel(search(study, {"--pareto", "utilisation"}));
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_NE(unknown.err.find("unknown metric `utilisation`"), std::string::npos) << unknown.err;
  EXPECT_NE(unknown.err.find("pareto:"), std::string::npos) << unknown.err;
  // A new model has not made this front.
  folder.write("study.yaml", with(study_text, "steps: 40", "steps: 41"));
  const json trained = parse_success(corbel({"train", study, "--format", "json"}));
  EXPECT_FALSE(trained.contains("pareto"));
  EXPECT_FALSE(trained["steps"].contains("pareto"));
}

TEST(ParetoSearch, TellsWhatIsWrongAndWhatToDo) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  const auto refused = [&](std::vector<std::string> more, int code, const std::string& part) {
    const Finished finished = corbel(search(study, std::move(more)));
    EXPECT_EQ(finished.exit_code, code) << finished.err;
    EXPECT_NE(finished.err.find(part), std::string::npos) << finished.err;
    EXPECT_FALSE(std::filesystem::exists(folder / "out/results.json"));
  };
  refused({"--on", "simulator", "--pareto"}, 2, "needs a --budget");
  refused({"--on", "simulator", "--budget", "9", "--pareto", "energy"}, 1, "did you mean `energy_mj`?");
  refused({"--on", "simulator", "--budget", "9", "--pareto", "latency_ms"}, 1, "is the objective");
  refused({"--on", "simulator", "--budget", "9", "--pareto", "--strategy", "nsga"}, 1, "did you mean `nsga2`?");
  refused({"--on", "simulator", "--budget", "9", "--pareto", "--reference", "1,2"}, 1, "has 2 values");
  refused({"--on", "simulator", "--budget", "9", "--reference", "1,2"}, 2, "add --pareto");
  refused({"--pareto", "--shard", "1/2"}, 2, "leave out --pareto, or --shard");
  folder.write("study.yaml", with(study_text, "pareto: [energy_mj, area_mm2]\n", ""));
  refused({"--on", "simulator", "--budget", "9", "--pareto"}, 2, "--pareto energy_mj,area_mm2");
  folder.write("study.yaml", with(study_text, "[energy_mj,", "[energy,"));
  refused({"--on", "simulator", "--budget", "9"}, 1, "study.yaml:6:10: unknown metric `energy`");
}

}  // namespace
}  // namespace corbel::test
