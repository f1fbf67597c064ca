#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "corbel/scorer/model.hpp"

namespace corbel {

class ModelPredictor;

/// Whatever predicts the metrics of designs: a trained model, or regressors that stand in its place. Immutable,
/// thread-safe, deterministic.
class Predictor {
 public:
  virtual ~Predictor() = default;
  virtual const DesignSpace& space() const = 0;
  virtual const std::vector<std::string>& metrics() const = 0;  ///< the first is the objective
  /// @param arithmetic  fast: what cannot compute faster computes exactly
  virtual Predictions predict(std::span<const Design> designs, Arithmetic arithmetic = Arithmetic::exact) const = 0;
  /// The same for designs first … first + n − 1 of the enumeration; to the bit in exact arithmetic.
  virtual Predictions predict_range(DesignId first, std::size_t n, Arithmetic arithmetic = Arithmetic::exact) const;
  /// The trained model that it is; null: it is none.
  virtual const ModelPredictor* as_model() const { return nullptr; }
};

/// A trained model, for one workload. Where the model has learnt from several workloads and this is none of them, a
/// design is as feasible as on the workload where it is least so: what a workload without rows cannot run is not known,
/// and what fails on one that is known is no good guess.
class ModelPredictor final : public Predictor {
 public:
  /// @param context  of the workload; ignored by a model that wants none
  /// @throws Error{mismatch} if the model wants a context of another size; Error{corrupt} for a model that lists its
  ///         workloads wrongly
  ModelPredictor(Model model, std::vector<float> context);
  const DesignSpace& space() const override { return model_.space(); }
  const std::vector<std::string>& metrics() const override { return model_.metrics(); }
  Predictions predict(std::span<const Design> designs, Arithmetic arithmetic = Arithmetic::exact) const override;
  Predictions predict_range(DesignId first, std::size_t n, Arithmetic arithmetic = Arithmetic::exact) const override;
  const ModelPredictor* as_model() const override { return this; }
  /// What it predicts, before it is put into units.
  Outputs outputs(std::span<const Design> designs, Arithmetic arithmetic) const;
  Outputs outputs_range(DesignId first, std::size_t n, Arithmetic arithmetic) const;
  const Model& model() const { return model_; }
  /// Whether the model has learnt from no row of this workload, but from those of others whose contexts it can tell
  /// from it.
  bool is_zero_shot() const { return !others_.empty(); }

 private:
  template <class Predict>
  Predictions least_feasible(Predict&& predict) const;
  template <class Ask>
  Outputs least_feasible_outputs(Ask&& ask) const;

  Model model_;
  std::vector<float> context_;
  std::vector<std::vector<float>> others_;  // contexts of the known workloads, if this is none of them
};

}  // namespace corbel
