#include "corbel/dataset/import.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <filesystem>
#include <optional>

#include "corbel/base/config.hpp"
#include "corbel/base/random.hpp"
#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

using std::filesystem::path;

/// What importing one text comes to.
struct Imported {
  ImportPlan plan;
  ImportResult result;
  Dataset data;

  const ColumnPlan& column(const std::string& name) const {
    for (const ColumnPlan& column : plan.columns) {
      if (column.column == name) return column;
    }
    throw std::out_of_range(name);
  }
};

class Import : public ::testing::Test {
 protected:
  Imported import(const std::string& csv, ImportSpec spec = {},
                  const std::optional<DesignSpace>& space = std::nullopt) {
    spec.file = folder_.write("log.csv", csv);
    return import_file(spec, space);
  }
  Imported import_file(const ImportSpec& spec, const std::optional<DesignSpace>& space = std::nullopt) {
    ImportPlan plan = plan_import(spec, space, silent_monitor());
    Store::GroupId group = 0;
    ImportResult result = import_log(store_, spec, plan, group, silent_monitor());
    EXPECT_EQ(result.rows, result.feasible + result.infeasible + result.failed + result.refused);
    EXPECT_EQ(result.feasible + result.infeasible, result.added + result.duplicates);
    return {std::move(plan), std::move(result), store_.read(group)};
  }
  std::string log() const { return (folder_ / "log.csv").string(); }

  TemporaryFolder folder_;
  Store store_{folder_ / "trials.db", Store::Mode::read_write};
};

constexpr const char* small_log =
    "pes,flow,lanes,feasible,reason,latency_ms,area_mm2\n"
    "4,row,8,1,,2.5,10\n"
    "4,column,8,1,,3.5,10\n"
    "8,row,8,0,memory,,20\n"
    "8,column,16,1,,1.5,22\n"
    "4,row,16,0,power,,12\n";

TEST_F(Import, InfersColumnsSpaceAndRows) {
  const Imported got = import(small_log);
  EXPECT_EQ(got.column("pes").role, ColumnRole::parameter);
  EXPECT_EQ(got.column("pes").evidence, "2 distinct numbers");
  EXPECT_EQ(got.column("flow").evidence, "2 distinct words");
  EXPECT_EQ(got.column("feasible").role, ColumnRole::feasible);
  EXPECT_EQ(got.column("reason").role, ColumnRole::reason);
  EXPECT_EQ(got.column("latency_ms").evidence, "blank on infeasible rows");
  EXPECT_TRUE(got.column("latency_ms").only_feasible);
  EXPECT_EQ(got.column("area_mm2").evidence, "named like a metric");
  EXPECT_FALSE(got.column("area_mm2").only_feasible);

  EXPECT_EQ(got.plan.space,
            DesignSpace({Parameter::ordinal("pes", {4, 8}), Parameter::categorical("flow", {"column", "row"}),
                         Parameter::ordinal("lanes", {8, 16})}));
  EXPECT_EQ(got.result.rows, 5U);
  EXPECT_EQ(got.result.added, 5U);
  EXPECT_EQ(got.result.feasible, 3U);
  EXPECT_EQ(got.result.infeasible, 2U);
  EXPECT_EQ(got.result.refused, 0U);
  ASSERT_EQ(got.data.rows(), 5U);
  EXPECT_EQ(got.data.group.simulator, "import");
  EXPECT_EQ(got.data.group.metrics, (std::vector<std::string>{"latency_ms", "area_mm2"}));
  // By design id: (4, column, 8), (4, row, 8), (4, row, 16), (8, column, 16), (8, row, 8).
  EXPECT_EQ(got.data.designs, (std::vector<DesignId>{0, 2, 3, 5, 6}));
  EXPECT_EQ(got.data.metric(0, 0), 3.5);
  EXPECT_EQ(got.data.metric(1, 0), 2.5);
  EXPECT_TRUE(std::isnan(got.data.metric(2, 0)));
  EXPECT_EQ(got.data.metric(2, 1), 12) << "area of an infeasible design is kept";
  EXPECT_EQ(got.data.reason_names[got.data.reasons[2]], "power");
  EXPECT_EQ(got.data.reason_names[got.data.reasons[4]], "memory");
}

