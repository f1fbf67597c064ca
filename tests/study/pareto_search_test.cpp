#include "corbel/study/pareto_search.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/expect_error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/search/hypervolume.hpp"
#include "corbel/search/pareto.hpp"
#include "corbel/study/study_keys.hpp"
#include "corbel/study/study_trials.hpp"
#include "support/borrowed.hpp"
#include "support/stopping_monitor.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using test::StoppingMonitor;

/// Faster with a and b, of which a costs energy and both cost area; does not compile where a = b. Counts what it runs.
class Trade final : public Simulator {
 public:
  const std::string& name() const override { return name_; }
  const std::string& fingerprint() const override { return name_; }
  std::span<const HardwareParameter> hardware_parameters() const override { return parameters_; }
  std::span<const MetricInfo> metrics() const override { return metrics_; }
  std::vector<double> static_metrics(const Hardware& hardware) const override {
    return {std::nan(""), std::nan(""), area(number(hardware, 0), number(hardware, 1))};
  }
  std::vector<Outcome> simulate(std::span<const Hardware> all, const Network*) const override {
    std::vector<Outcome> outcomes;
    for (const Hardware& hardware : all) {
      const double a = number(hardware, 0), b = number(hardware, 1);
      const std::lock_guard lock(mutex_);
      ++runs_[{a, b}];
      outcomes.push_back(fails && fails(a, b) ? Outcome{OutcomeState::failed, "crash", "", {}} : outcome(a, b));
    }
    return outcomes;
  }
  static Outcome outcome(double a, double b) {
    if (a == b) return {OutcomeState::infeasible, "square", "", {}};
    return {OutcomeState::complete, "", "", {2000 / ((a + 3) * (b + 2)), a * a + 40 / (b + 1), area(a, b)}};
  }
  static double area(double a, double b) { return 2 * a + b; }

  std::size_t designs_run() const { return runs_.size(); }
  int runs() const {
    int all = 0;
    for (const auto& [design, count] : runs_) all += count;
    return all;
  }
  std::function<bool(double, double)> fails;

 private:
  static double number(const Hardware& hardware, std::size_t i) { return std::get<double>(hardware[i]); }
  std::string name_ = "trade";
  std::vector<HardwareParameter> parameters_ = {{"a", "", ""}, {"b", "", ""}};
  std::vector<MetricInfo> metrics_ = {{"latency_ms", "", true}, {"energy_mj", "", true}, {"area_mm2", "", false}};
  mutable std::mutex mutex_;
  mutable std::map<std::pair<double, double>, int> runs_;
};

class ParetoOfAStudy : public testing::Test {
 protected:
  /// 50 × 50 designs.
  StudyFile study(std::shared_ptr<const Simulator> simulator, const std::vector<std::string>& limits = {}) const {
    StudyFile made;
    made.file = "study.yaml";
    made.space = DesignSpace({Parameter::integer("a", 0, 49), Parameter::integer("b", 0, 49)});
    made.simulator = std::move(simulator);
    made.workloads.add({load_network("mobilenet_v2"), "mobilenet_v2", 1});
    made.objective = "latency_ms";
    for (const std::string& limit : limits) made.constraints.push_back(Constraint::parse(limit));
    made.threads = 2;
    made.output = folder.path();
    return made;
  }
  Store store(const std::string& name = "trials.db") const { return Store(folder / name, Store::Mode::read_write); }
  /// Without the time it took.
  static json search(const StudyFile& study, const ParetoSettings& settings, Store& store,
                     Monitor& monitor = silent_monitor()) {
    json found = search_front(study, settings, StudyKeys(study).front(settings), store, {}, monitor);
    EXPECT_GE(found.at("seconds").get<double>(), 0);
    found.erase("seconds");
    return found;
  }
  static ParetoSettings settings(std::uint64_t budget, const std::string& method = "nsga2") {
    ParetoSettings made;
    made.metrics = {"energy_mj", "area_mm2"};
    made.method = method;
    made.budget = budget;
    return made;
  }
  /// The designs that no other within the limits dominates, looking at all.
  static ParetoFront exact_front(double least_b, double largest_area) {
    ParetoFront front;
    for (std::uint32_t a = 0; a < 50; ++a) {
      for (std::uint32_t b = 0; b < 50; ++b) {
        const Outcome outcome = Trade::outcome(a, b);
        if (outcome.state != OutcomeState::complete || b < least_b || Trade::area(a, b) > largest_area) continue;
        front.offer({a, b}, a * 50 + b, {outcome.metrics, 0});
      }
    }
    return front;
  }
  test::TemporaryFolder folder;
};

