#include "corbel/regression/nearest_neighbours.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace corbel {

void NearestNeighbours::fit(const Matrix& features, std::span<const double> targets) {
  check_examples(features, targets);
  rows_ = features;
  targets_.assign(targets.begin(), targets.end());
}

void NearestNeighbours::predict(const Matrix& features, std::span<double> out) const {
  assert(out.size() == features.rows());
  const std::size_t k = std::min(std::max<std::size_t>(1, options_.neighbours), targets_.size());
  std::vector<std::pair<double, std::size_t>> nearest(targets_.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::span<const double> x = features.row(i);
    for (std::size_t r = 0; r < targets_.size(); ++r) {
      const std::span<const double> row = rows_.row(r);
      double distance = 0;
      for (std::size_t c = 0; c < x.size(); ++c) distance += (x[c] - row[c]) * (x[c] - row[c]);
      nearest[r] = {distance, r};
    }
    std::partial_sort(nearest.begin(), nearest.begin() + static_cast<std::ptrdiff_t>(k), nearest.end());
    double sum = 0, weights = 0;
    for (std::size_t j = 0; j < k; ++j) {
      const double weight = 1 / std::max(1e-12, nearest[j].first);
      sum += weight * targets_[nearest[j].second];
      weights += weight;
    }
    out[i] = sum / weights;
  }
}

}  // namespace corbel
