#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "corbel/surrogate/trainer.hpp"

namespace corbel {

/// The form of a conservative term: what it asks of f(x), lower being better, for a design x that is not to be
/// proposed. docs/surrogate.md
enum class Penalty {
  hinge,      ///< max(0, level − f): no force beyond the level
  softplus,   ///< log(1 + exp(level − f)): the same without a kink
  gap,        ///< negatives: a dual variable times how much better they are predicted than logged designs (COMs)
  published,  ///< −f, clipped at ± `published_clip`
};
/// Names of the forms, as in the option `penalty`.
inline constexpr std::pair<const char*, Penalty> penalties[] = {{"hinge", Penalty::hinge},
                                                                {"softplus", Penalty::softplus},
                                                                {"gap", Penalty::gap},
                                                                {"published", Penalty::published}};
/// What the options ask for; the published form where they leave it to `protocol: paper`.
/// @throws Error{invalid_input} for an unknown name
Penalty penalty_of(const TrainingOptions& options);

/// Where PRIME's published code clips what it takes the penalties of.
inline constexpr double published_clip = 4000;

/// How the terms of the loss are formed. docs/surrogate.md
struct LossOptions {
  Conservatism weights;
  double infeasible_level = 0;  ///< f of infeasible designs is pushed up to here, on the normalised scale
  double negative_level = 0;    ///< the same for negatives
  Penalty penalty = Penalty::hinge;
  bool squared_error = true;  ///< of the objective; without it f has no scale but that of the ranking
  double ranking = 0;         ///< weight of the pairwise ranking
};

/// Values of the terms, each before its weight.
struct Losses {
  double total = 0;
  double feasible = 0;     ///< squared error of the normalised objective
  double ranking = 0;      ///< pairwise logistic loss of the objective
  double infeasible = 0;   ///< penalty on logged infeasible designs
  double negatives = 0;    ///< penalty on negatives
  double feasibility = 0;  ///< cross entropy of the feasibility output
  double metrics = 0;      ///< squared error of the further metrics
};

/// The weight of the gap between logged designs and negatives: it rises while the gap is above `allowed_gap` and falls
/// below it. Conservative Objective Models (arXiv 2107.06882), section 4 and appendix: start, rate and allowed gap
/// there.
class DualVariable {
 public:
  static constexpr double start = 1, rate = 0.01, allowed_gap = 0.5;

  double value() const { return value_; }
  /// One step of Adam upwards; never below 0.
  void ascend(double gap);

  /// Everything needed to go on.
  std::vector<float> save() const;
  /// @throws Error{corrupt}
  void load(std::span<const float> state);

 private:
  float value_ = start, first_moment_ = 0, second_moment_ = 0, steps_ = 0;
};

/// y ≈ slope · output + offset, with a slope that keeps the order.
struct AffineMap {
  double slope = 1, offset = 0;
};
/// The least-squares line through outputs and targets; where it is flat or falls, one that hardly rises. It is flat
/// only for targets that are all the same. Pairs with a NaN are left out; without any pair the identity.
AffineMap fit_affine(std::span<const float> outputs, std::span<const float> targets);

}  // namespace corbel
