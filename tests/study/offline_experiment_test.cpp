#include "corbel/study/offline_experiment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/workload/network.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using test::TemporaryFolder;

/// 8,000 designs. Latency falls with `a` and `b`, area grows with them; where c is above 15 nothing runs, and where c
/// is below 5 it only looks as if it were fast. The best within the area is 10.5, of one design.
ExperimentQuestion slopes() {
  DesignSpace space({Parameter::integer("a", 0, 19), Parameter::integer("b", 0, 19), Parameter::integer("c", 0, 19)});
  ExperimentQuestion question;
  question.name = "slopes";
  question.source = "table";
  question.key = "slopes 1";
  question.metric = "latency_ms";
  question.constraints = {"area_mm2 <= 20"};
  StudyFile study;
  study.space = space;
  study.objective = "latency_ms";
  study.constraints = {Constraint::parse("area_mm2 <= 20", "here")};
  question.objective = std::make_shared<const SimulationObjective>(
      Question(space, {"latency_ms", "area_mm2"}, "latency_ms", study.constraints),
      [](std::span<const Design> designs) {
        std::vector<Outcome> outcomes;
        for (const Design& x : designs) {
          const double latency = 40.0 - x[0] - 1.5 * x[1] + std::fabs(x[2] - 10.0), area = x[0] + x[1];
          if (x[2] > 15) {
            outcomes.push_back({OutcomeState::infeasible, "c", "", {std::nan(""), area}});
          } else {
            outcomes.push_back({OutcomeState::complete, "", "", {latency, area}});
          }
        }
        return outcomes;
      });
  question.domain = std::make_shared<const SearchDomain>(SearchDomain{space, {}});
  question.optimum = 10.5;
  question.optimum_basis = "by hand";
  question.study = std::make_shared<const StudyFile>(std::move(study));
  return question;
}

/// The same 20 ms slower, so that no latency is below 0; or its throughput, which is to be maximised.
ExperimentQuestion slow_slopes(Direction direction) {
  const bool is_throughput = direction == Direction::maximise;
  ExperimentQuestion question = slopes();
  question.key = is_throughput ? "slopes 3" : "slopes 2";
  question.metric = is_throughput ? "fps" : "latency_ms";
  question.direction = direction;
  question.optimum = is_throughput ? 1000 / 30.5 : 30.5;
  StudyFile study = *question.study;
  study.objective = question.metric;
  study.direction = direction;
  question.objective = std::make_shared<const SimulationObjective>(
      Question(*study.space, {question.metric, "area_mm2"}, question.metric, study.constraints, "", direction),
      [fast = question.objective, is_throughput](std::span<const Design> designs) {
        std::vector<Outcome> outcomes = fast->outcomes(designs);
        for (Outcome& outcome : outcomes) {
          outcome.metrics[0] += 20;
          if (is_throughput) outcome.metrics[0] = 1000 / outcome.metrics[0];
        }
        return outcomes;
      });
  question.study = std::make_shared<const StudyFile>(std::move(study));
  return question;
}

OfflineOptions options(const std::filesystem::path& folder, const std::string& methods) {
  OfflineOptions options;
  options.methods = OfflineMethod::parse_list(methods);
  options.seeds = 3;
  options.log_sizes = {400};
  options.folder = folder;
  return options;
}

json timeless(json experiment) {
  for (json& row : experiment["results"]) row.erase("seconds");
  return experiment;
}

json run(const OfflineOptions& options) {
  return run_offline_experiment(slopes(), options, silent_monitor());
}

const json& row_of(const json& found, const std::string& method) {
  for (const json& row : found["results"]) {
    if (row["method"] == method) return row;
  }
  static const json none;
  return none;
}

constexpr const char* quick = "no_penalties:steps=150,ensemble=1";

