#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "corbel/scorer/member.hpp"

namespace corbel {
namespace {

float sigmoid(float x) {
  return 1.0F / (1.0F + std::exp(-x));
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
      for (std::size_t i = 0; i < size; ++i) {
        scratch.cell[i] = sigmoid(forget[i]) * scratch.cell[i] + sigmoid(in[i]) * std::tanh(change[i]);
        hidden[i] = sigmoid(let_out[i]) * std::tanh(scratch.cell[i]);
        state[i] = gate.empty() ? hidden[i] : hidden[i] * gate[p * width_ + i / lanes];
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
