#include "corbel/study/experiment.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/monitor.hpp"
#include "support/stopping_monitor.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using test::StoppingMonitor;
using test::TemporaryFolder;

/// 1,000 designs; the least latency is 10 ms at (7, 2, 5), one more for every step away. Odd `c` below 3 are
/// infeasible.
ExperimentQuestion steps(std::atomic<int>* runs = nullptr) {
  DesignSpace space({Parameter::integer("a", 0, 9), Parameter::integer("b", 0, 9), Parameter::integer("c", 0, 9)});
  ExperimentQuestion question;
  question.name = "steps";
  question.source = "simulator";
  question.key = "steps 1";
  question.metric = "latency_ms";
  question.objective = std::make_shared<const SimulationObjective>(
      Question(space, {"latency_ms"}, "latency_ms", {}), [runs](std::span<const Design> designs) {
        std::vector<Outcome> outcomes;
        for (const Design& x : designs) {
          if (runs) ++*runs;
          const double value = 10 + std::fabs(x[0] - 7.0) + std::fabs(x[1] - 2.0) + std::fabs(x[2] - 5.0);
          outcomes.push_back(x[2] == 1 ? Outcome{OutcomeState::infeasible, "odd", "", {}}
                                       : Outcome{OutcomeState::complete, "", "", {value}});
        }
        return outcomes;
      });
  question.domain = std::make_shared<const SearchDomain>(SearchDomain{space, {}});
  question.optimum = 10;
  question.optimum_basis = "by hand";
  return question;
}

ExperimentOptions options(const std::filesystem::path& folder, const std::string& methods) {
  ExperimentOptions options;
  options.methods = ExperimentMethod::parse_list(methods);
  options.seeds = 5;
  options.budgets = {20, 100};
  options.batch = 8;
  options.folder = folder;
  return options;
}

/// Without the times, which differ from run to run.
json timeless(json experiment) {
  for (json& row : experiment["results"]) {
    row.erase("seconds");
    row.erase("strategy_seconds");
  }
  return experiment;
}

json run(const ExperimentQuestion& question, const ExperimentOptions& options) {
  return timeless(run_experiment(question, options, silent_monitor()));
}

TEST(Experiment, EveryMethodGetsTheSameQueriesAndEachIsCounted) {
  const TemporaryFolder folder;
  std::atomic<int> runs = 0;
  const json found = run(steps(&runs), options(folder.path(), "random,firefly,evolution"));
  EXPECT_EQ(runs, 3 * 5 * 100);
  EXPECT_EQ(found["queries"]["all"], 3 * 5 * 100);
  ASSERT_EQ(found["results"].size(), 6u);
  for (const json& row : found["results"]) {
    EXPECT_EQ(row["queries_median"], row["budget"]);
    EXPECT_EQ(row["seeds"], 5);
    EXPECT_EQ(row["found"], 5);
    EXPECT_DOUBLE_EQ(row["regret_median"], row["best_median"].get<double>() / 10 - 1);
    EXPECT_DOUBLE_EQ(row["best_over_optimum_median"], row["best_median"].get<double>() / 10);
    EXPECT_LE(row["best_min"], row["best_median"]);
    EXPECT_LE(row["best_median"], row["best_max"]);
  }
  const json& firefly = found["results"][3];
  EXPECT_EQ(firefly["method"], "firefly");
  EXPECT_EQ(firefly["budget"], 100);
  EXPECT_EQ(firefly["regret_median"], 0);
  EXPECT_LE(firefly["queries_to_optimum_median"], 100);
  EXPECT_GT(found["results"][1]["regret_median"], 0) << "random does not find one of 1,000 designs in 100";
}

