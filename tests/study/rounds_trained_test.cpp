#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "base/expect_error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/study/pipeline.hpp"
#include "corbel/study/study_trials.hpp"
#include "support/borrowed.hpp"
#include "support/stopping_monitor.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using test::StoppingMonitor;

/// Cost (a − 5)² + (b − 9)² + 1, area a + b; does not compile where a = b. Counts what it runs.
class Bowl final : public Simulator {
 public:
  const std::string& name() const override { return name_; }
  const std::string& fingerprint() const override { return name_; }
  std::span<const HardwareParameter> hardware_parameters() const override { return parameters_; }
  std::span<const MetricInfo> metrics() const override { return metrics_; }
  bool needs_workload() const override { return false; }
  std::vector<double> static_metrics(const Hardware& hardware) const override {
    return {std::numeric_limits<double>::quiet_NaN(), std::get<double>(hardware[0]) + std::get<double>(hardware[1])};
  }
  std::vector<Outcome> simulate(std::span<const Hardware> all, const Network*) const override {
    std::vector<Outcome> outcomes;
    for (const Hardware& hardware : all) {
      const double a = std::get<double>(hardware[0]), b = std::get<double>(hardware[1]);
      const std::lock_guard lock(mutex_);
      ++runs_[{a, b}];
      if (fails && fails(a, b)) {
        outcomes.push_back({OutcomeState::failed, "crash", "", {}});
      } else if (a == b) {
        outcomes.push_back({OutcomeState::infeasible, "square", "", {}});
      } else {
        outcomes.push_back({OutcomeState::complete, "", "", {(a - 5) * (a - 5) + (b - 9) * (b - 9) + 1, a + b}});
      }
    }
    return outcomes;
  }
  std::size_t designs_run() const { return runs_.size(); }
  int most_runs() const {
    int most = 0;
    for (const auto& [design, count] : runs_) most = std::max(most, count);
    return most;
  }
  std::function<bool(double, double)> fails;

 private:
  std::string name_ = "bowl";
  std::vector<HardwareParameter> parameters_ = {{"a", "", ""}, {"b", "", ""}};
  std::vector<MetricInfo> metrics_ = {{"cost_ms", "", true}, {"area_mm2", "", false}};
  mutable std::mutex mutex_;
  mutable std::map<std::pair<double, double>, int> runs_;
};

class RoundsOfAStudy : public testing::Test {
 protected:
  static constexpr std::uint64_t swept = 26;

  /// size × size designs, some of them swept.
  StudyFile study(const std::string& output, std::shared_ptr<const Simulator> simulator, std::uint64_t rounds,
                  std::uint32_t size = 16) const {
    StudyFile made;
    made.file = "study.yaml";
    made.space = DesignSpace({Parameter::integer("a", 0, size - 1), Parameter::integer("b", 0, size - 1)});
    made.simulator = std::move(simulator);
    made.objective = "cost_ms";
    made.constraints.push_back(Constraint::parse("a >= 1"));
    made.constraints.push_back(Constraint::parse("area_mm2 <= 20"));
    made.sweep_designs = swept;
    made.training.steps = 80;
    made.training.batch = 64;
    made.training.learning_rate = 0.01;
    made.training.checkpoint_every = 10;
    made.training.hidden = {16};
    made.training.ensemble = 1;
    made.training.trees = 0;
    made.training.grid = {{0, 0}};
    made.search.proposals = 5;
    made.search.rounds = rounds;
    made.search.simulate = 8;
    made.threads = 2;
    made.output = folder / output;
    return made;
  }
  /// Without times.
  static json run(const StudyFile& study, Monitor& monitor = silent_monitor()) {
    Pipeline pipeline(study, monitor);
    pipeline.run();
    json results = pipeline.results();
    results["rounds"].erase("seconds");
    results["training"].erase("seconds");
    results["search"].erase("seconds");
    results["search"].erase("rescored");  // depends on which thread met a good design first
    results["dataset"].erase("source");
    results.erase("steps");
    for (json& round : results["rounds"]["rounds"]) round.erase("training_seconds");
    return results;
  }
  test::TemporaryFolder folder;
};

