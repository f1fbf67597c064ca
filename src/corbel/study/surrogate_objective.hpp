#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "corbel/scorer/predictor.hpp"
#include "corbel/search/direction.hpp"
#include "corbel/search/objective.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/space/constraint.hpp"

namespace corbel {

/// Where a metric's value comes from.
enum class MetricBasis { formula, simulated, predicted };
std::string_view to_string(MetricBasis basis);

/// Everything the surrogate says of a design, with the metrics that need no prediction taken from their formula.
struct Assessment {
  Score score;
  std::vector<double> metrics;  ///< in the order of SurrogateObjective::metric_names(); NaN if neither source has it
  double feasibility = 0;       ///< predicted probability
  double spread = 0;            ///< see Predictions::spread
};

/// The compiled surrogate as a search's objective: the predicted objective, under constraints on parameters, on metrics
/// the simulator gives without a workload (exact), and on predicted metrics, with a least probability of feasibility.
/// A screen, too, where it is a trained model that predicts: in fast arithmetic, by the numbers that come out of the
/// networks, and with formulas and limits computed for the few designs whose predicted objective would do. Its errors
/// are in standard deviations of a metric, or in probability. Thread-safe, deterministic.
class SurrogateObjective : public Objective, public Screen {
 public:
  /// @param reserve  per predicted metric, how far inside its limits it must stay, relative to the limit
  /// @param simulator, binding  for metrics that need no workload; may be null and empty
  /// @throws Error{mismatch} if the predictor is of another objective, Error{invalid_input} for constraints on metrics
  ///         that neither source gives
  SurrogateObjective(std::shared_ptr<const Predictor> predictor, std::string objective,
                     std::vector<Constraint> constraints, double min_feasibility,
                     const std::map<std::string, double>& reserve, std::shared_ptr<const Simulator> simulator,
                     std::optional<HardwareBinding> binding, Direction direction = Direction::minimise);

  const DesignSpace& space() const override { return predictor_->space(); }
  void score(std::span<const Design> designs, std::span<Score> out) const override;
  void score_range(DesignId first, std::span<Score> out) const override;
  const Screen* screen() const override { return predictor_->as_model() == nullptr ? nullptr : this; }

  std::string name() const override;
  void pass_range(DesignId first, std::size_t n, const Score& bar, double tolerance,
                  std::vector<DesignId>& passed) const override;
  void pass(std::span<const Design> designs, std::span<const DesignId> ids, const Score& bar, double tolerance,
            std::vector<DesignId>& passed) const override;
  double rescore(std::span<const Design> designs, std::span<Score> out) const override;

  std::vector<Assessment> assess(std::span<const Design> designs) const;
  const std::vector<std::string>& metric_names() const { return metric_names_; }
  Direction direction() const { return direction_; }  ///< of the objective
  const std::vector<MetricBasis>& metric_bases() const { return metric_bases_; }
  const std::vector<BoundConstraint>& constraints() const { return constraints_; }
  const std::vector<Constraint>& declared() const { return declared_; }
  /// Whether the constraints that parameters alone decide are met.
  bool admits(const Design& design) const;
  /// Whether those are that formulas alone decide, or formulas and parameters: known without the network.
  bool meets_formulas(const Design& design) const;
  bool has_formula_limits() const { return !formula_limits_.empty(); }
  /// What meets_formulas() says of all designs of a box, as far as their bounds tell.
  Coverage formula_coverage(const DesignBox& box) const;

 private:
  void assess(std::span<const Design> designs, const Predictions& predictions,
              const std::function<void(std::size_t, const Assessment&)>& sink) const;
  /// What formulas give of a design, into `metrics`; the others are left as they are.
  void compute_formulas(const Design& design, std::span<double> metrics) const;
  void find_bounded_limits();
  /// Of the designs that outputs are of, those that may reach the bar.
  template <class DesignAt>
  std::vector<std::size_t> able(const Outputs& outputs, const Score& bar, double tolerance, DesignAt&& design_at) const;
  /// The least violation of a design whose outputs may be off by the tolerance.
  double least_violation(const Design& design, const Outputs& outputs, std::size_t i, double tolerance) const;
  std::shared_ptr<const Predictor> predictor_;
  std::vector<Constraint> declared_;
  double min_feasibility_;
  Direction direction_;
  std::shared_ptr<const Simulator> simulator_;
  std::optional<HardwareBinding> binding_;
  std::vector<std::string> metric_names_;
  std::vector<MetricBasis> metric_bases_;
  std::vector<std::size_t> predicted_from_;  // per metric: index into the predictor's, when predicted
  std::vector<std::size_t> formula_from_;    // per metric: index into the simulator's, when a formula gives it
  bool needs_formula_ = false;
  std::vector<BoundConstraint> constraints_;
  std::vector<double> reserves_;             // per constraint
  std::vector<std::size_t> formula_limits_;  // constraints that formulas decide
  std::vector<std::size_t> bounded_limits_;  // of these, those whose metrics have bounds over a box
};

}  // namespace corbel
