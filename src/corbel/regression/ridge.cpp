#include "corbel/regression/ridge.hpp"

#include <Eigen/Dense>
#include <cassert>
#include <cmath>
#include <limits>

namespace corbel {

namespace {

// As shares of the number of rows, as the eigenvalues are.
constexpr double penalties[] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10};

}  // namespace

double Ridge::value(const Term& term, std::span<const double> row) const {
  const auto scaled = [&](std::size_t column) { return (row[column] - centres_[column]) * scales_[column]; };
  return (term.b == linear ? scaled(term.a) : scaled(term.a) * scaled(term.b)) - term.mean;
}

void Ridge::fit(const Matrix& features, std::span<const double> targets) {
  check_examples(features, targets);
  const std::size_t n = features.rows(), columns = features.columns();
  const auto count = static_cast<double>(n);
  Ridge fitted(options_);
  fitted.centres_.assign(columns, 0);
  std::vector<bool> binary(columns, true);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t c = 0; c < columns; ++c) {
      const double x = features.row(i)[c];
      fitted.centres_[c] += x / count;
      binary[c] = binary[c] && (x == 0 || x == 1);
    }
  }
  fitted.scales_.assign(columns, 1);
  for (std::size_t c = 0; c < columns; ++c) {
    fitted.terms_.push_back({c, linear, 0});
    if (binary[c]) continue;
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) squares += std::pow(features.row(i)[c] - fitted.centres_[c], 2);
    const double deviation = std::sqrt(squares / count);
    fitted.scales_[c] = deviation > 0 && std::isfinite(deviation) ? 0.5 / deviation : 0;
  }
  if (options_.quadratic && columns * (columns + 3) / 2 <= options_.most_terms) {
    for (std::size_t a = 0; a < columns; ++a)
      for (std::size_t b = a; b < columns; ++b)
        if (a != b || !binary[a]) fitted.terms_.push_back({a, b, 0});
  }
  Eigen::MatrixXd x(n, fitted.terms_.size());
  std::size_t kept = 0;
  for (Term& term : fitted.terms_) {
    auto column = x.col(static_cast<Eigen::Index>(kept));
    for (std::size_t i = 0; i < n; ++i) column[static_cast<Eigen::Index>(i)] = fitted.value(term, features.row(i));
    term.mean = column.mean();
    column.array() -= term.mean;
    const double norm = column.norm();
    if (!(norm > 1e-9 && std::isfinite(norm))) continue;  // constant in these rows
    fitted.terms_[kept++] = term;
  }
  fitted.terms_.resize(kept);
  x.conservativeResize(Eigen::NoChange, static_cast<Eigen::Index>(kept));
  Eigen::VectorXd y = Eigen::Map<const Eigen::VectorXd>(targets.data(), static_cast<Eigen::Index>(n));
  fitted.intercept_ = y.mean();
  y.array() -= fitted.intercept_;
  fitted.weights_.assign(kept, 0);
  if (kept > 0) {
    // With X = U S Vᵀ, from the smaller of the two Gram matrices, every penalty costs O(n · rank).
    const bool wide = kept > n;
    const Eigen::MatrixXd gram = wide ? Eigen::MatrixXd(x * x.transpose()) : Eigen::MatrixXd(x.transpose() * x);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram);
    const Eigen::VectorXd squares = solver.eigenvalues().cwiseMax(0);
    // Rows in the basis of the left singular vectors: U, or X V = U S.
    const Eigen::MatrixXd basis = wide ? solver.eigenvectors() : Eigen::MatrixXd(x * solver.eigenvectors());
    const Eigen::MatrixXd basis_squares = basis.cwiseAbs2();
    const Eigen::VectorXd projected = basis.transpose() * y;
    double least = std::numeric_limits<double>::infinity();
    Eigen::VectorXd best = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(kept));
    for (const double penalty : penalties) {
      const Eigen::ArrayXd inverse = 1 / (squares.array() + penalty * count);
      // The share of y that each direction explains; for U S the squares are in the basis already.
      const Eigen::VectorXd shrink = wide ? (squares.array() * inverse).matrix() : Eigen::VectorXd(inverse.matrix());
      const Eigen::VectorXd residual = y - basis * shrink.cwiseProduct(projected);
      const Eigen::VectorXd leverage = basis_squares * shrink;
      double error = 0;
      for (Eigen::Index i = 0; i < residual.size(); ++i) {
        const double left_out = residual[i] / std::max(1e-9, 1 - 1 / count - leverage[i]);
        error += left_out * left_out;
      }
      if (!(error < least)) continue;
      least = error;
      best = wide ? Eigen::VectorXd(x.transpose() * (solver.eigenvectors() * inverse.matrix().cwiseProduct(projected)))
                  : Eigen::VectorXd(solver.eigenvectors() * inverse.matrix().cwiseProduct(projected));
    }
    for (std::size_t k = 0; k < kept; ++k) fitted.weights_[k] = best[static_cast<Eigen::Index>(k)];
  }
  *this = std::move(fitted);
}

void Ridge::predict(const Matrix& features, std::span<double> out) const {
  assert(out.size() == features.rows());
  for (std::size_t i = 0; i < out.size(); ++i) {
    double sum = intercept_;
    for (std::size_t k = 0; k < terms_.size(); ++k) sum += weights_[k] * value(terms_[k], features.row(i));
    out[i] = sum;
  }
}

}  // namespace corbel
