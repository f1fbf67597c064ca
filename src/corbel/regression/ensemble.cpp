#include "corbel/regression/ensemble.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "corbel/base/random.hpp"
#include "corbel/regression/cross_validation.hpp"

namespace corbel {

namespace {

constexpr std::size_t folds = 5;
// Weights fall with this power of the error; members of less weight than a tenth of the best one's are left out.
constexpr double error_power = 4, least_weight = 0.1;

}  // namespace

Ensemble::Ensemble(const Matrix& features, std::span<const double> targets, std::uint64_t seed) {
  std::vector<std::vector<double>> predictions;
  double least = std::numeric_limits<double>::infinity();
  std::vector<Member> all;
  for (const RegressorInfo& info : regressors()) {
    CrossValidation validation = cross_validate(*info.make(seed), features, targets, folds, seed);
    all.push_back({&info, 0, validation.rank_correlation, validation.rmse});
    predictions.push_back(std::move(validation.predictions));
    least = std::min(least, validation.rmse);
  }
  std::vector<double> average(targets.size());
  double sum = 0;
  for (std::size_t m = 0; m < all.size(); ++m) {
    const double w = all[m].rmse > 0 ? std::pow(least / all[m].rmse, error_power) : 1;
    if (w < least_weight) continue;
    all[m].weight = w;
    sum += w;
    members_.push_back(all[m]);
    for (std::size_t i = 0; i < average.size(); ++i) average[i] += w * predictions[m][i];
  }
  for (Member& member : members_) member.weight /= sum;
  double error = 0;
  for (std::size_t i = 0; i < average.size(); ++i) error += std::pow(average[i] / sum - targets[i], 2);
  rmse_ = std::sqrt(error / static_cast<double>(average.size()));
}

void Ensemble::fit(const Matrix& features, std::span<const double> targets, std::uint64_t seed) {
  models_.clear();
  for (const Member& member : members_) {
    std::unique_ptr<Regressor> model = member.info->make(seed);
    model->fit(features, targets);
    models_.push_back(std::move(model));
  }
}

void Ensemble::predict(const Matrix& features, std::span<double> mean, std::span<double> spread) const {
  assert(fitted() && mean.size() == features.rows() && spread.size() == features.rows());
  std::vector<double> predictions(features.rows());
  std::fill(mean.begin(), mean.end(), 0);
  std::fill(spread.begin(), spread.end(), 0);
  // West 1979: mean and variance in one pass.
  double weight = 0;
  for (std::size_t m = 0; m < models_.size(); ++m) {
    models_[m]->predict(features, predictions);
    weight += members_[m].weight;
    const double share = members_[m].weight / weight;
    for (std::size_t i = 0; i < predictions.size(); ++i) {
      const double difference = predictions[i] - mean[i];
      mean[i] += share * difference;
      spread[i] += members_[m].weight * difference * (predictions[i] - mean[i]);
    }
  }
  for (double& each : spread) each = std::sqrt(std::max(0.0, each));
}

}  // namespace corbel
