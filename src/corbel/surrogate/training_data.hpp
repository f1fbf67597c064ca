#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "corbel/dataset/dataset.hpp"
#include "corbel/scorer/transform.hpp"
#include "corbel/surrogate/trainer.hpp"

namespace corbel {

/// The logs of all workloads as the learner sees them: designs, normalised targets, and which rows are fitted and which
/// withheld. Workload 0 is the task's, behind it come the others in their order.
struct TrainingData {
  explicit TrainingData(DesignSpace of) : space(std::move(of)) {}

  DesignSpace space;
  std::vector<std::string> metrics;           ///< the objective first
  Direction direction = Direction::minimise;  ///< of the objective
  /// Of the model: the objective's on workload 0; the others', which limits read in their unit, on all workloads.
  /// Fitted on the rows below that are not withheld.
  std::vector<MetricTransform> transforms;
  /// Of the objective on each workload. What is learnt of several is where a design stands on its own workload: levels
  /// differ by orders of magnitude, and say nothing of a workload without rows.
  std::vector<MetricTransform> objective_transforms;
  bool is_scale_guessed = false;         ///< workload 0 has no row to fit its own on: the mean of the others'
  std::vector<std::uint32_t> workloads;  ///< [n]
  std::vector<DesignId> designs;         ///< [n]
  std::vector<double> objective;         ///< [n] in its workload's own unit, NaN where there is none
  std::vector<float> targets;            ///< [n × metrics] normalised, clipped; NaN where there is none

  std::vector<std::size_t> feasible;             ///< rows that simulated and are fitted
  std::vector<std::size_t> infeasible;           ///< fitted infeasible rows
  std::vector<std::size_t> withheld_feasible;    ///< the best rows within the limits
  std::vector<std::size_t> withheld_infeasible;  ///< as large a share of the infeasible rows
  /// [workload] how many rows of the log a row stands for: more than 1 where they were drawn from a larger one.
  std::vector<double> feasible_stands_for, infeasible_stands_for;

  double infeasible_level = 0;  ///< normalised objective up to which infeasible designs are pushed
  double negative_level = 0;    ///< the same for negatives: the mean

  Design design(std::size_t row) const { return space.design(designs[row]); }
  /// What the model says of the objective, brought from the scale of workload 0 to that of another.
  double on_scale_of(std::uint32_t workload, double predicted) const;
  /// Those of `rows` that are of the workload.
  std::vector<std::size_t> of_workload(std::span<const std::size_t> rows, std::uint32_t workload) const;
};

/// Normalised targets beyond this are clipped, so that one damaged row cannot take over the loss.
inline constexpr double max_target = 10;

/// @param withhold  share of the best feasible rows to withhold; 0: none. Nothing is withheld where fewer than
///                  `min_withheld` rows would be; of workload 0 alone, unless it has too few: then of each of the
///                  others
/// @throws as train()
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
  /// Appends those from `first` to `end` of the sequence that all epochs make.
  void sample_between(std::uint64_t first, std::uint64_t end, std::vector<std::size_t>& out);

 private:
  std::vector<std::size_t> rows_, order_;
  std::uint64_t seed_, stream_;
  std::uint64_t epoch_;
};

/// Draws the rows of one class for each step from all workloads. A workload with n rows in all has a share of about √n:
/// a target's few rows are heard beside the thousands of others without being learnt by heart. One factor for feasible
/// and infeasible rows of a workload, so that what balanced batches do to the odds is the same on each.
class WorkloadSampler {
 public:
  enum class Of { feasible, infeasible };
  WorkloadSampler(const TrainingData& data, Of rows, std::uint64_t seed, std::uint64_t stream);
  /// Appends the rows of one step, those of a workload side by side; `count` of them on average.
  void sample(std::uint64_t step, std::size_t count, std::vector<std::size_t>& out);
  /// Rows, each counted as often as it is drawn in relation to those of the largest workload.
  double weight() const { return weight_; }

 private:
  struct Part {
    RowSampler rows;
    double share;
  };
  std::vector<Part> parts_;
  double weight_ = 0;
};

}  // namespace corbel
