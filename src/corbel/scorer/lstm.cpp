#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "corbel/scorer/member.hpp"

namespace corbel {
namespace {

// exp(x) to about 2e-7 of itself, bounded by e^±87, without a call, so that the compiler can do several at once: with
// the library's functions an LSTM took nearly twice as long. 2^n · exp(r) with |r| ≤ ln(2)/2 and exp's Taylor
// polynomial.
inline float exponential(float power) {
  constexpr float per_octave = 1.44269504F, octave_high = 0.693359375F, octave_low = -2.12194440e-4F;
  constexpr float rounder = 12582912.0F;  // 1.5 · 2^23: adding it leaves no room for a fraction
  float x = power > -87.0F ? power : -87.0F;
  x = x < 87.0F ? x : 87.0F;
  const float n = (x * per_octave + rounder) - rounder;
  const float r = (x - n * octave_high) - n * octave_low;
  float sum = 1.0F / 720;
  sum = sum * r + 1.0F / 120;
  sum = sum * r + 1.0F / 24;
  sum = sum * r + 1.0F / 6;
  sum = sum * r + 0.5F;
  sum = sum * r + 1.0F;
  sum = sum * r + 1.0F;
  const float result = sum * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
  return power == power ? result : power;  // NaN stays NaN
}

inline float sigmoid(float x) {
  return 1.0F / (1.0F + exponential(-x));
}
inline float tangent(float x) {
  return 2.0F / (1.0F + exponential(-2 * x)) - 1.0F;
}

// One step of one unit, for `lanes` designs.
void advance(const float* in, const float* forget, const float* change, const float* let_out, float factor,
             float* __restrict cell, float* __restrict hidden, float* __restrict gated) {
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    const float state = sigmoid(forget[lane]) * cell[lane] + sigmoid(in[lane]) * tangent(change[lane]);
    cell[lane] = state;
    hidden[lane] = sigmoid(let_out[lane]) * tangent(state);
    gated[lane] = hidden[lane] * factor;
  }
}

// A token per parameter, in order through an LSTM (Hochreiter and Schmidhuber 1997, with forget gates), the hidden
// states of all steps flattened into a head.
class Lstm : public Member {
 public:
  Lstm(const DesignSpace& space, const NetworkSpec& spec, const TensorMap& tensors, const std::string& prefix)
      : tokens_(space.dimensions()),
        width_(static_cast<std::size_t>(spec.embedding)),
        bias_(tensors.find(prefix + "input.bias")->second.values),
        cell_(dense_layer(tensors, prefix + "lstm")),
        head_(spec, tensors, prefix, 0) {
    for (std::size_t p = 0; p < tokens_; ++p) {
      tables_.emplace_back(space.parameters()[p], tensors.find(fmt::format("{}input.{}", prefix, p))->second);
    }
  }

  std::unique_ptr<Workspace> workspace() const override {
    auto made = std::make_unique<Scratch>();
    made->token.resize(width_);
    made->x.resize(2 * width_ * lanes);
    made->gates.resize(4 * width_ * lanes);
    made->cell.resize(width_ * lanes);
    made->flat.resize(std::max(tokens_ * width_, head_.widest()) * lanes);
    made->spare.resize(head_.scratch_rows() * lanes);
    return made;
  }

  void evaluate(std::span<const Design> designs, std::span<const float> gate, Workspace& workspace,
                float* out) const override {
    auto& scratch = static_cast<Scratch&>(workspace);
    const std::size_t size = width_ * lanes;
    float* const hidden = scratch.x.data() + size;  // behind the token
    std::fill(hidden, hidden + size, 0.0F);
    std::fill(scratch.cell.begin(), scratch.cell.end(), 0.0F);
    const float* const in = scratch.gates.data();
    const float *const forget = in + size, *const change = forget + size, *const let_out = change + size;
    for (std::size_t p = 0; p < tokens_; ++p) {
      for (std::size_t lane = 0; lane < designs.size(); ++lane) {
        tables_[p].add(designs[lane][p], bias_.data() + p * width_, scratch.token.data());
        for (std::size_t w = 0; w < width_; ++w) scratch.x[w * lanes + lane] = scratch.token[w];
      }
      cell_.apply(scratch.x.data(), scratch.gates.data(), lanes);
      float* const state = scratch.flat.data() + p * size;
      for (std::size_t w = 0; w < width_; ++w) {
        const std::size_t row = w * lanes;
        advance(in + row, forget + row, change + row, let_out + row, gate.empty() ? 1.0F : gate[p * width_ + w],
                scratch.cell.data() + row, hidden + row, state + row);
      }
    }
    head_.apply(scratch.flat.data(), scratch.spare.data(), out);
  }

 private:
  struct Scratch : Workspace {
    std::vector<float> token, x, gates, cell, flat, spare;
  };

  std::size_t tokens_, width_;
  std::vector<float> bias_;  // [tokens][width]
  std::vector<InputTable> tables_;
  Dense cell_;  // from token and hidden state to the gates in, forget, change, out
  Head head_;
};

}  // namespace

std::unique_ptr<Member> make_lstm(const DesignSpace& space, const NetworkSpec& spec, const TensorMap& tensors,
                                  const std::string& prefix) {
  return std::make_unique<Lstm>(space, spec, tensors, prefix);
}

}  // namespace corbel
