#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/dataset/trial_log.hpp"
#include "corbel/study/surrogate_objective.hpp"

namespace corbel {

/// How far a log supports an answer.
enum class Verdict { supported, extrapolated, not_answerable };
std::string_view to_string(Verdict verdict);

/// What a log supports of single predictions: it has looked at the designs that ran.
class LogSupport {
 public:
  /// Reads the log three times at most.
  /// @param error  median relative error of the predicted objective on withheld rows; NaN if not known
  /// @param asked  designs whose nearest() will be asked for
  LogSupport(const TrialLog& log, std::string objective, double error, std::span<const Design> asked,
             Direction direction = Direction::minimise);

  struct Neighbour {
    DesignId design;
    double distance;  ///< DesignSpace::distance
    std::vector<double> metrics;
  };
  /// The logged design that ran and is nearest to the one at this place of those asked; null if none ran.
  const Neighbour* nearest(std::size_t place) const { return nearest_.empty() ? nullptr : &nearest_[place]; }

  /// Why a prediction goes beyond what was logged, a sentence each; empty if it does not.
  /// @param distance  to the nearest logged design that ran
  std::vector<std::string> doubts(const Design& design, const Assessment& assessment, double distance) const;

 private:
  DesignSpace space_;
  std::string objective_;
  double error_;
  Direction direction_;
  std::vector<Neighbour> nearest_;          // [asked]; empty if nothing ran
  bool has_run_ = false;                    // any
  double best_;                             // objective of the designs that ran
  double usual_distance_;                   // that 99 % of them have to their nearest neighbour; NaN for fewer than 2
  std::vector<std::vector<bool>> was_run_;  // [parameter][value], of small parameters
};

/// Why the log of a study cannot answer what it asks, a sentence each; empty if nothing speaks against it.
/// @param results  `dataset` and `training` of docs/formats/results.md
std::vector<std::string> refusals(const nlohmann::json& results);

/// `answer` of docs/formats/results.md: the verdict on the design to build, with its reasons.
/// @param results  with `best`
nlohmann::json answer_section(const nlohmann::json& results);

}  // namespace corbel
