#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "corbel/base/config.hpp"
#include "corbel/base/row_file.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/dataset/inspect.hpp"
#include "corbel/dataset/log_presets.hpp"
#include "corbel/dataset/store_check.hpp"
#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

using std::filesystem::path;

class ImportFormats : public ::testing::Test {
 protected:
  struct Imported {
    ImportPlan plan;
    ImportResult result;
    Dataset data;
  };
  Imported import(const ImportSpec& spec, const std::optional<DesignSpace>& space = std::nullopt) {
    ImportPlan plan = plan_import(spec, space, silent_monitor());
    Store::GroupId group = 0;
    ImportResult result = import_log(store_, spec, plan, group, silent_monitor());
    return {std::move(plan), std::move(result), store_.read(group)};
  }
  ImportSpec spec_of(const std::string& name, const std::string& content) {
    ImportSpec spec;
    spec.file = folder_.write(name, content);
    return spec;
  }

  TemporaryFolder folder_;
  Store store_{folder_ / "trials.db", Store::Mode::read_write};
};

constexpr const char* as_csv =
    "pes,flow,feasible,reason,latency_ms\n"
    "4,row,1,,2.5\n"
    "8,row,0,memory,\n"
    "8,column,1,,1.5\n";

TEST_F(ImportFormats, TheSameRowsInEveryFormatAreTheSameTrials) {
  const std::string fingerprint = import(spec_of("log.csv", as_csv)).data.fingerprint();
  const std::string semicolons =
      "pes;flow;feasible;reason;latency_ms\n4;row;1;;2.5\n8;row;0;memory;\n8;column;1;;1.5\n";
  const std::string tabs =
      "\xEF\xBB\xBFlatency_ms\treason\tfeasible\tflow\tpes\r\n2.5\t\t1\trow\t4\r\n\tmemory\t0\trow\t8\r\n1."
      "5\t\t1\tcolumn\t8\r\n";
  const std::string json =
      "{\"feasible\": true, \"pes\": 4, \"flow\": \"row\", \"latency_ms\": 2.5}\n"
      "{\"feasible\": false, \"pes\": 8, \"flow\": \"row\", \"reason\": \"memory\"}\n"
      "{\"latency_ms\": 1.5, \"feasible\": true, \"flow\": \"column\", \"pes\": 8}\n";
  const DesignSpace space({Parameter::ordinal("pes", {4, 8}), Parameter::categorical("flow", {"column", "row"})});
  for (const auto& [name, content] :
       {std::pair{"semicolons.csv", semicolons}, {"tabs.tsv", tabs}, {"log.jsonl", json}}) {
    const Imported got = import(spec_of(name, content), space);
    EXPECT_EQ(got.result.duplicates, 3U) << name << " adds nothing twice";
    EXPECT_EQ(got.data.fingerprint(), fingerprint) << name;
  }
}

TEST_F(ImportFormats, FoldersAndPatternsAreOneLog) {
  folder_.write("logs/b.csv", "pes,latency_ms\n3,30\n4,40\n");
  folder_.write("logs/a.csv", "pes,latency_ms\n1,10\n2,20\n");
  folder_.write("logs/notes.txt", "pes,latency_ms\n9,90\n");
  folder_.write("logs/.hidden", "?");
  ImportSpec spec;
  spec.file = folder_ / "logs/*.csv";
  EXPECT_EQ(log_files(spec.file), (std::vector<path>{folder_ / "logs/a.csv", folder_ / "logs/b.csv"}));
  EXPECT_EQ(import(spec).data.rows(), 4U);
  EXPECT_EQ(log_files(folder_ / "logs").size(), 3U);
  EXPECT_ERROR(log_files(folder_ / "logs/*.tsv"), ErrorCode::not_found, "no such files");
  EXPECT_ERROR(log_files(folder_ / "no/*.csv"), ErrorCode::not_found, "cannot read the folder");
  // A row that contradicts one of another file is refused with its own place.
  folder_.write("logs/c.csv", "latency_ms,pes\n11,1\n50,5\n");
  const Imported more = import(spec, DesignSpace({Parameter::integer("pes", 1, 5)}));
  EXPECT_EQ(more.result.added, 5U);
  EXPECT_EQ(more.result.refusals,
            (std::vector<std::string>{(folder_ / "logs/c.csv").string() +
                                      ":2: repeats a design with other results; the first stay"}));
}

