// Programs that own the evaluation: ask and tell, as processes.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "program.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

const std::string study_text = R"(space:
  parameters:
    rows: {range: [1, 32]}
    columns: {range: [1, 32]}
    flow: {values: [ws, os, is]}
objective: latency_ms
constraints: [area_mm2 <= 200]
train: {steps: 40, ensemble: 1, grid: [{alpha: 0.01, beta: 0.03}]}
search: {proposals: 5}
)";

/// The program under design: best with 12 rows and 16 columns at flow os; does not fit where both are below 3.
json evaluate(const json& asked) {
  const double rows = asked["design"]["rows"], columns = asked["design"]["columns"];
  if (rows < 3 && columns < 3) return {{"id", asked["id"]}, {"state", "infeasible"}, {"reason", "too_small"}};
  const double off = std::abs(rows - 12) / 4 + std::abs(columns - 16) / 4 + (asked["design"]["flow"] == "os" ? 0 : 2);
  return {{"id", asked["id"]}, {"metrics", {{"latency_ms", 1 + off}, {"area_mm2", rows * columns}}}};
}

json evaluate_all(const json& asked) {
  json results = json::array();
  for (const json& each : asked["designs"]) results.push_back(evaluate(each));
  return {{"results", results}};
}

TEST(AskTell, FindsADesignAndTrainsOnWhatItWasTold) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  json told;
  for (int round = 0; round < 12; ++round) {
    const json asked = parse_success(corbel({"ask", study, "-n", "32", "--format", "json"}));
    EXPECT_EQ(asked["study"], "study");
    ASSERT_EQ(asked["designs"].size(), 32U);
    EXPECT_EQ(asked["waiting"], 32);
    const std::string results = folder.write("results.json", evaluate_all(asked).dump()).string();
    told = parse_success(corbel({"tell", study, results, "--format", "json"}));
    EXPECT_EQ(told["told"], 32);
    EXPECT_EQ(told["waiting"], 0);
    // The same file again changes nothing.
    if (round == 3) {
      EXPECT_EQ(parse_success(corbel({"tell", study, results, "--format", "json"}))["repeated"], 32);
    }
  }
  EXPECT_EQ(told["best"]["objective"], 1);
  EXPECT_EQ(told["best"]["design"], (json{{"rows", 12}, {"columns", 16}, {"flow", "os"}}));
  EXPECT_EQ(told["best"]["metrics"]["area_mm2"], 192);

  const json inspected = parse_success(corbel({"inspect", study, "--format", "json"}));
  EXPECT_EQ(inspected["rows"], 384);
  const json run = parse_success(corbel({"run", study, "--format", "json"}));
  EXPECT_EQ(run["dataset"]["rows"], 384);
  EXPECT_EQ(run["dataset"]["source"], "what was told");
  EXPECT_EQ(run["dataset"]["best_logged"]["objective"], 1);
  EXPECT_TRUE(run["study"]["simulator"].is_null());
  EXPECT_TRUE(run["search"]["exhaustive"].get<bool>());
  EXPECT_TRUE(std::filesystem::exists(folder / "out/report.html"));
  const Finished again = corbel({"run", study});
  EXPECT_NE(again.err.find("the model is up to date"), std::string::npos) << again.err;
  // More that is told is learnt from.
  const json asked = parse_success(corbel({"ask", study, "-n", "9", "--format", "json"}));
  parse_success(
      corbel({"tell", study, folder.write("results.json", evaluate_all(asked).dump()).string(), "--format", "json"}));
  EXPECT_EQ(parse_success(corbel({"train", study, "--format", "json"}))["dataset"]["rows"], 393);
  const Finished fresh = corbel({"run", study, "--fresh"});
  EXPECT_EQ(fresh.exit_code, 1);
  EXPECT_NE(fresh.err.find("would remove what was told"), std::string::npos) << fresh.err;
}

TEST(AskTell, PrintsTablesForPeople) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  const Finished asked = corbel({"ask", study, "--designs", "2"});
  EXPECT_EQ(asked.exit_code, 0) << asked.err;
  EXPECT_NE(asked.out.find("rows  columns  flow"), std::string::npos) << asked.out;
  EXPECT_NE(asked.out.find("waiting    2 designs"), std::string::npos) << asked.out;
  const Finished waiting = corbel({"ask", study, "--waiting"});
  EXPECT_NE(waiting.out.find("waiting    2 designs"), std::string::npos) << waiting.out;
  const json listed = parse_success(corbel({"ask", study, "--waiting", "--format", "json"}));
  const Finished told = corbel({"tell", study, folder.write("results.json", evaluate_all(listed).dump()).string()});
  EXPECT_EQ(told.exit_code, 0) << told.err;
  for (const char* part : {"told       2 results", "waiting    0", "best       latency_ms"}) {
    EXPECT_NE(told.out.find(part), std::string::npos) << part << "\n" << told.out;
  }
  const Finished none = corbel({"tell", study, folder.write("results.json", "[]").string()});
  EXPECT_NE(none.out.find("told       0 results"), std::string::npos) << none.out;
}

