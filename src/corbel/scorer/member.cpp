#include "corbel/scorer/member.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace corbel {

Dense dense_layer(const TensorMap& tensors, const std::string& name) {
  return Dense(tensors.find(name + ".weight")->second.values, tensors.find(name + ".bias")->second.values);
}

InputTable::InputTable(const Parameter& parameter, const StoredTensor& tensor)
    : parameter_(parameter),
      is_table_(has_table(parameter)),
      width_(static_cast<std::size_t>(tensor.shape.back())),
      rows_(tensor.values) {}

void InputTable::add(std::uint32_t index, const float* base, float* out) const {
  if (is_table_) {
    const float* row = rows_.data() + index * width_;
    for (std::size_t w = 0; w < width_; ++w) out[w] = base[w] + row[w];
    return;
  }
  float features[feature_count];
  parameter_features(parameter_, index, features);
  std::copy(base, base + width_, out);
  for (std::size_t f = 0; f < feature_count; ++f) {
    const float* row = rows_.data() + f * width_;
    for (std::size_t w = 0; w < width_; ++w) out[w] += features[f] * row[w];
  }
}

Head::Head(const NetworkSpec& spec, const TensorMap& tensors, const std::string& prefix, std::size_t first)
    : activation_(spec.activation) {
  for (std::size_t h = first; h < spec.hidden.size(); ++h) {
    layers_.push_back(dense_layer(tensors, fmt::format("{}hidden.{}", prefix, h)));
  }
  layers_.push_back(dense_layer(tensors, prefix + "output"));
  for (const Dense& layer : layers_) widest_ = std::max({widest_, layer.in(), layer.out()});
}

void Head::apply(float* x, float* y, float* out) const {
  for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
    layers_[l].apply(x, y, lanes);
    activate(activation_, y, layers_[l].out() * lanes);
    std::swap(x, y);
  }
  layers_.back().apply(x, out, lanes);
}

}  // namespace corbel
