#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "corbel/regression/matrix.hpp"

namespace corbel {

/// Hyper-parameters of a Gaussian process with a constant mean and a Matérn-5/2 kernel with a length scale per group of
/// columns.
struct GaussianProcessParameters {
  std::vector<double> lengths;  ///< per group of columns
  double amplitude = 1;         ///< variance of the function
  double noise = 1e-2;          ///< variance of the noise, as a share of the amplitude
  double mean = 0;
  /// Whether they are such as fit_gaussian_process() returns for that many groups.
  bool are_valid(std::size_t groups) const;
};

/// What is known of a row's target.
struct GaussianProcessTarget {
  enum class Kind {
    exact,
    at_most,  ///< the value is an upper bound: the smaller of it and the prediction from earlier rows is learnt
    unknown   ///< the prediction from earlier rows is taken for the truth (kriging believer, Ginsbourger et al. 2010)
  };
  double value = 0;
  Kind kind = Kind::exact;
};

/// Hyper-parameters of greatest posterior density (marginal likelihood times prior), by BFGS on their logarithms from
/// two starts: a fixed one, and `start` if that has lengths. Amplitude and mean have closed forms. Costs O(n³) per
/// step: give it a few hundred rows at most. Prior of the length scales: Hvarfner et al. 2024 (arXiv 2402.02229),
/// eq. 6.
/// @param rows     [n, columns]
/// @param targets  [n], finite
/// @param groups   [columns]: the group each column belongs to, ascending from 0
/// Deterministic. Rasmussen and Williams 2006, section 5.4.
GaussianProcessParameters fit_gaussian_process(const Matrix& rows, std::span<const double> targets,
                                               std::span<const std::size_t> groups,
                                               const GaussianProcessParameters& start, std::size_t steps);

/// Exact Gaussian-process regression that grows: appending a row costs O(n²). Points can be
/// followed: their posterior is kept up to date for O(n) per point and appended row.
/// The numbers depend on the rows and targets there are, not on how they came and went. A value; not thread-safe.
class GaussianProcess {
 public:
  struct Prediction {
    double mean, variance;  ///< of the function, without noise
  };

  GaussianProcess(std::span<const std::size_t> groups, const GaussianProcessParameters& parameters);

  std::size_t size() const { return targets_.size(); }
  void append(std::span<const double> row, GaussianProcessTarget target);
  void set_target(std::size_t i, GaussianProcessTarget target);
  /// The target that row i stands for: bounds and unknown ones as they were filled in.
  double learnt_target(std::size_t i);

  std::size_t followed() const { return points_.size(); }
  /// Follows one more point, as the last.
  void follow(std::span<const double> row);
  /// Forgets point i; the last one takes its place.
  void unfollow(std::size_t i);
  /// @param out  [followed()]
  void predict_followed(std::span<Prediction> out);
  /// Means alone, for O(n) each.
  /// @param out  [rows.rows()]
  void predict_means(const Matrix& rows, std::span<double> out);

 private:
  struct Point {
    std::vector<float> solved;  // L⁻¹ k(X, point), for the first `known` rows
    double explained = 0;       // its squared norm
    std::size_t known = 0;
  };

  void scale(std::span<const double> row);
  void kernel_row(const float* row, const std::vector<float>& blocks, std::size_t count, std::vector<float>& out) const;
  void solve(Point* const* points, std::size_t count);
  void update_targets();
  void update_points();
  void update_weights();

  std::size_t columns_;
  GaussianProcessParameters parameters_;
  std::vector<float> scales_;                   // per column: 1 / length
  std::vector<float> rows_;                     // scaled, [block of 8 rows][column][8]
  std::vector<std::vector<float>> factor_;      // rows of the Cholesky factor L before the diagonal, padded with 0
  std::vector<float> inverse_diagonal_;         // of L
  std::vector<GaussianProcessTarget> targets_;  // of each row
  std::vector<float> residuals_;                // L⁻¹ (targets − mean), valid for the first targets_known_ rows
  std::vector<double> learnt_;
  std::size_t targets_known_ = 0;
  std::vector<float> weights_;  // K⁻¹ (targets − mean)
  bool weights_known_ = false;
  std::vector<Point> points_;
  std::vector<float> point_rows_;  // as rows_
  std::vector<float> scaled_, kernel_;
};

}  // namespace corbel
