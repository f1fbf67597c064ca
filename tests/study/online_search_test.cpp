#include "corbel/study/online_search.hpp"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "base/expect_error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/study/study_keys.hpp"
#include "corbel/study/study_trials.hpp"
#include "support/borrowed.hpp"
#include "support/stopping_monitor.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using test::StoppingMonitor;

/// Cost (a − 13)² + (b − 31)² + 1, area a + b; does not compile where a = b. Counts what it runs.
class Bowl final : public Simulator {
 public:
  explicit Bowl(bool needs_workload = true) : needs_workload_(needs_workload) {}
  const std::string& name() const override { return name_; }
  const std::string& fingerprint() const override { return name_; }
  std::span<const HardwareParameter> hardware_parameters() const override { return parameters_; }
  std::span<const MetricInfo> metrics() const override { return metrics_; }
  bool needs_workload() const override { return needs_workload_; }
  std::vector<double> static_metrics(const Hardware& hardware) const override {
    return {std::numeric_limits<double>::quiet_NaN(), area(hardware)};
  }
  std::vector<Outcome> simulate(std::span<const Hardware> all, const Network*) const override {
    std::vector<Outcome> outcomes;
    for (const Hardware& hardware : all) {
      const double a = std::get<double>(hardware[0]), b = std::get<double>(hardware[1]);
      const std::lock_guard lock(mutex_);
      const int run = ++runs_[{a, b}];
      if (fails && fails(a, b, run)) {
        outcomes.push_back({OutcomeState::failed, "crash", "", {}});
      } else if (a == b) {
        outcomes.push_back({OutcomeState::infeasible, "square", "", {}});
      } else {
        const double cost = (a - 13) * (a - 13) + (b - 31) * (b - 31) + 1;
        outcomes.push_back({OutcomeState::complete, "", "", {cost, area(hardware)}});
      }
    }
    return outcomes;
  }

  std::size_t designs_run() const { return runs_.size(); }
  int runs() const {
    int all = 0;
    for (const auto& [design, count] : runs_) all += count;
    return all;
  }
  bool ran_over(double most) const {
    return std::any_of(runs_.begin(), runs_.end(),
                       [&](const auto& run) { return run.first.first + run.first.second > most; });
  }
  /// Whether the n-th run of a design fails.
  std::function<bool(double, double, int)> fails;

 private:
  static double area(const Hardware& hardware) { return std::get<double>(hardware[0]) + std::get<double>(hardware[1]); }
  std::string name_ = "bowl";
  bool needs_workload_;
  std::vector<HardwareParameter> parameters_ = {{"a", "", ""}, {"b", "", ""}};
  std::vector<MetricInfo> metrics_ = {{"cost_ms", "", true}, {"area_mm2", "", false}};
  mutable std::mutex mutex_;
  mutable std::map<std::pair<double, double>, int> runs_;
};

class OnlineSearch : public testing::Test {
 protected:
  /// 50 × 50 designs.
  StudyFile study(std::shared_ptr<const Simulator> simulator, const std::vector<std::string>& limits = {}) const {
    StudyFile made;
    made.file = "study.yaml";
    made.space = DesignSpace({Parameter::integer("a", 0, 49), Parameter::integer("b", 0, 49)});
    made.simulator = std::move(simulator);
    made.workloads.add({load_network("mobilenet_v2"), "mobilenet_v2", 1});
    made.objective = "cost_ms";
    for (const std::string& limit : limits) made.constraints.push_back(Constraint::parse(limit));
    made.search.proposals = 5;
    made.threads = 2;
    made.output = folder.path();
    return made;
  }
  Store store(const std::string& name = "trials.db") const { return Store(folder / name, Store::Mode::read_write); }
  /// Without the time it took.
  static json search(const StudyFile& study, const OnlineSettings& settings, Store& store,
                     Monitor& monitor = silent_monitor()) {
    json found = search_online(study, settings, StudyKeys(study).online(settings), store, {}, monitor);
    EXPECT_GE(found.at("seconds").get<double>(), 0);
    found.erase("seconds");
    return found;
  }
  test::TemporaryFolder folder;
};

