#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "corbel/regression/regressor.hpp"

namespace corbel {

struct BoostedTreesOptions {
  int rounds = 30;
  int depth = 5;
  double learning_rate = 0.3;
  double row_share = 1;       ///< of the rows, drawn anew for each tree
  double column_share = 1;    ///< of the features, drawn anew for each tree
  double regularization = 1;  ///< L2 penalty on a leaf's weight
  /// Targets are 0 or 1, and predictions the probability of 1, learnt by logistic loss.
  bool probability = false;
  std::uint64_t seed = 0;
};
/// Trees as one would take them for a log of thousands of rows; the defaults are for those fitted once per query.
BoostedTreesOptions trees_for_logs(std::uint64_t seed);

/// A tree of decisions as its nodes, the root first.
struct RegressionTree {
  struct Node {
    std::int32_t feature = -1;  ///< −1: a leaf
    float threshold = 0;        ///< a smaller feature goes to `left`, any other to the node behind it
    std::uint32_t left = 0;     ///< behind this node
    double value = 0;           ///< of a leaf
  };
  std::vector<Node> nodes;
};

/// What boosted trees have learnt: the prediction is `base` plus a leaf of every tree.
struct RegressionTrees {
  double base = 0;
  std::vector<RegressionTree> trees;
};

/// Gradient-boosted trees: Chen and Guestrin 2016 (arXiv 1603.02754), by the XGBoost library, on one thread.
class BoostedTrees final : public Regressor {
 public:
  explicit BoostedTrees(const BoostedTreesOptions& options = {}) : options_(options) {}
  std::unique_ptr<Regressor> clone() const override { return std::make_unique<BoostedTrees>(*this); }
  /// @throws Error{invalid_input} also for a target other than 0 and 1 where probabilities are to be learnt, and
  /// Error{tool_failure} with what XGBoost says
  void fit(const Matrix& features, std::span<const double> targets) override;
  void predict(const Matrix& features, std::span<double> out) const override;
  /// The fitted trees, in the unit of the targets; of probabilities, of their logits.
  RegressionTrees trees() const;

 private:
  class Booster;
  BoostedTreesOptions options_;
  // A fitted booster never changes, so that copies share it.
  std::shared_ptr<const Booster> booster_;
  double base_ = 0, shift_ = 0, scale_ = 1;
};

}  // namespace corbel
