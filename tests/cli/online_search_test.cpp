// A strategy on the simulator itself, as a user runs it.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

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

std::vector<std::string> search(const std::string& study, const std::string& budget,
                                std::vector<std::string> more = {"--format", "json"}) {
  std::vector<std::string> arguments = {"search", study, "--on", "simulator", "--budget", budget};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// The section without the time it took.
json online_of(const json& results) {
  json online = results.at("online");
  online.erase("seconds");
  return online;
}

TEST(OnlineSearch, NeedsNoModelAndGivesTheDesignToBuild) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  const Finished finished = corbel(search(study, "300"));
  const json result = parse_success(finished);
  const json& online = result["online"];
  EXPECT_EQ(online["queries"], 300);
  EXPECT_EQ(online["simulated"], 300);
  EXPECT_EQ(online["top"].size(), 12U);
  EXPECT_LE(online["best"]["metrics"]["area_mm2"].get<double>(), 29);
  EXPECT_LT(online["best"]["objective"].get<double>(), 0.3);
  EXPECT_EQ(online["best"]["margins"][0]["constraint"], "area_mm2 <= 29");
  EXPECT_EQ(result["best"]["source"], "searched");
  EXPECT_EQ(result["best"]["objective"], online["best"]["objective"]);
  EXPECT_EQ(result["dataset"]["rows"], 300);
  EXPECT_NE(read_text(folder / "out/report.html").find("Search on the simulator"), std::string::npos);
  // The design simulates to what was reported.
  const json simulated = parse_success(corbel({"simulate", "--design", (folder / "out/design.json").string(),
                                               "--workload", "mobilenet_v2", "--format", "json"}));
  EXPECT_EQ(simulated["latency_ms"], online["best"]["objective"]);
  const json exported = parse_success(corbel({"export", study, "--to", (folder / "to").string(), "--format", "json"}));
  EXPECT_EQ(exported["source"], "searched");

  // The same again: nothing is simulated, and the answer is the same. With other threads, too, from nothing.
  const Finished again = corbel(search(study, "300"));
  EXPECT_EQ(online_of(parse_success(again)), online_of(result));
  EXPECT_NE(again.err.find("resuming: 300 of 300 queries are there"), std::string::npos) << again.err;
  const TemporaryFolder other;
  const std::string elsewhere = other.write("study.yaml", study_text).string();
  EXPECT_EQ(online_of(parse_success(corbel(search(elsewhere, "300", {"--threads", "3", "--format", "json"})))),
            online_of(result));
  EXPECT_NE(online_of(parse_success(corbel(search(elsewhere, "300", {"--seed", "2", "--format", "json"}))))["top"],
            online_of(result)["top"]);

  const Finished table = corbel(search(study, "300", {}));
  EXPECT_EQ(table.exit_code, 0);
  for (const char* part : {"firefly on the simulator: 300 queries, 300 simulated", "area_mm2 <= 29", "energy_mj",
                           "found by simulation", "pes_x="}) {
    EXPECT_NE(table.out.find(part), std::string::npos) << part << "\n" << table.out;
  }
}

TEST(OnlineSearch, GoesOnAfterAKill) {
  const TemporaryFolder folder, other;
  const std::string study = folder.write("study.yaml", study_text).string();
  const std::string uninterrupted = other.write("study.yaml", study_text).string();
  const std::vector<std::string> command = search(study, "1500", {"--quiet", "--format", "json"});
  for (const int milliseconds : {50, 120, 250, 300}) {
    const pid_t process = start_corbel(command);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    kill(process, SIGKILL);
    wait_for(process);
  }
  EXPECT_EQ(online_of(parse_success(corbel(command))),
            online_of(parse_success(corbel(search(uninterrupted, "1500", {"--quiet", "--format", "json"})))))
      << "best, history and counts are those of a search that nobody killed";
}

TEST(OnlineSearch, StopsAtInterruptAndSaysSo) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  const pid_t process = start_corbel(search(study, "3000000"));
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  kill(process, SIGINT);
  EXPECT_EQ(wait_for(process), 130);
  EXPECT_FALSE(std::filesystem::exists(folder / "out/results.json")) << "no results of half a search";
}

TEST(OnlineSearch, LeavesTheLogOfTheModelAsItWas) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  const std::vector<std::string> run = {"run", study, "--format", "json"};
  const json before = parse_success(corbel(run));
  const json searched = parse_success(corbel(search(study, "200")));
  EXPECT_EQ(searched["dataset"], before["dataset"]);
  EXPECT_EQ(searched["training"], before["training"]);
  EXPECT_EQ(searched["proposals"], before["proposals"]);
  EXPECT_EQ(searched["best"]["source"], "searched");
  EXPECT_GT(searched["best"]["gain"].get<double>(), 1);
  // Nothing that rests on the log is done again.
  const Finished again = corbel(run);
  EXPECT_EQ(parse_success(again)["dataset"], before["dataset"]);
  EXPECT_EQ(parse_success(again)["online"], searched["online"]);
  for (const char* step : {"model", "search", "validation"}) {
    EXPECT_NE(again.err.find(std::string("the ") + step + " is up to date"), std::string::npos) << again.err;
  }
  EXPECT_EQ(parse_success(corbel({"inspect", study, "--format", "json"}))["rows"], 1200 + 4 + 200);
  // The next training learns from all of them.
  const json trained = parse_success(corbel({"train", study, "--format", "json"}));
  EXPECT_EQ(trained["dataset"]["rows"], 1404);
  EXPECT_EQ(trained["online"], searched["online"]);

  // Of another question, nothing of it is kept.
  folder.write("study.yaml", with(study_text, "<= 29", "<= 28"));
  const json swept = parse_success(corbel({"sweep", study, "--format", "json"}));
  EXPECT_FALSE(swept.contains("online"));
  EXPECT_FALSE(swept["steps"].contains("online"));
  EXPECT_NE(swept["best"]["source"], "searched");
}