TEST_F(RoundsOfAStudy, LearnFromWhatTheySimulateInsideTheBudget) {
  const auto bowl = std::make_shared<const Bowl>();
  const StudyFile asked = study("out", bowl, 3);
  StoppingMonitor monitor;
  const json results = run(asked, monitor);
  const json& rounds = results["rounds"];
  EXPECT_EQ(bowl->designs_run(), swept + 24);
  EXPECT_EQ(bowl->most_runs(), 1) << "nothing is simulated twice";
  EXPECT_EQ(rounds["budget"], 24);
  EXPECT_EQ(rounds["queries"], 24);
  EXPECT_EQ(rounds["simulate"], 8);
  EXPECT_FALSE(rounds["exhausted"].get<bool>());
  EXPECT_THAT(monitor.messages, testing::Contains("3 rounds of 8 designs: at most 24 simulations in all"));
  EXPECT_EQ(rounds["start"]["rows"], swept);
  ASSERT_EQ(rounds["rounds"].size(), 3U);
  double best = rounds["start"]["best"].get<double>();
  std::uint64_t feasible = 0, within = 0;
  std::set<DesignId> seen;
  for (std::size_t r = 0; r < 3; ++r) {
    const json& round = rounds["rounds"][r];
    EXPECT_EQ(round["round"], r + 1);
    EXPECT_EQ(round["rows"], swept + 8 * r) << "each learns from all before it";
    EXPECT_EQ(round["simulated"], 8);
    std::uint64_t within_here = 0;
    for (const json& design : round["designs"]) {
      const Design values = asked.space->design(design["id"].get<DesignId>());
      EXPECT_TRUE(seen.insert(design["id"].get<DesignId>()).second);
      EXPECT_GE(values[0], 1U) << "what a limit on parameters rules out is never simulated";
      if (design["state"] == "infeasible") {
        EXPECT_EQ(values[0], values[1]);
        EXPECT_TRUE(design["objective"].is_null());
        continue;
      }
      ++feasible;
      const double a = values[0], b = values[1], cost = (a - 5) * (a - 5) + (b - 9) * (b - 9) + 1;
      EXPECT_EQ(design["objective"], cost);
      EXPECT_EQ(design["within_limits"], a + b <= 20);
      if (a + b > 20) continue;
      ++within_here;
      best = std::min(best, cost);
    }
    EXPECT_EQ(round["within_limits"], within_here);
    EXPECT_EQ(round["best"], best);
    within += within_here;
  }
  EXPECT_EQ(rounds["feasible"], feasible);
  EXPECT_EQ(rounds["within_limits"], within);
  EXPECT_EQ(rounds["history"][0], (json{0, rounds["start"]["best"]}));
  EXPECT_EQ(rounds["history"].back()[1], best);
  EXPECT_EQ(results["dataset"]["rows"], swept + 24) << "the last model has learnt from all";
  EXPECT_EQ(results["best"]["objective"], best);
  for (const json& proposal : results["proposals"]) {
    EXPECT_FALSE(seen.contains(proposal["id"].get<DesignId>()));
    EXPECT_TRUE(proposal["simulated"].is_null()) << "the budget is spent";
  }
  // The gain is over what was there before.
  ASSERT_LT(best, rounds["start"]["best"].get<double>());
  EXPECT_EQ(results["best"]["found_by"], "rounds");
  EXPECT_EQ(results["best"]["gain"], rounds["start"]["best"].get<double>() / best);
  // Asked again, everything is there; without its results, too.
  EXPECT_EQ(run(asked), results);
  std::filesystem::remove(asked.results_file());
  EXPECT_EQ(run(asked), results);
  std::filesystem::remove(asked.results_file());
  Pipeline pipeline(asked, silent_monitor());
  pipeline.search_in_rounds();
  EXPECT_EQ(pipeline.results()["best"], results["best"]);
  EXPECT_EQ(bowl->most_runs(), 1);
  EXPECT_EQ(bowl->designs_run(), swept + 24);
}

TEST_F(RoundsOfAStudy, GoOnWhereTheyStopped) {
  const auto whole = std::make_shared<const Bowl>(), parts = std::make_shared<const Bowl>();
  const json expected = run(study("whole", whole, 2));
  int stops = 0;
  for (int after = 2;; after += 2) {
    StoppingMonitor monitor(after);
    try {
      EXPECT_EQ(run(study("parts", parts, 2), monitor), expected);
      break;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::interrupted) << error.what();
      ++stops;
    }
  }
  EXPECT_GE(stops, 3);
  EXPECT_EQ(parts->designs_run(), swept + 16);
  EXPECT_EQ(parts->most_runs(), 1);
}

