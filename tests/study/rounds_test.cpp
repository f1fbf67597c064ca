#include "corbel/study/rounds.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/expect_error.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

using testing::ElementsAre;

/// Numbers on a line of 17: neighbours are at a distance of 1/16.
std::vector<std::size_t> choose(const std::vector<std::uint32_t>& line, std::size_t count) {
  const DesignSpace space({Parameter::integer("a", 0, 16)});
  std::vector<Design> designs;
  for (const std::uint32_t a : line) designs.push_back({a});
  return choose_diverse(space, designs, count);
}

TEST(ChooseDiverse, TakesTheBestThenWhatIsFarFromItThenWhatIsNearer) {
  // At least 8 from the first, 5: 13. At least 4 from both: 1. At least 2: 7. At least 1: the rest, in their order.
  EXPECT_THAT(choose({5, 6, 4, 7, 1, 13}, 6), ElementsAre(0, 5, 4, 3, 1, 2));
  EXPECT_THAT(choose({5, 6, 4, 7, 1, 13}, 3), ElementsAre(0, 5, 4));
  EXPECT_THAT(choose({5, 6, 4, 7, 1, 13}, 1), ElementsAre(0));
}

TEST(ChooseDiverse, TakesAllWhereThereAreNotEnough) {
  EXPECT_THAT(choose({5, 6}, 7), ElementsAre(0, 1));
  EXPECT_THAT(choose({5}, 7), ElementsAre(0));
  EXPECT_THAT(choose({}, 7), ElementsAre());
  EXPECT_THAT(choose({5, 6}, 0), ElementsAre());
}

TEST(ChooseDiverse, CountsCategoriesAndManyValues) {
  const DesignSpace space({Parameter::categorical("flow", {"ws", "os", "is"}), Parameter::integer("n", 0, 1'000'000)});
  // Another flow is at a distance of 1/2; one step of n at 5e-7.
  const std::vector<Design> designs = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {0, 600'000}};
  EXPECT_THAT(choose_diverse(space, designs, 3), ElementsAre(0, 3, 4));
  EXPECT_THAT(choose_diverse(space, designs, 5), ElementsAre(0, 3, 4, 2, 1));
}

StudyFile load(const test::TemporaryFolder& folder, const std::string& text) {
  return StudyFile::load(folder.write("study.yaml", text));
}

const std::string edge = "space: edge\nworkload: mobilenet_v2\nsimulator: edge\nobjective: latency_ms\n";

TEST(Rounds, AreReadFromTheStudy) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(load(folder, edge).search.rounds, 0U);
  EXPECT_EQ(load(folder, edge + "search: {rounds: 4}\n").search.simulate, 64U);
  const StudyFile study = load(folder, edge + "search: {rounds: 4, simulate: 7}\n");
  EXPECT_EQ(study.search.rounds, 4U);
  EXPECT_EQ(study.search.simulate, 7U);
  require_rounds_possible(study);
  expect_error([&] { load(folder, edge + "search: {simulate: 7}\n"); }, ErrorCode::invalid_input,
               "study.yaml:5:20: `simulate` is of each round", "add `rounds:`");
  expect_error([&] { load(folder, edge + "search: {rounds: 4, simulate: 0}\n"); }, ErrorCode::invalid_input,
               "5:31: wanted a whole number from 1 to 10000");
  expect_error([&] { load(folder, edge + "search: {rounds: -1}\n"); }, ErrorCode::invalid_input,
               "5:18: wanted a whole number from 0 to 10000");
}

TEST(Rounds, NeedASimulatorThatTeaches) {
  const test::TemporaryFolder folder;
  const auto refused = [&](const std::string& text, ErrorCode code, const std::string& message,
                           const std::string& hint) {
    expect_error([&] { require_rounds_possible(load(folder, text)); }, code, message, hint);
  };
  refused("space: {parameters: {a: {range: [1, 9]}}}\nobjective: latency_ms\n", ErrorCode::unsupported,
          "study.yaml: there is no simulator to run rounds on", "corbel ask and corbel tell");
  folder.write("log.csv", "pes_x,feasible,latency_ms\n1,1,9\n2,1,8\n");
  refused("import: {file: log.csv}\nobjective: latency_ms\n", ErrorCode::unsupported, "this study learns from its log",
          "corbel ask and corbel tell");
  refused(edge + "import: {file: log.csv}\n", ErrorCode::unsupported, "this study learns from its log",
          "corbel validate");
  refused(edge + "search: {budget: 63, rounds: 4}\n", ErrorCode::invalid_input,
          "the search scores 63 designs, where each round simulates 64", "raise --budget");
}

TEST(RoundRecord, IsKeptInTheStore) {
  const test::TemporaryFolder folder;
  Store store(folder / "trials.db", Store::Mode::read_write);
  EXPECT_TRUE(RoundRecord::read(store, "key").start.empty());
  const double none = std::numeric_limits<double>::quiet_NaN();
  RoundRecord record{"log", 1000, 40, none, {}};
  record.rounds.push_back({1000, none, 1.5, {{7, 0.25, 0.875, true}, {9, none, none, false}}});
  record.rounds.push_back({1002, 0.5, 2.5, {{std::uint64_t{1} << 62, 3, 1, true}}});
  record.write(store, "key");
  const RoundRecord found = RoundRecord::read(store, "key");
  EXPECT_EQ(found.start, "log");
  EXPECT_EQ(found.start_rows, 1000U);
  EXPECT_EQ(found.start_within, 40U);
  EXPECT_TRUE(std::isnan(found.start_best));
  ASSERT_EQ(found.rounds.size(), 2U);
  EXPECT_TRUE(std::isnan(found.rounds[0].kendall));
  EXPECT_EQ(found.rounds[1].kendall, 0.5);
  EXPECT_EQ(found.rounds[0].seconds, 1.5);
  EXPECT_EQ(found.rounds[0].designs[0].predicted, 0.25);
  EXPECT_EQ(found.rounds[0].designs[0].feasibility, 0.875);
  EXPECT_TRUE(found.rounds[0].designs[0].within);
  EXPECT_TRUE(std::isnan(found.rounds[0].designs[1].predicted));
  EXPECT_FALSE(found.rounds[0].designs[1].within);
  EXPECT_THAT(found.designs(), testing::UnorderedElementsAre(7, 9, std::uint64_t{1} << 62));
  EXPECT_TRUE(RoundRecord::read(store, "other").start.empty());
  for (const char* damaged : {"{", "[]", "{}", R"({"start": 3, "rounds": []})",
                              R"({"start": {"log": "x", "rows": 1, "within_limits": 1, "best": 1}, "rounds": [3]})"}) {
    store.set_note("rounds key", damaged);
    EXPECT_TRUE(RoundRecord::read(store, "key").start.empty()) << damaged;
  }
}

}  // namespace
}  // namespace corbel
