// Rounds of learning and simulating, as a user runs them.
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
sweep: {designs: 300}
train: {steps: 80, ensemble: 1, hidden: [64], trees: 0, grid: [{alpha: 0, beta: 0}]}
search: {method: firefly, budget: 2000, proposals: 12}
validate: {designs: 4}
)";

/// So small a model may have no answer, and then says so.
json parse_answer(const Finished& finished) {
  json value = test::parse(finished);
  const bool refuses = value.contains("answer") && value["answer"]["verdict"] == "not answerable";
  EXPECT_EQ(finished.exit_code, refuses ? 3 : 0) << finished.err;
  return value;
}

std::vector<std::string> rounds(const std::string& study, const std::string& count, const std::string& simulate,
                                std::vector<std::string> more = {"--format", "json"}) {
  std::vector<std::string> arguments = {"search", study, "--rounds", count, "--simulate", simulate};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// Without times.
json found_in(const json& results) {
  json found = {{"rounds", results.at("rounds")},
                {"proposals", results.at("proposals")},
                {"best", results.at("best")},
                {"rows", results.at("dataset").at("rows")}};
  found["rounds"].erase("seconds");
  for (json& round : found["rounds"]["rounds"]) round.erase("training_seconds");
  return found;
}

TEST(Rounds, SimulateWhatTheyAreAllowedAndTellOfIt) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  ASSERT_EQ(corbel({"sweep", study}).exit_code, 0);
  const Finished finished = corbel(rounds(study, "2", "10"));
  const json results = parse_answer(finished);
  EXPECT_NE(finished.err.find("2 rounds of 10 designs: at most 20 simulations in all"), std::string::npos)
      << finished.err;
  EXPECT_EQ(results["rounds"]["queries"], 20);
  EXPECT_EQ(results["rounds"]["rounds"][1]["rows"], 310);
  EXPECT_EQ(results["dataset"]["rows"], 320);
  EXPECT_EQ(results["proposals"].size(), 12U);
  for (const json& round : results["rounds"]["rounds"]) {
    for (const json& design : round["designs"]) {
      EXPECT_TRUE(design["state"] != "complete" || design["within_limits"].get<bool>())
          << "the area is known before anything is simulated";
    }
  }
  EXPECT_EQ(parse_answer(corbel({"inspect", study, "--format", "json"}))["rows"], 320);
  EXPECT_NE(read_text(folder / "out/report.html").find("Rounds of learning and simulating"), std::string::npos);
  // Again: all is there. And two more.
  EXPECT_EQ(found_in(parse_answer(corbel(rounds(study, "2", "10")))), found_in(results));
  const Finished table = corbel(rounds(study, "4", "10", {}));
  EXPECT_NE(table.err.find("resuming: 20 of 40 queries are there"), std::string::npos) << table.err;
  for (const char* part : {"4 of 10 designs: 40 of 40 simulations made", "began with 300 rows", "learnt from",
                           "within limits", "best so far", "verdict"}) {
    EXPECT_NE(table.out.find(part), std::string::npos) << part << "\n" << table.out;
  }
  EXPECT_EQ(parse_answer(corbel({"inspect", study, "--format", "json"}))["rows"], 340);
}

TEST(Rounds, GoOnAfterAKill) {
  const TemporaryFolder folder, other;
  const std::string study = folder.write("study.yaml", study_text).string();
  const std::string uninterrupted = other.write("study.yaml", study_text).string();
  const auto run = [](const std::string& file) {
    return std::vector<std::string>{"run", file, "--rounds", "3", "--simulate", "20", "--quiet", "--format", "json"};
  };
  for (const int milliseconds : {100, 300, 500, 700}) {
    const pid_t process = start_corbel(run(study));
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    kill(process, SIGKILL);
    wait_for(process);
  }
  const json results = parse_answer(corbel(run(study)));
  EXPECT_EQ(found_in(results), found_in(parse_answer(corbel(run(uninterrupted)))));
  EXPECT_EQ(results["rounds"]["queries"], 60);
  EXPECT_EQ(results["dataset"]["rows"], 360);
  EXPECT_FALSE(results.contains("validation")) << "the budget is spent";
}

TEST(Rounds, MayStandInTheStudy) {
  const TemporaryFolder folder;
  std::string text = study_text;
  text.replace(text.find("proposals: 12"), 13, "proposals: 12, rounds: 1, simulate: 5");
  const std::string study = folder.write("study.yaml", text).string();
  const json results = parse_answer(corbel({"run", study, "--format", "json"}));
  EXPECT_EQ(results["rounds"]["queries"], 5);
  EXPECT_EQ(results["dataset"]["rows"], 305);
  // Of another question nothing of it is kept.
  text.replace(text.find("<= 29"), 5, "<= 28");
  folder.write("study.yaml", text);
  const json swept = json::parse(corbel({"sweep", study, "--format", "json"}).out);
  EXPECT_FALSE(swept.contains("rounds"));
  EXPECT_FALSE(swept["steps"].contains("rounds"));
}

TEST(Rounds, TellWhatIsWrongAndWhatToDo) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  const auto refused = [&](const std::vector<std::string>& arguments, int code, const std::string& part) {
    const Finished finished = corbel(arguments);
    EXPECT_EQ(finished.exit_code, code) << finished.err;
    EXPECT_NE(finished.err.find(part), std::string::npos) << finished.err;
    EXPECT_FALSE(std::filesystem::exists(folder / "out/results.json"));
  };
  refused(rounds(study, "0", "10"), 2, "--rounds: Value 0 not in range");
  refused(rounds(study, "2", "0"), 2, "--simulate: Value 0 not in range");
  refused({"search", study, "--simulate", "10"}, 2, "add --rounds");
  refused({"run", study, "--simulate", "10"}, 2, "add --rounds");
  refused(rounds(study, "2", "10", {"--on", "simulator", "--budget", "9"}), 2, "leave out --on simulator");
  refused(rounds(study, "2", "10", {"--pareto", "energy_mj"}), 2, "leave out --pareto");
  refused(rounds(study, "2", "10", {"--shard", "1/2"}), 2, "leave out --shard");
  refused(rounds(study, "2", "10", {"--batch", "8"}), 2, "leave out --batch");
  refused(rounds(study, "2", "10", {"--budget", "9"}), 1, "the search scores 9 designs");
  refused(rounds(study, "2", "10"), 1, "first: corbel sweep");
  const std::string told =
      folder.write("told.yaml", "space: {parameters: {a: {range: [1, 9]}}}\nobjective: latency_ms\n").string();
  refused(rounds(told, "2", "2"), 1, "corbel ask and corbel tell");
  refused({"run", told, "--rounds", "2"}, 1, "corbel ask and corbel tell");
}

}  // namespace
}  // namespace corbel::test
