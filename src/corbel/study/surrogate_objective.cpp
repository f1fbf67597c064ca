#include "corbel/study/surrogate_objective.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "corbel/base/error.hpp"

namespace corbel {

std::string_view to_string(MetricBasis basis) {
  switch (basis) {
    case MetricBasis::formula:
      return "formula";
    case MetricBasis::simulated:
      return "simulated";
    case MetricBasis::predicted:
      return "predicted";
  }
  return "";
}

SurrogateObjective::SurrogateObjective(std::shared_ptr<const Predictor> predictor, std::string objective,
                                       std::vector<Constraint> constraints, double min_feasibility,
                                       const std::map<std::string, double>& reserve,
                                       std::shared_ptr<const Simulator> simulator,
                                       std::optional<HardwareBinding> binding, Direction direction)
    : predictor_(std::move(predictor)),
      declared_(std::move(constraints)),
      min_feasibility_(min_feasibility),
      direction_(direction),
      simulator_(std::move(simulator)),
      binding_(std::move(binding)) {
  if (predictor_->metrics().empty() || predictor_->metrics().front() != objective) {
    throw Error(ErrorCode::mismatch,
                fmt::format("the model predicts {}, the study's objective is {}",
                            predictor_->metrics().empty() ? "nothing" : predictor_->metrics().front(), objective),
                "train again: `corbel train STUDY`");
  }
  // The objective first, then every metric a formula gives, then the rest of the model's.
  const auto add = [&](const std::string& name, MetricBasis basis, std::size_t from) {
    if (std::find(metric_names_.begin(), metric_names_.end(), name) != metric_names_.end()) return;
    metric_names_.push_back(name);
    metric_bases_.push_back(basis);
    predicted_from_.push_back(basis == MetricBasis::predicted ? from : 0);
    formula_from_.push_back(basis == MetricBasis::formula ? from : 0);
  };
  const auto add_formulas = [&](bool of_objective) {
    if (!simulator_ || !binding_) return;
    const auto metrics = simulator_->metrics();
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      if (!metrics[i].needs_workload && (metrics[i].name == objective) == of_objective) {
        add(metrics[i].name, MetricBasis::formula, i);
      }
    }
  };
  add_formulas(true);
  needs_formula_ = !metric_names_.empty();
  add(objective, MetricBasis::predicted, 0);
  add_formulas(false);
  for (std::size_t i = 0; i < predictor_->metrics().size(); ++i)
    add(predictor_->metrics()[i], MetricBasis::predicted, i);

  for (const Constraint& constraint : declared_) {
    constraints_.emplace_back(constraint, space(), metric_names_);
    double inside = 0;
    for (const std::size_t metric : constraints_.back().metrics_used()) {
      const bool predicted = metric_bases_[metric] == MetricBasis::predicted;
      needs_formula_ = needs_formula_ || !predicted;
      const auto found = reserve.find(metric_names_[metric]);
      if (predicted && found != reserve.end()) inside = std::max(inside, found->second);
    }
    reserves_.push_back(inside);
    const auto& used = constraints_.back().metrics_used();
    const bool exact = std::all_of(used.begin(), used.end(),
                                   [&](std::size_t metric) { return metric_bases_[metric] == MetricBasis::formula; });
    if (exact && !used.empty()) formula_limits_.push_back(constraints_.size() - 1);
  }
  find_bounded_limits();
}

void SurrogateObjective::find_bounded_limits() {
  const std::vector<Parameter>& parameters = space().parameters();
  if (!std::all_of(parameters.begin(), parameters.end(), [](const Parameter& each) { return each.is_ordered(); })) {
    return;
  }
  for (const std::size_t c : formula_limits_) {
    const auto& used = constraints_[c].metrics_used();
    const bool bounded = std::all_of(used.begin(), used.end(), [&](std::size_t metric) {
      return simulator_->metrics()[formula_from_[metric]].grows;
    });
    if (bounded) bounded_limits_.push_back(c);
  }
}

void SurrogateObjective::compute_formulas(const Design& design, std::span<double> metrics) const {
  const std::vector<double> exact = simulator_->static_metrics(binding_->hardware(design));
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    if (metric_bases_[m] == MetricBasis::formula) metrics[m] = exact[formula_from_[m]];
  }
}

