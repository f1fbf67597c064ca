#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/search/strategy.hpp"
#include "corbel/study/simulation_objective.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

class Monitor;

/// What the methods of an experiment search: designs of one space that are run one by one.
struct ExperimentQuestion {
  std::string name;    ///< for people: "maestro_resnet50.csv.gz", the study's name
  std::string source;  ///< "table" or "simulator"
  std::string key;     ///< fingerprint of all that decides a design's score
  std::string metric;  ///< the objective
  std::vector<std::string> constraints;
  std::shared_ptr<const SimulationObjective> objective;  ///< thread-safe
  std::shared_ptr<const SearchDomain> domain;            ///< what may be asked for
  /// The least objective within the limits, where it is known, and why: "every design is recorded".
  std::optional<double> optimum;
  std::string optimum_basis;
};

/// Every row of a recorded table is a run that may be asked for; its limits on metrics are known only by asking.
/// @param space  inferred from the file if empty
/// @throws as plan_import, make_table_simulator and Question
ExperimentQuestion experiment_on_table(const std::filesystem::path& file, const std::optional<DesignSpace>& space,
                                       const std::string& objective, std::span<const Constraint> constraints,
                                       Monitor& monitor);
/// On a study's simulator, with its objective and limits. @throws Error{unsupported} for a study without a simulator
ExperimentQuestion experiment_on_study(const StudyFile& study);

/// A strategy with options of its own.
struct ExperimentMethod {
  std::string label;  ///< as written: "firefly", "firefly:pool=20,perturbation=0.2"
  std::string strategy;
  StrategyOptions options;

  /// @throws Error{invalid_input} naming the text, for an unknown strategy or option (with the near miss) or a value
  ///         out of range
  static ExperimentMethod parse(std::string_view text);
  /// Several with commas between them: "random,firefly:pool=20,perturbation=0.2".
  static std::vector<ExperimentMethod> parse_list(std::string_view text);
};

struct ExperimentOptions {
  std::vector<ExperimentMethod> methods;
  std::uint64_t seeds = 10;  ///< runs of each method, with the seeds first_seed, first_seed + 1, …
  std::uint64_t first_seed = 1;
  std::vector<std::uint64_t> budgets = {250, 1000};  ///< queries; a run has the largest, and is looked at at each
  std::size_t batch = 1;                             ///< designs asked for at a time
  std::size_t threads = 0;                           ///< runs at a time; 0: all cores
  std::optional<double> optimum;                     ///< known from elsewhere
  std::filesystem::path folder;                      ///< where the runs are kept
  bool fresh = false;                                ///< removes the runs that are there first
};

/// Runs every method with every seed and compares them: docs/experiment.md has the keys of what it returns. Each run
/// is kept in `folder` as it goes, so that the same call after Ctrl-C or a kill goes on, and a larger budget or
/// another method adds to what is there. All methods get the same number of queries, and every one is counted.
/// Deterministic but for the times, for any number of threads.
/// @throws Error{invalid_input} for no methods, budgets or seeds, or a method named twice; Error{file_access} if
/// another
///         process works in the folder, or it cannot be written; Error{interrupted}
nlohmann::json run_experiment(const ExperimentQuestion& question, const ExperimentOptions& options, Monitor& monitor);

}  // namespace corbel
