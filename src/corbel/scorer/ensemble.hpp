#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "corbel/scorer/transform.hpp"

namespace corbel {

/// What a model says of some designs.
struct Predictions {
  /// [n × metrics] in each metric's own unit; the mean of the ensemble, taken on the normalised scale, so that it is
  /// the geometric mean for metrics learnt by their logarithm. Always finite.
  std::vector<double> metrics;
  std::vector<double> feasibility;  ///< [n] probability that it compiles and simulates
  std::vector<double> spread;       ///< [n] standard deviation of the objective over the ensemble, relative to its mean
};

/// The same before it is put into units, which is what ranking designs needs: single precision, and much cheaper.
struct Outputs {
  std::size_t designs = 0;
  /// [metrics][designs] on the normalised scale, where a low objective is good; the mean of the ensemble. Always
  /// finite.
  std::vector<float> metrics;
  /// Per context that feasibility is asked of [members][designs] logits; none: everything is feasible.
  std::vector<std::vector<float>> logits;

  /// Probability that a design compiles and simulates: the least over the contexts.
  float feasibility(std::size_t design) const;
};

/// How the networks of an ensemble, and trees, are one model: their outputs put together.
struct Ensemble {
  std::size_t members = 1;
  std::vector<MetricTransform> transforms;  ///< per metric
  bool has_feasibility = false;             ///< networks have one more output, its logit
  bool has_trees = false;
  double tree_share = 0;  ///< of the trees in the objective

  std::size_t width() const { return transforms.size() + (has_feasibility ? 1 : 0); }
  /// @param outputs  [members][width()][stride] of the networks
  /// @param trees    [count] of the trees, or null
  /// @param first    the design that the first of them is, of those that `predictions` has room for
  void combine(const float* outputs, std::size_t stride, const float* trees, std::size_t first, std::size_t count,
               Predictions& predictions) const;
  void combine(const float* outputs, std::size_t stride, const float* trees, std::size_t first, std::size_t count,
               Outputs& combined) const;
};

}  // namespace corbel