TEST_F(OnlineSearch, FindsTheOptimumAndCountsEveryQuery) {
  const auto bowl = std::make_shared<const Bowl>();
  Store trials = store();
  const json found = search(study(bowl), {"firefly", {}, 600}, trials);
  EXPECT_EQ(found["queries"], 600);
  EXPECT_EQ(found["simulated"], 600);
  EXPECT_EQ(bowl->designs_run(), 600U);
  EXPECT_EQ(found["best"]["objective"], 1);
  EXPECT_EQ(found["best"]["design"], (json{{"a", 13}, {"b", 31}}));
  EXPECT_EQ(found["best"]["metrics"], (json{{"cost_ms", 1}, {"area_mm2", 44}}));
  ASSERT_EQ(found["top"].size(), 5U);
  EXPECT_EQ(found["top"][0], found["best"]);
  EXPECT_EQ(found["top"][1]["objective"], 2);
  EXPECT_EQ(found["history"].back()[1], 1);
  EXPECT_EQ(found["method"], "firefly");
  EXPECT_EQ(found["batch"], 8);
  EXPECT_EQ(found["failed"], 0);
  EXPECT_EQ(found["feasible"], found["within_limits"]);
  EXPECT_FALSE(found["exhaustive"].get<bool>());
  // What it simulated are trials like any other.
  const TrialLog data = StudyTrials(study(bowl)).log(test::borrowed(trials)).value();
  EXPECT_EQ(data.rows(), 600U);
  EXPECT_EQ(data.feasible(), found["feasible"].get<std::size_t>());
}

TEST_F(OnlineSearch, MaximisesAndTellsTheMetricItself) {
  StudyFile asked = study(std::make_shared<const Bowl>());
  asked.direction = Direction::maximise;
  Store trials = store();
  const json found = search(asked, {"scan", {}, 2500}, trials);
  // The corner farthest from (13, 31), with 36² + 31² + 1; the one at (49, 49) does not compile.
  EXPECT_EQ(found["best"]["design"], (json{{"a", 49}, {"b", 0}}));
  EXPECT_EQ(found["best"]["objective"], 36 * 36 + 31 * 31 + 1);
  EXPECT_EQ(found["history"].back()[1], found["best"]["objective"]);
  for (std::size_t i = 1; i < found["history"].size(); ++i) {
    EXPECT_GT(found["history"][i][1].get<double>(), found["history"][i - 1][1].get<double>());
  }
  for (std::size_t i = 1; i < found["top"].size(); ++i) {
    EXPECT_LE(found["top"][i]["objective"].get<double>(), found["top"][i - 1]["objective"].get<double>());
  }
  EXPECT_NE(StudyKeys(asked).question(), StudyKeys(study(asked.simulator)).question());
}

TEST_F(OnlineSearch, IsTheSameForAnyNumberOfThreadsAndWhateverIsKnown) {
  StudyFile one = study(std::make_shared<const Bowl>()), four = study(std::make_shared<const Bowl>());
  one.threads = 1;
  four.threads = 4;
  Store first = store("a.db"), second = store("b.db");
  json expected = search(one, {"evolution", {}, 200}, first);
  EXPECT_EQ(search(four, {"evolution", {}, 200}, second), expected);

  four.sweep_designs = 700;
  Store swept = store("c.db");
  StudyTrials(four).sweep(swept, silent_monitor());
  json found = search(four, {"evolution", {}, 200}, swept);
  EXPECT_LT(found["simulated"], 200);
  EXPECT_GT(found["simulated"], 50);
  found["simulated"] = expected["simulated"];
  EXPECT_EQ(found, expected) << "trials that were there change the cost, not the answer";
}

TEST_F(OnlineSearch, ScansASpaceThatTheBudgetCovers) {
  const auto bowl = std::make_shared<const Bowl>();
  StudyFile small = study(bowl, {"b >= 20"});
  small.sweep_designs = 1000;
  Store trials = store();
  StudyTrials(small).sweep(trials, silent_monitor());
  const Dataset swept = StudyTrials(small).log(test::borrowed(trials))->read();
  std::uint64_t known = 0;
  for (const DesignId id : swept.designs) known += small.space->design(id)[1] >= 20 ? 1 : 0;
  StoppingMonitor monitor;
  const json found = search(small, {"scan", {}, 2500}, trials, monitor);
  EXPECT_EQ(found["queries"], 1500);
  EXPECT_EQ(found["simulated"], 1500 - known);
  EXPECT_TRUE(found["exhaustive"].get<bool>());
  EXPECT_EQ(found["method"], "scan");
  EXPECT_EQ(found["feasible"], 1470) << "all but 30 with a = b";
  EXPECT_EQ(found["best"]["objective"], 1);
  EXPECT_THAT(monitor.messages,
              testing::Contains("every admitted design has been queried: 1,500 where 2,500 were allowed"));
}

