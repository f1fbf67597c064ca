// Workers, and what hands out to them, as a user runs them.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "program.hpp"
#include "support/postgres_server.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

const std::string edge_study =
    "space: edge\nworkloads: [mobilenet_v2, mobilenet_v3]\nsimulator: {name: edge, clock_mhz: 1066}\n"
    "objective: latency_ms\nconstraints: [area_mm2 <= 40]\nsweep: {designs: 400}\nsearch: {method: firefly}\n";

/// A program beside the study, with a template, infeasible and failed designs.
const std::string process_study = R"(
space: {parameters: {width: {range: [1, 20]}, depth: {range: [1, 10]}}}
simulator:
  name: process
  command: [/bin/sh, "{study_dir}/sim.sh", in.txt]
  templates: {in.txt: in.tmpl}
  metrics: [latency_ms]
  workload: false
  infeasible_if: {pattern: 'too wide', reason: too_wide}
objective: latency_ms
sweep: {designs: 120}
)";

class Workers : public testing::Test {
 protected:
  void SetUp() override {
    if (!PostgresServer::missing().empty()) GTEST_SKIP() << PostgresServer::missing();
    url_ = PostgresServer::shared().url(PostgresServer::shared().new_database());
  }
  void TearDown() override {
    for (const pid_t worker : workers_) {
      kill(worker, SIGKILL);
      wait_for(worker);
    }
  }
  void start_workers(int count, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"worker", url_, "--jobs", "1", "--lease", "5"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    for (int i = 0; i < count; ++i) workers_.push_back(start_corbel(arguments));
  }
  int end(int signal) {
    const pid_t worker = workers_.back();
    workers_.pop_back();
    kill(worker, signal);
    return wait_for(worker);
  }
  json status() const { return parse_success(corbel({"status", url_, "--format", "json"})); }
  /// The trials of a group as text.
  std::string rows(const std::string& store, int group = 1) const {
    const std::string file = folder_ / "rows.csv";
    const Finished finished = corbel({"export", store, "--data", file, "--group", std::to_string(group), "--quiet"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return read_text(file);
  }

  TemporaryFolder folder_;
  std::string url_;
  std::vector<pid_t> workers_;
};

TEST_F(Workers, DoASweepOfSeveralNetworksThatIsTheSameWithoutThem) {
  const std::string study = folder_.write("study.yaml", edge_study).string();
  ASSERT_EQ(corbel({"sweep", study, "--quiet"}).exit_code, 0);
  start_workers(2);
  const Finished sweep = corbel({"sweep", study, "--store", url_, "--hand-out", "--quiet"});
  ASSERT_EQ(sweep.exit_code, 0) << sweep.err;
  const std::string store = folder_ / "out/trials.db";
  EXPECT_EQ(rows(url_, 1), rows(store, 1));
  EXPECT_EQ(rows(url_, 2), rows(store, 2));

  const json now = status();
  ASSERT_EQ(now["groups"].size(), 2U);
  std::int64_t finished = 0;
  for (const json& group : now["groups"]) {
    EXPECT_EQ(group["complete"].get<int>() + group["infeasible"].get<int>(), 400);
    EXPECT_EQ(group["waiting"].get<int>() + group["running"].get<int>(), 0);
  }
  for (const json& worker : now["workers"]) finished += worker["finished"].get<std::int64_t>();
  EXPECT_EQ(finished, 800);
  EXPECT_EQ(now["seconds_left"], 0);
  EXPECT_EQ(now["workers"].size(), 3U) << "two, and who handed out";
  EXPECT_EQ(end(SIGTERM), 143);
  EXPECT_EQ(end(SIGINT), 130);
}

TEST_F(Workers, AreOfUseToASearchAndNotNeededByIt) {
  // Each in a folder of its own: what is found there answers the same question.
  const auto search = [&](const std::string& name, const std::vector<std::string>& more) {
    const std::string study = folder_.write(name + "/study.yaml", edge_study).string();
    std::vector<std::string> arguments = {"search", study, "--on", "simulator", "--budget", "48", "--format", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return parse_success(corbel(arguments))["online"];
  };
  const json alone = search("alone", {});
  const std::string other = PostgresServer::shared().url(PostgresServer::shared().new_database());
  EXPECT_EQ(search("nobody", {"--store", other})["best"], alone["best"]);
  start_workers(2);
  const json with_workers = search("workers", {"--store", url_, "--hand-out"});
  EXPECT_EQ(with_workers["best"], alone["best"]);
  EXPECT_EQ(with_workers["simulated"], alone["simulated"]);
  std::int64_t finished = 0;
  const json now = status();
  for (const json& worker : now["workers"]) finished += worker["finished"].get<std::int64_t>();
  EXPECT_EQ(finished, 2 * alone["simulated"].get<std::int64_t>()) << "on each of two networks";
}

TEST_F(Workers, FindTheProgramOfAStudyAndLeaveOutWhatIsNotTheSame) {
  folder_.write("in.tmpl", "{width} {depth}\n");
  folder_.write("sim.sh",
                "read w d < $1\nif [ $w -gt 15 ]; then echo too wide; exit 0; fi\n"
                "echo '{\"latency_ms\": '$((w * d))'}'\n");
  const std::string study = folder_.write("study.yaml", process_study).string();
  // Elsewhere the template is another: that worker would simulate something else.
  const TemporaryFolder elsewhere;
  elsewhere.write("in.tmpl", "{depth} {width}\n");
  start_workers(1, {"--study-dir", elsewhere.path().string()});
  start_workers(1);
  const Finished sweep = corbel({"sweep", study, "--store", url_, "--hand-out", "--format", "json"});
  ASSERT_EQ(sweep.exit_code, 0) << sweep.err;
  json now = status();
  EXPECT_EQ(now["groups"][0]["complete"].get<int>() + now["groups"][0]["infeasible"].get<int>(), 120);
  EXPECT_GT(now["groups"][0]["infeasible"].get<int>(), 0);
  EXPECT_EQ(rows(url_).find("failed"), std::string::npos);
  int refused = 0;
  for (const json& worker : now["workers"]) {
    if (worker["finished"] == 0 && worker["jobs"] == 1) ++refused;
  }
  EXPECT_EQ(refused, 1);
}

TEST_F(Workers, StartAndEndTogether) {
  const std::string study = folder_.write("study.yaml", edge_study).string();
  // The store is made first, so that nothing waits for its schema.
  ASSERT_EQ(corbel({"sweep", study, "--store", url_, "-n", "10", "--quiet"}).exit_code, 0);
  const pid_t launcher = start_corbel({"worker", url_, "--launch", "local", "-n", "3", "--jobs", "1"});
  ASSERT_EQ(corbel({"sweep", study, "--store", url_, "--hand-out", "--quiet"}).exit_code, 0);
  kill(launcher, SIGTERM);
  EXPECT_EQ(wait_for(launcher), 143);
  const json now = status();
  EXPECT_EQ(now["workers"].size(), 5U) << "three, and the two sweeps";
  for (const json& worker : now["workers"]) EXPECT_EQ(worker["state"], "stopped") << worker;
}

TEST(WorkerCommand, HandsASlurmJobToSbatch) {
  const TemporaryFolder folder;
  folder.write("sbatch", "#!/bin/sh\necho \"$@\" > " + (folder / "arguments").string() + "\ncat > " +
                             (folder / "script").string() + "\necho \"$CORBEL_STORE\" > " +
                             (folder / "store").string() + "\necho '4711;cluster'\n");
  std::filesystem::permissions(folder / "sbatch", std::filesystem::perms::owner_all);
  const std::string path = folder.path().string() + ":" + getenv("PATH");
  const Finished launched = corbel({"worker", "postgresql://me:secret@db/lab", "--launch", "slurm", "-n", "200",
                                    "--jobs", "4", "--slurm", "--partition=long  --mem=4G", "--idle-exit", "60"},
                                   {{"PATH", path}});
  EXPECT_EQ(launched.exit_code, 0) << launched.err;
  EXPECT_EQ(launched.out, "Slurm job 4711: 200 workers\nto end them: scancel 4711\n");
  EXPECT_EQ(read_text(folder / "arguments"), "--parsable --partition=long --mem=4G\n");
  const std::string script = read_text(folder / "script");
  EXPECT_NE(script.find("#SBATCH --array=1-200\n"), std::string::npos) << script;
  EXPECT_NE(script.find("#SBATCH --cpus-per-task=4\n"), std::string::npos) << script;
  EXPECT_NE(script.find("'--idle-exit' '60'"), std::string::npos) << script;
  EXPECT_EQ(script.find("secret"), std::string::npos);
  EXPECT_EQ(read_text(folder / "store"), "postgresql://me:secret@db/lab\n");
}

TEST(WorkerCommand, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto error = [&](const std::vector<std::string>& arguments, int code, const std::string& part,
                         const std::map<std::string, std::string>& variables = {}) {
    const Finished finished = corbel(arguments, variables);
    EXPECT_EQ(finished.exit_code, code) << finished.err;
    EXPECT_NE(finished.err.find(part), std::string::npos) << finished.err;
  };
  const std::string none = (folder / "none.db").string();
  error({"worker", none}, 1, "no such store");
  EXPECT_FALSE(std::filesystem::exists(none));
  error({"worker"}, 2, "STORE");
  error({"worker", "postgresql://x@127.0.0.1:1/y"}, 1, "cannot be reached");
  error({"worker", none, "--launch", "local"}, 2, "how many");
  error({"worker", none, "--launch", "slurm", "-n", "3"}, 1, "file of this machine");
  const std::map<std::string, std::string> no_programs = {{"PATH", folder.path().string()}};
  error({"worker", "postgresql://x@h/y", "--launch", "slurm", "-n", "3"}, 1, "sbatch cannot be run", no_programs);
  error({"status", none}, 1, "no such store");
}

TEST(WorkerCommand, WorksOnAFileToo) {
  const TemporaryFolder folder;
  const std::string study = folder.write("study.yaml", edge_study).string(), store = (folder / "s.db").string();
  ASSERT_EQ(corbel({"sweep", study, "--store", store, "-n", "10", "--quiet"}).exit_code, 0);
  const pid_t worker = start_corbel({"worker", store, "--jobs", "2"});
  const Finished sweep = corbel({"sweep", study, "--store", store, "--hand-out", "--quiet", "-n", "60"});
  EXPECT_EQ(sweep.exit_code, 0) << sweep.err;
  kill(worker, SIGINT);
  EXPECT_EQ(wait_for(worker), 130);
  const json status = parse_success(corbel({"status", store, "--format", "json"}));
  EXPECT_EQ(status["groups"][0]["complete"].get<int>() + status["groups"][0]["infeasible"].get<int>(), 60);
  const Finished people = corbel({"status", study, "--quiet"});
  EXPECT_EQ(people.exit_code, 1) << "the study's own store was never made";
}

TEST(WorkerCommand, BenchCountsEveryTrial) {
  const json cost =
      parse_success(corbel({"bench", "queue", "--trials", "400", "--workers", "2", "--format", "json", "--quiet"}));
  EXPECT_GT(cost["trials_per_second"].get<double>(), 0);
  EXPECT_GT(cost["one_by_one_trials_per_second"].get<double>(), 0);
}

}  // namespace
}  // namespace corbel::test