TEST(AskTell, IsSafeWithManyProcessesOfWhichSomeAreKilled) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  std::mutex mutex;
  std::vector<std::uint64_t> given;
  std::set<std::uint64_t> answered;
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 8; ++worker) {
    workers.emplace_back([&, worker] {
      const std::string name = std::to_string(worker);
      for (int round = 0; round < 2; ++round) {
        // One that is killed while it asks or tells: what it was given, if anything, is given to nobody else.
        const pid_t killed = start_corbel({"ask", study, "-n", "2"});
        std::this_thread::sleep_for(std::chrono::milliseconds(7 * worker));
        kill(killed, SIGKILL);
        wait_for(killed);
        const json asked = parse_success(corbel({"ask", study, "-n", "3", "--format", "json"}));
        ASSERT_EQ(asked["designs"].size(), 3U);
        const std::string results = folder.write(name + ".json", evaluate_all(asked).dump()).string();
        const pid_t interrupted = start_corbel({"tell", study, results});
        std::this_thread::sleep_for(std::chrono::milliseconds(5 * worker));
        kill(interrupted, SIGKILL);
        wait_for(interrupted);
        const json told = parse_success(corbel({"tell", study, results, "--format", "json"}));
        EXPECT_EQ(told["told"], 3);
        EXPECT_TRUE(told["repeated"] == 0 || told["repeated"] == 3) << "a file is taken whole or not at all";
        const std::lock_guard lock(mutex);
        for (const json& each : asked["designs"]) {
          given.push_back(each["id"]);
          answered.insert(each["id"].get<std::uint64_t>());
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(given.size(), 8U * 2 * 3);
  EXPECT_EQ(answered.size(), given.size()) << "no design is given out twice";
  // All that was told is there; what the killed ones were given is waiting, and is nobody else's.
  EXPECT_EQ(parse_success(corbel({"inspect", study, "--format", "json"}))["rows"], given.size());
  const json waiting = parse_success(corbel({"ask", study, "--waiting", "--format", "json"}));
  EXPECT_LE(waiting["waiting"].get<std::size_t>(), 8U * 2 * 2);
  for (const json& each : waiting["designs"]) EXPECT_FALSE(answered.contains(each["id"].get<std::uint64_t>()));
  EXPECT_EQ(waiting["waiting"].get<std::size_t>() % 2, 0U) << "a call gives out all of its designs or none";
}

TEST(AskTell, TellsWhatIsWrongAndWhatToDo) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", study_text).string();
  const auto refused = [&](const std::vector<std::string>& arguments, int code, const std::string& part) {
    const Finished finished = corbel(arguments);
    EXPECT_EQ(finished.exit_code, code) << finished.err;
    EXPECT_NE(finished.err.find(part), std::string::npos) << finished.err;
  };
  refused({"tell", study, folder.write("r.json", R"([{"id": 5, "metrics": {"latency": 1}}])").string()}, 1,
          "r.json: result 0: unknown metric `latency`; did you mean `latency_ms`?");
  refused({"tell", study, (folder / "none.json").string()}, 1, "none.json");
  refused({"tell", study}, 2, "RESULTS");
  refused({"ask", study, "-n", "0"}, 2, "--designs: Value 0");
  refused({"ask", study, "-n", "3", "--waiting"}, 2, "--waiting");
  // What a study that lives on what it is told cannot do.
  refused({"run", study}, 1, "nothing was told yet; evaluate designs of corbel ask");
  refused({"train", study}, 1, "nothing was told yet");
  refused({"inspect", study}, 1, "nothing was told yet");
  refused({"sweep", study}, 1, "there is no simulator to sweep with: this study lives on what it is told");
  refused({"validate", study}, 1, "there is no simulator to validate with");
  refused({"import", study}, 1, "this study has no `import:`");
  refused({"search", study, "--on", "simulator", "--budget", "10"}, 1, "there is no simulator to search on");
  EXPECT_NE(corbel({"ask", study, "-n", "1"}).out.find("rows"), std::string::npos);
  refused({"run", study}, 1, "nothing was told yet");
}

}  // namespace
}  // namespace corbel::test