TEST_F(OnlineSearch, TestsLimitsOfTheHardwareBeforeItSimulates) {
  const auto bowl = std::make_shared<const Bowl>();
  Store trials = store("a.db");
  const json found = search(study(bowl, {"area_mm2 <= 40", "a >= 2"}), {"firefly", {}, 300}, trials);
  EXPECT_FALSE(bowl->ran_over(40));
  EXPECT_EQ(found["best"]["objective"], 9) << "a = 11, b = 29: four from the optimum along the limit";
  EXPECT_EQ(found["best"]["margins"][0]["basis"], "formula");
  EXPECT_EQ(found["best"]["margins"][0]["margin"], 0);

  // Of a recorded table, an area is only known by looking the design up.
  const auto table = std::make_shared<const Bowl>(/*needs_workload=*/false);
  StudyFile recorded = study(table, {"area_mm2 <= 40"});
  recorded.workloads = {};
  Store others = store("b.db");
  const json looked_up = search(recorded, {"random", {}, 300}, others);
  EXPECT_TRUE(table->ran_over(40));
  EXPECT_LT(looked_up["within_limits"], looked_up["feasible"]);
}

TEST_F(OnlineSearch, GoesOnWhereItStopped) {
  for (const char* method : {"random", "evolution", "firefly"}) {
    Store uninterrupted = store(std::string(method) + "-whole.db"), trials = store(std::string(method) + ".db");
    const auto whole = std::make_shared<const Bowl>(), parts = std::make_shared<const Bowl>();
    const OnlineSettings settings{method, {}, 150};
    const json expected = search(study(whole), settings, uninterrupted);
    StoppingMonitor stops(5);
    expect_error([&] { search(study(parts), settings, trials, stops); }, ErrorCode::interrupted,
                 "stopped: 40 of 150 queries are stored", "the same command");
    EXPECT_EQ(parts->designs_run(), 40U);
    StoppingMonitor monitor;
    EXPECT_EQ(search(study(parts), settings, trials, monitor), expected) << method;
    EXPECT_EQ(parts->designs_run(), 150U);
    EXPECT_EQ(parts->runs(), 150) << "nothing is simulated twice";
    EXPECT_THAT(monitor.messages, testing::ElementsAre("resuming: 40 of 150 queries are there"));
    // And once more: all is there.
    EXPECT_EQ(search(study(parts), settings, trials), expected);
    EXPECT_EQ(parts->runs(), 150);
  }
}

TEST_F(OnlineSearch, TriesFailedRunsAgainAndSetsThemAside) {
  const auto flaky = [] {
    const auto bowl = std::make_shared<Bowl>();
    // Where a is odd the first two runs fail; where b is 0 to 4 all do.
    bowl->fails = [](double a, double b, int run) { return b < 5 || (static_cast<int>(a) % 2 == 1 && run <= 2); };
    return bowl;
  };
  const auto bowl = flaky();
  Store trials = store();
  const json found = search(study(bowl), {"random", {}, 300}, trials);
  std::set<DesignId> failing;
  EXPECT_EQ(found["queries"], 300);
  EXPECT_GT(found["failed"], 10);
  EXPECT_EQ(bowl->designs_run(), 300U);
  const int runs = bowl->runs();
  EXPECT_EQ(StudyTrials(study(bowl)).log(test::borrowed(trials))->rows(), 300 - found["failed"].get<std::size_t>());
  EXPECT_EQ(search(study(bowl), {"random", {}, 300}, trials), found);
  EXPECT_EQ(bowl->runs(), runs) << "what was set aside stays so";

  // Another search tries them anew.
  EXPECT_GT(search(study(bowl), {"random", {}, 301}, trials)["failed"], 10);
  EXPECT_GT(bowl->runs(), runs);

  // A search that stops in between ends the same.
  Store other = store("b.db");
  const auto parts = flaky();
  StoppingMonitor stops(9);
  expect_error([&] { search(study(parts), {"random", {}, 300}, other, stops); }, ErrorCode::interrupted, "72 of 300");
  EXPECT_EQ(search(study(parts), {"random", {}, 300}, other), found);
  EXPECT_EQ(parts->runs(), runs);
}

TEST_F(OnlineSearch, GivesUpOnASimulatorThatAlwaysFails) {
  const auto bowl = std::make_shared<Bowl>();
  bowl->fails = [](double, double, int) { return true; };
  Store trials = store();
  expect_error(
      [&] {
        search(study(bowl), {"firefly", {}, 1000}, trials);
      },
      ErrorCode::tool_failure, "simulator `bowl` failed on all 104 designs, each tried 3 times; the last: crash",
      "corbel simulate");
  expect_error([&] { search(study(bowl), {"firefly", {}, 3}, trials); }, ErrorCode::tool_failure, "all 3 designs");
}

