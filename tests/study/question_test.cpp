#include "corbel/study/question.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/study/simulation_objective.hpp"

namespace corbel {
namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

Question question() {
  const std::vector<Constraint> limits = {Constraint::parse("area_mm2 <= 20"), Constraint::parse("pes <= 4")};
  return Question(DesignSpace({Parameter::ordinal("pes", {1, 2, 4, 8})}), {"latency_ms", "area_mm2"}, "latency_ms",
                  limits);
}

TEST(Question, AFeasibleDesignHasItsObjectiveAndNoViolation) {
  const Score score = question().score({2}, {OutcomeState::complete, "", "", {7, 20}});
  EXPECT_EQ(score.objective, 7);
  EXPECT_EQ(score.violation, 0);
}

TEST(Question, AMaximisedObjectiveScoresLowerTheMoreThereIsOfIt) {
  const Question most(DesignSpace({Parameter::ordinal("pes", {1, 2, 4, 8})}), {"fps"}, "fps", {}, "",
                      Direction::maximise);
  EXPECT_EQ(most.score({2}, {OutcomeState::complete, "", "", {7}}).objective, -7);
  EXPECT_EQ(most.score({2}, {OutcomeState::complete, "", "", {7}}).violation, 0);
  EXPECT_DOUBLE_EQ(most.score({0}, {OutcomeState::complete, "", "", {unknown}}).violation, 1);
}

TEST(Question, ABrokenLimitCountsByItsExcessAndKeepsTheObjective) {
  const Score score = question().score({3}, {OutcomeState::complete, "", "", {7, 30}});
  EXPECT_EQ(score.objective, 7);
  EXPECT_DOUBLE_EQ(score.violation, 0.5 + 1);  // 30 of 20 mm2, 8 of 4 PEs
}

TEST(Question, AnInfeasibleDesignIsOffByOneMoreThanWhatItBreaks) {
  EXPECT_DOUBLE_EQ(question().score({0}, {OutcomeState::infeasible, "no", "", {unknown, 30}}).violation, 1.5);
  const Score bare = question().score({0}, {OutcomeState::infeasible, "no", "", {}});
  EXPECT_DOUBLE_EQ(bare.violation, 1);
  EXPECT_TRUE(std::isnan(bare.objective));
}

TEST(Question, MissingMetricsAreNeverFeasible) {
  EXPECT_DOUBLE_EQ(question().score({0}, {OutcomeState::complete, "", "", {7, unknown}}).violation, 1);
  EXPECT_DOUBLE_EQ(question().score({0}, {OutcomeState::complete, "", "", {unknown, 10}}).violation, 1);
}

TEST(Question, AFailedRunSaysNothing) {
  EXPECT_TRUE(question().score({0}, {OutcomeState::failed, "crash", "", {}}).failed());
}

TEST(Question, AdmitsWhatParametersAloneDecide) {
  EXPECT_TRUE(question().admits({2}));
  EXPECT_FALSE(question().admits({3}));
}

TEST(Question, NamesAnUnknownObjective) {
  try {
    Question(DesignSpace({Parameter::boolean("a")}), {"latency_ms"}, "latenzy_ms", {}, "study.yaml:3:12");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "study.yaml:3:12: unknown metric `latenzy_ms`");
    EXPECT_EQ(error.hint(), "did you mean `latency_ms`?");
  }
}

TEST(SimulationObjective, RetriesFailedRunsAndSetsThemAside) {
  std::vector<std::vector<Design>> runs;
  const SimulationObjective objective(question(), [&](std::span<const Design> designs) {
    runs.emplace_back(designs.begin(), designs.end());
    std::vector<Outcome> outcomes;
    for (const Design& design : designs) {
      // Design 0 never works, design 1 does the second time.
      const bool fails = design[0] == 0 || (design[0] == 1 && runs.size() == 1);
      outcomes.push_back(fails ? Outcome{} : Outcome{OutcomeState::complete, "", "", {design[0] + 1.0, 5}});
    }
    return outcomes;
  });
  const std::vector<Design> designs = {{0}, {1}, {2}};
  std::vector<Score> scores(3);
  objective.score(designs, scores);
  EXPECT_TRUE(scores[0].failed());
  EXPECT_EQ(scores[1].objective, 2);
  EXPECT_EQ(scores[2].objective, 3);
  EXPECT_EQ(runs, (std::vector<std::vector<Design>>{{{0}, {1}, {2}}, {{0}, {1}}, {{0}}}));
}

}  // namespace
}  // namespace corbel