TEST(Experiment, BudgetsMayCountTheDesignsWithinTheLimitsAlone) {
  const TemporaryFolder folder;
  ExperimentOptions asked = options(folder.path(), "random,firefly");
  asked.feasible_only = true;
  asked.batch = 7;
  const json found = run(steps(), asked);
  EXPECT_EQ(found["budgets_count"], "feasible");
  // A last batch may go beyond the budget.
  EXPECT_GE(found["queries"]["within_limits"], 2 * 5 * 100);
  EXPECT_LT(found["queries"]["within_limits"], 2 * 5 * (100 + 7));
  for (const json& row : found["results"]) EXPECT_GE(row["queries_median"], row["budget"]);
  EXPECT_GT(found["results"][1]["queries_median"], 100) << "random meets infeasible ones";
  EXPECT_EQ(run(steps(), asked), found) << "kept runs say the same";

  // The queries are those of a run that counts them all.
  ExperimentOptions all = options(folder / "all", "random,firefly");
  all.batch = 7;
  all.budgets = {1000};
  const json whole = run(steps(), all);
  EXPECT_LE(whole["results"][1]["best_median"], found["results"][3]["best_median"]);
}

TEST(Experiment, AMethodThatFindsNothingWithinTheLimitsEndsToo) {
  const TemporaryFolder folder;
  ExperimentOptions asked = options(folder.path(), "random");
  asked.feasible_only = true;
  asked.batch = 1;
  asked.budgets = {3};
  ExperimentQuestion question = steps();
  const DesignSpace& space = question.objective->space();
  question.objective = std::make_shared<const SimulationObjective>(
      Question(space, {"latency_ms"}, "latency_ms", {}), [](std::span<const Design> designs) {
        return std::vector<Outcome>(designs.size(), Outcome{OutcomeState::infeasible, "never", "", {}});
      });
  const json row = run(question, asked)["results"][0];
  EXPECT_EQ(row["found"], 0);
  EXPECT_EQ(row["queries_median"], 300);
}

TEST(Experiment, AWholeSpaceEndsARunAndFindsItsOptimum) {
  const TemporaryFolder folder;
  ExperimentOptions all = options(folder.path(), "random");
  all.budgets = {5000};
  const json row = run(steps(), all)["results"][0];
  EXPECT_EQ(row["queries_median"], 1000);
  EXPECT_EQ(row["exact"], 5);
}

TEST(Experiment, GoesOnFromASmallerBudgetAsIfThereHadBeenNone) {
  const TemporaryFolder folder;
  ExperimentOptions small = options(folder.path() / "grown", "firefly,evolution"),
                    whole = options(folder.path() / "whole", "firefly,evolution");
  small.budgets = {30};  // not a multiple of the batch
  run(steps(), small);
  ExperimentOptions grown = small;
  grown.budgets = whole.budgets;
  EXPECT_EQ(run(steps(), grown), run(steps(), whole));
}

TEST(Experiment, RunsNothingTwice) {
  const TemporaryFolder folder;
  const ExperimentOptions once = options(folder.path(), "random,firefly");
  const json first = run(steps(), once);
  std::atomic<int> runs = 0;
  EXPECT_EQ(run(steps(&runs), once), first);
  EXPECT_EQ(runs, 0);
  ExperimentOptions more = once;
  more.methods = ExperimentMethod::parse_list("random,firefly:pool=12,firefly");
  EXPECT_EQ(run(steps(&runs), more)["results"].size(), 6u);
  EXPECT_EQ(runs, 5 * 100);
}

TEST(Experiment, AnotherQuestionHasRunsOfItsOwn) {
  const TemporaryFolder folder;
  run(steps(), options(folder.path(), "random"));
  std::atomic<int> runs = 0;
  ExperimentQuestion other = steps(&runs);
  other.key = "steps 2";
  run(other, options(folder.path(), "random"));
  EXPECT_EQ(runs, 500);
}

