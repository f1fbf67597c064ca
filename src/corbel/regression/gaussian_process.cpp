#include "corbel/regression/gaussian_process.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace corbel {

namespace {

constexpr std::size_t lanes = 8;
// Single precision: twice the speed. Its rounding exceeds the uncertainty of the model only where the noise is at its
// least and length scales are many times the range of the rows, so that all predictions are alike.
using Lanes = Eigen::Array<float, lanes, 1>;
using ConstLanes = Eigen::Map<const Lanes>;
using MutableLanes = Eigen::Map<Lanes>;

constexpr std::size_t padded(std::size_t n) {
  return (n + lanes - 1) / lanes * lanes;
}

// Matérn-5/2 of squared distances.
template <class Array>
auto matern(const Array& squared_distance) {
  using Scalar = typename Array::Scalar;
  const Array a = (Scalar{5} * squared_distance).sqrt();
  return Array((Scalar{1} + a + a.square() * (Scalar{1} / Scalar{3})) * (-a).exp());
}

// Sums lane by lane, then over the lanes: the same bits wherever a row stands and whatever is computed beside it.
float dot(const float* a, const float* b, std::size_t n) {
  Lanes sum = Lanes::Zero();
  for (std::size_t j = 0; j < n; j += lanes) sum += ConstLanes(a + j) * ConstLanes(b + j);
  return sum.sum();
}

// Four of them at a time load `a` once.
void dot4(const float* a, const std::array<const float*, 4>& b, std::size_t n, std::array<float, 4>& out) {
  Lanes sum0 = Lanes::Zero(), sum1 = Lanes::Zero(), sum2 = Lanes::Zero(), sum3 = Lanes::Zero();
  for (std::size_t j = 0; j < n; j += lanes) {
    const Lanes x = ConstLanes(a + j);
    sum0 += x * ConstLanes(b[0] + j);
    sum1 += x * ConstLanes(b[1] + j);
    sum2 += x * ConstLanes(b[2] + j);
    sum3 += x * ConstLanes(b[3] + j);
  }
  out = {sum0.sum(), sum1.sum(), sum2.sum(), sum3.sum()};
}

// A scaled row's place among blocks of lanes.
float& at(std::vector<float>& blocks, std::size_t columns, std::size_t row, std::size_t column) {
  return blocks[(row / lanes * columns + column) * lanes + row % lanes];
}

constexpr double least_noise = 1e-5, greatest_noise = 0.3;
constexpr double least_length = 0.05, greatest_length = 100;
constexpr double start_length = 1;
// Where a descent ends, in units of log density.
constexpr double least_slope = 1e-4, least_progress = 1e-3;
// Prior of log noise: what a deterministic simulator leaves unexplained by a smooth function.
constexpr double noise_location = -6.0, noise_deviation = 2;

class Posterior {
 public:
  Posterior(const Matrix& rows, std::span<const double> targets, std::span<const std::size_t> groups)
      : n_(static_cast<Eigen::Index>(rows.rows())),
        group_count_(groups.empty() ? 0 : static_cast<Eigen::Index>(groups.back() + 1)),
        pairs_(n_ * (n_ - 1) / 2),
        squares_(Eigen::ArrayXXd::Zero(pairs_, group_count_)),
        targets_(Eigen::Map<const Eigen::VectorXd>(targets.data(), n_)),
        length_location_(std::numbers::sqrt2 +
                         0.5 * std::log(static_cast<double>(std::max<Eigen::Index>(1, group_count_)))) {
    for (Eigen::Index i = 0, pair = 0; i < n_; ++i) {
      const auto a = rows.row(static_cast<std::size_t>(i));
      for (Eigen::Index j = 0; j < i; ++j, ++pair) {
        const auto b = rows.row(static_cast<std::size_t>(j));
        for (std::size_t c = 0; c < groups.size(); ++c)
          squares_(pair, static_cast<Eigen::Index>(groups[c])) += (a[c] - b[c]) * (a[c] - b[c]);
      }
    }
  }

  Eigen::Index dimensions() const { return group_count_ + 1; }

