#include "corbel/regression/cross_validation.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

#include "corbel/base/error.hpp"
#include "corbel/base/random.hpp"

namespace corbel {

namespace {

// Ascending from 0; equal values share the mean of their ranks.
std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> result(values.size());
  for (std::size_t first = 0, end; first < order.size(); first = end) {
    end = first + 1;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    for (std::size_t i = first; i < end; ++i) result[order[i]] = static_cast<double>(first + end - 1) / 2;
  }
  return result;
}

}  // namespace

double rank_correlation(std::span<const double> a, std::span<const double> b) {
  assert(a.size() == b.size());
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double middle = (static_cast<double>(a.size()) - 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) * (x[i] - middle);
    yy += (y[i] - middle) * (y[i] - middle);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

CrossValidation cross_validate(const Regressor& prototype, const Matrix& features, std::span<const double> targets,
                               std::size_t folds, std::uint64_t seed) {
  assert(folds >= 2 && features.rows() == targets.size());
  const std::size_t n = targets.size();
  if (n < 2) throw Error(ErrorCode::too_little_data, "cross-validation needs at least 2 rows");
  folds = std::min(folds, n);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Rng(seed).shuffle(order);
  CrossValidation result;
  result.predictions.resize(n);
  for (std::size_t fold = 0; fold < folds; ++fold) {
    Matrix known(features.columns()), withheld(features.columns());
    std::vector<double> known_targets, predicted;
    for (std::size_t i = 0; i < n; ++i) {
      if (i % folds == fold) {
        withheld.append(features.row(order[i]));
      } else {
        known.append(features.row(order[i]));
        known_targets.push_back(targets[order[i]]);
      }
    }
    const auto model = prototype.clone();
    model->fit(known, known_targets);
    predicted.resize(withheld.rows());
    model->predict(withheld, predicted);
    for (std::size_t i = fold, k = 0; i < n; i += folds, ++k) result.predictions[order[i]] = predicted[k];
  }
  const double mean = std::accumulate(targets.begin(), targets.end(), 0.0) / static_cast<double>(n);
  double error = 0, variance = 0;
  for (std::size_t i = 0; i < n; ++i) {
    error += (targets[i] - result.predictions[i]) * (targets[i] - result.predictions[i]);
    variance += (targets[i] - mean) * (targets[i] - mean);
  }
  result.rank_correlation = rank_correlation(result.predictions, targets);
  result.r_squared = variance > 0 ? 1 - error / variance : 0;
  result.rmse = std::sqrt(error / static_cast<double>(n));
  return result;
}

}  // namespace corbel
