#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "corbel/scorer/safetensors.hpp"
#include "corbel/surrogate/training_data.hpp"

namespace corbel {

/// More rows teach trees of this depth little, and cost minutes.
inline constexpr std::size_t most_tree_rows = 100'000;

/// Boosted trees of the normalised objective, beside the networks of a model.
struct Forest {
  double share = 0;   ///< of the trees in the predicted objective; 0: there are none
  TensorMap tensors;  ///< for workload 0

  /// The same trees, for the other workloads.
  TensorMap others;

  /// Learns from the rows that are fitted, of all workloads alike. Where some of several workloads' are the target's,
  /// the trees may ask whether a row is, and are written down with that question answered. Deterministic for a seed.
  static Forest fit(const DesignSpace& space, const TrainingData& data, double share, std::uint64_t seed);
  /// Into what a model file holds.
  void add_to(nlohmann::json& metadata, TensorMap& all, std::uint32_t workload = 0) const;
};

}  // namespace corbel
