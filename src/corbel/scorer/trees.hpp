#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "corbel/regression/boosted_trees.hpp"
#include "corbel/scorer/safetensors.hpp"
#include "corbel/search/design_features.hpp"
#include "corbel/space/design_space.hpp"

namespace corbel {

/// Boosted trees on designs, ready to run: part of a model's objective. Immutable, thread-safe.
class Trees {
 public:
  /// Names of the tensors that a model file holds of them.
  static constexpr std::string_view nodes_name = "trees.nodes", roots_name = "trees.roots";

  /// Those that were learnt on rows that `features` wrote, as tensors.
  static TensorMap tensors(const DesignSpace& space, const DesignFeatures& features, const RegressionTrees& learnt);

  /// @throws Error{corrupt} for tensors that cannot be such trees
  Trees(const DesignSpace& space, const TensorMap& tensors);

  /// @param designs  of the space
  /// @param out      [n]
  void evaluate(std::span<const Design> designs, float* out) const;

 private:
  struct Node {
    std::int32_t parameter;   // −1: a leaf
    std::uint32_t threshold;  // an ordered index below it goes left; a categorical one other than it
    std::uint32_t left;       // the other child stands behind it
    float value;              // of a leaf
  };
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> roots_;
  std::vector<bool> is_ordered_;  // per parameter
};

}  // namespace corbel
