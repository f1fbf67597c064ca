#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/dataset/dataset.hpp"
#include "corbel/study/surrogate_objective.hpp"

namespace corbel {

/// How far a log supports an answer.
enum class Verdict { supported, extrapolated, not_answerable };
std::string_view to_string(Verdict verdict);

/// What a log supports of single predictions: it knows the designs that ran.
class LogSupport {
 public:
  /// @param error  median relative error of the predicted objective on withheld rows; NaN if not known
  LogSupport(const Dataset& log, const std::string& objective, double error, Direction direction = Direction::minimise);

  struct Neighbour {
    std::size_t row;  ///< of the log
    double distance;  ///< DesignSpace::distance
  };
  /// The logged design that ran and is nearest; none if none ran.
  std::optional<Neighbour> nearest(const Design& design) const;

  /// Why a prediction goes beyond what was logged, a sentence each; empty if it does not.
  /// @param distance  to the nearest logged design that ran
  std::vector<std::string> doubts(const Design& design, const Assessment& assessment, double distance) const;

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::optional<Neighbour> nearest(const Design& design, std::size_t except) const;

  const DesignSpace& space_;
  std::string objective_;
  double error_;
  Direction direction_;
  std::vector<std::size_t> rows_;           // that ran
  std::vector<Design> designs_;             // of these rows
  double best_;                             // objective of these designs
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
