#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "corbel/regression/boosted_trees.hpp"
#include "corbel/scorer/safetensors.hpp"
#include "corbel/search/design_features.hpp"
#include "corbel/space/design_space.hpp"

namespace corbel {

/// Boosted trees on designs, ready to run: part of a model's objective. The sum of the leaves is exact, in multiples of
/// a small unit, so that designs give the same to the bit however they are evaluated. Immutable, thread-safe.
class Trees {
 public:
  /// Names of the tensors that a model file holds of them.
  static constexpr std::string_view nodes_name = "trees.nodes", roots_name = "trees.roots";

  /// Those that were learnt on rows that `features` wrote, as tensors.
  static TensorMap tensors(const DesignSpace& space, const DesignFeatures& features, const RegressionTrees& learnt);

  /// @throws Error{corrupt} for tensors that cannot be such trees
  Trees(const DesignSpace& space, const TensorMap& tensors);

  /// Faster where designs that agree in their first parameters follow each other.
  /// @param designs  of the space
  /// @param out      [n]
  void evaluate(std::span<const Design> designs, float* out) const;
  /// The same, to the bit, for designs first … first + n − 1 of the enumeration.
  void evaluate_range(DesignId first, std::size_t n, float* out) const;

 private:
  struct Node {
    std::int32_t parameter;   // −1: a leaf
    std::uint32_t threshold;  // an ordered index below it goes left; a categorical one other than it
    std::uint32_t left;       // the other child stands behind it
    float value;              // of a leaf
  };
  /// A parameter that nodes test, with its values in classes that no node tells apart.
  struct Column {
    std::size_t parameter;
    bool is_ordered;
    std::vector<std::uint32_t> cuts;      // thresholds, ascending
    std::vector<std::uint16_t> class_of;  // per value, where these are few
    std::size_t first_row;                // of masks_
    std::size_t classes() const { return cuts.size() + 1; }
    std::size_t of(std::uint32_t index) const;
  };
  /// What a node on the way to a leaf asks, and whether the way goes left.
  struct Condition {
    std::size_t column, cut;
    bool goes_left;
  };
  using Way = std::vector<Condition>;
  /// Where a leaf's value is added to the differences of a block, or taken off.
  struct Corner {
    std::uint32_t offset;
    std::int32_t change;
  };
  class Run;

  static bool goes_left(const Column& column, std::size_t cut, std::size_t value_class);
  template <class Visit>
  void for_each_leaf(std::uint32_t root, Visit&& visit) const;
  void find_columns();
  void find_leaves();
  void find_tail();
  void mark(const Way& way, std::size_t leaf);
  void add_corners(const Way& way, std::int32_t value);
  std::int32_t walk(const Design& design, std::uint32_t root) const;
  std::int32_t worth(float value) const { return static_cast<std::int32_t>(std::lround(value * per_unit_)); }
  float total(std::int32_t sum) const { return static_cast<float>(base_ + sum / per_unit_); }

  DesignSpace space_;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> roots_;  // of trees with more than a leaf
  double base_ = 0;                   // the sum of the others
  double per_unit_ = 1;               // units that make up a leaf's value of 1
  std::vector<Column> columns_;
  std::vector<std::size_t> column_of_;  // per parameter

  // Leaves are numbered tree by tree, those of a tree from a multiple of 64 on. A row of masks has a bit for each, set
  // if a value of the row's class does not lead past the leaf: what is set in the rows of all of a design's values is
  // one leaf of each tree. Without masks, where they would be too large, every tree is walked.
  std::size_t words_ = 0;
  std::vector<std::uint64_t> masks_;
  std::vector<std::int32_t> values_;  // per leaf

  // The last parameters, whose values make up a block of designs behind each other that agree in all others. The leaves
  // that these others leave over are boxes in the block.
  std::size_t tail_ = 0;                     // the first of these parameters
  std::size_t block_ = 0;                    // designs; 0: blocks are of no use
  std::vector<std::uint32_t> first_corner_;  // per leaf, and behind the last one
  std::vector<Corner> corners_;
};

}  // namespace corbel