  // Negative log density of (log lengths, log noise) and its gradient.
  double operator()(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
    const double noise = std::exp(x[group_count_]);
    const Eigen::VectorXd inverse_squares = (-2 * x.head(group_count_)).array().exp();
    const Eigen::ArrayXd distance = squares_.matrix() * inverse_squares;
    const Eigen::ArrayXd a = (5 * distance).sqrt(), decay = (-a).exp();
    const Eigen::ArrayXd correlation = (1 + a + a.square() / 3) * decay;
    Eigen::MatrixXd matrix(n_, n_);
    for (Eigen::Index i = 0, pair = 0; i < n_; ++i) {
      for (Eigen::Index j = 0; j < i; ++j, ++pair) matrix(i, j) = correlation[pair];
      matrix(i, i) = 1 + noise;
    }
    const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> factor(matrix);
    if (factor.info() != Eigen::Success) {
      gradient.setZero();
      return std::numeric_limits<double>::infinity();
    }
    const double log_determinant = 2 * matrix.diagonal().array().log().sum();
    Eigen::MatrixXd inverse = Eigen::MatrixXd::Identity(n_, n_);
    factor.solveInPlace(inverse);
    const Eigen::VectorXd ones = inverse.rowwise().sum();
    mean_ = ones.dot(targets_) / ones.sum();
    const Eigen::VectorXd alpha = inverse * (targets_.array() - mean_).matrix();
    const auto n = static_cast<double>(n_);
    // A weak prior keeps the amplitude of constant targets positive.
    amplitude_ = (alpha.dot((targets_.array() - mean_).matrix()) + 1e-6) / n;
    // ½ tr((K⁻¹ − α αᵀ / amplitude) ∂K): each pair stands in K twice.
    Eigen::ArrayXd weight(pairs_);
    for (Eigen::Index i = 0, pair = 0; i < n_; ++i)
      for (Eigen::Index j = 0; j < i; ++j, ++pair) weight[pair] = inverse(i, j) - alpha[i] * alpha[j] / amplitude_;
    weight *= (5.0 / 3.0) * (1 + a) * decay;
    gradient.head(group_count_) = (squares_.matrix().transpose() * weight.matrix()).cwiseProduct(inverse_squares);
    gradient[group_count_] = 0.5 * noise * (inverse.trace() - alpha.squaredNorm() / amplitude_);
    double value = 0.5 * n * std::log(amplitude_) + 0.5 * log_determinant;
    for (Eigen::Index k = 0; k < group_count_; ++k)
      value += penalty(x[k], length_location_, std::numbers::sqrt3, gradient[k]);
    value += penalty(x[group_count_], noise_location, noise_deviation, gradient[group_count_]);
    return value;
  }

  double mean() const { return mean_; }
  double amplitude() const { return amplitude_; }

 private:
  static double penalty(double value, double location, double deviation, double& slope) {
    const double z = (value - location) / deviation;
    slope += z / deviation;
    return 0.5 * z * z;
  }

