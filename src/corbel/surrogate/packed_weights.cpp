#include "corbel/surrogate/internal/packed_weights.hpp"

#include "corbel/surrogate/internal/training_operations.hpp"

namespace corbel {

void PackedWeights::pack(const float* weight, std::size_t out, std::size_t in, bool backward) {
  constexpr std::size_t tile = training_tile;
  const auto padded = [](std::size_t rows) { return (rows + tile - 1) / tile * tile; };
  in_ = in;
  out_ = out;
  forward_.make_room(padded(out) * in);
  float* to = forward_.data();
  for (std::size_t first = 0; first < out; first += tile) {
    for (std::size_t i = 0; i < in; ++i) {
      for (std::size_t o = first; o < first + tile; ++o) *to++ = o < out ? weight[o * in + i] : 0;
    }
  }
  if (!backward) return;
  backward_.make_room(padded(in) * out);
  to = backward_.data();
  for (std::size_t first = 0; first < in; first += tile) {
    for (std::size_t o = 0; o < out; ++o) {
      for (std::size_t i = first; i < first + tile; ++i) *to++ = i < in ? weight[o * in + i] : 0;
    }
  }
}

}  // namespace corbel
