#include "corbel/scorer/amx_head.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace corbel::amx {

TileHead::TileHead(const MemberParts& parts, std::size_t first)
    : activation_(parts.spec.activation),
      last_weight_(parts.values("output.weight")),
      last_bias_(parts.values("output.bias")) {
  for (std::size_t h = first; h < parts.spec.hidden.size(); ++h) {
    const std::string name = fmt::format("hidden.{}", h);
    hidden_bias_ = parts.values(name + ".bias");
    layers_.emplace_back(parts.values(name + ".weight"), hidden_bias_, hidden_bias_.size());
    widest_ = std::max(widest_, layers_.back().outputs());
  }
  if (layers_.empty()) direct_ = Weights(last_weight_, {}, last_bias_.size());
}

void TileHead::apply(Columns<const std::uint16_t> x, std::size_t groups, std::uint16_t* scratch, float* out,
                     std::size_t distance) const {
  Columns<std::uint16_t> y{scratch, scratch_values()}, other{scratch + groups * scratch_values(), scratch_values()};
  for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
    multiply(layers_[l], x, activation_, groups, y);
    x = {y.first, y.distance};
    std::swap(y, other);
  }
  const Weights& last = layers_.empty() ? direct_ : layers_.back();
  AlignedVector<float> result(groups * last.outputs() * tile_lanes);
  multiply(last, x, groups, {result.data(), last.outputs() * tile_lanes});
  for (std::size_t g = 0; g < groups; ++g) {
    const float* const from = result.data() + g * last.outputs() * tile_lanes;
    float* const to = out + g * tile_lanes / lanes * distance + g * tile_lanes % lanes;
    if (!layers_.empty()) {
      last_layer(from, hidden_bias_, activation_, last_weight_, last_bias_, to, lanes);
      continue;
    }
    for (std::size_t o = 0; o < last_bias_.size(); ++o) {
      for (std::size_t lane = 0; lane < tile_lanes; ++lane) {
        to[o * lanes + lane] = from[o * tile_lanes + lane] + last_bias_[o];
      }
    }
  }
}

}  // namespace corbel::amx