  Eigen::Index n_, group_count_, pairs_;
  Eigen::ArrayXXd squares_;  // per pair and group: squared distance of the rows
  Eigen::VectorXd targets_;
  double length_location_;
  double mean_ = 0, amplitude_ = 1;
};

struct Optimum {
  Eigen::VectorXd x;
  double value, mean, amplitude;
};

// BFGS within the bounds.
Optimum descend(Posterior& posterior, const GaussianProcessParameters& start, std::size_t steps) {
  const Eigen::Index dimensions = posterior.dimensions();
  Eigen::VectorXd low = Eigen::VectorXd::Constant(dimensions, std::log(least_length));
  Eigen::VectorXd high = Eigen::VectorXd::Constant(dimensions, std::log(greatest_length));
  low[dimensions - 1] = std::log(least_noise);
  high[dimensions - 1] = std::log(greatest_noise);
  Eigen::VectorXd x(dimensions), gradient(dimensions);
  for (Eigen::Index k = 0; k + 1 < dimensions; ++k) x[k] = std::log(start.lengths[static_cast<std::size_t>(k)]);
  x[dimensions - 1] = std::log(start.noise);
  x = x.cwiseMax(low).cwiseMin(high);
  double value = posterior(x, gradient);
  Optimum best{x, value, posterior.mean(), posterior.amplitude()};
  Eigen::MatrixXd hessian = Eigen::MatrixXd::Identity(dimensions, dimensions);  // its inverse
  bool is_fresh = true;
  Eigen::VectorXd next, next_gradient(dimensions);
  while (steps > 0) {
    Eigen::VectorXd direction = -(hessian * gradient);
    // At a bound that the direction leads out of, the rest goes on.
    for (Eigen::Index k = 0; k < dimensions; ++k)
      if ((x[k] <= low[k] && direction[k] < 0) || (x[k] >= high[k] && direction[k] > 0)) direction[k] = 0;
    bool is_accepted = false;
    if (direction.dot(gradient) < -least_slope) {
      double length = std::min(1.0, (is_fresh ? 0.5 : 1.5) / direction.cwiseAbs().maxCoeff());
      for (; steps > 0 && !is_accepted && length > 1e-3; length *= 0.35, --steps) {
        next = (x + length * direction).cwiseMax(low).cwiseMin(high);
        value = posterior(next, next_gradient);
        is_accepted = value <= best.value + 1e-4 * gradient.dot(next - x);
      }
    }
    if (!is_accepted) {
      if (is_fresh) break;
      hessian.setIdentity();
      is_fresh = true;
      continue;
    }
    const Eigen::VectorXd s = next - x, y = next_gradient - gradient;
    if (const double curvature = s.dot(y); curvature > 1e-10) {
      if (is_fresh) hessian *= curvature / y.squaredNorm();
      const Eigen::VectorXd hy = hessian * y;
      hessian += (1 + y.dot(hy) / curvature) / curvature * s * s.transpose() -
                 (hy * s.transpose() + s * hy.transpose()) / curvature;
      is_fresh = false;
    }
    const double progress = best.value - value;
    x = next;
    gradient = next_gradient;
    best = {x, value, posterior.mean(), posterior.amplitude()};
    if (progress < least_progress) break;
  }
  return best;
}

}  // namespace

bool GaussianProcessParameters::are_valid(std::size_t groups) const {
  // Exponentials of logarithms at the bounds may lie a little beyond them.
  constexpr double slack = 1.001;
  const auto within = [](double value, double least, double greatest) {
    return value >= least / slack && value <= greatest * slack;
  };
  return lengths.size() == groups && std::isfinite(mean) && amplitude > 0 && std::isfinite(amplitude) &&
         within(noise, least_noise, greatest_noise) && std::all_of(lengths.begin(), lengths.end(), [&](double length) {
           return within(length, least_length, greatest_length);
         });
}

GaussianProcessParameters fit_gaussian_process(const Matrix& rows, std::span<const double> targets,
                                               std::span<const std::size_t> groups,
                                               const GaussianProcessParameters& start, std::size_t steps) {
  assert(rows.rows() == targets.size() && rows.columns() == groups.size());
  GaussianProcessParameters best;
  best.lengths.assign(groups.empty() ? 0 : groups.back() + 1, start_length);
  if (targets.empty()) return best;
  Posterior posterior(rows, targets, groups);
  // An earlier optimum may be one in which a column that matters was taken for noise.
  Optimum optimum = descend(posterior, best, steps);
  if (!start.lengths.empty()) {
    Optimum other = descend(posterior, start, steps);
    if (other.value < optimum.value) optimum = std::move(other);
  }
  for (std::size_t k = 0; k < best.lengths.size(); ++k)
    best.lengths[k] = std::exp(optimum.x[static_cast<Eigen::Index>(k)]);
  best.noise = std::exp(optimum.x[posterior.dimensions() - 1]);
  best.mean = optimum.mean;
  best.amplitude = optimum.amplitude;
  return best;
}

GaussianProcess::GaussianProcess(std::span<const std::size_t> groups, const GaussianProcessParameters& parameters)
    : columns_(groups.size()), parameters_(parameters), scaled_(groups.size()) {
  for (const std::size_t group : groups) scales_.push_back(static_cast<float>(1 / parameters.lengths[group]));
}