TEST(Experiment, TruncatedAndDamagedRunsAreMadeWhole) {
  const TemporaryFolder folder;
  const ExperimentOptions wanted = options(folder.path(), "firefly");
  const json first = run(steps(), wanted);
  int file_number = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "runs")) {
    std::string text = read_file(entry.path());
    switch (file_number++) {
      case 0:
        text.resize(text.size() / 2);
        break;  // killed while it wrote
      case 1:
        text = "not a run\n";
        break;  //
      case 2:
        text.clear();
        break;  //
      case 3:
        text[text.find("[", text.find('\n')) + 1] = '9';
        break;  // another design than the strategy asks for
      default:
        text += "{\"designs\":[1]}\n";
        break;  //
    }
    std::ofstream(entry.path(), std::ios::binary) << text;
  }
  EXPECT_EQ(file_number, 5);
  EXPECT_EQ(run(steps(), wanted), first);
}

TEST(Experiment, ThreadsChangeNothing) {
  const TemporaryFolder folder;
  ExperimentOptions one = options(folder.path() / "one", "firefly,random"), four = one;
  one.threads = 1;
  four.threads = 4;
  four.folder = folder.path() / "four";
  EXPECT_EQ(run(steps(), one), run(steps(), four));
}

TEST(Experiment, GoesOnAfterAnInterruption) {
  const TemporaryFolder folder;
  const json whole = run(steps(), options(folder.path() / "whole", "firefly,evolution"));
  const ExperimentOptions cut = options(folder.path() / "cut", "firefly,evolution");
  std::atomic<int> runs = 0;
  int interruptions = 0;
  while (true) {
    StoppingMonitor monitor(25);
    try {
      EXPECT_EQ(timeless(run_experiment(steps(&runs), cut, monitor)), whole);
      break;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::interrupted);
      ASSERT_LT(++interruptions, 100);
    }
  }
  EXPECT_GT(interruptions, 2);
  EXPECT_EQ(runs, 2 * 5 * 100) << "what was run is not run again";
}

TEST(Experiment, WithoutAKnownOptimumTheBestFoundStandsIn) {
  const TemporaryFolder folder;
  ExperimentQuestion question = steps();
  question.optimum.reset();
  const json found = run(question, options(folder.path(), "firefly,random"));
  EXPECT_EQ(found["optimum"]["value"], 10);
  EXPECT_EQ(found["optimum"]["known"], false);
  ExperimentOptions given = options(folder.path(), "firefly,random");
  given.optimum = 8;
  const json other = run(question, given);
  EXPECT_EQ(other["optimum"]["known"], true);
  EXPECT_DOUBLE_EQ(other["results"][1]["regret_median"], 0.25);
}

TEST(Experiment, FailedRunsAreQueriesWithoutAResult) {
  const TemporaryFolder folder;
  ExperimentQuestion question = steps();
  question.objective = std::make_shared<const SimulationObjective>(
      question.objective->question(),
      [](std::span<const Design> designs) { return std::vector<Outcome>(designs.size()); });
  question.optimum.reset();
  const json found = run(question, options(folder.path(), "firefly"));
  for (const json& row : found["results"]) {
    EXPECT_EQ(row["failed"], row["budget"].get<int>() * 5);
    EXPECT_EQ(row["found"], 0);
    EXPECT_TRUE(row["best_median"].is_null());
    EXPECT_TRUE(row["regret_median"].is_null());
  }
  EXPECT_EQ(found["queries"]["failed"], 500);
}

TEST(Experiment, SpreadIsOfTheRuns) {
  // A space of five designs asked for one at a time: the best of the first is any of 1 … 5.
  const TemporaryFolder folder;
  ExperimentQuestion question;
  question.key = "five";
  question.metric = "cycles";
  question.objective = std::make_shared<const SimulationObjective>(
      Question(DesignSpace({Parameter::integer("a", 0, 4)}), {"cycles"}, "cycles", {}),
      [](std::span<const Design> designs) {
        std::vector<Outcome> outcomes;
        for (const Design& design : designs) outcomes.push_back({OutcomeState::complete, "", "", {design[0] + 1.0}});
        return outcomes;
      });
  question.domain = std::make_shared<const SearchDomain>(SearchDomain{question.objective->space(), {}});
  question.optimum = 1;
  ExperimentOptions one = options(folder.path(), "random");
  one.budgets = {1};
  one.batch = 1;
  one.seeds = 100;
  const json row = run(question, one)["results"][0];
  EXPECT_EQ(row["best_min"], 1);
  EXPECT_EQ(row["best_max"], 5);
  EXPECT_EQ(row["best_median"], 3);
  EXPECT_EQ(row["best_q25"], 2);
  EXPECT_EQ(row["best_q75"], 4);
}