TEST_F(Import, AddsNothingTwice) {
  const Imported first = import(small_log);
  const Imported again = import(small_log);
  EXPECT_EQ(again.result.added, 0U);
  EXPECT_EQ(again.result.duplicates, 5U);
  EXPECT_EQ(again.data.rows(), 5U);
  EXPECT_EQ(again.data.duplicates, 0U);
  EXPECT_EQ(again.data.fingerprint(), first.data.fingerprint());
  EXPECT_EQ(store_.groups().size(), 1U);
}

TEST_F(Import, CountsRepeatsAndRefusesContradictions) {
  const Imported got = import(std::string(small_log) +
                              "4,row,8,1,,2.5,10\n"
                              "4,row,8,1,,2.50,1e1\n"
                              "4,row,8,1,,2.6,10\n"
                              "8,row,8,0,power,,20\n");
  EXPECT_EQ(got.result.rows, 9U);
  EXPECT_EQ(got.result.added, 5U);
  EXPECT_EQ(got.result.duplicates, 2U);
  EXPECT_EQ(got.data.duplicates, 2U);
  EXPECT_EQ(got.result.refused, 2U);
  ASSERT_EQ(got.result.refusals.size(), 2U);
  EXPECT_EQ(got.result.refusals[0], log() + ":9: repeats a design with other results; the first stay");
  EXPECT_EQ(got.data.metric(1, 0), 2.5);
}

TEST_F(Import, RefusesRowsWithLineAndReason) {
  const std::string csv =
      "pes,latency_ms,area_mm2,feasible\n"
      "1,1,1,1\n2,2,1,1\n3,3,1,1\n4,4,1,yes\n5,5,1,TRUE\n6,,1,0\n7,,1,no\n8,,1,False\n"
      "9,9,1,\n"         // line 10
      "9,9,1,perhaps\n"  // 11
      "10,,1,1\n"        // 12
      "10,5,1,0\n"       // 13
      "10,fast,1,1\n"    // 14
      ",5,1,1\n"         // 15
      "10,inf,1,1\n"     // 16
      "16,7,1,1\n";      // 17
  const DesignSpace space({Parameter::integer("pes", 1, 12)});
  const std::string place = log();
  ImportSpec spec;
  // The plan of the clean part of the log; the import then meets the rest.
  spec.file = folder_.write("log.csv", csv.substr(0, csv.find("9,9,1,\n")));
  const ImportPlan plan = plan_import(spec, space, silent_monitor());
  folder_.write("log.csv", csv);
  Store::GroupId group = 0;
  const ImportResult result = import_log(store_, spec, plan, group, silent_monitor());
  EXPECT_EQ(result.feasible, 5U);
  EXPECT_EQ(result.infeasible, 3U);
  EXPECT_EQ(result.refusals, (std::vector<std::string>{
                                 place + ":10: does not say whether it is feasible",
                                 place + ":11: `perhaps` is neither feasible nor infeasible",
                                 place + ":12: `latency_ms` is blank, though the row says feasible",
                                 place + ":13: `latency_ms` = 5, though the row says infeasible",
                                 place + ":14: latency_ms: `fast` is not a number",
                                 place + ":15: `pes` is blank",
                                 place + ":16: latency_ms: `inf` is not a number",
                                 place + ":17: `pes` = 16 is not in the design space",
                             }));
  EXPECT_EQ(store_.read(group).rows(), 8U);
}

TEST_F(Import, StoresNothingWhenMostRowsAreRefused) {
  std::string csv = "pes,latency_ms\n";
  for (int i = 1; i <= 100; ++i) csv += std::to_string(i) + "," + std::to_string(i) + ".5\n";
  const DesignSpace space({Parameter::integer("pes", 1, 49)});
  EXPECT_ERROR(import(csv, {}, space), ErrorCode::invalid_input, "51 of 100 rows refused");
  EXPECT_ERROR(import(csv, {}, space), ErrorCode::invalid_input, log() + ":51: `pes` = 50 is not in the design space");
  EXPECT_TRUE(store_.groups().empty());
  const Imported half = import(csv, {}, DesignSpace({Parameter::integer("pes", 1, 50)}));
  EXPECT_EQ(half.result.refused, 50U);
  EXPECT_EQ(half.result.refusals.size(), 20U);
}

