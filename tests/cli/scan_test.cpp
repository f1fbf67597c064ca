// The scan of a study: whole, interrupted, and in shards.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "program.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

const std::string study_text = R"(
space:
  parameters:
    pes_x: {values: [1, 2, 4, 8]}
    pes_y: {values: [1, 2, 4, 8]}
    compute_lanes: {values: [16, 32, 64, 128]}
    cores: {values: [1, 2, 4]}
    pe_memory: {values: [262144, 524288, 1048576, 2097152], unit: bytes}
    core_memory: {values: [8192, 16384, 32768, 65536], unit: bytes}
    activation_memory: {values: [256, 1024, 4096]}
    dram_bandwidth: {values: [5, 10, 16, 20, 25, 30], unit: GB/s}
fixed: {instruction_memory: 16384, parameter_memory: 16384}
workload: mobilenet_v2
simulator: edge
objective: latency_ms
constraints: [area_mm2 <= 40, pes_x >= pes_y, energy_mj <= 5]
sweep: {designs: 400}
train: {steps: 40, ensemble: 1, grid: [{alpha: 0.01, beta: 0.03}]}
search: {method: scan, proposals: 20}
)";
constexpr std::uint64_t space_size = 4 * 4 * 4 * 3 * 4 * 4 * 3 * 6;

/// A study that was trained, and its search.
class ScanStudy : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    trained_ = std::make_unique<TemporaryFolder>();
    const std::string study = trained_->write("study.yaml", study_text).string();
    ASSERT_EQ(corbel({"sweep", study, "--quiet"}).exit_code, 0);
    const Finished finished = corbel({"train", study, "--quiet"});
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
  }
  static void TearDownTestSuite() { trained_.reset(); }

  ScanStudy() { std::filesystem::copy(trained_->path(), folder_.path(), std::filesystem::copy_options::recursive); }

  std::vector<std::string> search(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"search", (folder_ / "study.yaml").string(), "--format", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::filesystem::path state(int shard, int of) const {
    return folder_ / "out" / "scan" / ("shard-" + std::to_string(shard) + "-of-" + std::to_string(of) + ".json");
  }

  TemporaryFolder folder_;

 private:
  static inline std::unique_ptr<TemporaryFolder> trained_;
};

TEST_F(ScanStudy, TellsWhatItScoredAndThatTheFirstIsTheOptimum) {
  const Finished finished = corbel(search());
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const json found = parse(finished), results = found.at("search");
  EXPECT_EQ(results.at("method"), "scan");
  EXPECT_TRUE(results.at("exhaustive").get<bool>());
  EXPECT_EQ(results.at("shards"), 1);
  EXPECT_EQ(results.at("scored").get<std::uint64_t>() + results.at("pruned").get<std::uint64_t>(), space_size);
  // 6 of 16 pairs have pes_x < pes_y, and more break the area.
  EXPECT_GT(results.at("pruned").get<std::uint64_t>(), space_size * 6 / 16);
  ASSERT_EQ(found.at("proposals").size(), 20u);
  double last = 0;
  for (const json& proposal : found.at("proposals")) {
    EXPECT_GE(proposal.at("predicted"), last);
    last = proposal.at("predicted");
    for (const json& margin : proposal.at("margins")) EXPECT_TRUE(margin.at("met").get<bool>());
  }

  const Finished table = corbel({"search", (folder_ / "study.yaml").string(), "--quiet"});
  EXPECT_NE(table.out.find("the surrogate's exact optimum within the limits"), std::string::npos) << table.out;
  ASSERT_EQ(corbel({"report", (folder_ / "study.yaml").string(), "--quiet"}).exit_code, 0);
  EXPECT_NE(read_text(folder_ / "out/report.html").find("exact optimum"), std::string::npos);
  // A strategy promises no such thing.
  const json sampled = parse(corbel(search({"--strategy", "random", "--budget", "500"}))).at("search");
  EXPECT_FALSE(sampled.at("exhaustive").get<bool>());
  EXPECT_TRUE(sampled.at("pruned").is_null());
  EXPECT_TRUE(sampled.at("shards").is_null());
}

