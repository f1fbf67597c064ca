#include <algorithm>

#include "corbel/scorer/member.hpp"

namespace corbel {
namespace {

// A token per parameter, in order through an LSTM (Hochreiter and Schmidhuber 1997, with forget gates), the hidden
// states of all steps flattened into a head. Steps over leading values that all designs share with those before are not
// repeated.
class Lstm : public Member {
 public:
  Lstm(const MemberParts& parts, const LaneOperations& operations)
      : operations_(operations),
        tokens_(parts.space.dimensions()),
        width_(static_cast<std::size_t>(parts.spec.embedding)),
        cell_(parts.dense("lstm")),
        head_(parts, 0, operations) {
    for (std::size_t p = 0; p < tokens_; ++p) tables_.push_back(parts.input(p));
  }

  std::unique_ptr<Workspace> workspace() const override {
    auto made = std::make_unique<Scratch>();
    const std::size_t size = width_ * lanes;
    made->inputs.resize((tokens_ + 1) * 2 * size);
    made->cells.resize((tokens_ + 1) * size);
    made->gates.resize(4 * size);
    made->flat.resize(tokens_ * size);
    made->spare.resize(head_.scratch_rows() * lanes);
    return made;
  }

  void evaluate(const DesignColumns& designs, std::span<const float> gate, Workspace& workspace, float* out,
                std::size_t) const override {
    auto& scratch = static_cast<Scratch&>(workspace);
    const std::size_t size = width_ * lanes;
    const std::size_t known = advance_prefix(designs, scratch.prefix);
    for (std::size_t p = known; p < tokens_; ++p) {
      float* const input = scratch.inputs.data() + p * 2 * size;
      float* const cell = scratch.cells.data() + p * size;
      float* const hidden = input + 3 * size;  // in the next input
      tables_[p].look_up(operations_, designs.of(p), false, input);
      cell_.apply(operations_, input, scratch.gates.data());
      operations_.lstm_step(scratch.gates.data(), width_, cell, cell + size, hidden);
      for (std::size_t w = 0; w < width_; ++w) {
        const float factor = gate.empty() ? 1.0F : gate[p * width_ + w];
        float* const gated = scratch.flat.data() + p * size + w * lanes;
        for (std::size_t lane = 0; lane < lanes; ++lane) gated[lane] = hidden[w * lanes + lane] * factor;
      }
    }
    head_.apply(scratch.flat.data(), scratch.spare.data(), out);
  }

 private:
  struct Scratch : Workspace {
    AlignedVector<float> inputs;  // [tokens + 1][token, then hidden state before it][width][lanes]
    AlignedVector<float> cells;   // [tokens + 1][width][lanes]: before each token
    AlignedVector<float> gates, flat, spare;
    std::vector<std::uint32_t> prefix;  // leading values that all designs of the last block shared
  };

  // How many steps the last block has left as they are needed.
  std::size_t advance_prefix(const DesignColumns& designs, std::vector<std::uint32_t>& prefix) const {
    std::size_t shared = 0, known = 0;
    for (; shared < tokens_ && designs.agree(shared, 0, lanes); ++shared) {
      const bool same = shared < prefix.size() && prefix[shared] == *designs.of(shared);
      if (same && known == shared) ++known;
    }
    prefix.clear();
    for (std::size_t p = 0; p < shared; ++p) prefix.push_back(*designs.of(p));
    return known;
  }

  const LaneOperations& operations_;
  std::size_t tokens_, width_;
  std::vector<InputTable> tables_;
  Dense cell_;  // from token and hidden state to the gates in, forget, change, out
  Head head_;
};

}  // namespace

std::unique_ptr<Member> make_lstm(const MemberParts& parts, const LaneOperations& operations) {
  return std::make_unique<Lstm>(parts, operations);
}

}  // namespace corbel
