#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "program.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

/// 6 × 6 designs, every one recorded; the best within the area is 14 at (2, 3).
std::string table_in(const TemporaryFolder& folder) {
  const std::string file = (folder.path() / "table.csv").string();
  std::ofstream out(file);
  out << "pes,lanes,feasible,runtime_cycles,area_um2\n";
  for (int pes = 0; pes < 6; ++pes) {
    for (int lanes = 0; lanes < 6; ++lanes) {
      out << pes << ',' << lanes << ",1," << 24 - 2 * pes - 2 * lanes << ',' << 10 * (pes + lanes) << '\n';
    }
  }
  return file;
}

TEST(ExperimentCommand, ComparesMethodsOnATable) {
  const TemporaryFolder folder;
  const std::string file = table_in(folder), to = (folder.path() / "out").string();
  const auto run = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"experiment",
                                          "--table",
                                          file,
                                          "--objective",
                                          "runtime_cycles",
                                          "--constraint",
                                          "area_um2 <= 50",
                                          "--methods",
                                          "random,firefly",
                                          "--seeds",
                                          "3",
                                          "--budgets",
                                          "10,36",
                                          "--to",
                                          to};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return corbel(arguments);
  };
  const Finished first = run({"--format", "json", "--quiet"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(first.err, "");
  const json found = json::parse(first.out);
  EXPECT_EQ(found["optimum"]["value"], 14);
  ASSERT_EQ(found["results"].size(), 4u);
  for (const json& row : found["results"]) {
    EXPECT_TRUE(row["seconds"].is_number());
    EXPECT_EQ(row["regret_median"].get<double>(), row["best_median"].get<double>() / 14 - 1);
    // The larger budget is the whole space.
    EXPECT_EQ(row["exact"] == 3, row["budget"] == 36 || row["regret_max"] == 0);
  }
  EXPECT_EQ(found["results"][0]["method"], "random");
  EXPECT_TRUE(std::filesystem::exists(to + "/experiment.html"));
  std::ifstream kept(to + "/experiment.json");
  EXPECT_EQ(json::parse(kept), found);

  const Finished table = run({"--quiet"});
  EXPECT_EQ(table.exit_code, 0);
  EXPECT_NE(table.out.find("3 of 3"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("every design of the space is recorded"), std::string::npos);
}

TEST(ExperimentCommand, MaximisesAColumn) {
  const TemporaryFolder folder;
  const Finished finished =
      corbel({"experiment", "--table", table_in(folder), "--objective", "maximise:runtime_cycles", "--methods",
              "random", "--seeds", "2", "--budgets", "36", "--quiet", "--to", (folder.path() / "out").string()});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_NE(finished.out.find("most runtime_cycles"), std::string::npos) << finished.out;
  std::ifstream kept(folder.path() / "out" / "experiment.json");
  const json found = json::parse(kept);
  EXPECT_GT(found["optimum"]["value"].get<double>(), 14);
  EXPECT_EQ(found["results"][0]["exact"], 2);
}

TEST(ExperimentCommand, OfflineProposesFromLogsAlone) {
  const TemporaryFolder folder;
  const std::string file = table_in(folder), to = (folder.path() / "out").string();
  std::vector<std::string> arguments = {"experiment",   "offline",
                                        "--table",      file,
                                        "--objective",  "runtime_cycles",
                                        "--constraint", "area_um2 <= 50",
                                        "--methods",    "best_in_log,gaussian_process",
                                        "--log-size",   "18",
                                        "--seeds",      "2",
                                        "--to",         to,
                                        "--quiet"};
  const Finished table = corbel(arguments);
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_NE(table.out.find("every design of the space is recorded"), std::string::npos) << table.out;
  arguments.insert(arguments.end(), {"--format", "json"});
  const Finished run = corbel(arguments);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json found = json::parse(run.out);
  ASSERT_EQ(found["results"].size(), 2u);
  for (const json& row : found["results"]) {
    for (const char* key : {"top1_over_optimum_median", "top16_over_optimum_min", "top256_over_optimum_max",
                            "infeasible_share_top256_median", "seconds"}) {
      EXPECT_TRUE(row[key].is_number()) << key << row;
    }
    EXPECT_EQ(row["simulator_queries"], 0);
  }
  EXPECT_EQ(found["results"][1]["top256_over_optimum_median"], 1) << "every design is among the 256 best";
  EXPECT_TRUE(std::filesystem::exists(to + "/experiment.html"));
  const Finished wrong = corbel(
      {"experiment", "offline", "--table", file, "--objective", "runtime_cycles", "--methods", "primes", "--to", to});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_NE(wrong.err.find("did you mean `prime`?"), std::string::npos) << wrong.err;
}

TEST(ExperimentCommand, OfflineLearnsFromTablesOfOtherNetworks) {
  const TemporaryFolder folder;
  const std::string file = table_in(folder), to = (folder.path() / "out").string();
  const auto run = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"experiment",  "offline",
                                          "--objective", "runtime_cycles",
                                          "--methods",   "prime:steps=30,trees=0,ensemble=1",
                                          "--seeds",     "1",
                                          "--to",        to,
                                          "--quiet",     "--format",
                                          "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return corbel(arguments);
  };
  const json found = parse_success(run({"--table", file, "--workload", "m4", "--also", "m5=" + file, "--also",
                                        "m6=" + file, "--also-rows", "30", "--log-size", "0"}));
  EXPECT_EQ(found["question"]["learnt_from"], (json{{{"name", "m5"}, {"rows", 30}}, {{"name", "m6"}, {"rows", 30}}}));
  EXPECT_EQ(found["results"][0]["top256_over_optimum_median"], 1) << "every design is among the 256 best";

  const auto refused = [&](std::vector<std::string> arguments, const std::string& part) {
    const Finished finished = run(std::move(arguments));
    EXPECT_NE(finished.exit_code, 0);
    EXPECT_NE(finished.err.find(part), std::string::npos) << finished.err;
  };
  refused({"--table", file, "--also", "m5=" + file, "--log-size", "9"}, "--also needs --workload");
  refused({"--table", file, "--workload", "m4", "--also", file, "--log-size", "9"}, "not WORKLOAD=FILE");
  refused({"--table", file, "--workload", "m4", "--also", "m55=" + file, "--log-size", "9"}, "did you mean `m5`?");
  refused({"--table", file, "--workload", "m4", "--also", "m4=" + file, "--log-size", "9"}, "the network of --table");
  refused({"--table", file, "--workload", "m4", "--also", "m5=" + file, "--also-rows", "37", "--log-size", "9"},
          "m5: a log of 37 rows was asked for");
  refused({"--table", file, "--log-size", "0"}, "a log of 0 rows");
  refused({"--table", file, "--also-rows", "5", "--log-size", "9"}, "no table of another network is given");
  const auto of_study = [&](const std::string& learn_from) {
    return folder.write(
        "study.yaml",
        "space: {parameters: {pes_x: {values: [2, 4]}, pes_y: {values: [2, 4, 8]}, cores: {values: [1, 2]}, "
        "compute_lanes: {values: [16, 32, 64]}}}\nfixed: {pe_memory: 2 MiB, core_memory: 64 KiB, "
        "activation_memory: 1024, instruction_memory: 16384, parameter_memory: 16384, dram_bandwidth: "
        "16}\nworkload: m6\nsimulator: edge\nobjective: latency_ms\n" +
            learn_from);
  };
  const auto run_study = [&](const std::string& learn_from) {
    return corbel({"experiment", "offline", of_study(learn_from).string(), "--methods",
                   "prime:steps=30,trees=0,ensemble=1", "--seeds", "1", "--log-size", "0", "--also-rows", "20", "--to",
                   to, "--fresh", "--quiet", "--format", "json"});
  };
  const json fewer = parse_success(run_study("learn_from: [{workload: m5, designs: 30}, mobilenet_v2]\n"));
  EXPECT_EQ(fewer["question"]["learnt_from"],
            (json{{{"name", "m5"}, {"rows", 20}}, {{"name", "mobilenet_v2"}, {"rows", 20}}}));
  const Finished alone = run_study("");
  EXPECT_NE(alone.err.find("learns from no other network"), std::string::npos) << alone.err;
  const Finished misplaced = corbel({"experiment", "offline", "study.yaml", "--also", "m5=" + file});
  EXPECT_NE(misplaced.err.find("--also belongs to --table"), std::string::npos) << misplaced.err;
}

TEST(ExperimentCommand, OnlineIsTheDefault) {
  const TemporaryFolder folder;
  const std::string file = table_in(folder), to = (folder.path() / "out").string();
  const Finished run = corbel({"experiment", "online", "--table", file, "--objective", "runtime_cycles", "--methods",
                               "random", "--seeds", "1", "--budgets", "5", "--to", to, "--quiet"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST(ExperimentCommand, NothingWithinTheLimitsIsNoAnswer) {
  const TemporaryFolder folder;
  const std::string file = table_in(folder), to = (folder.path() / "out").string();
  const Finished run = corbel({"experiment", "--table", file, "--objective", "runtime_cycles", "--constraint",
                               "area_um2 <= -1", "--methods", "random", "--seeds", "1", "--budgets", "5", "--to", to});
  EXPECT_EQ(run.exit_code, 3) << run.err;
}

TEST(ExperimentCommand, ErrorsNameWhatIsMissing) {
  const TemporaryFolder folder;
  const std::string file = table_in(folder);
  const auto fault = [](const std::vector<std::string>& arguments, int exit_code) {
    const Finished run = corbel(arguments);
    EXPECT_EQ(run.exit_code, exit_code) << run.err;
    return run.err;
  };
  EXPECT_EQ(fault({"experiment"}, 2),
            "corbel: an experiment needs a study with a simulator, or a recorded table; corbel experiment STUDY, or "
            "corbel experiment --table FILE --objective METRIC\n");
  EXPECT_NE(fault({"experiment", "--table", file}, 2).find("--objective"), std::string::npos);
  EXPECT_NE(fault({"experiment", "--table", file, "--objective", "runtime_cycle"}, 1).find("runtime_cycles"),
            std::string::npos);
  EXPECT_NE(fault({"experiment", "--table", "none.csv", "--objective", "x"}, 1).find("none.csv"), std::string::npos);
  EXPECT_NE(fault({"experiment", "none.yaml"}, 1).find("none.yaml"), std::string::npos);
  EXPECT_NE(fault({"experiment", "a.yaml", "--table", file}, 2).find("not on both"), std::string::npos);
  EXPECT_NE(fault({"experiment", "a.yaml", "--objective", "x"}, 2).find("--objective belongs to --table"),
            std::string::npos);
  EXPECT_NE(fault({"experiment", "--table", file, "--objective", "runtime_cycles", "--methods", "firefli"}, 1)
                .find("did you mean `firefly`"),
            std::string::npos);
  EXPECT_NE(fault({"experiment", "--table", file, "--objective", "runtime_cycles", "--budgets", "0"}, 2).find("0"),
            std::string::npos);
}

}  // namespace
}  // namespace corbel::test
