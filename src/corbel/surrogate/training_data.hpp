#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "corbel/dataset/dataset.hpp"
#include "corbel/scorer/transform.hpp"
#include "corbel/surrogate/trainer.hpp"

namespace corbel {

/// A dataset as the learner sees it: designs, normalised targets, and which rows are fitted and which withheld.
struct TrainingData {
  std::vector<std::string> metrics;         ///< the objective first
  std::vector<MetricTransform> transforms;  ///< fitted on the rows below that are not withheld
  std::vector<Design> designs;              ///< [n]
  std::vector<double> objective;            ///< [n] in its own unit, NaN where there is none
  std::vector<float> targets;               ///< [n × metrics] normalised, clipped; NaN where there is none

  std::vector<std::size_t> feasible;             ///< rows that simulated and are fitted
  std::vector<std::size_t> infeasible;           ///< fitted infeasible rows
  std::vector<std::size_t> withheld_feasible;    ///< the best rows within the limits
  std::vector<std::size_t> withheld_infeasible;  ///< as large a share of the infeasible rows

  double infeasible_level = 0;  ///< normalised objective up to which infeasible designs are pushed
  double negative_level = 0;    ///< the same for negatives: the mean
};

/// Normalised targets beyond this are clipped, so that one damaged row cannot take over the loss.
inline constexpr double max_target = 10;

/// @param withhold  share of the best feasible rows to withhold; 0: none. Nothing is withheld where fewer than
///                  `min_withheld` rows would be.
/// @throws Error{too_little_data}, Error{invalid_input} for an unknown metric
TrainingData prepare_training_data(const Dataset& dataset, const TrainingTask& task, bool over_limit_is_infeasible,
                                   double withhold, std::uint64_t seed);
inline constexpr std::size_t min_withheld = 3;

/// Rows in random order, epoch after epoch, as a function of the step alone: nothing to store for a resume.
class RowSampler {
 public:
  RowSampler(std::span<const std::size_t> rows, std::uint64_t seed, std::uint64_t stream);
  bool empty() const { return rows_.empty(); }
  /// Appends the rows of one step.
  void sample(std::uint64_t step, std::size_t count, std::vector<std::size_t>& out);

 private:
  std::vector<std::size_t> rows_, order_;
  std::uint64_t seed_, stream_;
  std::uint64_t epoch_;
};

}  // namespace corbel