TEST_F(ParetoOfAStudy, AScanGivesTheExactFrontWithinTheLimits) {
  const auto trade = std::make_shared<const Trade>();
  Store trials = store();
  StoppingMonitor monitor;
  const json found = search(study(trade, {"b >= 3", "area_mm2 <= 60"}), settings(2500, "scan"), trials, monitor);
  const std::vector<MultiEvaluation> exact = exact_front(3, 60).sorted();
  ASSERT_GT(exact.size(), 20U);
  ASSERT_EQ(found["front"].size(), exact.size());
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const json& design = found["front"][i];
    EXPECT_EQ(design["design"], (json{{"a", exact[i].design[0]}, {"b", exact[i].design[1]}}));
    EXPECT_EQ(design["id"], exact[i].design[0] * 50 + exact[i].design[1]);
    EXPECT_EQ(design["objectives"], json(exact[i].score.objectives));
    EXPECT_EQ(design["metrics"]["energy_mj"], exact[i].score.objectives[1]);
    EXPECT_EQ(design["margins"][1]["constraint"], "area_mm2 <= 60");
    EXPECT_EQ(design["margins"][1]["basis"], "formula");
  }
  EXPECT_TRUE(found["exhaustive"].get<bool>());
  EXPECT_EQ(found["method"], "scan");
  EXPECT_EQ(found["basis"], "simulated");
  EXPECT_EQ(found["metrics"], (json{"latency_ms", "energy_mj", "area_mm2"}));
  // b from 3 and 2a + b ≤ 60: for a = 0 … 5 all 47, then 58 − 2a, down to a = 28; without a = b for a = 3 … 20.
  EXPECT_EQ(found["queries"], 6 * 47 + (46 + 2) * 23 / 2);
  EXPECT_EQ(found["within_limits"], 6 * 47 + (46 + 2) * 23 / 2 - 18);
  EXPECT_EQ(found["simulated"], found["queries"]);
  EXPECT_EQ(found["designs"].size(), found["within_limits"].get<std::size_t>());
  EXPECT_EQ(found["reference_source"], "worst");
  EXPECT_EQ(found["reference"][2], 60);
  EXPECT_EQ(found["history"].back()[1], found["hypervolume"]);
  EXPECT_THAT(monitor.messages, testing::Contains(testing::HasSubstr("every admitted design has been queried")));
  EXPECT_EQ(StudyTrials(study(trade)).log(test::borrowed(trials))->rows(), found["queries"].get<std::size_t>());
}

