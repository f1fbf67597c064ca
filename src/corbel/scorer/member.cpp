#include "corbel/scorer/member.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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
  for (std::int64_t e = 0; e < spec.experts; ++e) {
    const std::string name = prefix + head_prefix(spec, e);
    Layers& layers = experts_.emplace_back();
    for (std::size_t h = first; h < spec.hidden.size(); ++h) {
      layers.push_back(dense_layer(tensors, fmt::format("{}hidden.{}", name, h)));
    }
    layers.push_back(dense_layer(tensors, name + "output"));
    for (const Dense& layer : layers) widest_ = std::max({widest_, layer.in(), layer.out()});
  }
  if (spec.experts > 1) vote_ = dense_layer(tensors, prefix + "vote");
}

std::size_t Head::scratch_rows() const {
  if (experts_.size() == 1) return widest_;
  return experts_.size() + experts_.front().back().out() + 2 * widest_;
}

void Head::run(const Layers& layers, const float* x, float* a, float* b, float* out) const {
  for (std::size_t l = 0; l + 1 < layers.size(); ++l) {
    layers[l].apply(x, a, lanes);
    activate(activation_, a, layers[l].out() * lanes);
    x = a;
    std::swap(a, b);
  }
  layers.back().apply(x, out, lanes);
}

void Head::apply(float* x, float* y, float* out) const {
  if (experts_.size() == 1) {
    run(experts_.front(), x, y, x, out);
    return;
  }
  const std::size_t size = experts_.front().back().out() * lanes;
  float* const votes = y;
  float* const said = votes + experts_.size() * lanes;
  float* const a = said + size;
  float* const b = a + widest_ * lanes;
  vote_.apply(x, votes, lanes);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    float largest = votes[lane], total = 0;
    for (std::size_t e = 1; e < experts_.size(); ++e) largest = std::max(largest, votes[e * lanes + lane]);
    for (std::size_t e = 0; e < experts_.size(); ++e) {
      float& vote = votes[e * lanes + lane];
      vote = std::exp(vote - largest);
      total += vote;
    }
    for (std::size_t e = 0; e < experts_.size(); ++e) votes[e * lanes + lane] /= total;
  }
  std::fill(out, out + size, 0.0F);
  for (std::size_t e = 0; e < experts_.size(); ++e) {
    run(experts_[e], x, a, b, said);
    for (std::size_t i = 0; i < size; ++i) out[i] += votes[e * lanes + i % lanes] * said[i];
  }
}

}  // namespace corbel
