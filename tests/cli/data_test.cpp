#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "program.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

constexpr const char* log_text =
    "pes,flow,feasible,latency\n"
    "4,0,1,2500\n"
    "8,0,0,\n"
    "8,1,1,1.5 ms\n"
    "8,1,perhaps,1\n";
constexpr const char* mapping_text =
    "rename: {latency: latency_ms}\nunits: {latency: us}\nvalues: {flow: {0: row, 1: column}}\n";

TEST(StoreCommand, ImportsChecksAndExportsWithoutAStudy) {
  const TemporaryFolder folder;
  const std::string log = folder.write("log.csv", log_text).string();
  const std::string mapping = folder.write("mapping.yaml", mapping_text).string();
  const std::string store = (folder / "trials.db").string();
  const std::vector<std::string> command = {"store", "import", store, log, "--mapping", mapping, "--workload", "m4"};

  auto dry = command;
  dry.emplace_back("--dry-run");
  const Finished told = corbel(dry);
  ASSERT_EQ(told.exit_code, 0) << told.err;
  for (const char* part :
       {"latency_ms", "would add", "log.csv:5: `perhaps` is neither feasible", "nothing was imported"}) {
    EXPECT_NE(told.out.find(part), std::string::npos) << part << " is missing in\n" << told.out;
  }
  EXPECT_FALSE(std::filesystem::exists(store));

  auto as_json = command;
  as_json.insert(as_json.end(), {"--format", "json", "--quiet"});
  const json first = parse_success(corbel(as_json)).at("logs").at(0);
  EXPECT_EQ(first.at("added"), 3);
  EXPECT_EQ(first.at("refused"), 1);
  EXPECT_EQ(first.at("columns").at(3).at("name"), "latency_ms");
  EXPECT_EQ(first.at("workload"), "m4");
  EXPECT_EQ(parse_success(corbel(as_json)).at("logs").at(0).at("duplicates"), 3);

  EXPECT_EQ(parse_success(corbel({"store", "check", store, "--format", "json"})).at("trials"), 3);
  const json inspected = parse_success(corbel({"inspect", store, "--format", "json", "--quiet"}));
  EXPECT_EQ(inspected.at("metrics").at(0).at("max"), 2.5);

  const std::string data = (folder / "data.csv").string();
  EXPECT_EQ(parse_success(corbel({"export", store, "--data", data, "--format", "json"})).at("rows"), 3);
  EXPECT_EQ(read_text(data), "pes,flow,feasible,reason,latency_ms\n4,row,1,,2.5\n8,column,1,,1.5\n8,row,0,,\n");

  corbel({"store", "import", store, log, "--mapping", mapping, "--workload", "m5", "-q"});
  const Finished which = corbel({"export", store, "--data", data});
  EXPECT_EQ(which.exit_code, 2);
  EXPECT_NE(which.err.find("--group one of 1 (import on m4), 2 (import on m5)"), std::string::npos) << which.err;
  EXPECT_EQ(corbel({"export", store, "--data", data, "--group", "2"}).exit_code, 0);
  EXPECT_EQ(corbel({"export", store, "--data", data, "--group", "3"}).exit_code, 1);
}

TEST(StoreCommand, TellsDamageByItsExitCode) {
  const TemporaryFolder folder;
  const std::string store = (folder / "trials.db").string();
  std::string rows = "pes,latency_ms\n";
  for (int i = 1; i < 3000; ++i) rows += std::to_string(i) + "," + std::to_string(i) + ".5\n";
  const std::string space = folder.write("space.yaml", "parameters: {pes: {range: [1, 5000]}}\n").string();
  ASSERT_EQ(
      corbel({"store", "import", store, folder.write("log.csv", rows).string(), "--space", space, "-q"}).exit_code, 0);
  std::string bytes = read_text(store);
  for (std::size_t at = bytes.size() - 9000; at < bytes.size() - 8000; ++at) bytes[at] = 'x';
  folder.write("trials.db", bytes);
  const Finished run = corbel({"store", "check", store});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE((run.out + run.err).find("trials.db"), std::string::npos) << run.out << run.err;
}

TEST(ImportCommand, DryRunsOfAStudyLeaveNothing) {
  const TemporaryFolder folder;
  folder.write("log.jsonl", "{\"pes\": 4, \"latency_ms\": 2.5}\n{\"pes\": 8, \"latency_ms\": 1.5}\n");
  const std::string study =
      folder
          .write("study.yaml",
                 "import: {file: log.jsonl, columns: {pes: parameter, latency_ms: metric}}\nobjective: latency_ms\n")
          .string();
  const json told = parse_success(corbel({"import", study, "--dry-run", "--format", "json", "--quiet"}));
  EXPECT_EQ(told.at("dry_run"), true);
  EXPECT_EQ(told.at("logs").at(0).at("added"), 2);
  EXPECT_FALSE(std::filesystem::exists(folder / "out/trials.db"));
  ASSERT_EQ(corbel({"import", study, "-q"}).exit_code, 0);
  const json again = parse_success(corbel({"import", study, "--dry-run", "--format", "json", "--quiet"}));
  EXPECT_EQ(again.at("logs").at(0).at("duplicates"), 2);
  const std::string data = (folder / "data.tfrecord.gz").string();
  EXPECT_EQ(corbel({"export", study, "--data", data, "-q"}).exit_code, 0);
  EXPECT_EQ(parse_success(corbel({"inspect", data, "--format", "json", "--quiet"})).at("rows"), 2);
}

TEST(BenchImport, ChecksWhatItMeasures) {
  for (const char* log : {"csv", "tfrecord"}) {
    const json cost =
        parse_success(corbel({"bench", "import", "--rows", "3000", "--log", log, "--format", "json", "--quiet"}));
    EXPECT_EQ(cost.at("rows"), 3000);
    EXPECT_GT(cost.at("peak_megabytes"), 1);
  }
}

}  // namespace
}  // namespace corbel::test
