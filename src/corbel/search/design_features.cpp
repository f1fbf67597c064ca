#include "corbel/search/design_features.hpp"

#include <cassert>

namespace corbel {

DesignFeatures::DesignFeatures(const DesignSpace& space) {
  for (std::size_t i = 0; i < space.dimensions(); ++i) {
    const Parameter& parameter = space.parameters()[i];
    if (parameter.count() < 2) continue;
    if (parameter.is_ordered()) {
      columns_.push_back({i, true, 1.0 / (parameter.count() - 1.0), 0});
    } else {
      for (std::uint32_t value = 0; value < parameter.count(); ++value) columns_.push_back({i, false, 0, value});
    }
  }
}

void DesignFeatures::write(const Design& design, std::span<double> out) const {
  assert(out.size() == columns_.size());
  for (std::size_t k = 0; k < columns_.size(); ++k) {
    const Column& column = columns_[k];
    out[k] = column.ordered ? design[column.parameter] * column.step : design[column.parameter] == column.value;
  }
}

}  // namespace corbel
