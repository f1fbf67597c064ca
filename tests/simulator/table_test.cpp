#include "corbel/simulator/table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/random.hpp"

namespace corbel {
namespace {

class Table : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("corbel_table_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& content) {
    const std::filesystem::path path = folder_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::filesystem::path write_gzip(const std::string& name, const std::string& content) {
    const std::filesystem::path path = folder_ / name;
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
    gzclose(file);
    return path;
  }
  void expect_error(const std::string& content, ErrorCode code, const std::string& part) {
    try {
      make_table_simulator(write("bad.csv", content), space_);
      FAIL() << "no error with " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_THAT(std::string(error.what()) + " / " + error.hint(), testing::HasSubstr(part));
    }
  }

  std::filesystem::path folder_;
  DesignSpace space_{{Parameter::categorical("flow", {"rs", "ws"}), Parameter::ordinal("size", {16, 32, 64})}};
  const std::string content_ =
      "size,flow,feasible,reason,cycles,area_um2\n"
      "16,rs,1,,100,10\n"
      "32,rs,0,l1,,20\n"
      "64,rs,0,,,40\n"
      "16,ws,1,,80.5,11\n";
};

TEST_F(Table, AnswersWithTheRecordedRow) {
  const auto table = make_table_simulator(write("log.csv", content_), space_);
  EXPECT_FALSE(table->needs_workload());
  ASSERT_EQ(table->metrics().size(), 2u);
  EXPECT_EQ(table->metrics()[0].name, "cycles");
  const std::vector<Hardware> designs = {{"ws", 16.0}, {"rs", 32.0}, {"rs", 64.0}, {"ws", 64.0}, {"xx", 16.0}};
  const auto outcomes = table->simulate(designs, nullptr);
  EXPECT_EQ(outcomes[0].state, OutcomeState::complete);
  EXPECT_EQ(outcomes[0].metrics, (std::vector<double>{80.5, 11}));
  EXPECT_EQ(outcomes[0].reason, "");
  EXPECT_EQ(outcomes[1].state, OutcomeState::infeasible);
  EXPECT_EQ(outcomes[1].reason, "l1");
  EXPECT_TRUE(std::isnan(outcomes[1].metrics[0]));
  EXPECT_EQ(outcomes[1].metrics[1], 20);
  EXPECT_EQ(outcomes[2].reason, "infeasible");
  EXPECT_EQ(outcomes[3].state, OutcomeState::failed);
  EXPECT_EQ(outcomes[3].reason, "not_in_table");
  EXPECT_EQ(outcomes[4].state, OutcomeState::failed);
}

TEST_F(Table, ReadsFeasibilityAsImportingDoes) {
  const std::vector<Hardware> designs = {{"rs", 16.0}, {"rs", 32.0}, {"rs", 64.0}};
  const auto outcomes = [&](const std::string& csv) {
    return make_table_simulator(write("log.csv", csv), space_)->simulate(designs, nullptr);
  };
  const auto status = outcomes("flow,size,Status,cycles\nrs,16,ok,3\nrs,32,ZeroDivisionError,\nrs,64,timeout,\n");
  EXPECT_EQ(status[0].state, OutcomeState::complete);
  EXPECT_EQ(status[1].state, OutcomeState::infeasible);
  EXPECT_EQ(status[1].reason, "ZeroDivisionError");
  EXPECT_EQ(status[2].reason, "not_in_table") << "a run that came to nothing says nothing of the design";
  const auto valid = outcomes("flow,size,valid,reason,cycles\nrs,16,yes,,3\nrs,32,no,l1,n/a\nrs,64,True,,4\n");
  EXPECT_EQ(valid[1].reason, "l1");
  EXPECT_TRUE(std::isnan(valid[1].metrics[0]));
  EXPECT_EQ(valid[2].metrics[0], 4);
  EXPECT_EQ(outcomes("flow,size,infeasible,cycles\nrs,16,0,3\nrs,32,1,\n")[1].state, OutcomeState::infeasible);
  EXPECT_EQ(outcomes("flow,size,reason,cycles\nrs,16,,3\nrs,32,l2,\n")[1].reason, "l2");
  expect_error("flow,size,valid,status,cycles\nrs,16,1,ok,3\n", ErrorCode::invalid_input,
               "both `valid` and `status` tell");
  expect_error("flow,size,status,cycles\nrs,16,0,3\n", ErrorCode::invalid_input,
               "bad.csv:2: status is `0`, and whether");
}

TEST_F(Table, KnowsWhichMetricsNeedNoWorkload) {
  const auto table = make_table_simulator(write("log.csv", content_), space_);
  EXPECT_TRUE(table->metrics()[0].needs_workload);
  EXPECT_FALSE(table->metrics()[1].needs_workload);  // also recorded where nothing ran
  EXPECT_TRUE(std::isnan(table->static_metrics({"rs", 64.0})[0]));
  EXPECT_EQ(table->static_metrics({"rs", 64.0})[1], 40);
  EXPECT_TRUE(std::isnan(table->static_metrics({"ws", 64.0})[1]));
  const auto feasible_only = make_table_simulator(write("all.csv", "flow,size,feasible,area\nrs,16,1,3\n"), space_);
  EXPECT_TRUE(feasible_only->metrics()[0].needs_workload);
}

TEST_F(Table, TakesOneNumberOfInfeasibleRowsAloneForNone) {
  const auto table = make_table_simulator(write("log.csv",
                                                "size,flow,feasible,energy_mj,stalls,slack\n"
                                                "16,rs,1,3,0,1\n"
                                                "32,rs,0,-1,0,-2\n"
                                                "64,rs,0,-1,0,-3\n"),
                                          space_);
  EXPECT_TRUE(table->metrics()[0].needs_workload);
  EXPECT_FALSE(table->metrics()[1].needs_workload) << "feasible rows have 0 too";
  EXPECT_FALSE(table->metrics()[2].needs_workload) << "not one number";
  const Hardware infeasible = {"rs", 32.0};
  const Outcome outcome = table->simulate(std::span(&infeasible, 1), nullptr).front();
  EXPECT_TRUE(std::isnan(outcome.metrics[0]));
  EXPECT_EQ(outcome.metrics[1], 0);
  EXPECT_EQ(outcome.metrics[2], -2);
}

TEST_F(Table, ReadsGzipAndIsBoundLikeAnySimulator) {
  const auto path = write_gzip("log.csv.gz", content_);
  const auto table = make_table_simulator(path, space_);
  const HardwareBinding binding(*table, space_);
  const Hardware hardware = binding.hardware(space_.parse("flow=ws,size=16"));
  EXPECT_EQ(table->simulate(std::span(&hardware, 1), nullptr)[0].metrics[0], 80.5);
  EXPECT_EQ(parse_hardware(*table, {{"size", "16"}, {"flow", "ws"}}), hardware);
}

TEST_F(Table, IsFoundRelativeToTheStudy) {
  write("log.csv", content_);
  const auto study = write("study.yaml", "simulator: {name: table, file: log.csv}\n");
  const auto table = make_simulator(Config::load(study).at("simulator"), space_);
  EXPECT_EQ(table->name(), "table");
  EXPECT_EQ(table->fingerprint(), make_table_simulator(folder_ / "log.csv", space_)->fingerprint());
  write("log.csv", content_ + "32,ws,1,,70,21\n");
  EXPECT_NE(table->fingerprint(), make_table_simulator(folder_ / "log.csv", space_)->fingerprint());
}

TEST_F(Table, AcceptsARowTwiceButNotTwoResults) {
  const auto table = make_table_simulator(write("twice.csv", content_ + "16,rs,1,,100,10\n32,rs,0,l1,,20\n"), space_);
  EXPECT_EQ(table->settings()[1].second, "4");
  expect_error(content_ + "16,rs,1,,101,10\n", ErrorCode::invalid_input, "bad.csv:6: the design of line 2 again");
  expect_error(content_ + "16,rs,0,l1,100,10\n", ErrorCode::invalid_input, "the design of line 2 again");
}

TEST_F(Table, NamesLineAndRemedyOfBadInput) {
  using enum ErrorCode;
  expect_error("flow,feasible,cycles\nrs,1,3\n", invalid_input, "no column `size`");
  expect_error("flow,sise,feasible,cycles\nrs,16,1,3\n", invalid_input, "is it the one called `sise`?");
  expect_error("flow,size,cycles\nrs,16,3\n", invalid_input, "no column `feasible`");
  expect_error("flow,size,feasible\nrs,16,1\n", invalid_input, "no column with a metric");
  expect_error("flow,size,feasible,cycles\n", too_little_data, "there are no rows");
  expect_error("flow,size,feasible,cycles\nrs,17,1,3\n", invalid_input,
               "bad.csv:2: `17` is not a value of parameter size");
  expect_error("flow,size,feasible,cycles\nrs,16,maybe,3\n", invalid_input, "bad.csv:2: feasible is `maybe`");
  expect_error("flow,size,feasible,cycles\nrs,16,1,fast\n", invalid_input, "bad.csv:2: cycles is `fast`");
  expect_error("flow,size,feasible,cycles\nrs,16,1,nan\n", invalid_input, "the row is feasible, but cycles is blank");
  expect_error("flow;size;feasible;cycles\nrs;16;1;3,5\n", invalid_input, "bad.csv:2: cycles is `3,5`");
  expect_error("flow;size;feasible;cycles\nrs;16;1;3,5\n", invalid_input, "write numbers with a point");
  expect_error("flow,size,feasible,cycles\nrs,16,1,\n", invalid_input, "the row is feasible, but cycles is blank");
  expect_error("flow,size,feasible,cycles\nrs,16,1\n", corrupt, "bad.csv:2");
  expect_error("", corrupt, "bad.csv");
  EXPECT_THROW(make_table_simulator(folder_ / "absent.csv", space_), Error);
}

TEST_F(Table, RefusesATruncatedGzip) {
  std::string rows = "flow,size,feasible,cycles\n";
  for (int i = 0; i < 2000; ++i) rows += i % 2 == 0 ? "rs,16,1,3\n" : "ws,32,1,4\n";
  const auto path = write_gzip("log.csv.gz", rows);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  try {
    make_table_simulator(path, space_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt) << error.what();
  }
}

TEST_F(Table, SurvivesRandomBytes) {
  Rng rng(9);
  for (int i = 0; i < 200; ++i) {
    std::string bytes = i % 2 == 0 ? content_ : "";
    for (std::uint64_t n = rng.below(60); n > 0; --n) {
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(rng.below(bytes.size() + 1)),
                   static_cast<char>(rng.below(256)));
    }
    try {
      make_table_simulator(write("random.csv", bytes), space_);
    } catch (const Error&) {
    }
  }
}

TEST_F(Table, UsesAMapForLargeSpaces) {
  const DesignSpace large({Parameter::integer("a", 0, 1'000'000'000), Parameter::integer("b", 0, 1'000'000'000)});
  const auto table = make_table_simulator(write("large.csv", "a,b,feasible,cycles\n5,999999999,1,7\n0,0,1,8\n"), large);
  EXPECT_EQ(table->simulate(std::vector<Hardware>{{5.0, 999999999.0}}, nullptr)[0].metrics[0], 7);
  EXPECT_EQ(table->simulate(std::vector<Hardware>{{5.0, 5.0}}, nullptr)[0].state, OutcomeState::failed);
}

// The optimum under the area limit of the exhaustive MAESTRO table, found by scanning all 384,000 designs.
TEST_F(Table, AnswersForAWholeSpace) {
  const std::filesystem::path file =
      std::filesystem::path(CORBEL_SOURCE_DIR) / ".." / "shared" / "data" / "maestro" / "maestro_resnet50.csv.gz";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not there";
  const DesignSpace space({Parameter::categorical("dataflow", {"kcp_ws", "ckp_ws", "ykp_os", "yxp_os", "rs"}),
                           Parameter::ordinal("tile_p", {8, 16, 32, 64}), Parameter::ordinal("tile_t", {1, 2, 4, 8}),
                           Parameter::ordinal("num_pes", {32, 64, 96, 128, 192, 256, 384, 512, 768, 1024}),
                           Parameter::ordinal("simd", {1, 4}), Parameter::ordinal("noc_bw", {16, 32, 64, 128, 256}),
                           Parameter::ordinal("offchip_bw", {64, 256, 1024}),
                           Parameter::ordinal("l1_bytes", {256, 512, 1024, 2048}),
                           Parameter::ordinal("l2_bytes", {4096, 16384, 65536, 262144})});
  ASSERT_EQ(space.size(), 384000u);
  const auto table = make_table_simulator(file, space);
  const HardwareBinding binding(*table, space);
  double best = 1e300;
  std::vector<Hardware> batch;
  Design design = space.design(0);
  for (bool more = true; more;) {
    batch.clear();
    for (int i = 0; i < 1000 && more; ++i) {
      batch.push_back(binding.hardware(design));
      more = space.advance(design);
    }
    for (const Outcome& outcome : table->simulate(batch, nullptr)) {
      ASSERT_NE(outcome.state, OutcomeState::failed);
      if (outcome.state == OutcomeState::complete && outcome.metrics[2] <= 6e6) {
        best = std::min(best, outcome.metrics[0]);
      }
    }
  }
  EXPECT_EQ(best, 28355226);
}

}  // namespace
}  // namespace corbel
