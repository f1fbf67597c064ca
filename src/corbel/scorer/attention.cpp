#include <fmt/format.h>

#include <algorithm>

#include "corbel/scorer/member.hpp"

namespace corbel {
namespace {

struct Norm {
  std::vector<float> weight, bias;
};

struct Layer {
  Dense attention_in, attention_out, feed_forward_in, feed_forward_out;
  Norm norm1, norm2;
};

// PRIME's published network: a token per parameter, post-norm transformer layers, the tokens flattened into a head.
// Activations are [token][feature][lane], so that a token's stay in the first cache through all of its dense layers.
class Attention : public Member {
 public:
  Attention(const MemberParts& parts, const LaneOperations& operations)
      : operations_(operations),
        tokens_(parts.space.dimensions()),
        width_(static_cast<std::size_t>(parts.spec.embedding)),
        heads_(static_cast<std::size_t>(parts.spec.heads)),
        feed_forward_(static_cast<std::size_t>(parts.spec.feed_forward)),
        head_(parts, 0, operations) {
    for (std::size_t p = 0; p < tokens_; ++p) tables_.push_back(parts.input(p));
    const auto norm = [&](const std::string& name) {
      return Norm{parts.values(name + ".weight"), parts.values(name + ".bias")};
    };
    for (std::int64_t l = 0; l < parts.spec.layers; ++l) {
      const std::string name = fmt::format("layer.{}.", l);
      layers_.push_back({parts.dense(name + "attention.in"), parts.dense(name + "attention.out"),
                         parts.dense(name + "feed_forward.in"), parts.dense(name + "feed_forward.out"),
                         norm(name + "norm1"), norm(name + "norm2")});
    }
    make_first_tables();
  }

  std::unique_ptr<Workspace> workspace() const override {
    auto made = std::make_unique<Scratch>();
    const std::size_t size = width_ * lanes;
    made->x.resize(tokens_ * size);
    made->qkv.resize(tokens_ * 3 * size);
    made->mixed.resize(tokens_ * size);
    made->inner.resize(feed_forward_ * lanes);
    made->logits.resize(tokens_ * lanes);
    made->spare.resize(head_.scratch_rows() * lanes);
    return made;
  }

  void evaluate(const DesignColumns& designs, std::span<const float> gate, Workspace& workspace, float* out,
                std::size_t) const override {
    auto& scratch = static_cast<Scratch&>(workspace);
    const std::size_t size = width_ * lanes;
    for (std::size_t p = 0; p < tokens_; ++p) {
      tables_[p].look_up(operations_, designs.of(p), false, scratch.x.data() + p * size);
    }
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const Layer& layer = layers_[l];
      for (std::size_t p = 0; p < tokens_; ++p) {
        float* const qkv = scratch.qkv.data() + p * 3 * size;
        if (l == 0 && !first_tables_.empty() && !first_tables_[p].empty()) {
          operations_.look_up(first_tables_[p].data(), tables_[p].count(), 3 * width_, designs.of(p), false, qkv);
        } else {
          layer.attention_in.apply(operations_, scratch.x.data() + p * size, qkv);
        }
      }
      operations_.attend(scratch.qkv.data(), tokens_, heads_, width_ / heads_, scratch.logits.data(),
                         scratch.mixed.data());
      for (std::size_t p = 0; p < tokens_; ++p) {
        float* const x = scratch.x.data() + p * size;
        layer.attention_out.apply(operations_, scratch.mixed.data() + p * size, x, x);
        operations_.norm(layer.norm1.weight.data(), layer.norm1.bias.data(), width_, x);
        layer.feed_forward_in.apply(operations_, x, scratch.inner.data());
        operations_.activate(Activation::relu, scratch.inner.data(), feed_forward_);
        layer.feed_forward_out.apply(operations_, scratch.inner.data(), x, x);
        operations_.norm(layer.norm2.weight.data(), layer.norm2.bias.data(), width_, x);
      }
    }
    for (std::size_t row = 0; row < gate.size(); ++row) {
      for (std::size_t lane = 0; lane < lanes; ++lane) scratch.x[row * lanes + lane] *= gate[row];
    }
    head_.apply(scratch.x.data(), scratch.spare.data(), out);
  }

 private:
  struct Scratch : Workspace {
    AlignedVector<float> x, qkv, mixed, inner, logits, spare;
  };

  // A token has few distinct values before the first layer mixes it with others, and so have its queries, keys and
  // values.
  void make_first_tables() {
    std::size_t bytes = 0;
    for (const InputTable& table : tables_) {
      if (table.is_table()) bytes += table_stride(table.count()) * 3 * width_ * sizeof(float);
    }
    if (layers_.empty() || bytes > most_table_bytes) return;
    std::vector<float> x(width_ * lanes), qkv(3 * width_ * lanes);
    for (const InputTable& table : tables_) {
      AlignedVector<float>& made = first_tables_.emplace_back();
      if (!table.is_table()) continue;
      const std::size_t stride = table_stride(table.count());
      made.resize(3 * width_ * stride);
      for (std::uint32_t first = 0; first < table.count(); first += lanes) {
        std::uint32_t index[lanes];
        for (std::uint32_t i = 0; i < lanes; ++i) index[i] = std::min(first + i, table.count() - 1);
        table.look_up(operations_, index, false, x.data());
        layers_.front().attention_in.apply(operations_, x.data(), qkv.data());
        const std::size_t n = std::min<std::size_t>(lanes, table.count() - first);
        for (std::size_t w = 0; w < 3 * width_; ++w) std::copy_n(&qkv[w * lanes], n, &made[w * stride + first]);
      }
    }
  }

  const LaneOperations& operations_;
  std::size_t tokens_, width_, heads_, feed_forward_;
  std::vector<InputTable> tables_;
  std::vector<Layer> layers_;
  std::vector<AlignedVector<float>> first_tables_;  // per parameter; none where it has no table or they are too large
  Head head_;
};

}  // namespace

std::unique_ptr<Member> make_attention(const MemberParts& parts, const LaneOperations& operations) {
  return std::make_unique<Attention>(parts, operations);
}

}  // namespace corbel
