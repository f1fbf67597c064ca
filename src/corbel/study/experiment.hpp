#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/search/strategy.hpp"
#include "corbel/study/experiment_setup.hpp"

namespace corbel {

class Monitor;

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

struct ExperimentOptions : ExperimentSetup {
  std::vector<ExperimentMethod> methods;
  std::vector<std::uint64_t> budgets = {250, 1000};  ///< queries; a run has the largest, and is looked at at each
  std::size_t batch = 1;                             ///< designs asked for at a time
  /// Budgets are of queries that gave a design within the limits, as PRIME compares; the others are free.
  bool feasible_only = false;
};

/// Runs every method with every seed and compares them: docs/experiment.md has the keys of what it returns. Each run
/// is kept in `folder` as it goes, so that the same call after Ctrl-C or a kill goes on, and a larger budget or
/// another method adds to what is there. All methods get the same number of queries, and every one is counted.
/// Deterministic but for the times, for any number of threads.
/// @throws Error{invalid_input} for no methods, budgets or seeds, or a method named twice; as ExperimentFolder;
///         Error{interrupted}
nlohmann::json run_experiment(const ExperimentQuestion& question, const ExperimentOptions& options, Monitor& monitor);

}  // namespace corbel
