#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "corbel/scorer/amx_head.hpp"
#include "corbel/scorer/amx_operations.hpp"
#include "corbel/scorer/member.hpp"

namespace corbel::amx {
namespace {

constexpr std::size_t groups_at_once = 8;  // so that the head's weights are read once for 128 designs
using Values = std::vector<float>;

// W x + b, in single precision.
struct Affine {
  Values weight, bias;  // [out, in], [out]

  Affine(const MemberParts& parts, const std::string& name)
      : weight(parts.values(name + ".weight")), bias(parts.values(name + ".bias")) {}
  std::size_t in() const { return weight.size() / bias.size(); }
  // Of x where the input is gain · x + shift.
  void take_over(const Values& gain, const Values& shift) {
    for (std::size_t o = 0; o < bias.size(); ++o) {
      for (std::size_t i = 0; i < in(); ++i) {
        float& each = weight[o * in() + i];
        bias[o] += each * shift[i];
        each *= gain[i];
      }
    }
  }
  void scale_rows(std::size_t first, std::size_t n, float factor) {
    for (std::size_t o = first; o < first + n; ++o) {
      bias[o] *= factor;
      for (std::size_t i = 0; i < in(); ++i) weight[o * in() + i] *= factor;
    }
  }
};

Values sum(Values a, const Values& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

// Some heads whose queries, keys and values fill whole tiles and the first cache.
struct Slice {
  Weights qkv;        // rows: queries, keys, values; or in the order of attend_halves()
  Values query_bias;  // the keys' changes no softmax, the values' is in what is added to the result
  std::vector<AlignedVector<float>> tables;  // per parameter, of the first layer in place of the rest
};

struct Layer {
  std::vector<Slice> slices;
  Weights attention_out, feed_forward_in, feed_forward_out;
  // Gain and bias of the norms, with the bias of the dense layer whose output the result is added to.
  Values gain1, bias1, gain2, bias2;
};

// The attention network with dense layers in bf16 on tiles and everything between them in single precision. The norms'
// gains and biases are multiplied into the dense layers behind them, and log₂(e)/√size into the queries. Before the
// first layer mixes tokens, a token is one of its parameter's values: its queries, keys and values come from tables.
class TileAttention : public Member {
 public:
  explicit TileAttention(const MemberParts& parts)
      : tokens_(parts.space.dimensions()),
        width_(static_cast<std::size_t>(parts.spec.embedding)),
        size_(width_ / static_cast<std::size_t>(parts.spec.heads)),
        head_(parts, 0) {
    read_inputs(parts);
    const std::vector<Affine> ins = attention_inputs(parts);
    has_halves_ = fits_halves(ins);
    slice_ = has_halves_ ? std::max(2 * size_, 2 * tile_outputs) : std::lcm(size_, tile_outputs);
    for (std::int64_t l = 0; l < parts.spec.layers; ++l) {
      const auto affine = [&](const char* what) { return Affine(parts, fmt::format("layer.{}.{}", l, what)); };
      const auto values = [&](const char* what) { return parts.values(fmt::format("layer.{}.{}", l, what)); };
      const Affine& in = ins[static_cast<std::size_t>(l)];
      Affine out = affine("attention.out");
      const Values centre = l == 0 ? middle_value(in) : Values(width_, 0);
      out.take_over(Values(width_, 1),
                    sum(Values(in.bias.end() - static_cast<std::ptrdiff_t>(width_), in.bias.end()), centre));
      if (l == 0) {
        make_tables(out.bias);
      } else {
        layers_.back().bias2 = sum(layers_.back().bias2, out.bias);
      }
      Layer& layer = layers_.emplace_back();
      for (std::size_t first = 0; first < width_; first += slice_) {
        layer.slices.push_back(slice_of(in, first, centre, l == 0 ? &inputs_ : nullptr));
      }
      layer.attention_out = Weights(out.weight, {}, width_);
      const Values gain = values("norm1.weight"), shift = values("norm1.bias");
      Affine feed_in = affine("feed_forward.in");
      const Affine feed_out = affine("feed_forward.out");
      layer.gain1 = gain;
      layer.bias1 = sum(shift, feed_out.bias);
      feed_in.take_over(gain, shift);
      layer.feed_forward_in = Weights(feed_in.weight, feed_in.bias, feed_in.bias.size());
      layer.feed_forward_out = Weights(feed_out.weight, {}, width_);
      layer.gain2 = values("norm2.weight");
      layer.bias2 = values("norm2.bias");
    }
    inputs_.clear();
    prefix_ = prefix_to_share();
  }

  std::size_t block() const override { return groups_at_once * tile_lanes; }

  std::unique_ptr<Workspace> workspace() const override {
    auto made = std::make_unique<Scratch>();
    const std::size_t token = width_ * tile_lanes;
    made->scaled.resize(tokens_ * token);
    made->qkv.resize(tokens_ * 3 * slice_ * tile_lanes);
    made->room.resize(2 * tokens_ * tile_lanes);
    if (has_halves_) made->halves.resize(tokens_ * 3 * slice_ * tile_lanes);
    if (has_halves_) made->half_room.resize(4 * tokens_ * tile_lanes);
    made->mixed.resize(tokens_ * token);
    made->packed.resize(tokens_ * token);
    made->layer_room.resize(layer_room(end_of(layers_.front(), {})));
    made->flat.resize(groups_at_once * tokens_ * token);
    made->head.resize(2 * groups_at_once * head_.scratch_values());
    for (const Slice& slice : layers_.front().slices) {
      if (prefix_ > 0) made->shared.emplace_back(shared_floats(first_of(slice), prefix_));
    }
    made->others.resize(most_others * 3 * slice_ * tile_lanes);
    return made;
  }

  void evaluate(const DesignColumns& designs, std::span<const float> gate, Workspace& workspace, float* out,
                std::size_t distance) const override {
    auto& scratch = static_cast<Scratch&>(workspace);
    if (scratch.last_gain.empty()) gate_last(gate, scratch);
    const std::size_t groups = (designs.count + tile_lanes - 1) / tile_lanes, flat = tokens_ * width_ * tile_lanes;
    begin_tiles();
    for (std::size_t g = 0; g < groups; ++g) encode(designs, g * tile_lanes, scratch, scratch.flat.data() + g * flat);
    head_.apply({scratch.flat.data(), flat}, groups, scratch.head.data(), out, distance);
    end_tiles();
  }

 private:
  struct Scratch : Workspace {
    AlignedVector<float> scaled;  // [tokens][width][tile_lanes]: what a dense layer's outputs are added to
    AlignedVector<float> qkv, room, layer_room;
    AlignedVector<std::uint16_t> halves, half_room, mixed, packed, flat, head;
    std::vector<std::uint32_t> prefix;         // values that `shared` is of
    std::vector<AlignedVector<float>> shared;  // per slice of the first layer: share_prefix()
    AlignedVector<float> others;
    Values last_gain, last_bias;  // [tokens · width] of the last norm, with the context's gate
  };

  static LayerEnd end_of(const Layer& layer, const Norm& norm) {
    return {layer.attention_out, layer.feed_forward_in, layer.feed_forward_out,
            layer.gain1.data(),  layer.bias1.data(),    norm};
  }

  // Rows of all values of a parameter.
  struct Input {
    std::size_t count;
    Values rows;  // [count][width]
  };

  void read_inputs(const MemberParts& parts) {
    for (std::size_t p = 0; p < tokens_; ++p) {
      const InputTable table = parts.input(p);
      Input& input = inputs_.emplace_back(Input{table.count(), Values(table.count() * width_)});
      counts_.push_back(input.count);
      for (std::uint32_t v = 0; v < input.count; ++v) table.row(v, input.rows.data() + v * width_);
    }
  }

  // What makes queries, keys and values in each layer of the tokens before gain and bias of the norm.
  std::vector<Affine> attention_inputs(const MemberParts& parts) const {
    std::vector<Affine> ins;
    for (std::int64_t l = 0; l < parts.spec.layers; ++l) {
      Affine& in = ins.emplace_back(parts, fmt::format("layer.{}.attention.in", l));
      if (l > 0) {
        const std::string norm = fmt::format("layer.{}.norm2", l - 1);
        in.take_over(parts.values(norm + ".weight"), parts.values(norm + ".bias"));
      }
      in.scale_rows(0, width_, std::numbers::log2e_v<float> / std::sqrt(static_cast<float>(size_)));
    }
    return ins;
  }

  // The mean of the first layer's values, without bias. What tokens take from each other is near it: with the mean
  // taken out of the values and put into what is added to the result, the rounding to bf16 is of what differs.
  Values middle_value(const Affine& in) const {
    Values mean(width_, 0), value(width_, 0);
    for (const Input& input : inputs_) {
      const float share = 1.0F / static_cast<float>(tokens_ * input.count);
      for (std::size_t i = 0; i < input.rows.size(); ++i) mean[i % width_] += share * input.rows[i];
    }
    for (std::size_t o = 0; o < width_; ++o) {
      const auto row = in.weight.end() - static_cast<std::ptrdiff_t>((width_ - o) * width_);
      value[o] = std::inner_product(mean.begin(), mean.end(), row, 0.0F);
    }
    return value;
  }

  // Whether attend_halves() can be used, and with numbers small enough for it to be precise: what is bounded here is
  // usually many times as small.
  bool fits_halves(const std::vector<Affine>& ins) const {
    constexpr float most = 2048;
    const std::size_t slice = std::max(2 * size_, 2 * tile_outputs);
    if (!has_halves() || size_ % 8 != 0 || width_ % slice != 0) return false;
    float norm = 0;  // the longest token
    for (const Input& input : inputs_) {
      for (auto row = input.rows.begin(); row != input.rows.end(); row += static_cast<std::ptrdiff_t>(width_)) {
        norm = std::max(norm, std::inner_product(row, row + static_cast<std::ptrdiff_t>(width_), row, 0.0F));
      }
    }
    for (const Affine& in : ins) {
      Values bound(3 * width_);
      for (std::size_t o = 0; o < bound.size(); ++o) {
        const auto row = in.weight.begin() + static_cast<std::ptrdiff_t>(o * width_);
        const float squares = std::inner_product(row, row + static_cast<std::ptrdiff_t>(width_), row, 0.0F);
        bound[o] = std::sqrt(norm * squares) + std::abs(in.bias[o]);
        if (!(bound[o] * static_cast<float>(tokens_) < most)) return false;
      }
      for (std::size_t first = 0; first < width_; first += size_) {
        float logit = 0;
        for (std::size_t o = first; o < first + size_; ++o) logit += bound[o] * bound[width_ + o];
        if (!(logit < most)) return false;
      }
      norm = static_cast<float>(width_);  // behind a LayerNorm
    }
    return true;
  }

  void make_tables(const Values& added) {
    for (const Input& input : inputs_) {
      Values with_bias = input.rows;
      for (std::size_t i = 0; i < with_bias.size(); ++i) with_bias[i] += added[i % width_];
      tables_.push_back(look_up_table(with_bias, input.count, width_));
    }
  }

  // Of the heads with features from `first` on; with tables where the inputs are known.
  Slice slice_of(const Affine& in, std::size_t first, const Values& centre, const std::vector<Input>* inputs) const {
    Slice slice;
    Values weight, bias;
    const auto add = [&](std::size_t kind, std::size_t o) {
      const auto row = in.weight.begin() + static_cast<std::ptrdiff_t>((kind * width_ + o) * width_);
      weight.insert(weight.end(), row, row + static_cast<std::ptrdiff_t>(width_));
      bias.push_back(kind == 0 ? in.bias[o] : kind == 2 ? -centre[o] : 0.0F);
    };
    if (has_halves_ && !inputs) {
      for (std::size_t pair = first; pair < first + slice_; pair += 2 * size_) {
        for (std::size_t kind = 0; kind < 3; ++kind) {
          for (std::size_t w = 0; w < 2 * size_; ++w) add(kind, pair + w % 16 / 8 * size_ + w / 16 * 8 + w % 8);
        }
      }
      slice.qkv = Weights(weight, bias, 3 * slice_);
      return slice;
    }
    for (std::size_t kind = 0; kind < 3; ++kind) {
      for (std::size_t o = first; o < first + slice_; ++o) add(kind, o);
    }
    if (!inputs) {
      slice.qkv = Weights(weight, {}, 3 * slice_, tile_outputs);
      slice.query_bias = std::move(bias);
      return slice;
    }
    for (const Input& input : *inputs) {
      Values rows(input.count * bias.size());
      for (std::size_t v = 0; v < input.count; ++v) {
        for (std::size_t o = 0; o < bias.size(); ++o) {
          float total = bias[o];
          for (std::size_t i = 0; i < width_; ++i) total += weight[o * width_ + i] * input.rows[v * width_ + i];
          rows[v * bias.size() + o] = total;
        }
      }
      slice.tables.push_back(look_up_table(rows, input.count, bias.size()));
    }
    return slice;
  }

  void gate_last(std::span<const float> gate, Scratch& scratch) const {
    for (std::size_t i = 0; i < tokens_ * width_; ++i) {
      const float factor = gate.empty() ? 1.0F : gate[i];
      scratch.last_gain.push_back(layers_.back().gain2[i % width_] * factor);
      scratch.last_bias.push_back(layers_.back().bias2[i % width_] * factor);
    }
  }

  FirstTables first_of(const Slice& slice) const { return {slice.tables, counts_, slice_ / size_, size_}; }

  // How many leading parameters stay the same long enough in the enumeration for work to be shared; 0: none.
  std::size_t prefix_to_share() const {
    constexpr std::uint64_t long_enough = 4 * tile_lanes;
    std::uint64_t designs = 1;
    for (std::size_t p = tokens_; p-- > 0;) {
      if (counts_[p] > padded_values || tokens_ - p > most_others) return 0;
      designs *= counts_[p];
      if (designs >= long_enough) return p <= most_prefix && logits_are_bounded() ? p : 0;
    }
    return 0;
  }

  bool logits_are_bounded() const {
    constexpr float most = 60;  // 2^60 · tokens is far from the end of the numbers
    for (const Slice& slice : layers_.front().slices) {
      for (std::size_t head = 0; head < slice_ / size_; ++head) {
        float largest[2] = {};  // squares of the norms of queries and keys
        for (std::size_t p = 0; p < tokens_; ++p) {
          for (std::size_t v = 0; v < counts_[p]; ++v) {
            for (std::size_t kind = 0; kind < 2; ++kind) {
              float squares = 0;
              for (std::size_t w = 0; w < size_; ++w) {
                const std::size_t row = kind * slice_ + head * size_ + w;
                squares += std::pow(slice.tables[p][row * table_stride(counts_[p]) + v], 2.0F);
              }
              largest[kind] = std::max(largest[kind], squares);
            }
          }
        }
        if (!(largest[0] * largest[1] < most * most)) return false;
      }
    }
    return true;
  }

  // Whether these designs share their leading values, and what follows from those is there.
  bool share(const DesignColumns& designs, std::size_t first, Scratch& scratch) const {
    if (prefix_ == 0) return false;
    std::uint32_t values[most_prefix];
    for (std::size_t p = prefix_; p-- > 0;) {
      if (!designs.agree(p, first, tile_lanes)) return false;
      values[p] = designs.of(p)[first];
    }
    if (scratch.prefix.empty() || !std::equal(scratch.prefix.begin(), scratch.prefix.end(), values)) {
      scratch.prefix.assign(values, values + prefix_);
      for (std::size_t s = 0; s < layers_.front().slices.size(); ++s) {
        share_prefix(first_of(layers_.front().slices[s]), prefix_, values, scratch.shared[s].data());
      }
    }
    return true;
  }

  // What each token takes from the others, by attend_halves().
  void mix_halves(const Slice& slice, const DesignColumns& designs, std::size_t first, Scratch& scratch,
                  Columns<std::uint16_t> mixed) const {
    const std::size_t distance = 3 * slice_ * tile_lanes, token = width_ * tile_lanes;
    const Columns<std::uint16_t> qkv{scratch.halves.data(), distance};
    for (std::size_t p = 0; p < slice.tables.size(); ++p) {
      look_up_halves({slice.tables[p].data(), counts_[p], designs.of(p) + first}, slice_ / size_, size_, qkv.of(p));
    }
    if (slice.tables.empty()) multiply_to_halves(slice.qkv, {scratch.packed.data(), token}, tokens_, qkv);
    for (std::size_t pair = 0; pair < slice_; pair += 2 * size_) {
      attend_halves({qkv.first + 3 * pair * tile_lanes, distance}, tokens_, size_, scratch.half_room.data(),
                    {mixed.first + pair * tile_lanes, token});
    }
  }

  // The tokens of tile_lanes designs from `first` on through all layers, to the head's input.
  void encode(const DesignColumns& designs, std::size_t first, Scratch& scratch, std::uint16_t* flat) const {
    const std::size_t token = width_ * tile_lanes, rows = 3 * slice_ * tile_lanes;
    for (std::size_t p = 0; p < tokens_; ++p) {
      look_up(tables_[p].data(), counts_[p], width_, designs.of(p) + first, scratch.scaled.data() + p * token);
    }
    const Columns<std::uint16_t> mixed{scratch.mixed.data(), token}, packed{scratch.packed.data(), token};
    const Columns<float> scaled{scratch.scaled.data(), token};
    const bool is_shared = share(designs, first, scratch);
    for (const Layer& layer : layers_) {
      const bool is_last = &layer == &layers_.back();
      for (std::size_t s = 0; s < layer.slices.size(); ++s) {
        const Slice& slice = layer.slices[s];
        const Columns<std::uint16_t> its_mixed{mixed.first + s * slice_ * tile_lanes, token};
        if (is_shared && &layer == &layers_.front()) {
          attend_shared(first_of(slice), prefix_, scratch.shared[s].data(), {designs.of(0) + first, designs.stride},
                        scratch.others.data(), its_mixed);
          continue;
        }
        if (has_halves_) {
          mix_halves(slice, designs, first, scratch, its_mixed);
          continue;
        }
        for (std::size_t p = 0; p < slice.tables.size(); ++p) {
          look_up(slice.tables[p].data(), counts_[p], 3 * slice_, designs.of(p) + first, scratch.qkv.data() + p * rows);
        }
        if (slice.tables.empty()) {
          multiply(slice.qkv, {packed.first, token}, tokens_, {scratch.qkv.data(), rows});
        }
        attend(scratch.qkv.data(), tokens_, slice_ / size_, size_,
               slice.query_bias.empty() ? nullptr : slice.query_bias.data(), scratch.room.data(), its_mixed);
      }
      const Norm last = {{scratch.last_gain.data(), width_}, {scratch.last_bias.data(), width_}, false, {flat, token}};
      const Norm next = {{layer.gain2.data(), 0}, {layer.bias2.data(), 0}, true, packed};
      finish_layer(end_of(layer, is_last ? last : next), {mixed.first, token}, scaled, tokens_,
                   scratch.layer_room.data());
    }
  }

  std::size_t tokens_, width_, size_, slice_ = 0;  // of a token, a head, and a slice
  bool has_halves_ = false;                        // whether attention is computed in half precision
  std::size_t prefix_ = 0;                         // leading parameters whose part in the first layer is shared
  std::vector<std::size_t> counts_;
  std::vector<AlignedVector<float>>
      tables_;                 // per parameter: its token, with what is added to the first layer's result
  std::vector<Input> inputs_;  // while it is made
  std::vector<Layer> layers_;
  TileHead head_;
};

}  // namespace

bool covers_attention(const NetworkSpec& spec, const DesignSpace& space) {
  if (spec.kind != NetworkKind::attention || spec.layers == 0 || spec.experts > 1) return false;
  const std::int64_t whole = tile_inputs;
  if (spec.embedding % whole != 0 || spec.feed_forward % whole != 0 || spec.embedding / spec.heads % 2 != 0)
    return false;
  std::size_t bytes = 0;
  for (const Parameter& parameter : space.parameters()) {
    if (!has_table(parameter)) return false;
    bytes += table_stride(parameter.count()) * 4 * static_cast<std::size_t>(spec.embedding) * sizeof(float);
  }
  return bytes <= most_table_bytes;
}

std::unique_ptr<Member> make_attention(const MemberParts& parts) {
  return std::make_unique<TileAttention>(parts);
}

}  // namespace corbel::amx
