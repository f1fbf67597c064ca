#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "corbel/regression/matrix.hpp"

namespace corbel {

/// Learns a number from rows of features. Deterministic: the same rows in the same order give the same predictions.
/// predict() and clone() of one fitted object are thread-safe.
class Regressor {
 public:
  virtual ~Regressor() = default;
  /// A copy, with what was learnt.
  virtual std::unique_ptr<Regressor> clone() const = 0;
  /// Learns from these rows alone, and forgets what was learnt before.
  /// @param features  [n] rows of at least one column
  /// @param targets   [n] in any unit
  /// @throws Error{too_little_data} for no rows, Error{invalid_input} for numbers that are not finite; the regressor
  /// then remains as it was
  virtual void fit(const Matrix& features, std::span<const double> targets) = 0;
  /// @param features  as many columns as fit() saw
  /// @param out       [rows] in the unit of the targets, finite
  virtual void predict(const Matrix& features, std::span<double> out) const = 0;
};

/// One row of the table of regressors.
struct RegressorInfo {
  std::string_view id;       ///< "boosted_trees"
  std::string_view summary;  ///< one line
  std::unique_ptr<Regressor> (*make)(std::uint64_t seed);
};

/// Every regressor there is, with the settings that suit logs of some hundred to some thousand rows.
std::span<const RegressorInfo> regressors();

/// What fit() of every regressor demands of its rows. @throws Error as fit() does
void check_examples(const Matrix& features, std::span<const double> targets);

}  // namespace corbel
