#pragma once

#include <memory>
#include <vector>

#include "corbel/regression/regressor.hpp"

namespace corbel {

struct NearestNeighboursOptions {
  std::size_t neighbours = 6;
};

/// The mean of the nearest rows, weighted by the inverse of their squared Euclidean distance (Shepard 1968). A row that
/// was learnt predicts its own target.
class NearestNeighbours final : public Regressor {
 public:
  explicit NearestNeighbours(const NearestNeighboursOptions& options = {}) : options_(options), rows_(1) {}
  std::unique_ptr<Regressor> clone() const override { return std::make_unique<NearestNeighbours>(*this); }
  void fit(const Matrix& features, std::span<const double> targets) override;
  void predict(const Matrix& features, std::span<double> out) const override;

 private:
  NearestNeighboursOptions options_;
  Matrix rows_;
  std::vector<double> targets_;
};

}  // namespace corbel
