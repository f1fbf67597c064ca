#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "corbel/dataset/store.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

class Monitor;
class SurrogateObjective;

/// How a study's trade-offs are searched for.
struct ParetoSettings {
  std::vector<std::string> metrics;  ///< traded off beside the objective: one or two
  std::string metrics_place = "";    ///< where they stand, for errors
  std::string method = "nsga2";      ///< one of front_methods()
  StrategyOptions options = {};      ///< of the method
  std::uint64_t budget = 0;          ///< designs to query
  std::size_t batch = 8;             ///< designs per ask: on a simulator those simulated side by side
  /// What hypervolumes are measured up to, the objective's value first; empty: the worst design within the limits.
  std::vector<double> reference = {};
  std::vector<std::string> maximised = {};  ///< those of `metrics` that are maximised, not minimised
};

/// "nsga2", "scan" (every admitted design), and every strategy, by decomposition.
std::vector<std::string> front_methods();

/// The metrics traded off: the objective and the settings'.
/// @param known  what there is
/// @throws Error{invalid_input} with the near miss for an unknown one; for one that is named twice or is the objective,
///         or for other than one or two
std::vector<std::string> front_metrics(const std::string& objective, const ParetoSettings& settings,
                                       const std::vector<std::string>& known);

/// Searches the study's simulator for the Pareto front of its objective and other metrics within its limits. Trials,
/// determinism, resuming and failed runs are as of search_online, and so are the parameters.
/// @return `pareto` of docs/formats/results.md
/// @throws Error{unsupported} without a simulator; Error{invalid_input} for settings that are impossible;
///         Error{tool_failure}; Error{interrupted}
nlohmann::json search_front(const StudyFile& study, const ParetoSettings& settings, const std::string& key,
                            Store& store, const std::function<void(std::span<const DesignId>)>& joining,
                            Monitor& monitor);

/// The same on the surrogate: what it predicts of them, and formulas where there are.
/// @param domain  where to look
/// @throws Error{invalid_input} for a metric that the model does not predict, or impossible settings;
///         Error{interrupted}
nlohmann::json predict_front(const StudyFile& study, const ParetoSettings& settings,
                             const SurrogateObjective& objective, const SearchDomain& domain, Monitor& monitor);

}  // namespace corbel