std::string fault(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  return "no error";
}

TEST(ExperimentMethod, ListsOptionsAfterAColon) {
  const std::vector<ExperimentMethod> methods =
      ExperimentMethod::parse_list("random, firefly:pool=20,perturbation=0.2,evolution");
  ASSERT_EQ(methods.size(), 3u);
  EXPECT_EQ(methods[1].label, "firefly:pool=20,perturbation=0.2");
  EXPECT_EQ(methods[1].strategy, "firefly");
  EXPECT_EQ(methods[1].options, (StrategyOptions{{"pool", 20}, {"perturbation", 0.2}}));
  EXPECT_EQ(methods[2].strategy, "evolution");
}

TEST(ExperimentMethod, NamesWhatIsWrong) {
  EXPECT_EQ(fault([] { ExperimentMethod::parse("firefli"); }), "unknown strategy `firefli` | did you mean `firefly`?");
  EXPECT_NE(fault([] { ExperimentMethod::parse("firefly:pol=20"); }).find("did you mean `pool`"), std::string::npos);
  EXPECT_EQ(fault([] { ExperimentMethod::parse("firefly:pool"); }),
            "method `firefly:pool`: `pool` sets no option | write STRATEGY or STRATEGY:OPTION=NUMBER,OPTION=NUMBER");
  EXPECT_NE(fault([] { ExperimentMethod::parse("firefly:pool=8,pool=9"); }).find("`pool` twice"), std::string::npos);
  EXPECT_NE(fault([] { ExperimentMethod::parse_list(""); }).find("unknown strategy"), std::string::npos);
}

TEST(Experiment, RefusesWhatCannotBeCompared) {
  const TemporaryFolder folder;
  const auto fault_of = [&](const std::function<void(ExperimentOptions&)>& change) {
    ExperimentOptions wanted = options(folder.path(), "random");
    change(wanted);
    return fault([&] { run(steps(), wanted); });
  };
  EXPECT_NE(fault_of([](ExperimentOptions& o) { o.methods.clear(); }).find("no methods"), std::string::npos);
  EXPECT_NE(fault_of([](ExperimentOptions& o) { o.methods.push_back(o.methods[0]); }).find("`random` twice"),
            std::string::npos);
  // The same options, left out or written down: their runs would be the same files.
  EXPECT_NE(fault_of([](ExperimentOptions& o) {
              o.methods = ExperimentMethod::parse_list("firefly,random,firefly:perturbation=0.10");
            }).find("`firefly` and `firefly:perturbation=0.10`, which are the same"),
            std::string::npos);
  EXPECT_NE(fault_of([](ExperimentOptions& o) { o.optimum = std::nan(""); }).find("optimum that is no number"),
            std::string::npos);
  EXPECT_NE(fault_of([](ExperimentOptions& o) { o.budgets = {100, 0}; }).find("0 queries"), std::string::npos);
  EXPECT_NE(fault_of([](ExperimentOptions& o) { o.seeds = 0; }).find("no seeds"), std::string::npos);
  EXPECT_NE(fault_of([](ExperimentOptions& o) { o.batch = 0; }).find("0 designs"), std::string::npos);
}

TEST(Experiment, HasItsFolderToItself) {
  // Two that wrote the same runs would append each query twice.
  const TemporaryFolder folder;
  const ExperimentOptions wanted = options(folder.path(), "random");
  std::atomic<int> runs = 0;
  {
    const FileLock other(folder.path() / ".lock");
    EXPECT_NE(fault([&] { run(steps(&runs), wanted); }).find("another process"), std::string::npos);
    EXPECT_EQ(runs, 0);
  }
  run(steps(&runs), wanted);
  EXPECT_EQ(runs, 5 * 100);
}

