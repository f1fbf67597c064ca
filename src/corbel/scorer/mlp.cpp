#include <algorithm>

#include "corbel/scorer/member.hpp"

namespace corbel {
namespace {

// The first layer of an MLP on one-hot inputs is a sum of one table row per parameter. What designs side by side share
// is summed once; the sum is always taken in the same order, so that sharing does not change a bit of the result.
class Mlp : public Member {
 public:
  Mlp(const MemberParts& parts, const LaneOperations& operations)
      : operations_(operations),
        width_(static_cast<std::size_t>(parts.spec.hidden.front())),
        activation_(parts.spec.activation),
        bias_(parts.values("input.bias")),
        head_(parts, 1, operations) {
    for (std::size_t p = 0; p < parts.space.dimensions(); ++p) tables_.push_back(parts.input(p));
  }

  std::unique_ptr<Workspace> workspace() const override {
    auto made = std::make_unique<Scratch>();
    made->row.resize(width_);
    made->sum.resize(width_);
    made->x.resize(width_ * lanes);
    made->y.resize(head_.scratch_rows() * lanes);
    return made;
  }

  void evaluate(const DesignColumns& designs, std::span<const float> gate, Workspace& workspace, float* out,
                std::size_t) const override {
    auto& scratch = static_cast<Scratch&>(workspace);
    std::copy(bias_.begin(), bias_.end(), scratch.sum.begin());
    std::size_t p = 0;
    for (; p < tables_.size() && designs.agree(p, 0, lanes); ++p) {
      tables_[p].row(*designs.of(p), scratch.row.data());
      for (std::size_t w = 0; w < width_; ++w) scratch.sum[w] += scratch.row[w];
    }
    for (std::size_t w = 0; w < width_; ++w) std::fill_n(scratch.x.data() + w * lanes, lanes, scratch.sum[w]);
    for (; p < tables_.size(); ++p) tables_[p].look_up(operations_, designs.of(p), true, scratch.x.data());
    for (std::size_t w = 0; w < gate.size(); ++w) {
      for (std::size_t lane = 0; lane < lanes; ++lane) scratch.x[w * lanes + lane] *= gate[w];
    }
    operations_.activate(activation_, scratch.x.data(), width_);
    head_.apply(scratch.x.data(), scratch.y.data(), out);
  }

 private:
  struct Scratch : Workspace {
    std::vector<float> row, sum;  // [width]
    AlignedVector<float> x, y;    // [width][lanes]
  };

  const LaneOperations& operations_;
  std::size_t width_;
  Activation activation_;
  std::vector<float> bias_;
  std::vector<InputTable> tables_;
  Head head_;
};

}  // namespace

std::unique_ptr<Member> make_mlp(const MemberParts& parts, const LaneOperations& operations) {
  return std::make_unique<Mlp>(parts, operations);
}

}  // namespace corbel
