#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

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

Norm norm_layer(const TensorMap& tensors, const std::string& name) {
  return {tensors.find(name + ".weight")->second.values, tensors.find(name + ".bias")->second.values};
}

// x = norm(x + change) for every column of [rows][columns].
void add_and_norm(float* x, const float* change, const Norm& norm, std::size_t columns) {
  const std::size_t rows = norm.weight.size();
  const float scale = 1.0F / static_cast<float>(rows);
  for (std::size_t first = 0; first < columns; first += lanes) {
    float mean[lanes] = {}, variance[lanes] = {};
    for (std::size_t r = 0; r < rows; ++r) {
      float* row = x + r * columns + first;
      const float* add = change + r * columns + first;
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        row[lane] += add[lane];
        mean[lane] += row[lane] * scale;
      }
    }
    for (std::size_t r = 0; r < rows; ++r) {
      const float* row = x + r * columns + first;
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        const float centred = row[lane] - mean[lane];
        variance[lane] += centred * centred * scale;
      }
    }
    for (std::size_t lane = 0; lane < lanes; ++lane)
      variance[lane] = 1.0F / std::sqrt(variance[lane] + layer_norm_epsilon);
    for (std::size_t r = 0; r < rows; ++r) {
      float* row = x + r * columns + first;
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        row[lane] = (row[lane] - mean[lane]) * variance[lane] * norm.weight[r] + norm.bias[r];
      }
    }
  }
}

// PRIME's published network: a token per parameter, post-norm transformer layers, the tokens flattened into a head.
// Columns are [token][lane]: the dense layers see all tokens of all designs as one batch.
class Attention : public Member {
 public:
  Attention(const DesignSpace& space, const NetworkSpec& spec, const TensorMap& tensors, const std::string& prefix)
      : tokens_(space.dimensions()),
        width_(static_cast<std::size_t>(spec.embedding)),
        heads_(static_cast<std::size_t>(spec.heads)),
        feed_forward_(static_cast<std::size_t>(spec.feed_forward)),
        bias_(tensors.find(prefix + "input.bias")->second.values),
        head_(spec, tensors, prefix, 0) {
    for (std::size_t p = 0; p < tokens_; ++p) {
      tables_.emplace_back(space.parameters()[p], tensors.find(fmt::format("{}input.{}", prefix, p))->second);
    }
    for (std::int64_t l = 0; l < spec.layers; ++l) {
      const std::string name = fmt::format("{}layer.{}.", prefix, l);
      layers_.push_back({dense_layer(tensors, name + "attention.in"), dense_layer(tensors, name + "attention.out"),
                         dense_layer(tensors, name + "feed_forward.in"),
                         dense_layer(tensors, name + "feed_forward.out"), norm_layer(tensors, name + "norm1"),
                         norm_layer(tensors, name + "norm2")});
    }
  }

  std::unique_ptr<Workspace> workspace() const override {
    auto made = std::make_unique<Scratch>();
    const std::size_t columns = tokens_ * lanes;
    made->token.resize(width_);
    made->x.resize(width_ * columns);
    made->change.resize(width_ * columns);
    made->inner.resize(std::max(3 * width_, feed_forward_) * columns);
    made->mixed.resize(width_ * columns);
    made->logits.resize(columns);
    made->flat.resize(std::max(tokens_ * width_, head_.widest()) * lanes);
    made->spare.resize(head_.scratch_rows() * lanes);
    return made;
  }