TEST_F(ParetoOfAStudy, TradesOffWhatIsMaximisedAgainstWhatIsMinimised) {
  // The most energy for the least latency: a² + 40 / (b + 1) and 2000 / ((a + 3)(b + 2)) are both best at a = 49, where
  // b trades one for the other. As (49, 49) does not compile, the least latency is that of (48, 49).
  const StudyFile asked = study(std::make_shared<const Trade>());
  ParetoSettings wanted = settings(2500, "scan");
  wanted.metrics = {"energy_mj"};
  wanted.maximised = {"energy_mj"};
  wanted.reference = {100, -5};
  Store trials = store();
  const json found = search(asked, wanted, trials);
  EXPECT_EQ(found["directions"], (json{"minimise", "maximise"}));
  EXPECT_EQ(found["reference"], (json{100, -5}));
  ASSERT_EQ(found["front"].size(), 50U);
  EXPECT_EQ(found["front"][0]["design"], (json{{"a", 48}, {"b", 49}}));
  for (std::size_t i = 1; i < 50; ++i) {
    const double b = 49.0 - static_cast<double>(i);
    EXPECT_EQ(found["front"][i]["design"], (json{{"a", 49}, {"b", b}}));
    EXPECT_EQ(found["front"][i]["objectives"], (json{2000 / (52 * (b + 2)), 49.0 * 49 + 40 / (b + 1)}));
    EXPECT_EQ(found["front"][i]["metrics"]["energy_mj"], found["front"][i]["objectives"][1]);
  }
  for (const json& design : found["designs"]) EXPECT_GT(design[1].get<double>(), 0);
  ParetoSettings least = wanted;
  least.maximised.clear();
  EXPECT_NE(StudyKeys(asked).front(wanted), StudyKeys(asked).front(least));
}

TEST_F(ParetoOfAStudy, EveryMethodComesCloseWithAFifthOfTheQueries) {
  const std::vector<double> reference = {60, 500, 60};
  const double exact = hypervolume(exact_front(0, 60).points(), reference);
  for (const char* method : {"nsga2", "evolution", "firefly"}) {
    Store trials = store(std::string(method) + ".db");
    ParetoSettings asked = settings(400, method);
    asked.reference = reference;
    const json found = search(study(std::make_shared<const Trade>(), {"area_mm2 <= 60"}), asked, trials);
    EXPECT_EQ(found["queries"], 400);
    EXPECT_EQ(found["reference"], json(reference));
    EXPECT_EQ(found["reference_source"], "given");
    EXPECT_GE(found["hypervolume"].get<double>() / exact, 0.97) << method;
    EXPECT_EQ(found["method"], std::string(method) == "nsga2" ? "nsga2" : "decomposition");
    EXPECT_EQ(found["strategy"], std::string(method) == "nsga2" ? json(nullptr) : json(method));
  }
}

TEST_F(ParetoOfAStudy, IsTheSameForAnyNumberOfThreadsAndWhateverIsKnown) {
  StudyFile one = study(std::make_shared<const Trade>()), four = study(std::make_shared<const Trade>());
  one.threads = 1;
  four.threads = 4;
  four.sweep_designs = 700;
  Store first = store("a.db"), swept = store("b.db");
  StudyTrials(four).sweep(swept, silent_monitor());
  const json expected = search(one, settings(200), first);
  json found = search(four, settings(200), swept);
  EXPECT_LT(found["simulated"], 200);
  found["simulated"] = expected["simulated"];
  EXPECT_EQ(found, expected);
}

TEST_F(ParetoOfAStudy, GoesOnWhereItStopped) {
  for (const char* method : {"nsga2", "evolution"}) {
    Store uninterrupted = store(std::string(method) + "-whole.db"), trials = store(std::string(method) + ".db");
    const auto whole = std::make_shared<const Trade>(), parts = std::make_shared<const Trade>();
    const json expected = search(study(whole), settings(150, method), uninterrupted);
    StoppingMonitor stops(5);
    expect_error([&] { search(study(parts), settings(150, method), trials, stops); }, ErrorCode::interrupted,
                 "stopped: 40 of 150 queries are stored", "the same command");
    StoppingMonitor monitor;
    EXPECT_EQ(search(study(parts), settings(150, method), trials, monitor), expected);
    EXPECT_EQ(parts->runs(), 150) << "nothing is simulated twice";
    EXPECT_THAT(monitor.messages, testing::ElementsAre("resuming: 40 of 150 queries are there"));
  }
}

