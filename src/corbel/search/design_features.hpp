#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "corbel/space/design_space.hpp"

namespace corbel {

/// Designs as numbers for regressors: an ordered parameter is its rank in [0, 1], a categorical one a 0/1 column per
/// value. Parameters of one value have no column. Immutable, thread-safe.
class DesignFeatures {
 public:
  explicit DesignFeatures(const DesignSpace& space);
  std::size_t columns() const { return columns_.size(); }
  /// The parameter a column belongs to.
  std::size_t parameter_of(std::size_t column) const { return columns_[column].parameter; }
  /// @param out  [columns()]
  void write(const Design& design, std::span<double> out) const;

 private:
  struct Column {
    std::size_t parameter;
    bool ordered;
    double step;          ///< of an ordered one: 1 / (count − 1)
    std::uint32_t value;  ///< of a categorical one
  };
  std::vector<Column> columns_;
};

}  // namespace corbel
