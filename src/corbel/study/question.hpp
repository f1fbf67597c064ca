#pragma once

#include <span>
#include <string>
#include <vector>

#include "corbel/search/direction.hpp"
#include "corbel/search/objective.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/space/constraint.hpp"

namespace corbel {

/// What is asked of designs that are run: the metric to minimise or maximise, and the limits. Immutable, thread-safe.
class Question {
 public:
  /// @param metrics  names, in the order of every outcome's values
  /// @param place    of the objective, for errors
  /// @throws Error{invalid_input} for an objective or a name in a limit that is not there, with the near miss
  Question(DesignSpace space, std::vector<std::string> metrics, const std::string& objective,
           std::span<const Constraint> constraints, std::string_view place = "",
           Direction direction = Direction::minimise);

  const DesignSpace& space() const { return space_; }
  const std::vector<std::string>& metrics() const { return metrics_; }
  std::size_t objective() const { return objective_; }
  Direction direction() const { return direction_; }
  const std::vector<BoundConstraint>& constraints() const { return constraints_; }

  /// The objective's cost as far as it is known, and how far the design is off: 1 if it is infeasible, plus the
  /// relative excess over each limit on metrics that it has. A complete design that lacks the objective, or a metric of
  /// a limit, is off by 1. Score::failure() for a failed run.
  Score score(const Design& design, const Outcome& outcome) const;
  /// score().violation for a design with these metrics.
  double violation(const Design& design, OutcomeState state, std::span<const double> metrics) const;
  /// Whether the limits that parameters alone decide are met.
  bool admits(const Design& design) const;

 private:
  DesignSpace space_;
  std::vector<std::string> metrics_;
  std::size_t objective_;
  Direction direction_;
  std::vector<BoundConstraint> constraints_;
};

}  // namespace corbel