void GaussianProcess::scale(std::span<const double> row) {
  assert(row.size() == columns_);
  for (std::size_t c = 0; c < columns_; ++c) scaled_[c] = static_cast<float>(row[c]) * scales_[c];
}

// Kernel between a scaled row and the first `count` of some rows.
void GaussianProcess::kernel_row(const float* row, const std::vector<float>& blocks, std::size_t count,
                                 std::vector<float>& out) const {
  out.resize(padded(count));
  for (std::size_t i = 0; i < count; i += lanes) {
    const float* block = blocks.data() + i * columns_;
    Lanes distance = Lanes::Zero();
    for (std::size_t c = 0; c < columns_; ++c) distance += (ConstLanes(block + c * lanes) - row[c]).square();
    MutableLanes(out.data() + i) = matern(distance);
  }
}

void GaussianProcess::append(std::span<const double> row, GaussianProcessTarget target) {
  const std::size_t n = size();
  scale(row);
  Point point;
  kernel_row(scaled_.data(), rows_, n, point.solved);
  Point* self = &point;
  solve(&self, 1);
  point.solved.resize(padded(n));
  std::fill(point.solved.begin() + static_cast<std::ptrdiff_t>(n), point.solved.end(), 0.0F);
  const double rest = std::max(parameters_.noise, 1 + parameters_.noise - point.explained);
  factor_.push_back(std::move(point.solved));
  inverse_diagonal_.push_back(static_cast<float>(1 / std::sqrt(rest)));
  if (n % lanes == 0) rows_.resize((n / lanes + 1) * columns_ * lanes);
  for (std::size_t c = 0; c < columns_; ++c) at(rows_, columns_, n, c) = scaled_[c];
  targets_.push_back(target);
  weights_known_ = false;
}

void GaussianProcess::set_target(std::size_t i, GaussianProcessTarget target) {
  if (targets_[i].kind == target.kind && targets_[i].value == target.value) return;
  targets_[i] = target;
  targets_known_ = std::min(targets_known_, i);
  weights_known_ = false;
}

double GaussianProcess::learnt_target(std::size_t i) {
  update_targets();
  return learnt_[i];
}

void GaussianProcess::update_targets() {
  using Kind = GaussianProcessTarget::Kind;
  residuals_.resize(padded(size()));
  learnt_.resize(size());
  for (std::size_t& i = targets_known_; i < size(); ++i) {
    const float predicted = dot(factor_[i].data(), residuals_.data(), padded(i));
    const GaussianProcessTarget& target = targets_[i];
    float surprise = static_cast<float>(target.value - parameters_.mean) - predicted;
    if (target.kind == Kind::unknown) surprise = 0;
    if (target.kind == Kind::at_most) surprise = std::min(surprise, 0.0F);
    residuals_[i] = surprise * inverse_diagonal_[i];
    learnt_[i] = parameters_.mean + predicted + surprise;
  }
  std::fill(residuals_.begin() + static_cast<std::ptrdiff_t>(size()), residuals_.end(), 0.0F);
}

// Brings up to four points, all with the same rows known, up to date; the kernel stands where they are to be solved.
void GaussianProcess::solve(Point* const* points, std::size_t count) {
  std::array<const float*, 4> solved;
  for (std::size_t k = 0; k < 4; ++k) solved[k] = points[std::min(k, count - 1)]->solved.data();
  std::array<float, 4> sums;
  for (std::size_t i = points[0]->known; i < size(); ++i) {
    if (count > 1) {
      dot4(factor_[i].data(), solved, padded(i), sums);
    } else {
      sums[0] = dot(factor_[i].data(), solved[0], padded(i));
    }
    for (std::size_t k = 0; k < count; ++k) {
      float& value = points[k]->solved[i];
      value = (value - sums[k]) * inverse_diagonal_[i];
      points[k]->explained += double{value} * value;
    }
  }
  for (std::size_t k = 0; k < count; ++k) points[k]->known = size();
}

