#include "corbel/scorer/ensemble.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace corbel {
namespace {

// Beyond this many deviations from the mean a prediction says nothing; keeps arithmetic on it finite.
constexpr double max_normalised = 1e6;

double bounded(double value) {
  return std::isnan(value) ? max_normalised : std::clamp(value, -max_normalised, max_normalised);
}

// In a form that the compiler turns into vector code.
float bounded(float value) {
  constexpr auto most = static_cast<float>(max_normalised);
  const float low = value > -most ? value : value == value ? -most : most;
  return low < most ? low : most;
}

}  // namespace

float Outputs::feasibility(std::size_t design) const {
  float least = 1;
  for (const std::vector<float>& of_context : logits) {
    float sum = 0;
    std::size_t members = 0;
    for (std::size_t i = design; i < of_context.size(); i += designs, ++members) {
      // Nothing known is nothing promised.
      if (!std::isnan(of_context[i])) sum += 1 / (1 + std::exp(-bounded(of_context[i])));
    }
    least = std::min(least, sum / static_cast<float>(members));
  }
  return least;
}

void Ensemble::combine(const float* outputs, std::size_t stride, const float* trees, std::size_t first,
                       std::size_t count, Predictions& predictions) const {
  const std::size_t metrics = transforms.size();
  const double share = 1.0 / static_cast<double>(members);
  const auto raw = [&](std::size_t member, std::size_t row, std::size_t i) {
    return outputs[(member * width() + row) * stride + i];
  };
  const auto output = [&](std::size_t member, std::size_t row, std::size_t i) {
    return bounded(static_cast<double>(raw(member, row, i)));
  };
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t design = first + i;
    for (std::size_t k = 0; k < metrics; ++k) {
      double mean = 0;
      for (std::size_t m = 0; m < members; ++m) mean += share * output(m, k, i);
      if (k == 0 && has_trees) mean += tree_share * (bounded(static_cast<double>(trees[i])) - mean);
      predictions.metrics[design * metrics + k] = transforms[k].restore(mean);
    }
    double feasibility = has_feasibility ? 0 : 1;
    for (std::size_t m = 0; has_feasibility && m < members; ++m) {
      // Nothing known is nothing promised.
      if (!std::isnan(raw(m, metrics, i))) feasibility += share / (1 + std::exp(-output(m, metrics, i)));
    }
    predictions.feasibility[design] = feasibility;
    if (members < 2 && !has_trees) continue;
    const double centre = predictions.metrics[design * metrics];
    double squares = 0;
    const auto add = [&](double value, double weight) {
      // Relative first: the values themselves may be too large to square.
      const double deviation = transforms[0].restore(value) / centre - 1;
      squares += weight * deviation * deviation;
    };
    for (std::size_t m = 0; m < members; ++m) add(output(m, 0, i), (1 - tree_share) * share);
    if (has_trees) add(bounded(static_cast<double>(trees[i])), tree_share);
    predictions.spread[design] = std::isfinite(squares) ? std::sqrt(squares) : std::numeric_limits<double>::max();
  }
}

void Ensemble::combine(const float* outputs, std::size_t stride, const float* trees, std::size_t first,
                       std::size_t count, Outputs& combined) const {
  const std::size_t metrics = transforms.size();
  const float share = 1.0F / static_cast<float>(members);
  const auto tree_part = static_cast<float>(tree_share);
  for (std::size_t k = 0; k < metrics; ++k) {
    float* const out = combined.metrics.data() + k * combined.designs + first;
    std::fill(out, out + count, 0.0F);
    for (std::size_t m = 0; m < members; ++m) {
      const float* const row = outputs + (m * width() + k) * stride;
      for (std::size_t i = 0; i < count; ++i) out[i] += share * bounded(row[i]);
    }
    if (k > 0 || !has_trees) continue;
    for (std::size_t i = 0; i < count; ++i) out[i] += tree_part * (bounded(trees[i]) - out[i]);
  }
  for (std::size_t m = 0; has_feasibility && m < members; ++m) {
    const float* const row = outputs + (m * width() + metrics) * stride;
    std::copy(row, row + count, combined.logits.front().data() + m * combined.designs + first);
  }
}

}  // namespace corbel
