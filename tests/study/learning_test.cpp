#include "corbel/study/learning.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace corbel {
namespace {

constexpr std::uint64_t rows = 500'000;

/// Half of the designs of a space; of these 9 of 10 ran. latency_ms is the id, area_mm2 its last three digits.
const Dataset& large_log() {
  static const Dataset log = [] {
    const DesignSpace space({Parameter::integer("n", 0, 2 * rows - 1)});
    Dataset all{{space, "s", "s", "", "", {"energy_mj", "latency_ms", "area_mm2"}}, {}, {}, {}, {""}, {}};
    ReasonNumbers reasons(all.reason_names);
    for (DesignId id = 0; id < 2 * rows; id += 2) {
      const bool ran = id % 20 != 0;
      const std::vector<double> metrics = {1, ran ? static_cast<double>(id) : std::numeric_limits<double>::quiet_NaN(),
                                           static_cast<double>(id % 1000)};
      all.append({id, ran ? TrialState::complete : TrialState::infeasible, ran ? "" : "memory", metrics}, reasons);
    }
    return all;
  }();
  return log;
}

StudyFile small_training(std::uint64_t seed = 1) {
  StudyFile study;
  study.space = large_log().group.space;
  study.objective = "latency_ms";
  study.constraints.push_back(Constraint::parse("area_mm2 <= 99", "study.yaml:1:1"));
  study.seed = seed;
  study.training.steps = 10;
  return study;
}

TEST(TaughtRows, AreAllWhereATrainingCanUseThem) {
  StudyFile study = small_training();
  study.training.steps = 2'000;  // of 256 rows: 512,000
  const TaughtRows taught = taught_rows(study, large_log());
  EXPECT_FALSE(taught.drawn_from.has_value());
  EXPECT_EQ(taught.rows.fingerprint(), large_log().fingerprint());
}

TEST(TaughtRows, AreDrawnFromEachClass) {
  // Ten steps draw 2,560 rows; trees learn from 100,000.
  const StudyFile study = small_training();
  EXPECT_EQ(most_rows_of_a_class(study.training), 100'000U);
  const TaughtRows taught = taught_rows(study, large_log());
  ASSERT_TRUE(taught.drawn_from.has_value());
  EXPECT_EQ(taught.drawn_from->rows, rows);
  EXPECT_EQ(taught.drawn_from->feasible, rows / 10 * 9);
  EXPECT_EQ(taught.drawn_from->over_limit, rows / 10 * 9);
  EXPECT_EQ(taught.drawn_from->taught_as_feasible, rows / 10 * 9);
  EXPECT_EQ(taught.drawn_from->fingerprint, large_log().fingerprint());
  // All of the 50,000 that did not run, and 100,000 of the others.
  EXPECT_EQ(taught.rows.feasible(), 100'000U);
  EXPECT_EQ(taught.rows.rows(), 150'000U);
  // What nobody asks about is not kept.
  EXPECT_EQ(taught.rows.group.metrics, (std::vector<std::string>{"latency_ms", "area_mm2"}));
  EXPECT_TRUE(std::ranges::is_sorted(taught.rows.designs));
  std::uint64_t lower_half = 0;
  for (std::size_t row = 0; row < taught.rows.rows(); ++row) {
    const TrialView trial = taught.rows.row(row);
    EXPECT_EQ(trial.is_complete(), trial.design % 20 != 0);
    EXPECT_EQ(trial.reason, trial.is_complete() ? "" : "memory");
    EXPECT_EQ(trial.metrics[1], static_cast<double>(trial.design % 1000));
    if (!trial.is_complete()) continue;
    EXPECT_EQ(trial.metrics[0], static_cast<double>(trial.design));
    lower_half += trial.design < rows ? 1 : 0;
  }
  // Hypergeometric: 100,000 of 450,000, half of which are lower; five standard deviations.
  EXPECT_NEAR(static_cast<double>(lower_half), 50'000, 5 * 140);
}

TEST(TaughtRows, AreAllWhereOnlyTheirSumIsTooMany) {
  StudyFile study = small_training();
  study.training.steps = 1'800;  // 460,800 of each class, where 450,000 and 50,000 are there
  const TaughtRows taught = taught_rows(study, large_log());
  EXPECT_FALSE(taught.drawn_from.has_value());
  EXPECT_EQ(taught.rows.fingerprint(), large_log().fingerprint());
}

TEST(TaughtRows, DependOnTheSeedAndNothingElse) {
  const TaughtRows once = taught_rows(small_training(), large_log()),
                   again = taught_rows(small_training(), large_log());
  EXPECT_EQ(once.rows.fingerprint(), again.rows.fingerprint());
  EXPECT_NE(once.rows.fingerprint(), taught_rows(small_training(2), large_log()).rows.fingerprint());
  const TrainingTask task = training_task(small_training(), once);
  EXPECT_EQ(task.drawn_from->rows, rows);
  EXPECT_EQ(task.over_limit.size(), once.rows.rows());
}

TEST(TaughtRows, OfThePublishedProtocolHaveWhatBreaksALimitAmongTheInfeasible) {
  StudyFile study = small_training();
  study.training.protocol = "paper";
  const TaughtRows taught = taught_rows(study, large_log());
  // Within the limit are 50,000, of which those that did not run (a tenth of the ids, 5 of 50 with few mm²) are none.
  std::uint64_t within = 0;
  for (std::size_t row = 0; row < taught.rows.rows(); ++row) {
    const TrialView trial = taught.rows.row(row);
    within += trial.is_complete() && trial.metrics[1] <= 99 ? 1 : 0;
  }
  EXPECT_EQ(within, 45'000U) << "all there are";
  EXPECT_EQ(taught.rows.rows(), 45'000U + 100'000U);
  EXPECT_EQ(taught.drawn_from->taught_as_feasible, 45'000U);
}

}  // namespace
}  // namespace corbel