TEST(Experiment, StartsOverWhenAsked) {
  const TemporaryFolder folder;
  ExperimentOptions wanted = options(folder.path(), "random");
  std::atomic<int> runs = 0;
  const json first = run(steps(&runs), wanted);
  wanted.fresh = true;
  EXPECT_EQ(run(steps(&runs), wanted), first);
  EXPECT_EQ(runs, 2 * 5 * 100);
}

/// A whole table of 3 × 2 designs; the best within the area is 12 at (2, os).
constexpr const char* small_table =
    "pes,dataflow,feasible,runtime_cycles,area_um2\n"
    "1,ws,1,40,10\n1,os,1,30,10\n2,ws,0,,20\n2,os,1,12,20\n4,ws,1,9,40\n4,os,1,8,40\n";

TEST(ExperimentOnTable, KnowsTheOptimumWithinTheLimits) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "table.csv") << small_table;
  const std::vector<Constraint> limits = {Constraint::parse("area_um2 <= 30")};
  const ExperimentQuestion question =
      experiment_on_table(folder.path() / "table.csv", std::nullopt, {"runtime_cycles"}, limits, silent_monitor());
  EXPECT_EQ(question.optimum, 12);
  EXPECT_EQ(question.optimum_basis, "every design of the space is recorded");
  ExperimentOptions all = options(folder.path() / "out", "random");
  all.budgets = {6};
  const json found = run(question, all);
  EXPECT_EQ(found["results"][0]["exact"], 5);
  EXPECT_EQ(found["queries"]["all"], 30) << "a limit on a recorded metric is known only by asking";
  EXPECT_EQ(found["queries"]["within_limits"], 5 * 3);
}

TEST(ExperimentOnTable, MaximisesAColumn) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "table.csv") << small_table;
  const std::vector<Constraint> limits = {Constraint::parse("area_um2 <= 30")};
  const ExperimentQuestion question = experiment_on_table(
      folder.path() / "table.csv", std::nullopt, {"runtime_cycles", Direction::maximise}, limits, silent_monitor());
  EXPECT_EQ(question.optimum, 40);
  ExperimentOptions all = options(folder.path() / "out", "random");
  all.budgets = {1, 6};
  const json found = run(question, all);
  EXPECT_EQ(found["question"]["objective"]["direction"], "maximise");
  EXPECT_EQ(found["optimum"]["value"], 40);
  const json &first = found["results"][0], &last = found["results"][1];
  EXPECT_EQ(last["exact"], 5);
  EXPECT_EQ(last["best_median"], 40);
  EXPECT_EQ(last["regret_max"], 0);
  EXPECT_EQ(last["best_over_optimum_max"], 1);
  // A first design that is within the limits has 40, 30 or 12; others have nothing, which is no ratio but the worst.
  EXPECT_LT(first["exact"].get<int>(), 5);
  EXPECT_EQ(first["best_over_optimum_min"].get<double>(), 40 / first["best_max"].get<double>());
  EXPECT_EQ(found["curves"][0]["points"].back(), (json{6, 40, 40, 40}));
}

TEST(ExperimentOnTable, NamesAnUnknownColumn) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "table.csv") << small_table;
  const auto on_table = [&](const std::string& objective, const char* limit) {
    const std::vector<Constraint> limits = {Constraint::parse(limit, "--constraint")};
    return fault(
        [&] { experiment_on_table(folder.path() / "table.csv", std::nullopt, {objective}, limits, silent_monitor()); });
  };
  EXPECT_NE(on_table("runtime", "area_um2 <= 30").find("unknown metric `runtime`"), std::string::npos);
  EXPECT_NE(on_table("runtime_cycles", "area_mm2 <= 30").find("area_um2"), std::string::npos);
}

}  // namespace
}  // namespace corbel
