#pragma once

#include <memory>
#include <vector>

#include "corbel/regression/regressor.hpp"

namespace corbel {

struct RidgeOptions {
  /// Squares and pairwise products of the features are features too, as long as there are at most `most_terms`.
  bool quadratic = false;
  std::size_t most_terms = 250;
};

/// Ridge regression on standardised terms (Hoerl and Kennard 1970). The penalty is the one of a fixed grid with the
/// least leave-one-out error, in closed form (Allen 1974, PRESS).
class Ridge final : public Regressor {
 public:
  explicit Ridge(const RidgeOptions& options = {}) : options_(options) {}
  std::unique_ptr<Regressor> clone() const override { return std::make_unique<Ridge>(*this); }
  void fit(const Matrix& features, std::span<const double> targets) override;
  void predict(const Matrix& features, std::span<double> out) const override;

 private:
  /// A feature, or the product of two.
  struct Term {
    std::size_t a, b;  // b is `linear` for a feature alone
    double mean;
  };
  static constexpr std::size_t linear = static_cast<std::size_t>(-1);
  double value(const Term& term, std::span<const double> row) const;

  RidgeOptions options_;
  std::vector<double> centres_, scales_;  // of the features, before they are multiplied
  std::vector<Term> terms_;
  std::vector<double> weights_;  // per term
  double intercept_ = 0;
};

}  // namespace corbel