TEST_F(OnlineSearch, FindsNothingWhereNothingIsWithinTheLimits) {
  Store trials = store();
  const json none = search(study(std::make_shared<const Bowl>(), {"cost_ms <= 0.5"}), {"firefly", {}, 40}, trials);
  EXPECT_TRUE(none["best"].is_null());
  EXPECT_TRUE(none["top"].empty());
  EXPECT_EQ(none["within_limits"], 0);
  EXPECT_GT(none["feasible"], 30);
  const json unsearchable = search(study(std::make_shared<const Bowl>(), {"area_mm2 < 0"}), {"auto", {}, 40}, trials);
  EXPECT_EQ(unsearchable["queries"], 0);
  EXPECT_EQ(unsearchable["method"], "firefly");
  EXPECT_TRUE(unsearchable["best"].is_null());
}

TEST_F(OnlineSearch, TellsWhichDesignsJoinTheTrialsBeforeTheyDo) {
  const auto bowl = std::make_shared<const Bowl>();
  const StudyFile asked = study(bowl);
  Store trials = store();
  std::vector<DesignId> joined;
  search_online(
      asked, {"random", {}, 20}, "key", trials,
      [&](std::span<const DesignId> ids) {
        EXPECT_EQ(bowl->designs_run(), joined.size());
        joined.insert(joined.end(), ids.begin(), ids.end());
      },
      silent_monitor());
  std::sort(joined.begin(), joined.end());
  EXPECT_EQ(joined, StudyTrials(asked).log(test::borrowed(trials))->read().designs);
}

TEST_F(OnlineSearch, RefusesWhatItCannotDo) {
  Store trials = store();
  const StudyFile asked = study(std::make_shared<const Bowl>());
  const auto refused = [&](const OnlineSettings& settings, const std::string& part, const std::string& hint) {
    expect_error([&] { search(asked, settings, trials); }, ErrorCode::invalid_input, part, hint);
  };
  refused({"firefy", {}, 10}, "unknown strategy `firefy`", "did you mean `firefly`?");
  refused({"firefly", {{"pol", 3}}, 10}, "unknown option of strategy `firefly` `pol`", "pool");
  refused({"firefly", {}, 10, 0}, "a batch of 0 designs", "at least 1");
  refused({"firefly", {}, 0}, "a budget of 0 queries", "at least 1");
  refused({"scan", {}, 2499},
          "study.yaml: a scan simulates every design, and there are 2,500 where the budget is 2,499",
          "name a strategy, such as firefly");
  StudyFile without = asked;
  without.simulator = nullptr;
  expect_error(
      [&] {
        search_online(without, {"firefly", {}, 10}, "", trials, {}, silent_monitor());
      },
      ErrorCode::unsupported, "study.yaml: there is no simulator to search on", "corbel ask");
}

TEST_F(OnlineSearch, HasAKeyOfAllThatDecidesItsAnswer) {
  const StudyFile asked = study(std::make_shared<const Bowl>());
  const OnlineSettings settings{"firefly", {{"pool", 20}}, 100, 8};
  const std::string key = StudyKeys(asked).online(settings);
  EXPECT_EQ(StudyKeys(asked).online(settings), key);
  OnlineSettings other = settings;
  other.method = "evolution";
  EXPECT_NE(StudyKeys(asked).online(other), key);
  other = settings;
  other.options["pool"] = 21;
  EXPECT_NE(StudyKeys(asked).online(other), key);
  other = settings;
  other.budget = 101;
  EXPECT_NE(StudyKeys(asked).online(other), key);
  other = settings;
  other.batch = 7;
  EXPECT_NE(StudyKeys(asked).online(other), key);
  StudyFile changed = asked;
  changed.seed = 2;
  EXPECT_NE(StudyKeys(changed).online(settings), key);
  changed = asked;
  changed.constraints.push_back(Constraint::parse("area_mm2 <= 40"));
  EXPECT_NE(StudyKeys(changed).online(settings), key);
  changed = asked;
  changed.objective = "area_mm2";
  EXPECT_NE(StudyKeys(changed).online(settings), key);
  changed = asked;
  changed.threads = 7;
  EXPECT_EQ(StudyKeys(changed).online(settings), key);
}

}  // namespace
}  // namespace corbel