TEST_F(Import, StoresNothingOfADamagedFile) {
  const std::string good = small_log;
  EXPECT_EQ(error_of([&] { import(good + "1,2\n"); }).code(), ErrorCode::corrupt);
  ImportSpec spec;
  spec.file = folder_.write("log.csv", good);
  const ImportPlan plan = plan_import(spec, std::nullopt, silent_monitor());
  Store::GroupId group = 77;
  folder_.write("log.csv", good + "1,2\n");
  EXPECT_EQ(error_of([&] { import_log(store_, spec, plan, group, silent_monitor()); }).code(), ErrorCode::corrupt);
  folder_.write("log.csv", "pes,latency_ms\n1,2\n");
  EXPECT_ERROR(import_log(store_, spec, plan, group, silent_monitor()), ErrorCode::mismatch, log());
  EXPECT_EQ(group, 77);
  EXPECT_TRUE(store_.groups().empty());
}

TEST_F(Import, StoresNothingWhenStopped) {
  ImportSpec spec;
  spec.file = folder_.write("log.csv", small_log);
  const ImportPlan plan = plan_import(spec, std::nullopt, silent_monitor());
  RecordingMonitor monitor(0);
  Store::GroupId group = 0;
  EXPECT_EQ(error_of([&] { import_log(store_, spec, plan, group, monitor); }).code(), ErrorCode::interrupted);
  EXPECT_EQ(error_of([&] { plan_import(spec, std::nullopt, monitor); }).code(), ErrorCode::interrupted);
  EXPECT_TRUE(store_.groups().empty());
}

TEST_F(Import, ReadsStatusWords) {
  const Imported got = import(
      "pes,lanes,status,cycles\n"
      "1,1,ok,100\n1,2,OK,200\n2,1,success,300\n"
      "2,2,ZeroDivisionError,\n3,1,infeasible,\n3,2,timeout,\n4,1,Crashed,\n4,2,ok,50\n");
  EXPECT_EQ(got.result.feasible, 4U);
  EXPECT_EQ(got.result.infeasible, 2U);
  EXPECT_EQ(got.result.failed, 2U);
  EXPECT_EQ(got.data.rows(), 6U);
  EXPECT_EQ(got.data.reason_names, (std::vector<std::string>{"", "ZeroDivisionError"}));
  EXPECT_ERROR(import("pes,status,cycles\n1,0,5\n2,1,6\n"), ErrorCode::invalid_input, "`status` holds numbers");
  ImportSpec spec;
  spec.roles["status"] = ColumnRole::feasible;
  EXPECT_EQ(import("pes,status,cycles\n1,0,\n2,1,6\n", spec).result.feasible, 1U);
}

TEST_F(Import, ReadsInvertedFeasibilityAndFillers) {
  const Imported got = import(
      "pes,infeasible,latency_ms\n"
      "1,0,5.5\n2,0,4.5\n3,1,-1\n4,1,-1\n5,False,3.5\n");
  EXPECT_EQ(got.column("latency_ms").filler, -1);
  EXPECT_EQ(got.result.feasible, 3U);
  EXPECT_EQ(got.result.infeasible, 2U);
  EXPECT_TRUE(std::isnan(got.data.metric(2, 0)));
  // Two different numbers are measurements, not fillers.
  const Imported kept = import("pes,invalid,latency_ms\n1,0,5.5\n2,1,7\n3,1,8\n");
  EXPECT_FALSE(kept.column("latency_ms").only_feasible);
  EXPECT_EQ(kept.data.metric(1, 0), 7);
}

TEST_F(Import, TakesAReasonAloneForFeasibility) {
  const Imported got = import("pes,reason,latency_ms\n1,,5\n2,none,4\n3,memory,\n4,timeout,\n");
  EXPECT_EQ(got.result.feasible, 2U);
  EXPECT_EQ(got.result.infeasible, 1U);
  EXPECT_EQ(got.result.failed, 1U);
}

TEST_F(Import, TakesALogWithoutFeasibilityAsFeasible) {
  const Imported got = import("pes,latency_ms,power_w\n1,5,1\n2,4,\n3,,\n4,3,nan\n");
  EXPECT_EQ(got.result.feasible, 3U);
  EXPECT_EQ(got.result.refusals,
            std::vector<std::string>{log() + ":4: has no metric; if that means infeasible, set "
                                             "`columns: {latency_ms: metric_or_infeasible}` under `import:`, or add a "
                                             "column `feasible` of 0 and 1"});
  EXPECT_TRUE(std::isnan(got.data.metric(1, 1)));
}