TEST(OfflineExperiment, MaximisingThroughputIsMinimisingLatency) {
  const TemporaryFolder folder;
  const auto run_on = [&](const ExperimentQuestion& question, const char* name) {
    OfflineOptions wanted = options(folder / name, "gaussian_process,best_in_log");
    wanted.worst = 40;
    return run_offline_experiment(question, wanted, silent_monitor());
  };
  const json least = run_on(slow_slopes(Direction::minimise), "latency"),
             most = run_on(slow_slopes(Direction::maximise), "fps");
  EXPECT_EQ(most["question"]["objective"]["direction"], "maximise");
  for (std::size_t i = 0; i < 2; ++i) {
    const json &slow = least["results"][i], &fast = most["results"][i];
    for (const std::string place : {"top1", "top16", "top256"}) {
      for (const char* end : {"_median", "_min", "_max"}) {
        const std::string over = place + "_over_optimum" + end;
        EXPECT_NEAR(fast[over].get<double>(), slow[over].get<double>(), 1e-9) << over;
      }
      EXPECT_NEAR(fast[place + "_median"].get<double>(), 1000 / slow[place + "_median"].get<double>(), 1e-9);
      EXPECT_NEAR(fast[place + "_min"].get<double>(), 1000 / slow[place + "_max"].get<double>(), 1e-9);
    }
    EXPECT_EQ(fast["rows_within_limits_median"], slow["rows_within_limits_median"]);
  }
  EXPECT_GT(most["results"][1]["top1_over_optimum_median"].get<double>(), 1.0);
}

TEST(OfflineExperiment, LearnersBeatTheLogAndTheLogBeatsChance) {
  const TemporaryFolder folder;
  const json found =
      run(options(folder.path(), std::string(quick) + ",boosted_trees,gaussian_process,best_in_log,random"));
  EXPECT_EQ(found["experiment"], "offline");
  EXPECT_EQ(found["optimum"]["value"], 10.5);
  ASSERT_EQ(found["results"].size(), 5U);
  const auto top16 = [&](const char* method) {
    return row_of(found, method)["top16_over_optimum_median"].get<double>();
  };
  EXPECT_GT(top16("best_in_log"), 1.0);
  EXPECT_EQ(top16("gaussian_process"), 1.0);
  EXPECT_LE(top16(quick), 1.1);
  EXPECT_LE(top16("boosted_trees"), 1.2);
  EXPECT_GT(top16("random"), 1.3);
  for (const char* method : {quick, "boosted_trees", "gaussian_process"}) {
    const json& row = row_of(found, method);
    EXPECT_LE(row["infeasible_share_top256_median"].get<double>(), 0.05) << method;
    EXPECT_GT(row["said_feasible"].get<int>(), 256) << method << ": of three times 256";
    EXPECT_GE(row["said_feasible_kept"].get<double>(), 0.9) << method;
    EXPECT_GT(row["kendall_heldout_median"].get<double>(), 0.5) << method;
    EXPECT_EQ(row["simulator_queries"], 0);
  }
  EXPECT_EQ(row_of(found, "random")["said_feasible"], 0) << "it says nothing";
  EXPECT_TRUE(row_of(found, "random")["said_feasible_kept"].is_null());
  EXPECT_NEAR(row_of(found, "random")["infeasible_share_top256_median"].get<double>(), 0.2, 0.08);
  EXPECT_TRUE(row_of(found, "random")["kendall_heldout_median"].is_null());
}

TEST(OfflineExperiment, TopKIsTheBestOfTheFirstKAndNeverGetsWorseWithK) {
  const TemporaryFolder folder;
  const json found = run(options(folder.path(), "gaussian_process"));
  const json& row = found["results"][0];
  EXPECT_GE(row["top1_median"].get<double>(), row["top16_median"].get<double>());
  EXPECT_GE(row["top16_median"].get<double>(), row["top256_median"].get<double>());
  EXPECT_EQ(row["top16_over_optimum_median"].get<double>(), row["top16_median"].get<double>() / 10.5);
  const json& points = found["curves"][0]["points"];
  EXPECT_EQ(points[0][0], 1);
  EXPECT_EQ(points[0][1], row["top1_median"]);
  // Of three runs, no two bounds hold the median with 95 %: all of them then.
  EXPECT_EQ(points[0][2], row["top1_min"]);
  EXPECT_EQ(points[0][3], row["top1_max"]);
}

TEST(OfflineExperiment, BaselinesTakeAFormulaOfTheSimulatorAsTheLearnerDoes) {
  const TemporaryFolder folder;
  write_file(folder / "study.yaml",
             "space: edge\nworkload: mobilenet_v2\nsimulator: edge\nobjective: latency_ms\n"
             "constraints: [area_mm2 <= 29]\noutput: out\n");
  const StudyFile study = StudyFile::load(folder / "study.yaml");
  OfflineOptions asked = options(folder / "out", "boosted_trees,random");
  asked.log_sizes = {600};
  asked.seeds = 1;
  const json found = run_offline_experiment(experiment_on_study(study), asked, silent_monitor());
  EXPECT_LT(row_of(found, "boosted_trees")["infeasible_share_top256_median"].get<double>(),
            row_of(found, "random")["infeasible_share_top256_median"].get<double>() / 2);
}