TEST_F(ImportFormats, UnitsAndValuesAreTranslated) {
  ImportSpec spec = spec_of("log.csv",
                            "sram,flow,ok,runtime,power_w\n"
                            "256,0,good,1500,2\n"
                            "512 KiB,1,good,2.5 ms,3\n"
                            "1 MiB,0,bad,,\n"
                            "256,1,good,4 parsecs,2\n");
  const Config config = Config::parse(
      "file: log.csv\n"
      "columns: {ok: feasible}\n"
      "rename: {runtime: latency_ms}\n"
      "units: {sram: KiB, runtime: us, power_w: mW}\n"
      "values: {flow: {0: row, 1: column}, ok: {good: 1, bad: 0}}\n",
      "m.yaml");
  const path file = spec.file;
  spec = import_spec_from_config(config);
  spec.file = file;
  const DesignSpace space({Parameter::ordinal("sram", {262144, 524288, 1048576}, "bytes"),
                           Parameter::categorical("flow", {"row", "column"})});
  const Imported got = import(spec, space);
  EXPECT_EQ(got.result.refusals,
            (std::vector<std::string>{file.string() + ":5: runtime: `4 parsecs` is not a number"}));
  ASSERT_EQ(got.data.rows(), 3U);
  EXPECT_EQ(got.data.group.metrics, (std::vector<std::string>{"latency_ms", "power_w"}));
  EXPECT_EQ(got.data.designs, (std::vector<DesignId>{0, 3, 4}));
  EXPECT_EQ(got.data.metric(0, 0), 1.5);
  EXPECT_EQ(got.data.metric(1, 0), 2.5);
  EXPECT_EQ(got.data.metric(1, 1), 0.003);
  EXPECT_EQ(got.data.states[2], TrialState::infeasible);

  // A name without a unit gets that of its numbers.
  ImportSpec plain = spec_of("plain.csv", "pes,latency\n1,2.5\n2,3.5\n");
  plain.units["latency"] = "us";
  EXPECT_EQ(import(plain).data.group.metrics, (std::vector<std::string>{"latency_us"}));
  plain.units["latency"] = "mm2";
  plain.rename["latency"] = "latency_ms";
  EXPECT_ERROR(import(plain), ErrorCode::invalid_input, "column `latency` is said to be in `mm2`");
  // Without `units:`, the remedy is told.
  const Error error = error_of([&] { import(spec_of("u.csv", "pes,latency_ms\n1,2.5 ms\n2,3.5 ms\n")); });
  EXPECT_NE(error.hint().find("units: {latency_ms: ms}"), std::string::npos) << error.hint();
  EXPECT_ERROR(import_spec_from_config(Config::parse("file: a\nunits: {a: parsecs}\n", "m.yaml")),
               ErrorCode::invalid_input, "m.yaml:2:12: unknown unit `parsecs`");
}

/// Two records of the published shape (docs/formats/import.md), the second infeasible.
void write_prime(const path& file, double first_runtime) {
  std::vector<std::string> header;
  for (int i = 1; i <= 10; ++i) header.push_back("param_" + std::to_string(i));
  header.insert(header.end(), {"runtime", "area", "infeasible"});
  const auto writer = write_rows(file, header, "tfrecord");
  const std::vector<double> design = {4, 4, 64, 4, 2097152, 32768, 1024, 16384, 16384, 25};
  std::vector<Cell> row;
  for (const double value : design) row.push_back(Cell::of(value));
  for (const bool feasible : {true, false}) {
    row.resize(10);
    if (!feasible) row[0] = Cell::of(32.0);
    row.push_back(Cell::of(feasible ? first_runtime : 0.0));
    row.push_back(Cell::of(feasible ? 26.5 : 90.25));
    row.push_back(Cell::whole(feasible ? 0 : 1));
    writer->write(row);
  }
  writer->finish();
}

TEST_F(ImportFormats, ThePublishedDataSetIsNineWorkloads) {
  for (const char* application :
       {"MobilenetEdgeTPU", "MobilenetV2", "MobilenetV3", "m4", "m5", "m6", "t_rnn_dec", "t_rnn_enc", "u-net"}) {
    std::filesystem::create_directories(folder_ / "prime" / application);
    write_prime(folder_ / "prime" / application / "data.tfrecord-00000-of-00001", 354.13);
  }
  const std::vector<ImportSpec> specs = preset_logs(log_preset("prime"), folder_ / "prime");
  ASSERT_EQ(specs.size(), 9U);
  for (const ImportSpec& spec : specs) import(spec);
  const auto groups = store_.groups();
  ASSERT_EQ(groups.size(), 9U);
  EXPECT_EQ(groups[0].group.workload, "mobilenet_edgetpu");
  EXPECT_EQ(groups[6].group.workload, "unet");
  EXPECT_EQ(groups[7].group.workload, "trnn_decoder");
  for (const Store::GroupSummary& summary : groups) {
    EXPECT_EQ(summary.group.space, DesignSpace::edge());
    EXPECT_EQ(summary.group.metrics, (std::vector<std::string>{"latency_us", "area_mm2"}));
    EXPECT_EQ(summary.complete, 1U);
    EXPECT_EQ(summary.infeasible, 1U);
    const Dataset data = store_.read(summary.id);
    EXPECT_EQ(DesignSpace::edge().design_text(DesignSpace::edge().design(data.designs[0])),
              "pes_x=4 pes_y=4 compute_lanes=64 cores=4 pe_memory=2097152 core_memory=32768 activation_memory=1024 "
              "instruction_memory=16384 parameter_memory=16384 dram_bandwidth=25");
    EXPECT_EQ(data.metric(0, 0), 354.13);
    EXPECT_EQ(data.metric(1, 1), 90.25);
  }
  // One folder of it, and a study's import.
  EXPECT_EQ(preset_logs(log_preset("prime"), folder_ / "prime/u-net").front().workload, "unet");
  const ImportSpec spec = import_spec_from_config(Config::parse("file: m4\npreset: prime\nworkload: m4\n", "s.yaml"));
  EXPECT_EQ(spec.simulator, "prime_published");
  EXPECT_EQ(spec.rename.at("runtime"), "latency_us");
  EXPECT_ERROR(preset_logs(log_preset("prime"), folder_.path()), ErrorCode::not_found, "holds none of the folders");
  EXPECT_ERROR(log_preset("prim"), ErrorCode::invalid_input, "unknown preset `prim`");
}

