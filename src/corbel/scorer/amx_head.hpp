#pragma once

#include <memory>
#include <span>
#include <vector>

#include "corbel/scorer/amx_operations.hpp"
#include "corbel/scorer/member.hpp"

namespace corbel::amx {

/// The dense layers after the input, as Head, in bf16 but for the last one, whose sums are in single precision. One
/// head only: experts are not covered.
class TileHead {
 public:
  /// @param first  index of the first hidden layer that is a dense one
  TileHead(const MemberParts& parts, std::size_t first);

  /// bf16 values that a group needs for each of two buffers.
  std::size_t scratch_values() const { return widest_ * tile_lanes; }
  /// @param x        [in][tile_lanes] by pairs, per group
  /// @param scratch  2 · groups · scratch_values()
  /// @param out      as of Member::evaluate
  void apply(Columns<const std::uint16_t> x, std::size_t groups, std::uint16_t* scratch, float* out,
             std::size_t distance) const;

 private:
  Activation activation_;
  std::vector<Weights> layers_;  // those before the last
  Weights direct_;               // the last, where it is the only one
  std::vector<float> hidden_bias_, last_weight_, last_bias_;
  std::size_t widest_ = tile_inputs;
};

}  // namespace corbel::amx
