#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "corbel/space/constraint.hpp"
#include "corbel/space/design_space.hpp"

namespace corbel {

/// One step of a compiled expression, which runs on a small stack.
struct Instruction {
  enum class Code : std::uint8_t {
    constant,  // push value
    metric,    // push metrics[index]
    lookup,    // push tables[offset + design[index]]
    line,      // push value + step * design[index]
    scale,     // top *= value
    add,
    subtract,
    multiply,
    divide,
    negate,
    min,
    max,
  };
  Code code;
  std::uint32_t index = 0;
  std::size_t offset = 0;
  double value = 0;
  double step = 0;
};

/// The parser's nesting limit keeps real expressions far below.
inline constexpr std::size_t max_constraint_stack = 256;

/// The values that an expression may take: none outside [low, high], and NaN only if `nan`.
struct Interval {
  double low, high;
  bool nan;
};

/// One side of a constraint, compiled.
struct ConstraintProgram {
  std::vector<Instruction> instructions;
  std::vector<double> tables;  ///< values of the ordinal parameters it reads, ascending

  double run(const Design& design, std::span<const double> metrics) const;
  /// What run() may give for the designs of a box with metrics in these ranges, or whatever the metrics if there are
  /// none. As tight as can be where every parameter is read once or always in the same direction. Sound to the last
  /// bit: rounding to nearest keeps the order of results, so that the bounds are computed as the values are.
  Interval bounds(const DesignBox& box, std::span<const MetricRange> metrics = {}) const;
};

}  // namespace corbel
