// Programs as simulators, as a user runs them.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "program.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

/// latency_ms = 12 / a + b on 40 designs: the 5 with a = 3 print nothing, of the others the 7 with b = 5 do not fit,
/// and a = 2, b = 1 is given up. Each run adds a line to `runs`.
const std::string program = R"(#!/bin/sh
echo "$1 $2" >> "$3/runs"
[ "$1" = 3 ] && { echo "no licence" >&2; exit 1; }
[ "$1 $2" = "2 1" ] && { echo "gives up"; exit 0; }
[ "$2" = 5 ] && { echo "does not fit: tile"; exit 0; }
[ -e "$3/block" ] && { echo $$ > "$3/line"; exec sleep 1000; }
echo "{\"latency_ms\": $((12 / $1 + $2))}"
)";

std::string settings(const std::string& more = "") {
  return R"yaml(
simulator:
  name: process
  command: [sh, "{study_dir}/simulate.sh", "{a}", "{b}", "{study_dir}"]
  metrics: [latency_ms]
  abandoned_if: {pattern: "gives up", reason: gave_up}
  infeasible_if: {pattern: "does not fit: ([a-z]+)"}
  run_dir: runs_here
  jobs: 2
)yaml" + more;
}

class ProcessStudy : public testing::Test {
 protected:
  explicit ProcessStudy(const std::string& space = "{parameters: {a: {range: [1, 8]}, b: {range: [1, 5]}}}",
                        const std::string& more = "") {
    folder_.write("simulate.sh", program);
    study_ = folder_.write("study.yaml", "space: " + space + "\nobjective: latency_ms\n" + settings() + more).string();
  }
  std::size_t runs() const {
    const std::string text = read_text(folder_ / "runs");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  TemporaryFolder folder_;
  std::string study_;
};

TEST_F(ProcessStudy, SweepTellsFailuresByReason) {
  const Finished first = corbel({"sweep", study_, "-n", "40", "--format", "json"});
  const json dataset = parse_success(first).at("dataset");
  EXPECT_EQ(dataset.at("rows"), 34);
  EXPECT_EQ(dataset.at("feasible"), 27);
  EXPECT_NE(first.err.find("6 designs failed (1 gave_up, 5 no_output); 5 are tried again next time, 1 are not"),
            std::string::npos)
      << first.err;
  EXPECT_NE(first.err.find("kept in"), std::string::npos) << first.err;
  EXPECT_EQ(runs(), 40U);
  corbel({"sweep", study_, "-n", "40"});
  EXPECT_EQ(runs(), 45U) << "only the failed ones again";
}

TEST_F(ProcessStudy, SweepEndsItsProgramsAtInterruptAndGoesOn) {
  const std::string line = (folder_ / "line").string();
  ASSERT_EQ(mkfifo(line.c_str(), 0600), 0);
  folder_.write("block", "");
  // Held open at both ends, so that neither the programs nor this test wait for each other to open it.
  std::fstream lines(line);
  const pid_t process = start_corbel({"sweep", study_, "-n", "34"});
  pid_t started = 0;
  lines >> started;
  ASSERT_GT(started, 1);
  kill(process, SIGINT);
  EXPECT_EQ(wait_for(process), 130);
  EXPECT_EQ(kill(started, 0), -1) << "the program is still there";
  std::filesystem::remove(folder_ / "block");
  const Finished again = corbel({"sweep", study_, "-n", "34", "--quiet", "--format", "json"});
  EXPECT_EQ(parse_success(again).at("dataset").at("rows"), 34);
}

TEST_F(ProcessStudy, SimulatesAndDescribesAStudysDesign) {
  const json complete =
      parse_success(corbel({"simulate", "--study", study_, "--design", "a=4,b=2", "--format", "json"}));
  EXPECT_EQ(complete.at("latency_ms"), 5);
  EXPECT_EQ(complete.at("simulator").at("name"), "process");
  const json infeasible =
      parse_success(corbel({"simulate", "--study", study_, "--design", "a=4,b=5", "--format", "json"}));
  EXPECT_EQ(infeasible.at("state"), "infeasible");
  EXPECT_EQ(infeasible.at("reason"), "tile");
  const json failed = parse_success(corbel({"simulate", "--study", study_, "--design", "a=3,b=1", "--format", "json"}));
  EXPECT_EQ(failed.at("state"), "failed");
  EXPECT_NE(failed.at("detail").get<std::string>().find("no licence"), std::string::npos) << failed;

  const json own = parse_success(corbel({"describe", "simulator", "--study", study_, "--format", "json"}));
  EXPECT_EQ(own.at("hardware_parameters").size(), 2U);
  EXPECT_EQ(own.at("metrics").at(0).at("name"), "latency_ms");
  const Finished any = corbel({"describe", "simulator", "process"});
  EXPECT_EQ(any.exit_code, 0) << any.err;
  EXPECT_NE(any.out.find("infeasible_if"), std::string::npos);
  EXPECT_NE(any.out.find("docs/process.md"), std::string::npos);
}

TEST_F(ProcessStudy, SearchesTheProgram) {
  const Finished search = corbel(
      {"search", study_, "--on", "simulator", "--strategy", "scan", "--budget", "40", "--quiet", "--format", "json"});
  const json online = parse_success(search).at("online");
  // a ≥ 7 and b = 1: 12 / 7 rounds down to 1.
  EXPECT_EQ(online.at("best").at("objective"), 2);
  EXPECT_EQ(online.at("queries"), 40);
  EXPECT_EQ(online.at("failed"), 6);
  // Of the failed ones each is tried twice more, the abandoned one not.
  EXPECT_EQ(runs(), 40U + 2 * 5);
}

TEST_F(ProcessStudy, AnswersForAMissingProgramWithItsName) {
  std::filesystem::remove(folder_ / "simulate.sh");
  const Finished sweep = corbel({"sweep", study_, "-n", "40", "--quiet"});
  EXPECT_EQ(sweep.exit_code, 1);
  EXPECT_NE(sweep.err.find("simulate.sh"), std::string::npos) << sweep.err;
}

class LargerProcessStudy : public ProcessStudy {
 protected:
  LargerProcessStudy()
      : ProcessStudy("{parameters: {a: {range: [1, 20]}, b: {range: [1, 20]}}}",
                     "sweep: {designs: 150}\ntrain: {steps: 60, ensemble: 1, grid: [{alpha: 0, beta: 0}]}\n"
                     "search: {proposals: 8}\nvalidate: {designs: 4}\n") {}
};

TEST_F(LargerProcessStudy, RunsWithItFromSweepToValidation) {
  const Finished run = corbel({"run", study_, "--quiet", "--format", "json"});
  const json results = parse_success(run);
  EXPECT_EQ(results.at("dataset").at("rows"), 150);
  EXPECT_FALSE(results.at("best").is_null());
  EXPECT_GE(runs(), 150U);
}

TEST(Init, WritesAStudyAroundAProgram) {
  const TemporaryFolder folder;
  const std::string study = (folder / "study.yaml").string();
  const Finished made = corbel({"init", study, "--simulator", "process"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  folder.write("my_simulator", "#!/bin/sh\ncat > /dev/null\necho '{\"latency_ms\": 1.5, \"area_mm2\": 3}'\n");
  std::filesystem::permissions(folder / "my_simulator", std::filesystem::perms::owner_all);
  const Finished sweep = corbel({"sweep", study, "-n", "5", "--quiet", "--format", "json"});
  EXPECT_EQ(parse_success(sweep).at("dataset").at("rows"), 5);
}

}  // namespace
}  // namespace corbel::test