TEST_F(RoundsOfAStudy, GoOnFromWithinABatch) {
  const auto whole = std::make_shared<const Bowl>();
  const auto parts = std::make_shared<Bowl>();
  const json expected = run(study("whole", whole, 2));
  StudyFile asked = study("parts", parts, 2);
  asked.threads = 1;
  // As a kill: the program ends in the middle of the second round.
  parts->fails = [&](double, double) -> bool {
    if (parts->designs_run() > swept + 13) throw std::runtime_error("killed");
    return false;
  };
  EXPECT_THROW(run(asked), std::runtime_error);
  parts->fails = nullptr;
  EXPECT_EQ(run(asked), expected);
}

TEST_F(RoundsOfAStudy, MoreOfThemGoOnFromThoseThatAreDone) {
  const auto bowl = std::make_shared<const Bowl>();
  const json expected = run(study("at-once", std::make_shared<const Bowl>(), 3));
  EXPECT_EQ(run(study("out", bowl, 1))["rounds"]["budget"], 8);
  EXPECT_EQ(run(study("out", bowl, 3)), expected);
  EXPECT_EQ(bowl->most_runs(), 1);
  StoppingMonitor monitor;
  EXPECT_EQ(run(study("out", bowl, 2), monitor), expected);
  EXPECT_THAT(monitor.messages, testing::Contains("3 rounds are there already: no further one is begun"));
  EXPECT_EQ(bowl->designs_run(), swept + 24);

  // Where other trials have joined, they begin anew, with these.
  StudyFile more = study("out", bowl, 1);
  more.sweep_designs = 80;
  StoppingMonitor other;
  const json anew = run(more, other);
  EXPECT_THAT(other.messages, testing::Contains(testing::HasSubstr("they begin anew")));
  EXPECT_EQ(anew["rounds"]["start"]["rows"], 80);
  EXPECT_EQ(anew["rounds"]["queries"], 8);
  EXPECT_EQ(anew["dataset"]["rows"], 88);
}

TEST_F(RoundsOfAStudy, StopWhereNoDesignIsLeft) {
  const auto bowl = std::make_shared<const Bowl>();
  StudyFile asked = study("out", bowl, 9, 8);
  StoppingMonitor monitor;
  const json results = run(asked, monitor);
  // 8 × 8 designs, of which 56 have a >= 1; every one of these is simulated in the end, and no other beside the sweep.
  std::size_t swept_outside = 0;
  const Store store(asked.store_location(), Store::Mode::read_only);
  const Dataset data = StudyTrials(asked).log(test::borrowed(store))->read();
  for (const DesignId id : data.designs) swept_outside += asked.space->design(id)[0] == 0 ? 1 : 0;
  EXPECT_EQ(data.rows(), 56 + swept_outside);
  EXPECT_EQ(results["rounds"]["queries"], 56 + swept_outside - swept);
  EXPECT_TRUE(results["rounds"]["exhausted"].get<bool>());
  EXPECT_THAT(monitor.messages,
              testing::Contains(testing::HasSubstr("no further design is within the limits that are known")));
  EXPECT_EQ(results["best"]["objective"], 5) << "a = 5, b = 7";
  EXPECT_EQ(run(asked), results);
}

TEST_F(RoundsOfAStudy, SetFailingDesignsAsideAndDoNotChooseThemAgain) {
  const auto bowl = std::make_shared<Bowl>();
  bowl->fails = [](double a, double b) { return a + b == 14; };
  StudyFile asked = study("out", bowl, 4);
  const json results = run(asked);
  std::set<DesignId> seen;
  for (const json& round : results["rounds"]["rounds"]) {
    for (const json& design : round["designs"]) EXPECT_TRUE(seen.insert(design["id"].get<DesignId>()).second);
  }
  EXPECT_EQ(seen.size(), 32U);
  EXPECT_EQ(results["rounds"]["queries"], 32) << "a failed design is a query, too";
  EXPECT_GT(results["rounds"]["failed"], 0);
  EXPECT_EQ(results["rounds"]["feasible"].get<int>() + results["rounds"]["failed"].get<int>() +
                static_cast<int>(std::count_if(seen.begin(), seen.end(),
                                               [&](DesignId id) {
                                                 const Design design = asked.space->design(id);
                                                 return design[0] == design[1] && design[0] + design[1] != 14;
                                               })),
            32);
  EXPECT_EQ(run(asked), results);
}

}  // namespace
}  // namespace corbel
