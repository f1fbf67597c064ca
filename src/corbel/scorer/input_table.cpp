#include "corbel/scorer/input_table.hpp"

#include <algorithm>

#include "corbel/scorer/network_spec.hpp"

namespace corbel {

AlignedVector<float> look_up_table(std::span<const float> rows, std::size_t count, std::size_t width) {
  const std::size_t stride = table_stride(count);
  AlignedVector<float> table(width * stride);
  for (std::size_t v = 0; v < count; ++v) {
    for (std::size_t w = 0; w < width; ++w) table[w * stride + v] = rows[v * width + w];
  }
  return table;
}

InputTable::InputTable(const Parameter& parameter, const StoredTensor& tensor, std::span<const float> base)
    : parameter_(parameter),
      is_table_(has_table(parameter)),
      width_(static_cast<std::size_t>(tensor.shape.back())),
      rows_(tensor.values) {
  if (!is_table_) {
    base_.assign(base.begin(), base.end());
    base_.resize(width_);
    return;
  }
  for (std::size_t i = 0; i < rows_.size() && !base.empty(); ++i) rows_[i] += base[i % width_];
  columns_ = look_up_table(rows_, parameter.count(), width_);
}

void InputTable::row(std::uint32_t index, float* out) const {
  if (is_table_) {
    std::copy_n(rows_.begin() + static_cast<std::ptrdiff_t>(index * width_), width_, out);
    return;
  }
  float features[feature_count];
  parameter_features(parameter_, index, features);
  std::copy(base_.begin(), base_.end(), out);
  for (std::size_t f = 0; f < feature_count; ++f) {
    const float* const weights = rows_.data() + f * width_;
    for (std::size_t w = 0; w < width_; ++w) out[w] += features[f] * weights[w];
  }
}

void InputTable::look_up(const LaneOperations& operations, const std::uint32_t* index, bool add, float* out) const {
  if (is_table_) {
    operations.look_up(columns_.data(), parameter_.count(), width_, index, add, out);
    return;
  }
  std::vector<float> values(width_);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    if (lane == 0 || index[lane] != index[lane - 1]) row(index[lane], values.data());
    for (std::size_t w = 0; w < width_; ++w) {
      float& to = out[w * lanes + lane];
      to = add ? to + values[w] : values[w];
    }
  }
}

}  // namespace corbel
