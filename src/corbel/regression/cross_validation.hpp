#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "corbel/regression/regressor.hpp"

namespace corbel {

/// How well a regressor predicts rows it has not seen.
struct CrossValidation {
  std::vector<double> predictions;  ///< of each row, by the model that was fitted without it
  double rank_correlation = 0;      ///< Spearman's, of predictions and targets
  double r_squared = 0;             ///< 1 − squared error / variance; negative where the mean predicts better
  double rmse = 0;                  ///< in the unit of the targets
};

/// k-fold cross-validation: the rows are shuffled by the seed and dealt into folds.
/// @param prototype  copied for each fold; remains as it is
/// @param folds      at least 2; at most as many as rows are used
/// @throws Error{too_little_data} for fewer than 2 rows, and what fit() throws
CrossValidation cross_validate(const Regressor& prototype, const Matrix& features, std::span<const double> targets,
                               std::size_t folds, std::uint64_t seed);

/// Spearman's rank correlation, ties sharing their mean rank: in [−1, 1], 0 where either side is constant.
double rank_correlation(std::span<const double> a, std::span<const double> b);

}  // namespace corbel
