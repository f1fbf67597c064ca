#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "corbel/scorer/aligned_vector.hpp"
#include "corbel/scorer/lane_operations.hpp"
#include "corbel/scorer/safetensors.hpp"
#include "corbel/space/parameter.hpp"

namespace corbel {

/// Tables made for a network may take as much; what would need more is computed for each design.
inline constexpr std::size_t most_table_bytes = std::size_t{4} << 20;

/// A row of numbers for each value of a parameter: what it adds to the first layer, or its token. Immutable.
class InputTable {
 public:
  /// @param tensor  the parameter's `input.p` (docs/formats/model.md)
  /// @param base    added to every row; none if empty
  InputTable(const Parameter& parameter, const StoredTensor& tensor, std::span<const float> base = {});

  std::size_t width() const { return width_; }
  /// False for a parameter of too many values, whose rows are computed when they are asked for.
  bool is_table() const { return is_table_; }
  std::uint32_t count() const { return parameter_.count(); }
  /// @param out  [width]
  void row(std::uint32_t index, float* out) const;
  /// The rows of `lanes` values, side by side.
  /// @param index  [lanes]
  /// @param add    to what is in out, which is [width][lanes], rather than in its place
  void look_up(const LaneOperations& operations, const std::uint32_t* index, bool add, float* out) const;

 private:
  Parameter parameter_;
  bool is_table_;
  std::size_t width_;
  std::vector<float> rows_;       // [count][width] with the base, or [feature_count][width] without it
  std::vector<float> base_;       // where there is no table
  AlignedVector<float> columns_;  // [width][table_stride(count)], the same again
};

/// Rows laid out for LaneOperations::look_up.
/// @param rows  [count][width]
AlignedVector<float> look_up_table(std::span<const float> rows, std::size_t count, std::size_t width);

}  // namespace corbel
