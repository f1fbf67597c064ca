#include "corbel/scorer/amx_head.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace corbel::amx {

TileHead::TileHead(const MemberParts& parts, std::size_t first)
    : activation_(parts.spec.activation), outputs_(static_cast<std::size_t>(parts.spec.outputs())) {
  const auto add = [&](const std::string& name) {
    const std::vector<float>& bias = parts.values(name + ".bias");
    layers_.emplace_back(parts.values(name + ".weight"), bias, bias.size());
    widest_ = std::max(widest_, layers_.back().outputs());
  };
  for (std::size_t h = first; h < parts.spec.hidden.size(); ++h) add(fmt::format("hidden.{}", h));
  add("output");
}

void TileHead::apply(Columns<const std::uint16_t> x, std::size_t groups, std::uint16_t* scratch, float* out,
                     std::size_t distance) const {
  Columns<std::uint16_t> y{scratch, scratch_values()}, other{scratch + groups * scratch_values(), scratch_values()};
  for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
    multiply(layers_[l], x, activation_, groups, y);
    x = {y.first, y.distance};
    std::swap(y, other);
  }
  const Weights& last = layers_.back();
  AlignedVector<float> result(groups * last.outputs() * tile_lanes);
  multiply(last, x, groups, {result.data(), last.outputs() * tile_lanes});
  for (std::size_t g = 0; g < groups; ++g) {
    float* const to = out + g * tile_lanes / lanes * distance + g * tile_lanes % lanes;
    for (std::size_t o = 0; o < outputs_; ++o) {
      const float* const from = result.data() + (g * last.outputs() + o) * tile_lanes;
      for (std::size_t lane = 0; lane < tile_lanes; ++lane) to[o * lanes + lane] = from[lane] + last.bias[o];
    }
  }
}

}  // namespace corbel::amx