TEST_F(ScanStudy, ShardsFindWhatTheWholeFinds) {
  const json whole = parse(corbel(search()));
  const json first = parse(corbel(search({"--shard", "2/3"}))).at("shard");
  EXPECT_EQ(first.at("index"), 2);
  EXPECT_EQ(first.at("missing"), (json{1, 3}));
  EXPECT_GT(first.at("scored"), whole.at("search").at("scored").get<std::uint64_t>() / 4);
  const Finished told = corbel({"search", (folder_ / "study.yaml").string(), "--shard", "2/3", "--quiet"});
  EXPECT_NE(told.out.find("missing: 2 of 3 shards (1, 3)"), std::string::npos) << told.out;

  // While another process works on the study.
  ASSERT_EQ(corbel(search({"--strategy", "random", "--budget", "100"})).exit_code, 0);
  const pid_t beside = start_corbel(search({"--shard", "1/3"}));
  const Finished last = corbel(search({"--shard", "3/3"}));
  EXPECT_EQ(wait_for(beside), 0);
  ASSERT_EQ(last.exit_code, 0) << last.err;
  // Whichever was last has put them together; this one finds them so.
  const json merged = parse(corbel(search({"--shard", "1/3"})));
  EXPECT_EQ(merged.at("proposals"), whole.at("proposals"));
  EXPECT_EQ(merged.at("best"), whole.at("best"));
  for (const char* same : {"method", "scored", "pruned", "exhaustive", "blocked"}) {
    EXPECT_EQ(merged.at("search").at(same), whole.at("search").at(same)) << same;
  }
  EXPECT_EQ(merged.at("search").at("shards"), 3);

  // Of another question none of them is a shard.
  folder_.write("study.yaml", study_text + "# the same\n");
  EXPECT_EQ(parse(corbel(search({"--shard", "1/3"}))).at("proposals"), whole.at("proposals"));
  std::string other = study_text;
  other.replace(other.find("area_mm2 <= 40"), 14, "area_mm2 <= 35");
  folder_.write("study.yaml", other);
  EXPECT_EQ(parse(corbel(search({"--shard", "1/3"}))).at("shard").at("missing"), (json{2, 3}));
}

TEST_F(ScanStudy, GoesOnAfterCtrlCAndKill) {
  // 452,760,000 designs, so that no machine is done before it is stopped.
  std::string text = study_text;
  text.replace(text.find("space:"), text.find("workload:") - text.find("space:"), "space: edge\n");
  text.replace(text.find("area_mm2 <= 40, "), 16, "");
  const std::string study = folder_.write("study.yaml", text).string();
  ASSERT_EQ(corbel({"sweep", study, "--quiet"}).exit_code, 0);
  ASSERT_EQ(corbel({"train", study, "--quiet"}).exit_code, 0);

  std::filesystem::path lock = state(1, 1);
  lock.replace_extension(".lock");
  const auto wait_until = [](const std::function<bool()>& there) {
    for (int i = 0; i < 3000 && !there(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return there();
  };
  // Ctrl-C keeps what is done at once.
  pid_t process = start_corbel(search());
  EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(lock); }));
  kill(process, SIGINT);
  EXPECT_EQ(wait_for(process), 130);
  ASSERT_TRUE(std::filesystem::exists(state(1, 1)));
  std::string before = read_text(state(1, 1));
  // A kill what was done when it was last written.
  for (int round = 0; round < 2; ++round) {
    process = start_corbel(search());
    EXPECT_TRUE(wait_until([&] { return read_text(state(1, 1)) != before; }));
    kill(process, SIGKILL);
    EXPECT_EQ(wait_for(process), 128 + SIGKILL);
    const json old = json::parse(before);
    before = read_text(state(1, 1));
    const json now = json::parse(before);
    EXPECT_FALSE(now.at("complete").get<bool>());
    EXPECT_EQ(now.at("key"), old.at("key"));
    EXPECT_GT(now.at("covered"), old.at("covered"));
    EXPECT_GT(now.at("seconds"), old.at("seconds"));
    EXPECT_GE(now.at("next").at("design"), old.at("next").at("design"));
  }
}

TEST_F(ScanStudy, RefusesShardsThatAreNone) {
  for (const char* shard : {"0/4", "5/4", "x", "", "1/4x", "-1/4"}) {
    const Finished finished = corbel(search({"--shard", shard}));
    EXPECT_EQ(finished.exit_code, 2) << shard;
    EXPECT_NE(finished.err.find("`" + std::string(shard) + "`"), std::string::npos) << finished.err;
  }
  const Finished strategy = corbel(search({"--shard", "1/4", "--strategy", "firefly"}));
  EXPECT_EQ(strategy.exit_code, 2);
  EXPECT_NE(strategy.err.find("--strategy scan"), std::string::npos) << strategy.err;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out" / "scan"));
}

}  // namespace
}  // namespace corbel::test