TEST_F(Import, UsesTheSpaceItIsGiven) {
  const DesignSpace space(
      {Parameter::categorical("flow", {"row", "column", "none"}), Parameter::ordinal("pes", {2, 4, 8, 16})});
  const Imported got = import("seed,pes,flow,score\n7,4.0,none,1\n8, 8 ,row,2\n", {}, space);
  EXPECT_EQ(got.plan.space, space);
  EXPECT_EQ(got.column("pes").evidence, "a parameter of the space");
  EXPECT_EQ(got.column("score").role, ColumnRole::metric);
  EXPECT_EQ(got.data.designs, (std::vector<DesignId>{2, 9}));
  EXPECT_ERROR(import("pes,score\n4,1\n", {}, space), ErrorCode::invalid_input, "no column for parameter `flow`");
  const Error near = error_of([&] { import("pes,floww,score\n4,row,1\n8,column,2\n", {}, space); });
  EXPECT_NE(std::string(near.what()).find("floww"), std::string::npos) << near.what();
}

TEST_F(Import, FollowsWhatTheUserSays) {
  ImportSpec spec;
  spec.roles = {{"latency", ColumnRole::parameter}, {"host", ColumnRole::ignore}, {"ok", ColumnRole::feasible}};
  spec.rename = {{"PE count", "pes"}, {"t", "time_ms"}};
  spec.simulator = "inhouse";
  spec.workload = "resnet";
  const Imported got = import("PE count,latency,host,ok,t\n1,10,a,1,5.5\n2,20,b,0,\n1,20,c,1,7\n", spec);
  EXPECT_EQ(got.column("latency").evidence, "set by the user");
  EXPECT_EQ(got.plan.space, DesignSpace({Parameter::ordinal("pes", {1, 2}), Parameter::ordinal("latency", {10, 20})}));
  EXPECT_EQ(got.data.group.simulator, "inhouse");
  EXPECT_EQ(got.data.group.workload, "resnet");
  EXPECT_NE(got.data.group.workload_fingerprint, "");
  EXPECT_EQ(got.data.group.metrics, std::vector<std::string>{"time_ms"});
  EXPECT_EQ(got.result.infeasible, 1U);

  ImportSpec unknown;
  unknown.roles = {{"latencyy", ColumnRole::metric}};
  const Error error = error_of([&] { import("pes,latency\n1,2.5\n2,3\n", unknown); });
  EXPECT_NE(std::string(error.what()).find("`latencyy`"), std::string::npos);
  EXPECT_NE(error.hint().find("latency"), std::string::npos);
  ImportSpec clash;
  clash.rename = {{"a", "b"}};
  EXPECT_ERROR(import("a,b,latency_ms\n1,2,3.5\n2,1,4\n", clash), ErrorCode::invalid_input, "both named `b`");
  ImportSpec name;
  name.rename = {{"a", "1a"}};
  EXPECT_ERROR(import("a,latency_ms\n1,3.5\n", name), ErrorCode::invalid_input, "cannot be renamed");
}

