#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "corbel/dataset/trial_log.hpp"
#include "corbel/search/strategy.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

class Error;
class Question;
class SurrogateObjective;
struct SurrogateFindings;

/// A study's constraints, bound to the metrics of its trials.
class LoggedLimits {
 public:
  /// @throws Error{invalid_input} with the constraint's place for a name the trials do not have
  LoggedLimits(const StudyFile& study, const TrialGroup& group);
  /// Whether a trial's own values meet every constraint; false if one of them is missing.
  bool met(const TrialView& trial) const;
  /// The margins to them, as in `best_logged`.
  nlohmann::json margins(DesignId design, std::span<const double> metrics) const;

 private:
  DesignSpace space_;
  std::vector<Constraint> declared_;
  std::vector<BoundConstraint> constraints_;
};

/// The margins to a study's limits of a design that was run, `basis` `formula` where the hardware alone decides, else
/// `simulated`.
/// @param metrics  in the order of the question's
nlohmann::json simulated_margins(const StudyFile& study, const Question& question, const Design& design,
                                 std::span<const double> metrics);

/// The same of a design that the surrogate assessed.
/// @param metrics  in the order of the surrogate's
nlohmann::json predicted_margins(const SurrogateObjective& objective, const Design& design,
                                 std::span<const double> metrics);

/// {metric: value or null}. @param values  as many as names
nlohmann::json metrics_json(std::span<const std::string> names, std::span<const double> values);

/// The sections of results.json (docs/formats/results.md).
nlohmann::json study_section(const StudyFile& study, const DesignSpace& space);
nlohmann::json dataset_section(const StudyFile& study, const TrialLog& log, const std::string& source);
nlohmann::json plots_section(const StudyFile& study, const TrialLog& log);
nlohmann::json search_section(const std::string& method, const SurrogateFindings& found,
                              const SurrogateObjective& objective, double min_feasibility);
/// @param designs  best first
/// @param error    median relative error of the predicted objective on withheld rows; NaN if not known
nlohmann::json proposals_section(const StudyFile& study, const SurrogateObjective& objective,
                                 std::span<const Design> designs, const TrialLog& log,
                                 const nlohmann::json& best_logged, double error);

/// The too_little_data of a log without a feasible row: of several networks, on which; and the most frequent reason.
Error no_feasible_row(const StudyFile& study, const TrialLog& log);

/// What keeps designs out, most first: the share of designs drawn at random that break each limit as far as the
/// surrogate can tell, and of those it holds for infeasible. Deterministic.
nlohmann::json blocked_section(const SurrogateObjective& objective, double min_feasibility);

/// Writes what a simulation (or a recorded table) says of a proposal into it: `simulated`, `metrics`, `margins`,
/// `gain`.
void record_outcome(nlohmann::json& proposal, const Outcome& outcome, std::span<const MetricInfo> metrics,
                    const SurrogateObjective& objective, const nlohmann::json& best_logged);
/// The objective of a proposal that was simulated, is complete and within every limit; null otherwise.
nlohmann::json true_objective(const nlohmann::json& proposal, const std::string& objective);
/// `validation` from the proposals that were simulated.
nlohmann::json validation_section(const nlohmann::json& results);
/// A proposal as the design to build: with its `source` and its true `objective` where known.
nlohmann::json chosen_section(const nlohmann::json& proposal, const std::string& objective);
/// The design to build: the best that was simulated, searched on the simulator or logged; where no true value beats the
/// log and no proposal was simulated, the best proposal; null if there is none within the limits.
nlohmann::json best_section(const nlohmann::json& results);

}  // namespace corbel
