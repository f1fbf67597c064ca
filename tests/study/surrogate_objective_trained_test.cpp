#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/study/surrogate_objective.hpp"
#include "corbel/surrogate/trainer.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

const DesignSpace& space() {
  static const DesignSpace made({Parameter::integer("pes", 1, 12), Parameter::integer("lanes", 1, 12)});
  return made;
}

/// Area is pes × lanes and needs no workload; nothing else is asked of it here.
class AreaSimulator : public Simulator {
 public:
  const std::string& name() const override { return name_; }
  const std::string& fingerprint() const override { return name_; }
  std::span<const HardwareParameter> hardware_parameters() const override { return parameters_; }
  std::span<const MetricInfo> metrics() const override { return metrics_; }
  bool needs_workload() const override { return false; }
  std::vector<Outcome> simulate(std::span<const Hardware>, const Network*) const override { return {}; }
  std::vector<double> static_metrics(const Hardware& hardware) const override {
    return {std::nan(""), std::get<double>(hardware[0]) * std::get<double>(hardware[1])};
  }

 private:
  std::string name_ = "area";
  std::vector<HardwareParameter> parameters_ = {{"pes", "", ""}, {"lanes", "", ""}};
  std::vector<MetricInfo> metrics_ = {{"latency_ms", "", true}, {"area_mm2", "", false}};
};

/// latency 100 / (pes · lanes), power pes + lanes; pes + lanes > 20 is infeasible. Every second design is logged.
const Model& model() {
  static const Model trained = [] {
    Dataset log{{space(), "t", "t", "", "", {"latency_ms", "power_w"}}, {}, {}, {}, {"", "heat"}, {}, 0};
    for (DesignId id = 0; id < space().size(); id += 2) {
      const Design design = space().design(id);
      const double pes = design[0] + 1, lanes = design[1] + 1;
      const bool fits = pes + lanes <= 20;
      log.designs.push_back(id);
      log.states.push_back(fits ? TrialState::complete : TrialState::infeasible);
      log.reasons.push_back(fits ? 0 : 1);
      log.metrics.push_back(fits ? 100 / (pes * lanes) : std::nan(""));
      log.metrics.push_back(fits ? pes + lanes : std::nan(""));
    }
    TrainingTask task;
    task.objective = "latency_ms";
    task.also_predict = {"power_w"};
    TrainingOptions options;
    options.steps = 300;
    options.ensemble = 1;
    options.grid = {{0, 0}};
    const test::TemporaryFolder folder;
    train(log, task, options, folder / "m.safetensors", folder / "work", silent_monitor());
    return Model::load(folder / "m.safetensors");
  }();
  return trained;
}

SurrogateObjective objective(const std::vector<std::string>& limits, double reserve = 0,
                             const std::string& name = "latency_ms") {
  std::vector<Constraint> constraints;
  for (const std::string& limit : limits) constraints.push_back(Constraint::parse(limit));
  const auto simulator = std::make_shared<AreaSimulator>();
  HardwareBinding binding(*simulator, space());
  return SurrogateObjective(std::make_shared<ModelPredictor>(model(), std::vector<float>()), name, constraints, 0.5,
                            {{"power_w", reserve}}, simulator, binding);
}

std::size_t accepted(const SurrogateObjective& made) {
  std::vector<Score> scores(space().size());
  made.score_range(0, scores);
  return static_cast<std::size_t>(
      std::count_if(scores.begin(), scores.end(), [](const Score& score) { return score.feasible(); }));
}

TEST(SurrogateObjective, TakesFormulasExactly) {
  const SurrogateObjective made = objective({"area_mm2 <= 24"});
  for (DesignId id = 0; id < space().size(); ++id) {
    const Design design = space().design(id);
    const Assessment found = made.assess(std::span(&design, 1)).front();
    const double area = (design[0] + 1.0) * (design[1] + 1.0);
    EXPECT_EQ(found.metrics[1], area);
    if (area > 24) {
      EXPECT_GE(found.score.violation, (area - 24) / 24 - 1e-12);
    } else {
      EXPECT_EQ(found.score.feasible(), found.feasibility >= 0.5);
    }
  }
}

TEST(SurrogateObjective, KnowsWhatFormulasRuleOutWithoutTheNetwork) {
  const SurrogateObjective made = objective({"area_mm2 <= 24", "area_mm2 + pes != 20", "power_w <= 10", "pes <= 6"});
  EXPECT_TRUE(made.has_formula_limits());
  for (DesignId id = 0; id < space().size(); ++id) {
    const Design design = space().design(id);
    const double pes = design[0] + 1, area = pes * (design[1] + 1);
    EXPECT_EQ(made.meets_formulas(design), area <= 24 && area + pes != 20);
  }
  const SurrogateObjective without = objective({"power_w <= 10", "pes <= 6", "area_mm2 * latency_ms <= 300"});
  EXPECT_FALSE(without.has_formula_limits());
  EXPECT_TRUE(without.meets_formulas({11, 11}));
}

TEST(SurrogateObjective, StaysInsidePredictedLimitsByTheReserve) {
  const std::size_t without = accepted(objective({"power_w <= 10"}));
  const std::size_t with = accepted(objective({"power_w <= 10"}, 0.2));
  const std::size_t tighter = accepted(objective({"power_w <= 8"}));
  EXPECT_NEAR(static_cast<double>(without), 45, 8);  // pes + lanes <= 10
  EXPECT_EQ(with, tighter) << "a fifth inside 10 is 8";
  EXPECT_EQ(accepted(objective({"area_mm2 <= 24"}, 0.2)), accepted(objective({"area_mm2 <= 24"})))
      << "what a formula gives needs no reserve";
}

TEST(SurrogateObjective, ScoresARangeAsItScoresDesigns) {
  const SurrogateObjective made = objective({"power_w <= 10", "pes >= 3"});
  std::vector<Score> range(space().size()), each(space().size());
  made.score_range(0, range);
  std::vector<Design> designs;
  for (DesignId id = 0; id < space().size(); ++id) designs.push_back(space().design(id));
  made.score(designs, each);
  for (std::size_t i = 0; i < range.size(); ++i) {
    EXPECT_NEAR(range[i].objective, each[i].objective, 1e-5 * each[i].objective);
    EXPECT_EQ(range[i].feasible(), each[i].feasible());
    EXPECT_EQ(made.admits(designs[i]), designs[i][0] >= 2);
  }
}

TEST(SurrogateObjective, RefusesAnotherObjectiveAndUnknownMetrics) {
  EXPECT_THROW(objective({}, 0, "energy_mj"), Error);
  EXPECT_THROW(objective({"energy_mj <= 3"}), Error);
}

TEST(Blocked, TellsTheShareThatEachLimitKeepsOut) {
  const nlohmann::json blocked = blocked_section(objective({"pes <= 3", "area_mm2 <= 0.5"}), 0.5);
  ASSERT_EQ(blocked.size(), 3);
  EXPECT_EQ(blocked[0]["constraint"], "area_mm2 <= 0.5");
  EXPECT_EQ(blocked[0]["share"], 1.0);
  EXPECT_EQ(blocked[1]["constraint"], "pes <= 3");
  EXPECT_NEAR(blocked[1]["share"].get<double>(), 0.75, 0.03);
}

}  // namespace
}  // namespace corbel