TEST_F(Import, NamesColumnsThatCannotBeTold) {
  const auto refused = [&](const std::string& csv, const std::string& message, const std::string& hint) {
    const Error error = error_of([&] { import(csv); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_input);
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    EXPECT_NE(error.hint().find(hint), std::string::npos) << error.hint();
  };
  refused("pes,host,latency_ms\n1,,5\n2,a,6\n", "`host` cannot be told", "columns: {host: ignore}");
  refused("pes,network,latency_ms\n1,vgg,5\n2,resnet,6\n", "names 2 workloads", "split the log by workload");
  refused("PE count,pe_count,latency_ms\n1,2,5\n2,1,6\n", "`PE count` and `pe_count` are both named `pe_count`",
          "rename: {\"pe_count\": NAME}");
  refused("pes,bandwidth (GB/s),latency_ms\n1,5,5\n2,6,6\n", "`bandwidth (GB/s)` has a name",
          "rename: {\"bandwidth (GB/s)\": NAME}");
  refused("pes,\xC3\xA4,latency_ms\n1,5,5\n2,6,6\n", "has a name that constraints cannot use", "NAME}");
  refused("pes,valid,status,latency_ms\n1,1,ok,5\n", "both `valid` and `status`", "columns: {status: ignore}");
  refused("pes,lanes\n1,2\n2,2\n", "no column is a metric", "columns: {NAME: metric}");
  refused("latency_ms,power_w\n1,2\n2,3\n", "no column is a parameter", "columns: {NAME: parameter}");
  std::string many = "lanes,hash,latency_ms\n", few = "lanes,power_gating,latency_ms\n";
  for (int i = 0; i < 100; ++i) {
    many += std::to_string(i % 4) + "," + std::to_string(i * i + 5) + "," + std::to_string(i) + "\n";
    few += std::to_string(i) + "," + std::to_string(i % 2) + "," + std::to_string(i) + "\n";
  }
  refused(many, "`hash` cannot be told: 100 distinct integers", "columns: {hash: metric}");
  refused(few, "`power_gating` cannot be told", "columns: {power_gating: parameter}");
  EXPECT_ERROR(import("pes,latency_ms\n"), ErrorCode::too_little_data, "no rows");
  EXPECT_ERROR(import("pes,latency_ms\n\n\n"), ErrorCode::too_little_data, "no rows");
  ImportSpec two;
  two.roles = {{"a", ColumnRole::feasible}, {"b", ColumnRole::feasible}};
  EXPECT_ERROR(import("a,b,pes,latency_ms\n1,1,1,1\n", two), ErrorCode::invalid_input, "have the same role");
}

/// 49 rows of 49 latencies, 10 to 58; the cell of one row may be another text.
std::string log_with_cell(std::size_t odd_row, const std::string& cell, const std::string& column = "latency_ms") {
  std::string csv = "pes,lanes," + column + "\n";
  for (std::size_t i = 0; i < 49; ++i) {
    csv += std::to_string(i / 7) + "," + std::to_string(i % 7) + "," + (i == odd_row ? cell : std::to_string(10 + i)) +
           "\n";
  }
  return csv;
}

TEST_F(Import, RefusesTheRowOfABadCellNotTheColumn) {
  const Imported got = import(log_with_cell(10, "err"));
  EXPECT_EQ(got.column("latency_ms").role, ColumnRole::metric);
  EXPECT_EQ(got.column("latency_ms").evidence, "named like a metric; rows where it is not a number are refused: 1");
  EXPECT_EQ(got.plan.space.dimensions(), 2U);
  EXPECT_EQ(got.result.added, 48U);
  EXPECT_EQ(got.result.refusals, std::vector<std::string>{log() + ":12: latency_ms: `err` is not a number"});

  const Imported comma = import(log_with_cell(3, "\"13,5\""));
  EXPECT_EQ(comma.result.refusals,
            std::vector<std::string>{log() + ":5: latency_ms: `13,5` is not a number: write it with a point"});
  std::string gains = "pes,gain\n";
  for (int i = 0; i < 40; ++i) gains += std::to_string(i) + "," + (i == 7 ? "?" : std::to_string(i) + ".5") + "\n";
  ImportSpec spec;
  const Imported gain = import(gains, spec, DesignSpace({Parameter::integer("pes", 0, 39)}));
  EXPECT_EQ(gain.column("gain").role, ColumnRole::metric);
  EXPECT_EQ(gain.result.refusals.front(), log() + ":9: gain: `?` is not a number");
}

TEST_F(Import, AsksWhetherAWordAmongNumbersIsAValueOfAParameter) {
  std::string csv = "pes,latency_ms\n";
  for (int i = 0; i < 30; ++i) csv += (i == 4 ? "auto" : std::to_string(i % 5)) + "," + std::to_string(i) + "\n";
  const Error error = error_of([&] { import(csv); });
  EXPECT_EQ(std::string(error.what()), log() + ":6: pes: `auto` is not a number");
  EXPECT_NE(error.hint().find("columns: {pes: parameter}"), std::string::npos) << error.hint();
  ImportSpec spec;
  spec.roles["pes"] = ColumnRole::parameter;
  spec.file = log();
  EXPECT_EQ(plan_import(spec, std::nullopt, silent_monitor()).space.parameters()[0],
            Parameter::categorical("pes", {"0", "1", "2", "3", "4", "auto"}));
  // A third of the rows is no slip: words are values there.
  EXPECT_EQ(import("pes,latency_ms\n1,5\n2,6\nauto,7\n").plan.space.parameters()[0],
            Parameter::categorical("pes", {"1", "2", "auto"}));
}

TEST_F(Import, NamesADecimalComma) {
  const auto refused = [&](const std::string& csv, const std::string& message, ImportSpec spec = {}) {
    const Error error = error_of([&] { import(csv, spec); });
    EXPECT_EQ(std::string(error.what()), log() + message);
    EXPECT_NE(error.hint().find("write numbers with a point (3.5)"), std::string::npos) << error.hint();
  };
  refused("pes;latency_ms\n1;3,5\n2;4,25\n", ":2: latency_ms: `3,5` is not a number");
  refused("pes;latency_ms\n1;3\n2;4,25\n", ":3: latency_ms: `4,25` is not a number");
  refused("voltage;latency_ms\n0,8;3\n0,9;4\n", ":2: voltage: `0,8` is not a number");
  ImportSpec spec;
  spec.roles["score"] = ColumnRole::metric;
  refused("pes;score\n1;3,5\n2;4,25\n", ":2: score: `3,5` is not a number", spec);
  spec.roles = {{"kernel", ColumnRole::parameter}};
  EXPECT_EQ(import("kernel;latency_ms\n3,3;3\n5,5;4\n", spec).plan.space.parameters()[0],
            Parameter::categorical("kernel", {"3,3", "5,5"}));

  const Error units = error_of([&] { import("pes,latency_ms\n1,3.5ms\n2,4ms\n"); });
  EXPECT_EQ(std::string(units.what()), log() + ":2: latency_ms: `3.5ms` is not a number");
  spec.roles = {{"score", ColumnRole::metric}};
  EXPECT_ERROR(import("pes,score\n1,good\n2,bad\n", spec), ErrorCode::invalid_input, ":2: score: `good`");
  EXPECT_ERROR(import("pes,score\n1,\n2,\n", spec), ErrorCode::invalid_input,
               "`score` is to be a metric, but is always");
}

TEST_F(Import, TakesABlankMetricForInfeasibleWhenTold) {
  ImportSpec spec;
  spec.roles["latency_ms"] = ColumnRole::metric_or_infeasible;
  const Imported got = import("pes,latency_ms,area_mm2\n1,5,1\n2,,2\n3,nan,3\n4,3,4\n", spec);
  EXPECT_EQ(got.column("latency_ms").role, ColumnRole::metric);
  EXPECT_TRUE(got.column("latency_ms").only_feasible);
  EXPECT_FALSE(got.column("area_mm2").only_feasible);
  EXPECT_EQ(got.result.feasible, 2U);
  EXPECT_EQ(got.result.infeasible, 2U);
  EXPECT_EQ(got.data.metric(1, 1), 2) << "area of an infeasible design is kept";
  EXPECT_ERROR(import("pes,feasible,latency_ms\n1,1,5\n2,0,\n", spec), ErrorCode::invalid_input,
               "both `latency_ms` and `feasible` tell whether");
  // A reason column may say why, or that the run came to nothing; it is not overruled.
  const Imported why =
      import("pes,lanes,reason,latency_ms\n1,1,,5\n2,1,memory,\n3,1,timeout,\n4,1,,\n1,2,power,6\n2,2,,3\n", spec);
  EXPECT_EQ(why.result.feasible, 2U);
  EXPECT_EQ(why.result.infeasible, 2U);
  EXPECT_EQ(why.result.failed, 1U);
  EXPECT_EQ(why.result.refusals,
            std::vector<std::string>{log() + ":6: `latency_ms` = 6, though the row says infeasible"});
}

TEST_F(Import, MakesIdentifiersOfColumnNames) {
  const Imported got =
      import("PE count,Total energy (mJ),latency [\xC2\xB5s],area (mm\xC2\xB2)\n1,5,50,1.5\n2,6,60,2.5\n");
  EXPECT_EQ(got.column("PE count").name, "pe_count");
  EXPECT_EQ(got.column("PE count").evidence, "2 distinct numbers; named pe_count");
  EXPECT_EQ(got.data.group.metrics, (std::vector<std::string>{"total_energy_mj", "latency_us", "area_mm2"}));
  // A space that has the identifier names the column.
  const DesignSpace space({Parameter::ordinal("pe_count", {1, 2})});
  EXPECT_EQ(import("PE count,latency_ms\n1,5\n2,6\n", {}, space).data.rows(), 2U);
  ImportSpec spec;
  spec.rename = {{"PE count", "pes"}};
  EXPECT_EQ(import("PE count,pe_count,latency_ms\n1,2,5\n2,1,6\n", spec).plan.space.parameters()[0].name(), "pes");
}

/// The stages of progress, with how many reports said that all was done.
class StageMonitor : public Monitor {
 public:
  void progress(std::string_view stage, std::uint64_t done, std::uint64_t total, std::string_view) override {
    reports[std::string(stage)].emplace_back(done, total);
  }
  void message(std::string_view) override {}
  bool stop_requested() const override { return false; }
  std::map<std::string, std::vector<std::pair<std::uint64_t, std::uint64_t>>> reports;
};

TEST_F(Import, ReportsProgressInRowsOfTheFile) {
  std::string csv = "pes,latency_ms\n";
  for (int i = 0; i < 10000; ++i) csv += std::to_string(i) + "," + std::to_string(i) + ".5\n";
  ImportSpec spec;
  spec.file = folder_.write("log.csv", csv);
  StageMonitor monitor;
  const ImportPlan plan = plan_import(spec, DesignSpace({Parameter::integer("pes", 0, 9999)}), monitor);
  Store::GroupId group = 0;
  import_log(store_, spec, plan, group, monitor);
  using Reports = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  EXPECT_EQ(monitor.reports["import"], (Reports{{0, 10000}, {8192, 10000}, {10000, 10000}}));
  const Reports columns = monitor.reports["columns"];
  ASSERT_EQ(columns.size(), 3U);
  EXPECT_LT(columns[1].first, 100U);
  EXPECT_EQ(columns[2], (Reports::value_type{100, 100}));
}

TEST_F(Import, LeavesOutWhatTeachesNothing) {
  std::string csv = "id,version,clock_mhz,empty,pes,sparsity,latency_ms\n";
  for (int i = 0; i < 40; ++i) {
    csv += std::to_string(i + 1) + ",v1,800,," + std::to_string(i % 20) + "," + (i < 20 ? "none" : "2:4") + "," +
           std::to_string(100 - i) + "\n";
  }
  const Imported got = import(csv);
  EXPECT_EQ(got.column("id").evidence, "a row number");
  EXPECT_EQ(got.column("version").evidence, "the same in every row");
  EXPECT_EQ(got.column("clock_mhz").role, ColumnRole::ignore);
  EXPECT_EQ(got.column("empty").evidence, "always blank");
  EXPECT_EQ(got.plan.space.parameters()[1], Parameter::categorical("sparsity", {"2:4", "none"}));
  EXPECT_EQ(got.data.rows(), 40U);
}

TEST_F(Import, TellsUnitsFromValuesByTheirNumber) {
  std::string csv = "l1_bytes,dram_mb,gain,fused,latency_ms\n";
  for (int i = 0; i < 100; ++i) {
    csv += std::to_string(256 << i % 4) + "," + std::to_string(i * 3) + "," + std::to_string(i) + ".5," +
           (i % 8 < 4 ? "true" : "False") + "," + std::to_string(i % 4 + 4 * (i % 8 / 4)) + "\n";
  }
  ImportSpec spec;
  spec.roles = {{"dram_mb", ColumnRole::ignore}, {"gain", ColumnRole::ignore}};
  const Imported got = import(csv, spec);
  EXPECT_EQ(got.plan.space, DesignSpace({Parameter::ordinal("l1_bytes", {256, 512, 1024, 2048}, "bytes"),
                                         Parameter::boolean("fused")}));
  EXPECT_EQ(got.data.rows(), 8U);
  EXPECT_EQ(got.data.duplicates, 92U);
  ImportSpec none;
  none.file = folder_ / "log.csv";
  const ImportPlan plan = plan_import(none, std::nullopt, silent_monitor());
  EXPECT_EQ(plan.columns[1].evidence, "ends in a unit, 100 distinct numbers");
  EXPECT_EQ(plan.columns[2].evidence, "100 distinct fractional numbers");
}

TEST_F(Import, ReadsItsSpecFromConfig) {
  const path study =
      folder_.write("sub/study.yaml",
                    "file: log.csv\ncolumns: {a: parameter, b: ignore, e: metric_or_infeasible}\nrename: {c: d}\n"
                    "simulator: maestro\nworkload: resnet50\n");
  const ImportSpec spec = import_spec_from_config(Config::load(study));
  EXPECT_EQ(spec.file, folder_ / "sub/log.csv");
  EXPECT_EQ(spec.roles,
            (std::map<std::string, ColumnRole>{
                {"a", ColumnRole::parameter}, {"b", ColumnRole::ignore}, {"e", ColumnRole::metric_or_infeasible}}));
  EXPECT_EQ(spec.rename, (std::map<std::string, std::string>{{"c", "d"}}));
  EXPECT_EQ(spec.simulator, "maestro");
  EXPECT_EQ(spec.workload, "resnet50");
  const auto refused = [](const std::string& text) {
    return error_of([&] { import_spec_from_config(Config::parse(text, "study.yaml")); });
  };
  EXPECT_EQ(import_spec_from_config(Config::parse("columns: {}", "mapping.yaml")).file, "");
  EXPECT_NE(refused("file: a\ncolums: {}").hint().find("columns"), std::string::npos);
  EXPECT_NE(refused("file: a\ncolumns: {x: metrik}").hint().find("metric"), std::string::npos);
  EXPECT_EQ(refused("file: ''").code(), ErrorCode::invalid_input);
}

TEST_F(Import, SurvivesAnyBytes) {
  const std::string csv = small_log;
  Rng rng(3);
  int imported = 0;
  for (int round = 0; round < 150; ++round) {
    std::string damaged = csv;
    for (int i = 0; i <= round % 3; ++i) damaged[rng.below(damaged.size())] = "\0\xff,;\"\n\r-1eN%_\t"[rng.below(15)];
    try {
      const Imported got = import(damaged);
      EXPECT_LE(got.data.rows(), 12U);
      ++imported;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("log.csv"), std::string::npos) << error.what();
    }
    for (const auto& group : store_.groups()) store_.clear(group.id);
  }
  EXPECT_GT(imported, 10);
}

