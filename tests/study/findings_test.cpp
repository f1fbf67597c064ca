#include "corbel/study/findings.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/random.hpp"

namespace corbel {
namespace {

using nlohmann::json;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// pes 1 2 3 4 × lanes 10 20; latency and area by hand; one infeasible row.
Dataset small_log() {
  Dataset log{{DesignSpace({Parameter::ordinal("pes", {1, 2, 3, 4}), Parameter::ordinal("lanes", {10, 20})}),
               "import",
               "f",
               "",
               "",
               {"latency_ms", "area_mm2"}},
              {0, 1, 2, 3, 5, 7},
              {TrialState::complete, TrialState::complete, TrialState::complete, TrialState::infeasible,
               TrialState::complete, TrialState::complete},
              {0, 0, 0, 1, 0, 0},
              {"", "memory"},
              {8, 1,    //
               6, 2,    //
               7, 3,    // dominated
               nan, 3,  //
               3, 5,    //
               2, 9}};
  return log;
}

StudyFile small_study(const Dataset& log, const std::vector<std::string>& limits) {
  StudyFile study;
  study.name = "small";
  study.space = log.group.space;
  study.objective = "latency_ms";
  for (const std::string& limit : limits) {
    study.constraints.push_back(Constraint::parse(limit, "study.yaml:1:1"));
  }
  return study;
}

TEST(DatasetSection, CountsWhatIsWithinTheLimitsAndFindsTheBest) {
  const Dataset log = small_log();
  const json section = dataset_section(small_study(log, {"area_mm2 <= 5", "pes >= 2"}), log, "log.csv");
  EXPECT_EQ(section["rows"], 6);
  EXPECT_EQ(section["feasible"], 5);
  // Ids 2 (7 ms, 3 mm²; pes 2) and 5 (3 ms, 5 mm²; pes 3): 0 and 1 have one PE, 7 is too large, 3 infeasible.
  EXPECT_EQ(section["within_limits"], 2);
  EXPECT_EQ(section["best_logged"]["id"], 5);
  EXPECT_EQ(section["best_logged"]["objective"], 3);
  EXPECT_EQ(section["best_logged"]["design"]["pes"], 3);
}

TEST(DatasetSection, HasNoBestWhereNothingMeetsTheLimits) {
  const Dataset log = small_log();
  const json section = dataset_section(small_study(log, {"area_mm2 <= 0.5"}), log, "");
  EXPECT_EQ(section["within_limits"], 0);
  EXPECT_TRUE(section["best_logged"].is_null());
}

TEST(DatasetSection, NamesTheLineOfAConstraintOnAnUnknownMetric) {
  const Dataset log = small_log();
  try {
    dataset_section(small_study(log, {"aera_mm2 <= 5"}), log, "");
    FAIL() << "must throw";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("study.yaml:1:1"), std::string::npos);
    EXPECT_NE(error.hint().find("area_mm2"), std::string::npos);
  }
}

TEST(PlotsSection, FrontIsOfUndominatedDesigns) {
  const Dataset log = small_log();
  const json section = plots_section(small_study(log, {"area_mm2 <= 5"}), log);
  EXPECT_EQ(section["x"], "area_mm2");
  EXPECT_EQ(section["logged"].size(), 5);
  EXPECT_EQ(section["pareto"], json::parse("[[8,1],[6,2],[3,5],[2,9]]"));
}

TEST(PlotsSection, FrontOfAMaximisedObjectiveHasTheMostOfItForItsArea) {
  const Dataset log = small_log();
  StudyFile study = small_study(log, {"area_mm2 <= 5"});
  study.direction = Direction::maximise;
  EXPECT_EQ(plots_section(study, log)["pareto"], json::parse("[[8,1]]"));
  const json section = dataset_section(study, log, "log.csv");
  EXPECT_EQ(section["best_logged"]["id"], 0);
  EXPECT_EQ(section["best_logged"]["objective"], 8);
  EXPECT_EQ(study_section(study, log.group.space)["objective"],
            (json{{"metric", "latency_ms"}, {"unit", "ms"}, {"direction", "maximise"}}));
}

TEST(PlotsSection, ShowsALargeLogEvenlyAndItsFrontWhole) {
  const DesignSpace space({Parameter::integer("n", 0, 99'999)});
  Dataset log{{space, "s", "s", "", "", {"latency_ms", "area_mm2"}}, {}, {}, {}, {""}, {}};
  Rng rng(1);
  std::vector<std::pair<double, double>> points;  // area, latency
  for (DesignId id = 0; id < 10'000; ++id) {
    const double area = 1 + static_cast<double>(rng.below(50)), latency = 100 / area + 10 * rng.uniform();
    points.emplace_back(area, latency);
    log.designs.push_back(id);
    log.states.push_back(TrialState::complete);
    log.reasons.push_back(0);
    log.metrics.insert(log.metrics.end(), {latency, area});
  }
  const json section = plots_section(small_study(log, {"area_mm2 <= 5"}), log);
  // Every 4th: every 2nd would be 5,000.
  ASSERT_EQ(section["logged"].size(), 2'500U);
  for (std::size_t i = 0; i < 2'500; i += 97) {
    EXPECT_EQ(section["logged"][i][0], points[4 * i].second) << i;
    EXPECT_EQ(section["logged"][i][2], points[4 * i].first <= 5 ? 1 : 0) << i;
  }
  std::sort(points.begin(), points.end());
  json front = json::array();
  double best = std::numeric_limits<double>::infinity();
  for (const auto& [area, latency] : points) {
    if (latency < best) front.push_back({latency, area});
    best = std::min(best, latency);
  }
  EXPECT_EQ(section["pareto"], front);
}

json proposal(int rank, double predicted, const std::string& state, double truth, bool met) {
  json made = {{"rank", rank},
               {"id", rank},
               {"design", {{"pes", rank}}},
               {"predicted", predicted},
               {"predicted_metrics", json::object()},
               {"metrics", json::object()},
               {"margins", {{{"constraint", "area_mm2 <= 5"}, {"met", met}}}},
               {"feasibility", 0.9},
               {"spread", 0.1},
               {"nearest", nullptr},
               {"gain", nullptr},
               {"simulated", nullptr}};
  if (!state.empty()) {
    made["simulated"] = {{"state", state}, {"reason", ""}, {"metrics", json::object()}};
    if (state == "complete") made["metrics"]["latency_ms"] = truth;
  }
  return made;
}

json results_with(std::vector<json> proposals) {
  return {{"study", {{"objective", {{"metric", "latency_ms"}, {"unit", "ms"}}}}},
          {"dataset",
           {{"best_logged",
             {{"id", 9},
              {"design", {{"pes", 9}}},
              {"metrics", {{"latency_ms", 3.0}}},
              {"objective", 3.0},
              {"predicted", 3.5}}}}},
          {"proposals", proposals}};
}

TEST(Best, IsTheBestSimulatedNotTheBestPredicted) {
  const json best = best_section(results_with(
      {proposal(1, 1.0, "infeasible", 0, true), proposal(2, 1.5, "complete", 1.0, false),  // breaks a limit
       proposal(3, 1.6, "complete", 2.5, true), proposal(4, 1.7, "complete", 2.0, true)}));
  EXPECT_EQ(best["source"], "validated");
  EXPECT_EQ(best["rank"], 4);
  EXPECT_EQ(best["objective"], 2.0);
  EXPECT_EQ(best["predicted"], 1.7);
}

TEST(Best, IsTheLoggedDesignWhereNoSimulatedProposalIsBetter) {
  const json best = best_section(results_with({proposal(1, 1.0, "complete", 3.2, true)}));
  EXPECT_EQ(best["source"], "logged");
  EXPECT_EQ(best["objective"], 3.0);
}

TEST(Best, ComparesPredictionsWithThePredictionOfTheLoggedDesign) {
  // 3.2 is above the logged 3.0 but below what the model says of that logged design.
  EXPECT_EQ(best_section(results_with({proposal(1, 3.2, "", 0, true)}))["source"], "predicted");
  EXPECT_EQ(best_section(results_with({proposal(1, 3.6, "", 0, true)}))["source"], "logged");
}

TEST(Best, IsTheMostOfAMaximisedObjective) {
  json results = results_with({proposal(1, 9.0, "complete", 4.0, true), proposal(2, 8.0, "complete", 6.0, true),
                               proposal(3, 7.0, "complete", 7.0, false)});
  results["study"]["objective"]["direction"] = "maximise";
  EXPECT_EQ(best_section(results)["rank"], 2);
  EXPECT_EQ(validation_section(results)["best"], 6.0);
  results["online"] = {
      {"best", {{"id", 5}, {"design", {{"pes", 5}}}, {"metrics", {}}, {"margins", {}}, {"objective", 6.5}}}};
  EXPECT_EQ(best_section(results)["found_by"], "online");
  EXPECT_NEAR(best_section(results)["gain"].get<double>(), 6.5 / 3, 1e-12);
  results["online"]["best"]["objective"] = 5.5;
  EXPECT_EQ(best_section(results)["rank"], 2);
  // Of predictions alone, with the prediction of the logged design: 3.5.
  results = results_with({proposal(1, 3.4, "", 0, true)});
  results["study"]["objective"]["direction"] = "maximise";
  EXPECT_EQ(best_section(results)["source"], "logged");
  results["proposals"][0]["predicted"] = 3.6;
  EXPECT_EQ(best_section(results)["source"], "predicted");
}

TEST(Best, IsNullWhereThereIsNothing) {
  json results = results_with({});
  results["dataset"]["best_logged"] = nullptr;
  EXPECT_TRUE(best_section(results).is_null());
}

json searched(double objective) {
  return {{"id", 77},
          {"rank", 1},
          {"design", {{"pes", 7}}},
          {"objective", objective},
          {"metrics", {{"latency_ms", objective}}},
          {"margins", json::array()}};
}

TEST(Best, IsTheLeastTrueValueWhoeverFoundIt) {
  json results = results_with({proposal(1, 1.0, "complete", 2.5, true)});
  results["online"] = {{"best", searched(2.4)}};
  const json found = best_section(results);
  EXPECT_EQ(found["source"], "searched");
  EXPECT_EQ(found["objective"], 2.4);
  EXPECT_EQ(found["id"], 77);
  EXPECT_EQ(found["gain"], 3.0 / 2.4);
  results["online"]["best"] = searched(2.6);
  EXPECT_EQ(best_section(results)["source"], "validated");
  results["online"]["best"] = searched(3.1);
  EXPECT_EQ(best_section(results)["source"], "validated");
  results["proposals"] = json::array();
  EXPECT_EQ(best_section(results)["source"], "logged");
  results["online"]["best"] = nullptr;
  EXPECT_EQ(best_section(results)["source"], "logged");
}

TEST(Best, PrefersWhatWasSimulatedToAPrediction) {
  json results = results_with({proposal(1, 1.0, "", 0, true)});
  results["online"] = {{"best", searched(2.9)}};
  EXPECT_EQ(best_section(results)["source"], "searched");
  results["online"]["best"] = searched(3.1);
  EXPECT_EQ(best_section(results)["source"], "predicted") << "the logged one is better than the searched one";
}

TEST(Best, IsTheSearchedDesignWhereThatIsInTheLog) {
  json results = results_with({});
  results["online"] = {{"best", searched(3.0)}};
  results["dataset"]["best_logged"]["id"] = 77;
  EXPECT_EQ(best_section(results)["source"], "searched");
  EXPECT_TRUE(best_section(results)["gain"].is_null()) << "it cannot gain on itself";
  results.erase("dataset");
  EXPECT_EQ(best_section(results)["objective"], 3.0);
}

TEST(Validation, CountsByOutcome) {
  const json section = validation_section(results_with(
      {proposal(1, 1, "infeasible", 0, true), proposal(2, 1, "complete", 2.0, false),
       proposal(3, 1, "complete", 2.5, true), proposal(4, 1, "failed", 0, true), proposal(5, 1, "", 0, true)}));
  EXPECT_EQ(section["simulated"], 4);
  EXPECT_EQ(section["feasible"], 2);
  EXPECT_EQ(section["within_limits"], 1);
  EXPECT_EQ(section["failed"], 1);
  EXPECT_EQ(section["best"], 2.5);
}

}  // namespace
}  // namespace corbel