bool SurrogateObjective::admits(const Design& design) const {
  return std::all_of(constraints_.begin(), constraints_.end(), [&](const BoundConstraint& constraint) {
    return !constraint.needs_only_parameters() || constraint.satisfied(design, {});
  });
}

bool SurrogateObjective::meets_formulas(const Design& design) const {
  if (formula_limits_.empty()) return true;
  std::vector<double> metrics(metric_names_.size());
  compute_formulas(design, metrics);
  return std::all_of(formula_limits_.begin(), formula_limits_.end(),
                     [&](std::size_t c) { return constraints_[c].satisfied(design, metrics); });
}

Coverage SurrogateObjective::formula_coverage(const DesignBox& box) const {
  if (formula_limits_.empty()) return Coverage::all;
  if (bounded_limits_.empty()) return Coverage::some;
  std::vector<double> least(metric_names_.size()), most(metric_names_.size());
  compute_formulas(box.first, least);
  compute_formulas(box.last, most);
  std::vector<MetricRange> ranges;
  for (std::size_t m = 0; m < least.size(); ++m) ranges.push_back({least[m], most[m]});
  Coverage all = bounded_limits_.size() == formula_limits_.size() ? Coverage::all : Coverage::some;
  for (const std::size_t c : bounded_limits_) {
    const Coverage one = constraints_[c].coverage(box, ranges);
    if (one == Coverage::none) return Coverage::none;
    if (one == Coverage::some) all = Coverage::some;
  }
  return all;
}

void SurrogateObjective::assess(std::span<const Design> designs, const Predictions& predictions,
                                const std::function<void(std::size_t, const Assessment&)>& sink) const {
  const std::size_t model_metrics = predictor_->metrics().size();
  Assessment assessment;
  assessment.metrics.resize(metric_names_.size());
  for (std::size_t i = 0; i < designs.size(); ++i) {
    for (std::size_t m = 0; m < metric_names_.size(); ++m) {
      assessment.metrics[m] = metric_bases_[m] == MetricBasis::predicted
                                  ? predictions.metrics[i * model_metrics + predicted_from_[m]]
                                  : std::numeric_limits<double>::quiet_NaN();
    }
    if (needs_formula_) compute_formulas(designs[i], assessment.metrics);
    assessment.feasibility = predictions.feasibility[i];
    assessment.spread = predictions.spread[i];
    double violation = 0;
    // Written so that a NaN probability is not enough.
    if (!(assessment.feasibility >= min_feasibility_)) {
      violation += std::isnan(assessment.feasibility) ? 1.0 : min_feasibility_ - assessment.feasibility;
    }
    for (std::size_t c = 0; c < constraints_.size(); ++c) {
      const double spare = constraints_[c].margin(designs[i], assessment.metrics) - reserves_[c];
      if (std::isnan(spare)) {
        violation += 1;
      } else if (spare < 0 || !constraints_[c].satisfied(designs[i], assessment.metrics)) {
        // A strict limit that is exactly met has no negative margin and is still broken.
        violation += std::max(-spare, 1e-12);
      }
    }
    assessment.score = {cost_of(direction_, assessment.metrics[0]), violation};
    sink(i, assessment);
  }
}

void SurrogateObjective::score(std::span<const Design> designs, std::span<Score> out) const {
  assess(designs, predictor_->predict(designs),
         [&](std::size_t i, const Assessment& assessment) { out[i] = assessment.score; });
}

void SurrogateObjective::score_range(DesignId first, std::span<Score> out) const {
  std::vector<Design> designs(out.size(), space().design(first));
  for (std::size_t i = 1; i < designs.size(); ++i) {
    designs[i] = designs[i - 1];
    space().advance(designs[i]);
  }
  assess(designs, predictor_->predict_range(first, out.size()),
         [&](std::size_t i, const Assessment& assessment) { out[i] = assessment.score; });
}

std::vector<Assessment> SurrogateObjective::assess(std::span<const Design> designs) const {
  std::vector<Assessment> all(designs.size());
  assess(designs, predictor_->predict(designs), [&](std::size_t i, const Assessment& assessment) {
    all[i] = assessment;
    // score() skips formulas that no constraint needs; a table for people wants them all.
    if (!needs_formula_ && simulator_ && binding_) compute_formulas(designs[i], all[i].metrics);
  });
  return all;
}

}  // namespace corbel
