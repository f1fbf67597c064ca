#include "corbel/scorer/dense.hpp"

#include <algorithm>

namespace corbel {

Dense::Dense(std::span<const float> weight, std::span<const float> bias)
    : in_(bias.empty() ? 0 : weight.size() / bias.size()), out_(bias.size()) {
  const std::size_t padded = (out_ + dense_tile - 1) / dense_tile * dense_tile;
  packed_.resize(padded * in_);
  bias_.assign(padded, 0);
  std::copy(bias.begin(), bias.end(), bias_.begin());
  for (std::size_t o = 0; o < out_; ++o) {
    for (std::size_t i = 0; i < in_; ++i) {
      packed_[o / dense_tile * dense_tile * in_ + i * dense_tile + o % dense_tile] = weight[o * in_ + i];
    }
  }
}

}  // namespace corbel