TEST(OnlineSearch, ForgetsWhatWasFoundForAnotherQuestion) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  const json first = parse_success(corbel(search(study, "60")));
  folder.write("study.yaml", with(study_text, "latency_ms", "energy_mj"));
  const Finished exported = corbel({"export", study});
  EXPECT_EQ(exported.exit_code, 1);
  EXPECT_NE(exported.err.find("the study has changed"), std::string::npos) << exported.err;
  const json second = parse_success(corbel(search(study, "60")));
  EXPECT_EQ(second["study"]["objective"]["metric"], "energy_mj");
  EXPECT_EQ(second["best"]["objective"], second["best"]["metrics"]["energy_mj"]);
  EXPECT_LT(second["online"]["simulated"], 60) << "the first designs of a seed are the same ones";
  EXPECT_NE(second["steps"]["online"], first["steps"]["online"]);
}

TEST(OnlineSearch, SearchesOnSeveralNetworks) {
  const TemporaryFolder folder;
  const std::string study =
      folder.write("study.yaml", with(study_text, "workload: mobilenet_v2", "workloads: [mobilenet_v2, resnet50]"))
          .string();
  const json result = parse_success(corbel(search(study, "80")));
  const json& best = result["online"]["best"];
  EXPECT_EQ(result["online"]["simulated"], 80);
  EXPECT_NEAR(best["objective"].get<double>(),
              std::sqrt(best["metrics"]["mobilenet_v2.latency_ms"].get<double>() *
                        best["metrics"]["resnet50.latency_ms"].get<double>()),
              1e-12);
  const Finished table = corbel(search(study, "80", {}));
  EXPECT_NE(table.out.find("resnet50"), std::string::npos) << table.out;
}

TEST(OnlineSearch, PromisesNoOptimumWhereNothingIsWithinTheLimits) {
  const TemporaryFolder folder;
  const std::string few_designs =
      "space: {parameters: {pes_x: {values: [1, 2, 4]}, pes_y: {values: [1, 2]}, compute_lanes: {values: [16]}, "
      "cores: {values: [1, 2]}, pe_memory: {unit: bytes, values: [524288]}, core_memory: {unit: bytes, values: "
      "[8192]}, "
      "activation_memory: {values: [512]}, instruction_memory: {values: [8192]}, parameter_memory: {values: [2048]}, "
      "dram_bandwidth: {unit: GB/s, values: [5]}}}";
  const std::string text = with(with(study_text, "area_mm2 <= 29", "cores <= 0"), "space: edge", few_designs);
  const std::string study = folder.write("study.yaml", text).string();
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--pareto", "energy_mj"}}) {
    const Finished finished = corbel(search(study, "10", more));
    EXPECT_EQ(finished.exit_code, 3) << finished.err;
    EXPECT_NE(finished.out.find("every admitted design was queried: none is within the limits"), std::string::npos)
        << finished.out;
  }
}

TEST(OnlineSearch, TellsWhatIsWrongAndWhatToDo) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  const auto refused = [&](std::vector<std::string> arguments, int code, const std::string& part) {
    const Finished finished = corbel(arguments);
    EXPECT_EQ(finished.exit_code, code) << finished.err;
    EXPECT_NE(finished.err.find(part), std::string::npos) << finished.err;
    EXPECT_FALSE(std::filesystem::exists(folder / "out/results.json"));
  };
  refused(search(study, "10", {"--batch", "0"}), 2, "--batch: Value 0 not in range");
  refused(search(study, "0"), 2, "--budget: Value 0 not in range");
  refused({"search", study, "--on", "simulator"}, 2, "needs a --budget");
  refused({"search", study, "--on", "simulation", "--budget", "10"}, 2, "--on");
  refused({"search", study, "--batch", "8"}, 2, "add --on simulator");
  refused(search(study, "10", {"--strategy", "evolutoin"}), 1,
          "unknown strategy `evolutoin`; did you mean `evolution`?");
  refused(search(study, "10", {"--strategy", "scan"}), 1, "a scan simulates every design");
  folder.write("log.csv", "pes,feasible,latency_ms\n1,1,9\n2,1,8\n");
  const std::string log = folder.write("log.yaml", "import: {file: log.csv}\nobjective: latency_ms\n").string();
  refused(search(log, "10"), 1, "there is no simulator to search on; add `simulator:`");

  const std::string strict =
      folder.write("strict.yaml", with(study_text, "area_mm2 <= 29", "latency_ms <= 1 us")).string();
  const Finished none = corbel(search(strict, "20"));
  EXPECT_EQ(none.exit_code, 3) << none.err;
  EXPECT_TRUE(json::parse(none.out)["online"]["best"].is_null());
  const Finished table = corbel(search(strict, "20", {}));
  EXPECT_EQ(table.exit_code, 3);
  EXPECT_NE(table.out.find("no design that was simulated is within every limit"), std::string::npos) << table.out;
  // Nothing at all can be asked.
  const std::string impossible = with(with(study_text, "area_mm2 <= 29", "area_mm2 <= 0.001"), "space: edge", R"(space:
  parameters: {pes_x: {values: [1, 2]}}
fixed: {pes_y: 2, compute_lanes: 8, cores: 2, pe_memory: 1 MiB, core_memory: 64 KiB, activation_memory: 1024,
        instruction_memory: 65536, parameter_memory: 16384, dram_bandwidth: 5}
output: none)");
  EXPECT_EQ(corbel(search(folder.write("no.yaml", impossible).string(), "20", {})).exit_code, 3);
}

}  // namespace
}  // namespace corbel::test
