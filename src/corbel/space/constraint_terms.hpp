#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "corbel/base/error.hpp"

namespace corbel {

enum class Comparison : std::uint8_t { less_equal, less, greater_equal, greater, equal, not_equal };

/// One term of an expression in postfix order, as parsed.
struct ConstraintTerm {
  enum class Kind : std::uint8_t { number, name, label, add, subtract, multiply, divide, negate, min, max };
  Kind kind;
  double value = 0;        ///< number
  std::string text{};      ///< name, label, or the number as written
  std::string unit{};      ///< number; "" if none is written
  std::size_t column = 0;  ///< from 1
};

struct ConstraintData {
  std::string text;
  std::string place;
  std::vector<std::string> names;
  std::vector<ConstraintTerm> left, right;
  Comparison comparison = Comparison::less_equal;
  std::size_t comparison_column = 0;

  /// "PLACE: constraint `TEXT`"
  std::string where() const;
  Error error(std::size_t column, const std::string& what, std::string hint = "") const;
};

}  // namespace corbel
