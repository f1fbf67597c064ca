#include "corbel/study/question.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

/// How far off a design is that has a strict limit's very value.
constexpr double least_violation = 1e-12;

std::size_t index_of(const std::vector<std::string>& names, const std::string& name, std::string_view place) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw unknown_name("metric", name, names, place);
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace

Question::Question(DesignSpace space, std::vector<std::string> metrics, const std::string& objective,
                   std::span<const Constraint> constraints, std::string_view place, Direction direction)
    : space_(std::move(space)),
      metrics_(std::move(metrics)),
      objective_(index_of(metrics_, objective, place)),
      direction_(direction) {
  for (const Constraint& constraint : constraints) constraints_.emplace_back(constraint, space_, metrics_);
}

double Question::violation(const Design& design, OutcomeState state, std::span<const double> metrics) const {
  const bool is_complete = state == OutcomeState::complete;
  double violation = is_complete ? 0 : 1;
  for (const BoundConstraint& constraint : constraints_) {
    const double margin = constraint.margin(design, metrics);
    if (std::isnan(margin)) {
      // An infeasible design has few metrics, and is off by 1 already.
      violation += is_complete ? 1 : 0;
    } else if (!constraint.satisfied(design, metrics)) {
      violation += std::max(-margin, least_violation);
    }
  }
  return violation;
}

Score Question::score(const Design& design, const Outcome& outcome) const {
  if (has_failed(outcome.state)) return Score::failure();
  std::vector<double> metrics = outcome.metrics;
  metrics.resize(metrics_.size(), std::numeric_limits<double>::quiet_NaN());
  Score score;
  score.violation = violation(design, outcome.state, metrics);
  if (outcome.state != OutcomeState::complete) return score;
  score.objective = cost_of(direction_, metrics[objective_]);
  if (std::isnan(score.objective)) score.violation += 1;
  return score;
}

bool Question::admits(const Design& design) const {
  return std::all_of(constraints_.begin(), constraints_.end(), [&](const BoundConstraint& constraint) {
    return !constraint.needs_only_parameters() || constraint.satisfied(design, {});
  });
}

}  // namespace corbel