void GaussianProcess::follow(std::span<const double> row) {
  scale(row);
  const std::size_t i = points_.size();
  if (i % lanes == 0) point_rows_.resize((i / lanes + 1) * columns_ * lanes);
  for (std::size_t c = 0; c < columns_; ++c) at(point_rows_, columns_, i, c) = scaled_[c];
  points_.emplace_back();
}

void GaussianProcess::unfollow(std::size_t i) {
  const std::size_t last = points_.size() - 1;
  for (std::size_t c = 0; c < columns_; ++c)
    at(point_rows_, columns_, i, c) = std::as_const(at(point_rows_, columns_, last, c));
  std::swap(points_[i], points_[last]);
  points_.pop_back();
}

void GaussianProcess::update_points() {
  const std::size_t n = size();
  std::size_t least = n;  // known of any point that is not new
  for (const Point& point : points_)
    if (point.known) least = std::min(least, point.known);
  // Points are solved four at a time, with others that know as many rows.
  std::vector<Point*> fresh, old;
  for (std::size_t p = 0; p < points_.size(); ++p) {
    Point& point = points_[p];
    if (point.known == n) continue;
    if (point.solved.size() < padded(n)) point.solved.resize(padded(n + n / 8));
    if (point.known == 0) {
      for (std::size_t c = 0; c < columns_; ++c) scaled_[c] = at(point_rows_, columns_, p, c);
      kernel_row(scaled_.data(), rows_, n, kernel_);
      std::copy(kernel_.begin(), kernel_.end(), point.solved.begin());
      fresh.push_back(&point);
    } else {
      old.push_back(&point);
    }
  }
  if (!old.empty()) {
    for (std::size_t i = least; i < n; ++i) {
      for (std::size_t c = 0; c < columns_; ++c) scaled_[c] = at(rows_, columns_, i, c);
      kernel_row(scaled_.data(), point_rows_, points_.size(), kernel_);
      for (std::size_t p = 0; p < points_.size(); ++p)
        if (points_[p].known && points_[p].known <= i) points_[p].solved[i] = kernel_[p];
    }
  }
  std::stable_sort(old.begin(), old.end(), [](const Point* a, const Point* b) { return a->known < b->known; });
  for (std::vector<Point*>* group : {&fresh, &old}) {
    for (std::size_t begin = 0; begin < group->size();) {
      std::size_t end = begin + 1;
      while (end < group->size() && end < begin + 4 && (*group)[end]->known == (*group)[begin]->known) ++end;
      solve(group->data() + begin, end - begin);
      begin = end;
    }
  }
}

void GaussianProcess::predict_followed(std::span<Prediction> out) {
  assert(out.size() == points_.size());
  update_targets();
  update_points();
  const std::size_t length = padded(size());
  for (std::size_t p = 0; p < points_.size(); ++p) {
    const float sum = dot(points_[p].solved.data(), residuals_.data(), length);
    out[p] = {parameters_.mean + sum,
              parameters_.amplitude * std::max(1 - points_[p].explained, 1e-3 * parameters_.noise)};
  }
}

void GaussianProcess::update_weights() {
  update_targets();
  if (weights_known_) return;
  weights_.assign(padded(size()), 0.0F);
  std::copy(residuals_.begin(), residuals_.begin() + static_cast<std::ptrdiff_t>(size()), weights_.begin());
  for (std::size_t i = size(); i-- > 0;) {
    weights_[i] *= inverse_diagonal_[i];
    const float weight = weights_[i];
    const float* row = factor_[i].data();
    for (std::size_t j = 0; j < i; j += lanes) {
      MutableLanes part(weights_.data() + j);
      part -= weight * ConstLanes(row + j);
    }
  }
  weights_known_ = true;
}

void GaussianProcess::predict_means(const Matrix& rows, std::span<double> out) {
  assert(rows.rows() == out.size());
  update_weights();
  for (std::size_t p = 0; p < rows.rows(); ++p) {
    scale(rows.row(p));
    kernel_row(scaled_.data(), rows_, size(), kernel_);
    out[p] = parameters_.mean + dot(kernel_.data(), weights_.data(), padded(size()));
  }
}

}  // namespace corbel