TEST_F(ParetoOfAStudy, SetsFailedRunsAside) {
  const auto trade = std::make_shared<Trade>();
  trade->fails = [](double a, double) { return a == 0; };
  Store trials = store();
  const json found = search(study(trade), settings(300), trials);
  EXPECT_EQ(found["queries"], 300);
  EXPECT_GT(found["failed"], 3);
  EXPECT_EQ(trade->designs_run(), 300U);
  EXPECT_EQ(trade->runs(), 300 + 2 * found["failed"].get<int>());
  for (const json& design : found["front"]) EXPECT_NE(design["design"]["a"], 0);
  trade->fails = [](double, double) { return true; };
  Store other = store("b.db");
  expect_error([&] { search(study(trade), settings(300), other); }, ErrorCode::tool_failure, "failed on all 104");
}

TEST_F(ParetoOfAStudy, SaysSoWhereNothingIsWithinTheLimits) {
  Store trials = store();
  const json none = search(study(std::make_shared<const Trade>(), {"latency_ms <= 0.01"}), settings(40), trials);
  EXPECT_TRUE(none["front"].empty());
  EXPECT_EQ(none["queries"], 40);
  EXPECT_EQ(none["within_limits"], 0);
  EXPECT_GT(none["feasible"], 30);
  EXPECT_TRUE(none["reference"].empty());
  EXPECT_EQ(none["hypervolume"], 0);
}

TEST_F(ParetoOfAStudy, SaysSoWhereNothingIsBelowTheReference) {
  Store trials = store();
  ParetoSettings asked = settings(40);
  asked.reference = {0, 0, 0};
  StoppingMonitor monitor;
  const json found = search(study(std::make_shared<const Trade>()), asked, trials, monitor);
  EXPECT_EQ(found["hypervolume"], 0);
  EXPECT_FALSE(found["front"].empty());
  EXPECT_THAT(monitor.messages, testing::Contains(testing::HasSubstr("better than the reference point")));
}

TEST_F(ParetoOfAStudy, RefusesWhatItCannotDo) {
  Store trials = store();
  const StudyFile asked = study(std::make_shared<const Trade>());
  const auto refused = [&](const ParetoSettings& with, const std::string& part, const std::string& hint) {
    expect_error([&] { search(asked, with, trials); }, ErrorCode::invalid_input, part, hint);
  };
  ParetoSettings wrong = settings(10);
  wrong.metrics = {"energy_m"};
  refused(wrong, "unknown metric `energy_m`", "did you mean `energy_mj`?");
  wrong.metrics = {"latency_ms"};
  wrong.metrics_place = "study.yaml:9:10";
  refused(wrong, "study.yaml:9:10: `latency_ms` is the objective", "other metrics");
  wrong.metrics = {"area_mm2", "area_mm2"};
  refused(wrong, "`area_mm2` is named twice", "once");
  wrong.metrics = {};
  refused(wrong, "0 metrics to trade off against latency_ms", "one or two");
  refused(settings(10, "nsga"), "unknown Pareto method `nsga`", "did you mean `nsga2`?");
  refused(settings(0), "a budget of 0 queries", "at least 1");
  refused(settings(2499, "scan"), "there are 2,500 where the budget is 2,499", "nsga2");
  wrong = settings(10);
  wrong.reference = {1, 2};
  refused(wrong, "the reference point has 2 values, and 3 metrics are traded off", "latency_ms, energy_mj, area_mm2");
  wrong = settings(10);
  wrong.batch = 0;
  refused(wrong, "a batch of 0 designs", "at least 1");
  wrong = settings(10);
  wrong.options = {{"populatoin", 9}};
  refused(wrong, "populatoin", "population");
  StudyFile without = asked;
  without.simulator = nullptr;
  expect_error([&] { search_front(without, settings(10), "", trials, {}, silent_monitor()); }, ErrorCode::unsupported,
               "study.yaml: there is no simulator to search on", "surrogate");
}

