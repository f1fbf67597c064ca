#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "corbel/scorer/model.hpp"

namespace corbel {

/// Whatever predicts the metrics of designs: a trained model, or regressors that stand in its place. Immutable,
/// thread-safe, deterministic.
class Predictor {
 public:
  virtual ~Predictor() = default;
  virtual const DesignSpace& space() const = 0;
  virtual const std::vector<std::string>& metrics() const = 0;  ///< the first is the objective
  virtual Predictions predict(std::span<const Design> designs) const = 0;
  /// The same, to the bit, for designs first … first + n − 1 of the enumeration.
  virtual Predictions predict_range(DesignId first, std::size_t n) const;
};

/// A trained model, for one workload.
class ModelPredictor final : public Predictor {
 public:
  /// @param context  of the workload; ignored by a model that wants none
  /// @throws Error{mismatch} if the model wants a context of another size
  ModelPredictor(Model model, std::vector<float> context);
  const DesignSpace& space() const override { return model_.space(); }
  const std::vector<std::string>& metrics() const override { return model_.metrics(); }
  Predictions predict(std::span<const Design> designs) const override { return model_.predict(designs, context_); }
  Predictions predict_range(DesignId first, std::size_t n) const override {
    return model_.predict_range(first, n, context_);
  }

 private:
  Model model_;
  std::vector<float> context_;
};

}  // namespace corbel
