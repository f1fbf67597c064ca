// How a surrogate objective screens designs.
#include <algorithm>
#include <cmath>
#include <limits>

#include "corbel/study/surrogate_objective.hpp"

namespace corbel {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// The largest output of the objective that reaches a bar, by how much it may be off.
float most_output(const MetricTransform& transform, Direction direction, double objective, double tolerance) {
  const double bar = value_of(direction, objective);
  const double most = transform.normalise(bar) + tolerance;
  // Where values are clipped, different outputs are the same.
  const bool clipped = transform.restore(most + 1) == transform.restore(most);
  if (std::isnan(most) || clipped) return std::numeric_limits<float>::infinity();
  return std::nextafter(static_cast<float>(most), std::numeric_limits<float>::infinity());
}

}  // namespace

std::string SurrogateObjective::name() const {
  return std::string(predictor_->as_model()->model().kernel(Arithmetic::fast));
}

double SurrogateObjective::least_violation(const Design& design, const Outputs& outputs, std::size_t i,
                                           double tolerance) const {
  double violation = std::max(0.0, min_feasibility_ - (outputs.feasibility(i) + tolerance));
  if (constraints_.empty()) return violation;
  const std::vector<MetricTransform>& transforms = predictor_->as_model()->model().transforms();
  std::vector<double> formulas(metric_names_.size());
  if (needs_formula_) compute_formulas(design, formulas);
  std::vector<MetricRange> ranges(metric_names_.size());
  for (std::size_t m = 0; m < ranges.size(); ++m) {
    if (metric_bases_[m] != MetricBasis::predicted) {
      ranges[m] = {formulas[m], formulas[m]};
      continue;
    }
    const std::size_t k = predicted_from_[m];
    const double output = outputs.metrics[k * outputs.designs + i];
    const double a = transforms[k].restore(output - tolerance), b = transforms[k].restore(output + tolerance);
    ranges[m] = {std::min(a, b), std::max(a, b)};
  }
  for (std::size_t c = 0; c < constraints_.size(); ++c) {
    violation += std::max(0.0, reserves_[c] - constraints_[c].most_margin(design, ranges));
  }
  return violation;
}

template <class DesignAt>
std::vector<std::size_t> SurrogateObjective::able(const Outputs& outputs, const Score& bar, double tolerance,
                                                  DesignAt&& design_at) const {
  std::vector<std::size_t> found;
  const bool predicted = metric_bases_[0] == MetricBasis::predicted;
  if (bar.feasible() && predicted) {
    const float most =
        most_output(predictor_->as_model()->model().transforms()[0], direction_, bar.objective, tolerance);
    for (std::size_t i = 0; i < outputs.designs; ++i) {
      if (outputs.metrics[i] <= most) found.push_back(i);
    }
  } else {
    for (std::size_t i = 0; i < outputs.designs; ++i) found.push_back(i);
  }
  std::vector<double> formulas(metric_names_.size());
  const auto is_unable = [&](std::size_t i) {
    // Rounding in sums of violations, which are compared with none where the bar is feasible.
    const double most_violation = bar.feasible() ? 0 : bar.violation * (1 + 1e-9);
    if (min_feasibility_ - (outputs.feasibility(i) + tolerance) > most_violation) return true;
    const Design& design = design_at(i);
    if (bar.feasible() && !predicted) {
      compute_formulas(design, formulas);
      if (cost_of(direction_, formulas[0]) > bar.objective) return true;
    }
    return least_violation(design, outputs, i, tolerance) > most_violation;
  };
  found.erase(std::remove_if(found.begin(), found.end(), is_unable), found.end());
  return found;
}

void SurrogateObjective::pass_range(DesignId first, std::size_t n, const Score& bar, double tolerance,
                                    std::vector<DesignId>& passed) const {
  const Outputs outputs = predictor_->as_model()->outputs_range(first, n, Arithmetic::fast);
  Design design;
  const auto design_at = [&](std::size_t i) -> const Design& {
    space().design(first + i, design);
    return design;
  };
  for (const std::size_t i : able(outputs, bar, tolerance, design_at)) passed.push_back(first + i);
}

void SurrogateObjective::pass(std::span<const Design> designs, std::span<const DesignId> ids, const Score& bar,
                              double tolerance, std::vector<DesignId>& passed) const {
  const Outputs outputs = predictor_->as_model()->outputs(designs, Arithmetic::fast);
  const auto design_at = [&](std::size_t i) -> const Design& { return designs[i]; };
  for (const std::size_t i : able(outputs, bar, tolerance, design_at)) passed.push_back(ids[i]);
}

double SurrogateObjective::rescore(std::span<const Design> designs, std::span<Score> out) const {
  const Predictions predictions = predictor_->predict(designs);
  assess(designs, predictions, [&](std::size_t i, const Assessment& assessment) { out[i] = assessment.score; });
  const Outputs outputs = predictor_->as_model()->outputs(designs, Arithmetic::fast);
  const std::vector<MetricTransform>& transforms = predictor_->as_model()->model().transforms();
  double error = 0;
  for (std::size_t i = 0; i < designs.size(); ++i) {
    error = std::max(error, std::abs(predictions.feasibility[i] - outputs.feasibility(i)));
    for (std::size_t k = 0; k < transforms.size(); ++k) {
      const double exact = transforms[k].normalise(predictions.metrics[i * transforms.size() + k]);
      // What is clipped in units is clipped alike.
      const double fast = transforms[k].normalise(transforms[k].restore(outputs.metrics[k * designs.size() + i]));
      error = std::max(error, std::abs(exact - fast));
    }
  }
  return std::isfinite(error) ? error : infinity;
}

}  // namespace corbel