TEST_F(ParetoOfAStudy, HasAKeyOfAllThatDecidesItsAnswer) {
  const StudyFile asked = study(std::make_shared<const Trade>());
  const ParetoSettings usual = settings(100);
  const auto moves = [&](const std::function<void(ParetoSettings&)>& change) {
    ParetoSettings other = usual;
    change(other);
    return StudyKeys(asked).front(other) != StudyKeys(asked).front(usual);
  };
  EXPECT_FALSE(moves([](ParetoSettings&) {}));
  EXPECT_FALSE(moves([](ParetoSettings& other) { other.metrics_place = "elsewhere"; }));
  EXPECT_TRUE(moves([](ParetoSettings& other) { other.metrics = {"energy_mj"}; }));
  EXPECT_TRUE(moves([](ParetoSettings& other) { other.method = "firefly"; }));
  EXPECT_TRUE(moves([](ParetoSettings& other) { other.options["population"] = 32; }));
  EXPECT_TRUE(moves([](ParetoSettings& other) { other.budget = 101; }));
  EXPECT_TRUE(moves([](ParetoSettings& other) { other.batch = 1; }));
  EXPECT_TRUE(moves([](ParetoSettings& other) { other.reference = {1, 2, 3}; }));
  StudyFile seeded = asked;
  seeded.seed = 2;
  EXPECT_NE(StudyKeys(seeded).front(usual), StudyKeys(asked).front(usual));
  StudyFile limited = study(asked.simulator, {"area_mm2 <= 60"});
  EXPECT_NE(StudyKeys(limited).front(usual), StudyKeys(asked).front(usual));
  EXPECT_NE(StudyKeys(limited).trade_offs(), StudyKeys(asked).trade_offs());
  StudyFile traded = asked;
  traded.pareto = {"energy_mj"};
  EXPECT_NE(StudyKeys(traded).trade_offs(), StudyKeys(asked).trade_offs());
  EXPECT_NE(StudyKeys(traded).trade_offs("x"), StudyKeys(traded).trade_offs("y"));
  seeded = traded;
  seeded.search.caution = 0.25;
  EXPECT_NE(StudyKeys(seeded).trade_offs("x"), StudyKeys(traded).trade_offs("x"));
}

TEST_F(ParetoOfAStudy, IsCheckedWhenTheStudyIsLoaded) {
  const std::string edge = "space: edge\nworkload: mobilenet_v2\nsimulator: edge\nobjective: latency_ms\n";
  const auto load = [&](const std::string& line) { return StudyFile::load(folder.write("a.yaml", edge + line)); };
  EXPECT_EQ(load("pareto: [energy_mj, area_mm2]\n").pareto, (std::vector<std::string>{"energy_mj", "area_mm2"}));
  EXPECT_TRUE(load("").pareto.empty());
  const StudyFile mixed = load("pareto: [{maximise: energy_mj}, {minimise: area_mm2}]\n");
  EXPECT_EQ(mixed.pareto, (std::vector<std::string>{"energy_mj", "area_mm2"}));
  EXPECT_EQ(mixed.pareto_maximised, (std::vector<std::string>{"energy_mj"}));
  const auto refused = [&](const std::string& line, const std::string& part, const std::string& hint) {
    expect_error([&] { load(line); }, ErrorCode::invalid_input, part, hint);
  };
  refused("pareto: [energy_mj, area_m2]\n", "a.yaml:5:21: unknown metric `area_m2`", "did you mean `area_mm2`?");
  refused("pareto: [{maximise: latency_ms}]\n", "`latency_ms` is the objective", "one or two");
  refused("pareto: [latency_ms]\n", "a.yaml:5:10: `latency_ms` is the objective", "one or two");
  refused("pareto: [power_w, power_w]\n", "a.yaml:5:19: `power_w` is listed twice", "one or two");
  refused("pareto: []\n", "a.yaml:5:9: `pareto` lists 0 metrics", "one or two");
  refused("pareto: [power_w, energy_mj, area_mm2]\n", "lists 3 metrics", "one or two");
  refused("pareto: energy_mj\n", "a.yaml:5:9: `pareto` is a list", "[energy_mj, area_mm2]");
}

}  // namespace
}  // namespace corbel
