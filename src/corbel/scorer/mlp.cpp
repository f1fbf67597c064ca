#include <fmt/format.h>

#include "corbel/scorer/member.hpp"

namespace corbel {
namespace {

// The first layer of an MLP on one-hot inputs is a sum of one table row per parameter. Partial sums over the leading
// parameters are kept, so that neighbours in the enumeration pay for the last parameter only; the sum is always taken
// in the same order, so that sharing does not change a bit of the result.
class Mlp : public Member {
 public:
  Mlp(const DesignSpace& space, const NetworkSpec& spec, const TensorMap& tensors, const std::string& prefix)
      : width_(static_cast<std::size_t>(spec.hidden.front())),
        activation_(spec.activation),
        bias_(tensors.find(prefix + "input.bias")->second.values),
        head_(spec, tensors, prefix, 1) {
    for (std::size_t p = 0; p < space.dimensions(); ++p) {
      tables_.emplace_back(space.parameters()[p], tensors.find(fmt::format("{}input.{}", prefix, p))->second);
    }
  }

  std::unique_ptr<Workspace> workspace() const override {
    auto made = std::make_unique<Scratch>();
    made->sums.resize((tables_.size() + 1) * width_);
    std::copy(bias_.begin(), bias_.end(), made->sums.begin());
    made->x.resize(std::max(width_, head_.widest()) * lanes);
    made->y.resize(head_.scratch_rows() * lanes);
    return made;
  }

  void evaluate(std::span<const Design> designs, std::span<const float> gate, Workspace& workspace,
                float* out) const override {
    auto& scratch = static_cast<Scratch&>(workspace);
    float* const sum = scratch.sums.data() + tables_.size() * width_;
    for (std::size_t lane = 0; lane < designs.size(); ++lane) {
      add_rows(designs[lane], scratch);
      for (std::size_t w = 0; w < width_; ++w) scratch.x[w * lanes + lane] = sum[w];
    }
    for (std::size_t w = 0; w < gate.size(); ++w) {
      for (std::size_t lane = 0; lane < lanes; ++lane) scratch.x[w * lanes + lane] *= gate[w];
    }
    activate(activation_, scratch.x.data(), width_ * lanes);
    head_.apply(scratch.x.data(), scratch.y.data(), out);
  }

 private:
  struct Scratch : Workspace {
    std::vector<float> sums;  // [parameters + 1][width]: bias, bias + first row, …
    Design last;              // the design the sums are of
    std::vector<float> x, y;  // [width][lanes]
  };

  void add_rows(const Design& design, Scratch& scratch) const {
    std::size_t p = 0;
    if (scratch.last.size() == design.size()) {
      while (p < design.size() && scratch.last[p] == design[p]) ++p;
    }
    for (; p < tables_.size(); ++p) {
      const float* before = scratch.sums.data() + p * width_;
      tables_[p].add(design[p], before, scratch.sums.data() + (p + 1) * width_);
    }
    scratch.last = design;
  }

  std::size_t width_;
  Activation activation_;
  std::vector<float> bias_;
  std::vector<InputTable> tables_;
  Head head_;
};

}  // namespace

std::unique_ptr<Member> make_mlp(const DesignSpace& space, const NetworkSpec& spec, const TensorMap& tensors,
                                 const std::string& prefix) {
  return std::make_unique<Mlp>(space, spec, tensors, prefix);
}

}  // namespace corbel