TEST(OfflineExperiment, IsTheSameForAnyNumberOfThreadsAndGoesOnFromWhatIsThere) {
  const TemporaryFolder folder;
  OfflineOptions asked = options(folder / "one", std::string(quick) + ",boosted_trees");
  asked.seeds = 2;
  asked.threads = 1;
  const json first = run(asked);
  asked.folder = folder / "two";
  asked.threads = 4;
  EXPECT_EQ(timeless(run(asked)), timeless(first));
  // What is kept is not made again, to the seconds; what is damaged is.
  asked.folder = folder / "one";
  EXPECT_EQ(run(asked), first);
  for (const auto& file : std::filesystem::directory_iterator(folder / "one" / "runs")) {
    std::ofstream(file.path()) << "{\"key\": 3";
    break;
  }
  EXPECT_EQ(timeless(run(asked)), timeless(first));
}

TEST(OfflineExperiment, AnInterruptedOneGoesOn) {
  class Stop final : public Monitor {
   public:
    void progress(std::string_view, std::uint64_t done, std::uint64_t, std::string_view) override { stop_ = done >= 2; }
    void message(std::string_view) override {}
    bool stop_requested() const override { return stop_; }

   private:
    bool stop_ = false;
  };
  const TemporaryFolder folder;
  OfflineOptions asked = options(folder.path(), "boosted_trees,best_in_log");
  asked.threads = 1;
  Stop stop;
  EXPECT_THROW(run_offline_experiment(slopes(), asked, stop), Error);
  const auto files = std::filesystem::directory_iterator(folder / "runs");
  EXPECT_EQ(std::distance(begin(files), end(files)), 2);
  const json found = run(asked);
  asked.folder = folder / "other";
  EXPECT_EQ(timeless(found), timeless(run(asked)));
}

TEST(OfflineExperiment, ShowsTheWorstOfTheLogWhereAsked) {
  const TemporaryFolder folder;
  OfflineOptions asked = options(folder / "all", "best_in_log");
  const json all = run(asked);
  asked.folder = folder / "worst";
  asked.worst = 20;
  const json worst = run(asked);
  EXPECT_GT(all["results"][0]["rows_within_limits_median"].get<double>(), 20);
  EXPECT_EQ(worst["results"][0]["rows_within_limits_median"], 20);
  EXPECT_GT(worst["results"][0]["top1_median"].get<double>(), all["results"][0]["top1_median"].get<double>());
}

TEST(OfflineExperiment, CountsALogThatIsTooSmallAsNoAnswer) {
  const TemporaryFolder folder;
  OfflineOptions asked = options(folder.path(), "boosted_trees,prime");
  asked.log_sizes = {2};
  const json found = run(asked);
  for (const json& row : found["results"]) {
    EXPECT_EQ(row["refused"], 3);
    EXPECT_TRUE(row["top256_median"].is_null());
  }
}

/// The question as one about a network.
ExperimentQuestion on_network(ExperimentQuestion question, const std::string& name) {
  StudyFile study = *question.study;
  WorkloadSuite workload;
  workload.add({load_network(name), name, 1});
  study.workloads = workload;
  question.study = std::make_shared<const StudyFile>(std::move(study));
  question.name = name;
  question.key += name;
  return question;
}

