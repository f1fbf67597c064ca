#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "corbel/regression/regressor.hpp"

namespace corbel {

/// Several regressors, kept if they cross-validate well, averaged with weights that fall with their error. What they
/// disagree about is what is not known. Angermueller et al. 2020 (DyNA PPO), section 3.2.
class Ensemble {
 public:
  struct Member {
    const RegressorInfo* info;
    double weight;                  ///< sums to 1 over the members
    double rank_correlation, rmse;  ///< cross-validated
  };

  Ensemble() = default;
  /// Chooses members from regressors() by cross-validation on these rows; they are not fitted yet.
  /// @throws as cross_validate()
  Ensemble(const Matrix& features, std::span<const double> targets, std::uint64_t seed);
  /// Fits the members, which stay as chosen. @throws as Regressor::fit()
  void fit(const Matrix& features, std::span<const double> targets, std::uint64_t seed);
  /// @param mean, spread  [rows]; the weighted mean of the members and their standard deviation around it
  void predict(const Matrix& features, std::span<double> mean, std::span<double> spread) const;

  const std::vector<Member>& members() const { return members_; }
  bool fitted() const { return !models_.empty(); }
  /// Cross-validated error of the average, in the unit of the targets.
  double rmse() const { return rmse_; }

 private:
  std::vector<Member> members_;
  std::vector<std::shared_ptr<const Regressor>> models_;  // shared by copies, since they do not change
  double rmse_ = 0;
};

}  // namespace corbel
