#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "corbel/scorer/safetensors.hpp"
#include "corbel/surrogate/training_data.hpp"

namespace corbel {

/// Boosted trees of the normalised objective, beside the networks of a model.
struct Forest {
  double share = 0;  ///< of the trees in the predicted objective; 0: there are none
  TensorMap tensors;

  /// Learns from the rows that are fitted. Deterministic for a seed.
  static Forest fit(const DesignSpace& space, const TrainingData& data, double share, std::uint64_t seed);
  /// Into what a model file holds.
  void add_to(nlohmann::json& metadata, TensorMap& all) const;
};

}  // namespace corbel