  void evaluate(std::span<const Design> designs, std::span<const float> gate, Workspace& workspace,
                float* out) const override {
    auto& scratch = static_cast<Scratch&>(workspace);
    const std::size_t columns = tokens_ * lanes;
    for (std::size_t p = 0; p < tokens_; ++p) {
      for (std::size_t lane = 0; lane < designs.size(); ++lane) {
        tables_[p].add(designs[lane][p], bias_.data() + p * width_, scratch.token.data());
        for (std::size_t w = 0; w < width_; ++w) scratch.x[w * columns + p * lanes + lane] = scratch.token[w];
      }
    }
    for (const Layer& layer : layers_) {
      layer.attention_in.apply(scratch.x.data(), scratch.inner.data(), columns);
      attend(scratch);
      layer.attention_out.apply(scratch.mixed.data(), scratch.change.data(), columns);
      add_and_norm(scratch.x.data(), scratch.change.data(), layer.norm1, columns);
      layer.feed_forward_in.apply(scratch.x.data(), scratch.inner.data(), columns);
      activate(Activation::relu, scratch.inner.data(), feed_forward_ * columns);
      layer.feed_forward_out.apply(scratch.inner.data(), scratch.change.data(), columns);
      add_and_norm(scratch.x.data(), scratch.change.data(), layer.norm2, columns);
    }
    for (std::size_t p = 0; p < tokens_; ++p) {
      for (std::size_t w = 0; w < width_; ++w) {
        const std::size_t row = p * width_ + w;
        const float factor = gate.empty() ? 1.0F : gate[row];
        const float* source = scratch.x.data() + w * columns + p * lanes;
        for (std::size_t lane = 0; lane < lanes; ++lane) scratch.flat[row * lanes + lane] = source[lane] * factor;
      }
    }
    head_.apply(scratch.flat.data(), scratch.spare.data(), out);
  }

 private:
  struct Scratch : Workspace {
    std::vector<float> token, x, change, inner, mixed, logits, flat, spare;
  };

  // From queries, keys and values in scratch.inner to their mixture in scratch.mixed.
  void attend(Scratch& scratch) const {
    const std::size_t columns = tokens_ * lanes;
    const std::size_t size = width_ / heads_;
    const float scale = 1.0F / std::sqrt(static_cast<float>(size));
    const float* queries = scratch.inner.data();
    const float* keys = queries + width_ * columns;
    const float* values = keys + width_ * columns;
    std::fill(scratch.mixed.begin(), scratch.mixed.end(), 0.0F);
    for (std::size_t head = 0; head < heads_; ++head) {
      for (std::size_t token = 0; token < tokens_; ++token) {
        float largest[lanes], total[lanes] = {};
        std::fill(std::begin(largest), std::end(largest), -std::numeric_limits<float>::max());
        for (std::size_t other = 0; other < tokens_; ++other) {
          float dot[lanes] = {};
          for (std::size_t w = head * size; w < (head + 1) * size; ++w) {
            const float* query = queries + w * columns + token * lanes;
            const float* key = keys + w * columns + other * lanes;
            for (std::size_t lane = 0; lane < lanes; ++lane) dot[lane] += query[lane] * key[lane];
          }
          float* logit = scratch.logits.data() + other * lanes;
          for (std::size_t lane = 0; lane < lanes; ++lane) {
            logit[lane] = dot[lane] * scale;
            largest[lane] = std::max(largest[lane], logit[lane]);
          }
        }
        for (std::size_t other = 0; other < tokens_; ++other) {
          float* logit = scratch.logits.data() + other * lanes;
          for (std::size_t lane = 0; lane < lanes; ++lane) {
            logit[lane] = std::exp(logit[lane] - largest[lane]);
            total[lane] += logit[lane];
          }
        }
        for (float& value : total) value = 1.0F / value;
        for (std::size_t other = 0; other < tokens_; ++other) {
          const float* weight = scratch.logits.data() + other * lanes;
          for (std::size_t w = head * size; w < (head + 1) * size; ++w) {
            const float* value = values + w * columns + other * lanes;
            float* mixed = scratch.mixed.data() + w * columns + token * lanes;
            for (std::size_t lane = 0; lane < lanes; ++lane) mixed[lane] += weight[lane] * total[lane] * value[lane];
          }
        }
      }
    }
  }

  std::size_t tokens_, width_, heads_, feed_forward_;
  std::vector<float> bias_;  // [tokens][width]
  std::vector<InputTable> tables_;
  std::vector<Layer> layers_;
  Head head_;
};

}  // namespace

std::unique_ptr<Member> make_attention(const DesignSpace& space, const NetworkSpec& spec, const TensorMap& tensors,
                                       const std::string& prefix) {
  return std::make_unique<Attention>(space, spec, tensors, prefix);
}

}  // namespace corbel