path shared_data(const std::string& name) {
  return path(CORBEL_SOURCE_DIR) / "../shared/data" / name;
}

TEST_F(Import, ReadsTheWholeMaestroTableWithoutASpec) {
  ImportSpec spec;
  spec.file = shared_data("maestro/maestro_resnet50.csv.gz");
  if (!std::filesystem::exists(spec.file)) GTEST_SKIP() << spec.file << " is not there";
  const Imported got = import_file(spec);
  std::vector<std::string> parameters;
  for (const Parameter& parameter : got.plan.space.parameters()) parameters.push_back(parameter.name());
  EXPECT_EQ(parameters, (std::vector<std::string>{"dataflow", "tile_p", "tile_t", "num_pes", "simd", "noc_bw",
                                                  "offchip_bw", "l1_bytes", "l2_bytes"}));
  EXPECT_EQ(got.data.group.metrics, (std::vector<std::string>{"runtime_cycles", "energy_mac", "area_um2", "power_mw"}));
  EXPECT_EQ(got.plan.space.size(), 384000U);
  EXPECT_EQ(got.result.added, 384000U);
  EXPECT_EQ(got.result.refused, 0U);
  EXPECT_EQ(got.data.rows(), 384000U);
  EXPECT_EQ(got.data.feasible(), 117420U);  // counted in the file
  EXPECT_EQ(got.data.reason_names.size(), 5U);

  // The published optimum under the area cap, and a static metric of an infeasible row.
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t row = 0; row < got.data.rows(); ++row) {
    EXPECT_FALSE(std::isnan(got.data.metric(row, 2)));
    if (got.data.states[row] == TrialState::complete && got.data.metric(row, 2) <= 6e6) {
      best = std::min(best, got.data.metric(row, 0));
    }
  }
  EXPECT_EQ(best, 28355226);
  const DesignId first = got.plan.space.id(
      got.plan.space.parse("dataflow=kcp_ws,tile_p=8,tile_t=1,num_pes=32,simd=1,noc_bw=16,offchip_bw=64,l1_bytes=256,"
                           "l2_bytes=4096"));
  EXPECT_EQ(got.data.states[first], TrialState::infeasible);
  EXPECT_EQ(got.data.reason_names[got.data.reasons[first]], "l1");
  EXPECT_EQ(got.data.metric(first, 2), 1404649);
  EXPECT_EQ(got.data.metric(first, 3), 88.383914);
  EXPECT_TRUE(std::isnan(got.data.metric(first, 0)));
}

TEST_F(Import, ReadsScaleSimLogsWithoutASpec) {
  ImportSpec spec;
  spec.file = shared_data("scalesim_tinyconv.csv.gz");
  if (!std::filesystem::exists(spec.file)) GTEST_SKIP() << spec.file << " is not there";
  const Imported got = import_file(spec);
  EXPECT_EQ(got.plan.space.dimensions(), 7U);
  EXPECT_EQ(got.plan.space.size(), 4U * 4 * 3 * 5 * 4 * 4 * 5);
  EXPECT_EQ(got.data.rows(), 782U);
  EXPECT_EQ(got.data.feasible(), 617U);
  EXPECT_EQ(got.data.reason_names, (std::vector<std::string>{"", "ZeroDivisionError"}));
  EXPECT_EQ(got.data.group.metrics.front(), "cycles_with_prefetch");
  EXPECT_EQ(got.data.group.metrics.size(), 9U);
}

}  // namespace
}  // namespace corbel::test
