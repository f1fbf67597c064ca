#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "program.hpp"
#include "support/postgres_server.hpp"
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

TEST(Postgres, HoldsWhatStudiesShare) {
  if (!PostgresServer::missing().empty()) GTEST_SKIP() << PostgresServer::missing();
  PostgresServer& server = PostgresServer::shared();
  const std::string database = server.new_database();
  server.sql(database, "CREATE ROLE ada LOGIN PASSWORD 's3cret'; GRANT CREATE ON DATABASE " + database + " TO ada");
  const std::string url = server.url(database, "ada", "s3cret");
  const TemporaryFolder folder;
  std::string printed;
  const auto run = [&](const std::vector<std::string>& command, int exit_code = 0) {
    const Finished finished = corbel(command);
    EXPECT_EQ(finished.exit_code, exit_code) << command.front() << ": " << finished.err;
    printed += finished.out + finished.err;
    return finished.out;
  };
  // Two studies in folders of their own share the simulated designs.
  const std::string text =
      "space: edge\nsimulator: edge\nworkload: m4\nobjective: latency_ms\nstore: " + url + "\nsweep: {designs: 300}\n";
  const std::string one = folder.write("one/study.yaml", text).string();
  const std::string two = folder.write("two/study.yaml", text).string();
  run({"sweep", one});
  EXPECT_NE(run({"sweep", two, "--format", "json", "-q"}).find("300"), std::string::npos);
  EXPECT_EQ(server.sql(database, "SELECT count(*), sum(attempt) FROM corbel.trials"), "300|300\n");
  EXPECT_FALSE(std::filesystem::exists(folder / "one/out/trials.db"));
  run({"search", one, "--on", "simulator", "--strategy", "random", "--budget", "20"});
  EXPECT_EQ(read_text(folder / "one/out/results.json").find("postgresql"), std::string::npos);

  // A store given on the command line, and commands on the store itself.
  const std::string log = folder.write("log.csv", log_text).string();
  const std::string mapping = folder.write("mapping.yaml", mapping_text).string();
  run({"store", "import", url, log, "--mapping", mapping, "--dry-run"});
  run({"store", "import", url, log, "--mapping", mapping});
  EXPECT_EQ(parse_success(corbel({"store", "check", url, "--format", "json"})).at("groups"), 2);
  EXPECT_NE(run({"store", "check", url}).find("no damage found"), std::string::npos);
  run({"inspect", url});
  const std::string data = (folder / "data.csv").string();
  // PostgreSQL does not give the dry run's id again.
  run({"export", url, "--data", data, "--group", "3"});
  EXPECT_EQ(read_text(data), "pes,flow,feasible,reason,latency_ms\n4,row,1,,2.5\n8,column,1,,1.5\n8,row,0,,\n");
  run({"export", url, "--data", data}, 2);
  const std::string local = folder.write("local.yaml", text.substr(0, text.find("store: "))).string();
  run({"export", local, "--store", url, "--data", data});
  EXPECT_EQ(std::ranges::count(read_text(data), '\n'), 321) << "of the sweep and the search";

  run({"run", one, "--fresh"}, 1);
  run({"inspect", server.url(database, "ada", "s3cret2")}, 1);
  run({"inspect", server.url("nowhere", "ada", "s3cret")}, 1);
  run({"inspect", url + "&nothing=s3cret"}, 1);
  EXPECT_EQ(printed.find("s3cret"), std::string::npos) << printed;
  EXPECT_NE(printed.find("postgresql://ada@/" + database), std::string::npos) << printed;
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