TEST_F(ImportFormats, DryRunsLeaveNothing) {
  const ImportSpec spec = spec_of("log.csv", as_csv);
  const ImportPlan plan = plan_import(spec, std::nullopt, silent_monitor());
  Store::GroupId group = 77;
  const ImportResult result = import_log(store_, spec, plan, group, silent_monitor(), ImportMode::dry_run);
  EXPECT_EQ(result.added, 3U);
  EXPECT_EQ(group, 77);
  EXPECT_TRUE(store_.group_ids().empty());
  EXPECT_EQ(import(spec).result.added, 3U);
  EXPECT_EQ(import_log(store_, spec, plan, group, silent_monitor(), ImportMode::dry_run).duplicates, 3U);
}

std::string long_log(int rows) {
  std::string csv = "pes,lanes,latency_ms\n";
  for (int i = 0; i < rows; ++i) {
    csv += std::to_string(i % 250 + 1) + "," + std::to_string(i / 250 + 1) + "," + std::to_string(i % 997) + ".25\n";
  }
  return csv;
}
DesignSpace long_space() {
  return DesignSpace({Parameter::integer("pes", 1, 250), Parameter::integer("lanes", 1, 200)});
}

TEST_F(ImportFormats, ADiskThatFillsUpLeavesWhatWasThere) {
  const ImportSpec first = spec_of("first.csv", long_log(300)), second = spec_of("second.csv", long_log(50'000));
  import(first, long_space());
  const pid_t child = fork_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{256 << 10, 256 << 10};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) throw std::runtime_error("setrlimit failed");
    try {
      Store store(folder_ / "trials.db", Store::Mode::read_write);
      const ImportPlan plan = plan_import(second, long_space(), silent_monitor());
      Store::GroupId group = 0;
      import_log(store, second, plan, group, silent_monitor());
    } catch (const Error& error) {
      if (error.code() == ErrorCode::file_access && std::string(error.what()).find("trials.db") != std::string::npos) {
        return;
      }
      throw;
    }
    throw std::runtime_error("nothing was thrown");
  });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(check_store(folder_ / "trials.db", silent_monitor()).listed, std::vector<std::string>{});
  EXPECT_EQ(store_.read(1).rows(), 300U);
  EXPECT_EQ(import(second, long_space()).data.rows(), 50'000U);
}

TEST_F(ImportFormats, WhatMayNotBeReadIsSaid) {
  const ImportSpec spec = spec_of("log.csv", as_csv);
  std::filesystem::permissions(spec.file, std::filesystem::perms::none);
  const pid_t child = fork_child([&] {
    std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
    lose_privileges();
    try {
      plan_import(spec, std::nullopt, silent_monitor());
    } catch (const Error& error) {
      if (error.code() == ErrorCode::file_access && !error.hint().empty()) return;
      throw;
    }
    throw std::runtime_error("nothing was thrown");
  });
  EXPECT_EQ(wait_for(child), 0);
}

TEST_F(ImportFormats, WhatIsKeptForInspectIsWhatAScanTells) {
  const ImportSpec spec = spec_of("log.csv", long_log(20'000));
  import(spec, long_space());
  EXPECT_EQ(to_json(inspect({store_, 1})), to_json(inspect(store_.read(1))));
  EXPECT_NE(store_.statistics(1, 1), "");
  EXPECT_EQ(store_.statistics(1, 0), "") << "of another version";
  // One more row, and it is no longer kept.
  const std::vector<Trial> more = {{49'999, TrialState::complete, "", {1e9}, 1}};
  EXPECT_EQ(store_.record(1, more), 1U);
  EXPECT_EQ(store_.statistics(1, 1), "");
  EXPECT_EQ(inspect({store_, 1}).metrics[0].max, 1e9);
  EXPECT_EQ(to_json(inspect({store_, 1})), to_json(inspect(store_.read(1))));
  // Again the same log: nothing is added, and it is kept anew.
  EXPECT_EQ(import(spec, long_space()).result.added, 0U);
  EXPECT_EQ(inspect({store_, 1}).rows, 20'001U);
  EXPECT_NE(store_.statistics(1, 1), "");
  store_.clear(1);
  EXPECT_EQ(store_.statistics(1, 1), "");
}

}  // namespace
}  // namespace corbel::test
