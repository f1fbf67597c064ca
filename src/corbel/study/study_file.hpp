#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corbel/dataset/import.hpp"
#include "corbel/search/direction.hpp"
#include "corbel/search/strategy.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/simulator/suite.hpp"
#include "corbel/space/constraint.hpp"
#include "corbel/space/design_space.hpp"
#include "corbel/surrogate/trainer.hpp"

namespace corbel {

/// What "auto" means where not every design can be scored.
inline constexpr std::string_view default_strategy = "firefly";

inline constexpr std::uint64_t default_sweep_designs = 8000;
inline constexpr std::int64_t most_sweep_designs = 1'000'000'000;

/// What `search.rounds` and `search.simulate` may be.
inline constexpr int most_rounds = 10'000, most_simulated_per_round = 10'000;

struct SearchSettings {
  std::string method = "auto";     ///< a strategy's id, "scan" (every design), or "auto": scan up to 2 million designs
  std::uint64_t budget = 100'000;  ///< designs a strategy may score
  StrategyOptions options;         ///< of the strategy
  std::size_t proposals = 64;      ///< rows of the ranked table
  double min_feasibility = 0.5;    ///< a proposal's predicted probability of being feasible is at least this
  /// A predicted metric stays inside its limit by so many times its median relative error on the withheld rows: a
  /// search ends at its limits, where an even chance of error breaks every second one.
  double caution = 0.5;
  std::size_t rounds = 0;     ///< of learning and simulating, instead of one search; 0: none
  std::size_t simulate = 64;  ///< designs that each of them simulates
};

/// Another network whose trials teach the surrogate, too: in the study's space, on its simulator if it has one.
struct OtherWorkload {
  WorkloadSuite workload;            ///< of one network
  std::optional<ImportSpec> import;  ///< its log, of a study without simulator
  std::uint64_t designs = 0;         ///< to sweep
};

/// What a study file says, read and checked. docs/formats/study.md.
struct StudyFile {
  std::filesystem::path file;
  std::string name;
  std::string space_name;                                  ///< "edge", a file, or "" when written in place
  std::optional<DesignSpace> space;                        ///< empty: inferred from the log
  WorkloadSuite workloads;                                 ///< empty: none is named
  std::shared_ptr<const Simulator> simulator;              ///< may be null when there is a log
  std::string simulator_settings;                          ///< what makes it again elsewhere; Config::dump()
  std::vector<std::pair<std::string, std::string>> fixed;  ///< hardware parameters the space does not vary
  /// Whether its simulations are left to workers; otherwise this process simulates, beside workers if others reach its
  /// store.
  bool hands_out = false;
  std::string objective;
  std::string objective_place;                ///< for errors found later
  Direction direction = Direction::minimise;  ///< of the objective
  std::vector<std::string> pareto;            ///< metrics traded off against the objective: none, one or two
  std::vector<std::string> pareto_maximised;  ///< those of them that are maximised
  std::string pareto_place;
  std::vector<std::string> told;  ///< of `metrics:`: names beyond those that objective and limits read
  std::vector<Constraint> constraints;
  std::uint64_t seed = 1;
  std::size_t threads = 0;  ///< 0: all cores
  std::uint64_t sweep_designs = default_sweep_designs;
  std::optional<ImportSpec> import;
  std::vector<OtherWorkload> learn_from;
  TrainingOptions training;
  SearchSettings search;
  std::size_t validate_designs = 16;
  std::filesystem::path output;        ///< folder of everything the study makes
  std::optional<StoreLocation> store;  ///< of its trials, where they do not lie in the output folder

  /// @throws Error naming file, line and column, with the near miss for unknown keys and names
  static StudyFile load(const std::filesystem::path& file);

  /// Whether it lives on what it is told: it has neither a simulator nor a log.
  bool is_told() const { return !simulator && !import; }
  /// What a program that evaluates its designs tells: the simulator's metrics; without one the objective, what the
  /// limits read, and `told`. The study has a space.
  std::vector<std::string> told_metrics() const;

  /// What its own simulations give; empty without a simulator. With several workloads, also each one's own.
  std::vector<MetricInfo> simulated_metrics() const;

  /// Each of `learn_from` as a study of its own, with this one's question, beside it in the same folder.
  std::vector<StudyFile> others() const;

  StoreLocation store_location() const { return store ? *store : StoreLocation(output / "trials.db"); }
  std::filesystem::path model_file() const { return output / "model.safetensors"; }
  std::filesystem::path results_file() const { return output / "results.json"; }
};

/// What `search.method` may be: "auto", "scan", and every strategy.
std::vector<std::string> search_methods();

/// What a study makes in its output folder.
inline constexpr std::array<std::string_view, 10> study_outputs = {
    "trials.db",   "trials.db-wal", "trials.db-shm", "model.safetensors", "results.json",
    "report.html", "design.json",   "design.yaml",   "checkpoints",       "scan"};

/// A commented study file to start from, around the built-in simulator.
std::string study_template();
/// The same around a program of the user's.
std::string process_study_template();
/// The same around a log, with the columns that plan_import found.
/// @param objective  as of Goal::parse, or "" for the first metric
/// @throws Error{invalid_input} if the log has no metric, or not this one
std::string study_template(const std::filesystem::path& log, const ImportPlan& plan, const std::string& objective);

}  // namespace corbel