TEST(OfflineExperiment, LetsOtherNetworksTeach) {
  const TemporaryFolder folder;
  ExperimentQuestion question = on_network(slow_slopes(Direction::minimise), "mobilenet_v2");
  question.others = {on_network(slow_slopes(Direction::minimise), "m6")};
  question.others[0].rows = 600;
  OfflineOptions asked = options(folder.path(), "prime:steps=150,ensemble=1,trees=0,boosted_trees,best_in_log");
  asked.log_sizes = {0};
  asked.seeds = 2;
  const json found = run_offline_experiment(question, asked, silent_monitor());
  const json& taught = found["results"][0];
  EXPECT_EQ(taught["refused"], 0);
  EXPECT_EQ(taught["rows_feasible_median"], 0);
  EXPECT_LT(taught["top256_over_optimum_max"].get<double>(), 1.05) << "it is the other network's answer, too";
  EXPECT_GE(taught["top256_over_optimum_min"].get<double>(), 1.0);
  EXPECT_EQ(row_of(found, "boosted_trees")["refused"], 2) << "it learns from the log alone, which is empty";
  EXPECT_TRUE(row_of(found, "best_in_log")["top256_median"].is_null());
  EXPECT_EQ(found["question"]["learnt_from"], (json{{{"name", "m6"}, {"rows", 600}}}));

  // Kept runs are of the others' logs, too.
  asked.methods = OfflineMethod::parse_list("prime:steps=150,ensemble=1,trees=0");
  EXPECT_EQ(timeless(run_offline_experiment(question, asked, silent_monitor()))["results"][0],
            timeless(found)["results"][0]);
  question.others[0].rows = 60;
  EXPECT_NE(timeless(run_offline_experiment(question, asked, silent_monitor()))["results"][0],
            timeless(found)["results"][0]);
}

TEST(OfflineExperiment, RefusesWhatItCannotDo) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& part, const std::function<void(OfflineOptions&)>& change) {
    OfflineOptions asked = options(folder.path(), "best_in_log");
    change(asked);
    try {
      run(asked);
      ADD_FAILURE() << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_input);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      EXPECT_FALSE(error.hint().empty());
    }
  };
  refused("no methods", [](OfflineOptions& asked) { asked.methods.clear(); });
  refused("no seeds", [](OfflineOptions& asked) { asked.seeds = 0; });
  refused("log of 8001 rows of a space of 8,000", [](OfflineOptions& asked) { asked.log_sizes = {8001}; });
  refused("a log of 0 rows", [](OfflineOptions& asked) { asked.log_sizes = {0}; });
  refused("a log of 9 rows twice", [](OfflineOptions& asked) { asked.log_sizes = {9, 9}; });
  refused("`prime` and `prime:steps=1500`, which are the same",
          [](OfflineOptions& asked) { asked.methods = OfflineMethod::parse_list("prime,prime:steps=1500"); });
}

TEST(OfflineMethod, IsReadWithTheKeysOfTraining) {
  const std::vector<OfflineMethod> methods =
      OfflineMethod::parse_list("prime, no_penalties:steps=20,network=attention ,best_in_log,paper");
  ASSERT_EQ(methods.size(), 4U);
  EXPECT_FALSE(methods[0].training.refit) << "withheld rows are not fitted";
  EXPECT_EQ(methods[1].label, "no_penalties:steps=20,network=attention");
  EXPECT_EQ(methods[1].training.steps, 20);
  EXPECT_EQ(methods[1].training.network, "attention");
  EXPECT_EQ(methods[1].training.grid, (std::vector<Conservatism>{{0, 0}}));
  EXPECT_EQ(methods[3].training.protocol, "paper");
  EXPECT_TRUE(OfflineMethod::parse("prime:refit=true").training.refit);
  const std::vector<OfflineMethod> grids =
      OfflineMethod::parse_list("prime:grid=[{alpha: 0.1, beta: 1}],steps=9,prime:steps=9,random");
  ASSERT_EQ(grids.size(), 3U);
  EXPECT_EQ(grids[0].training.grid, (std::vector<Conservatism>{{0.1, 1}}));
  EXPECT_EQ(grids[0].training.steps, 9);
  for (const Conservatism& entry : OfflineMethod::parse("no_negatives").training.grid) EXPECT_EQ(entry.alpha, 0);
  for (const Conservatism& entry : OfflineMethod::parse("no_infeasible").training.grid) EXPECT_EQ(entry.beta, 0);
  const auto refused = [](const std::string& text, const std::string& part) {
    try {
      OfflineMethod::parse(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_NE((error.what() + error.hint()).find(part), std::string::npos) << error.what() << error.hint();
    }
  };
  refused("primes", "did you mean `prime`?");
  refused("", "unknown offline method");
  refused("prime:step=3", "did you mean `steps`?");
  refused("prime:steps=many", "many");
  refused("prime:steps", "sets no option");
  refused("prime:", "sets no option");
  refused("boosted_trees:depth=3", "has no options");
}

}  // namespace
}  // namespace corbel
