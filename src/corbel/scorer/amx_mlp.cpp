#include <algorithm>

#include "corbel/scorer/amx_head.hpp"
#include "corbel/scorer/amx_operations.hpp"
#include "corbel/scorer/member.hpp"

namespace corbel::amx {
namespace {

constexpr std::size_t groups_at_once = 8;
// The MLP with its first layer, a sum of a row per parameter, in single precision, and the others in bf16 on tiles.
// Rows that designs share are added once.
class TileMlp : public Member {
 public:
  explicit TileMlp(const MemberParts& parts)
      : width_(static_cast<std::size_t>(parts.spec.hidden.front())),
        activation_(parts.spec.activation),
        bias_(parts.values("input.bias")),
        head_(parts, 1) {
    for (std::size_t p = 0; p < parts.space.dimensions(); ++p) {
      const InputTable input = parts.input(p);
      counts_.push_back(input.count());
      std::vector<float> rows(input.count() * width_);
      for (std::uint32_t v = 0; v < input.count(); ++v) input.row(v, rows.data() + v * width_);
      tables_.push_back(look_up_table(rows, input.count(), width_));
    }
  }

  std::size_t block() const override { return groups_at_once * tile_lanes; }

  std::unique_ptr<Workspace> workspace() const override {
    auto made = std::make_unique<Scratch>();
    made->base.resize(width_);
    made->x.resize(groups_at_once * padded_width() * tile_lanes);
    made->head.resize(2 * groups_at_once * head_.scratch_values());
    return made;
  }

  void evaluate(const DesignColumns& designs, std::span<const float> gate, Workspace& workspace, float* out,
                std::size_t distance) const override {
    auto& scratch = static_cast<Scratch&>(workspace);
    const std::size_t groups = (designs.count + tile_lanes - 1) / tile_lanes;
    const Columns<std::uint16_t> x{scratch.x.data(), padded_width() * tile_lanes};
    std::copy(bias_.begin(), bias_.end(), scratch.base.begin());
    std::vector<std::size_t> others;
    for (std::size_t p = 0; p < tables_.size(); ++p) {
      if (!designs.agree(p, 0, designs.count)) {
        others.push_back(p);
        continue;
      }
      const std::size_t stride = table_stride(counts_[p]), value = *designs.of(p);
      for (std::size_t w = 0; w < width_; ++w) scratch.base[w] += tables_[p][w * stride + value];
    }
    std::vector<LookUp> added;
    for (std::size_t g = 0; g < groups; ++g) {
      added.clear();
      for (const std::size_t p : others)
        added.push_back({tables_[p].data(), counts_[p], designs.of(p) + g * tile_lanes});
      sum_rows(scratch.base.data(), added, width_, gate.empty() ? nullptr : gate.data(), activation_, x.of(g));
    }
    begin_tiles();
    head_.apply({x.first, x.distance}, groups, scratch.head.data(), out, distance);
    end_tiles();
  }

 private:
  struct Scratch : Workspace {
    AlignedVector<float> base;       // [width]: bias and the rows that all designs of a block share
    AlignedVector<std::uint16_t> x;  // per group [padded width][tile_lanes] by pairs
    AlignedVector<std::uint16_t> head;
  };

  std::size_t padded_width() const { return (width_ + tile_inputs - 1) / tile_inputs * tile_inputs; }

  std::size_t width_;
  Activation activation_;
  std::vector<float> bias_;
  std::vector<std::size_t> counts_;
  std::vector<AlignedVector<float>> tables_;
  TileHead head_;
};

}  // namespace

bool covers_mlp(const NetworkSpec& spec, const DesignSpace& space) {
  if (spec.kind != NetworkKind::mlp || spec.experts > 1 || spec.hidden.front() % 2 != 0) return false;
  std::size_t bytes = 0;
  for (const Parameter& parameter : space.parameters()) {
    if (!has_table(parameter)) return false;
    bytes += table_stride(parameter.count()) * static_cast<std::size_t>(spec.hidden.front()) * sizeof(float);
  }
  return bytes <= most_table_bytes;
}

std::unique_ptr<Member> make_mlp(const MemberParts& parts) {
  return std::make_unique<TileMlp>(parts);
}

}  // namespace corbel::amx
