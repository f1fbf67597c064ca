#include "corbel/surrogate/internal/encoder.hpp"

#include <algorithm>
#include <mutex>

#include "corbel/base/random.hpp"
#include "corbel/surrogate/internal/aligned_floats.hpp"
#include "corbel/surrogate/internal/packed_weights.hpp"

namespace corbel {
namespace {

constexpr std::size_t lanes = training_lanes;

// Parts of a batch whose gradients are summed on their own: what can be computed side by side.
constexpr std::size_t most_parts = 8;

enum : std::size_t { attention_in, attention_out, norm1, feed_forward_in, feed_forward_out, norm2 };

}  // namespace

struct Encoder::Data {
  EncoderShape shape;
  std::shared_ptr<Team> team;
  TrainingOperations use;

  // What the backward pass needs of `lanes` rows in a layer: places in `kept`, from the start of the chunk's layer.
  struct Layout {
    std::size_t qkv, shares, mixed, normalised1, factors1, inner, normalised2, factors2, size;
  };
  Layout layout;
  std::size_t activation;  // numbers in [tokens][embedding][lanes]

  // Of the last forward pass.
  std::vector<const float*> weights;
  std::vector<PackedWeights> packed;  // [layers][4]
  std::vector<Dropout> dropouts;      // [layers][2]
  std::size_t rows = 0;
  AlignedFloats kept;  // [chunks]: the tokens, then each layer

  AlignedFloats gradients;                 // [parts][all weights]
  std::vector<std::size_t> sizes, places;  // of the weights' gradients in a part

  // Room for one thread; who is done with it leaves it to the next.
  struct Room {
    AlignedFloats x, change, inner, qkv, mixed, gradient, other, square, kept;
  };
  std::mutex mutex;
  std::vector<std::unique_ptr<Room>> rooms;

  Data(EncoderShape its_shape, std::shared_ptr<Team> its_team, const TrainingOperations& operations)
      : shape(its_shape), team(std::move(its_team)), use(operations) {
    const std::size_t t = shape.tokens, e = shape.embedding, f = shape.feed_forward;
    activation = blocks_size(t, e);
    layout.qkv = 0;
    layout.shares = layout.qkv + blocks_size(t, 3 * e);
    layout.mixed = layout.shares + shape.heads * t * t * lanes;
    layout.normalised1 = layout.mixed + activation;
    layout.factors1 = layout.normalised1 + activation;
    layout.inner = layout.factors1 + t * lanes;
    layout.normalised2 = layout.inner + blocks_size(t, f);
    layout.factors2 = layout.normalised2 + activation;
    layout.size = layout.factors2 + t * lanes;
    std::size_t place = 0;
    for (std::size_t l = 0; l < shape.layers; ++l) {
      for (const std::size_t size : {3 * e * e, 3 * e, e * e, e, e, e, f * e, f, e * f, e, e, e}) {
        sizes.push_back(size);
        places.push_back(place);
        place += (size + 15) / 16 * 16;
      }
    }
    places.push_back(place);
    packed.resize(4 * shape.layers);
  }

  std::size_t chunks() const { return (rows + lanes - 1) / lanes; }
  std::size_t chunk_size() const { return activation + shape.layers * layout.size; }

  const float* weight(std::size_t layer, std::size_t tensor) const {
    return weights[layer * tensors_per_layer + 2 * tensor];
  }
  const float* bias(std::size_t layer, std::size_t tensor) const {
    return weights[layer * tensors_per_layer + 2 * tensor + 1];
  }
  const PackedWeights& packed_weight(std::size_t layer, std::size_t tensor) const {
    constexpr std::size_t dense[] = {0, 1, 0, 2, 3};
    return packed[4 * layer + dense[tensor]];
  }

  std::unique_ptr<Room> take_room() {
    const std::lock_guard lock(mutex);
    if (rooms.empty()) {
      auto room = std::make_unique<Room>();
      room->x = AlignedFloats(activation);
      room->change = AlignedFloats(activation);
      room->mixed = AlignedFloats(activation);
      room->gradient = AlignedFloats(activation);
      room->other = AlignedFloats(activation);
      room->inner = AlignedFloats(blocks_size(shape.tokens, shape.feed_forward));
      room->qkv = AlignedFloats(blocks_size(shape.tokens, 3 * shape.embedding));
      room->square = AlignedFloats(shape.tokens * shape.tokens * lanes);
      return room;
    }
    auto room = std::move(rooms.back());
    rooms.pop_back();
    return room;
  }
  void leave(std::unique_ptr<Room> room) {
    const std::lock_guard lock(mutex);
    rooms.push_back(std::move(room));
  }

  void pack(bool for_gradients) {
    const std::size_t e = shape.embedding, f = shape.feed_forward;
    for (std::size_t l = 0; l < shape.layers; ++l) {
      packed[4 * l].pack(weight(l, attention_in), 3 * e, e, for_gradients);
      packed[4 * l + 1].pack(weight(l, attention_out), e, e, for_gradients);
      packed[4 * l + 2].pack(weight(l, feed_forward_in), f, e, for_gradients);
      packed[4 * l + 3].pack(weight(l, feed_forward_out), e, f, for_gradients);
    }
  }

  void set_dropouts(const Dropping& dropping) {
    dropouts.assign(2 * shape.layers, {});
    if (dropping.rate <= 0) return;
    for (std::size_t i = 0; i < dropouts.size(); ++i) {
      const std::uint64_t keys = Rng(dropping.seed, i).next();
      dropouts[i].keys[0] = static_cast<std::uint32_t>(keys);
      dropouts[i].keys[1] = static_cast<std::uint32_t>(keys >> 32);
      dropouts[i].threshold = static_cast<std::int32_t>(static_cast<double>(INT32_MIN) + dropping.rate * 4294967296.0);
      dropouts[i].scale = static_cast<float>(1 / (1 - dropping.rate));
    }
  }

  void forward(std::size_t chunk, const float* tokens, float* const keep, Room& room, float* out) const {
    const std::size_t t = shape.tokens, e = shape.embedding;
    const std::size_t first = chunk * lanes, count = std::min(lanes, rows - first), stride = t * e;
    float* const x = room.x.data();
    float* const change = room.change.data();
    float* const at_start = keep;
    for (std::size_t token = 0; token < t; ++token) {
      use.to_lanes(tokens + first * stride + token * e, stride, count, e, at_start + blocks_size(token, e));
    }
    const float* in = at_start;
    for (std::size_t l = 0; l < shape.layers; ++l) {
      float* const layer = keep + activation + l * layout.size;
      const auto multiply = [&](std::size_t tensor, const float* from, float* to, Store how) {
        const PackedWeights& matrix = packed_weight(l, tensor);
        use.multiply(matrix.forward(), bias(l, tensor), matrix.in(), matrix.out(), from, to, t, how);
      };
      multiply(attention_in, in, layer + layout.qkv, Store::set);
      use.attend(layer + layout.qkv, t, shape.heads, e / shape.heads, layer + layout.shares, layer + layout.mixed);
      multiply(attention_out, layer + layout.mixed, change, Store::set);
      use.norm(weight(l, norm1), bias(l, norm1), e, t, in, change, dropouts[2 * l].from(chunk * activation),
               layer + layout.normalised1, layer + layout.factors1, x);
      multiply(feed_forward_in, x, layer + layout.inner, Store::relu);
      multiply(feed_forward_out, layer + layout.inner, change, Store::set);
      use.norm(weight(l, norm2), bias(l, norm2), e, t, x, change, dropouts[2 * l + 1].from(chunk * activation),
               layer + layout.normalised2, layer + layout.factors2, x);
      in = x;
    }
    for (std::size_t token = 0; token < t; ++token) {
      use.from_lanes(in + blocks_size(token, e), e, count, stride, out + first * stride + token * e);
    }
  }

  void backward(std::size_t chunk, const float* gradient, float* part, Room& room, float* token_gradient) const {
    const std::size_t t = shape.tokens, e = shape.embedding, f = shape.feed_forward;
    const std::size_t first = chunk * lanes, count = std::min(lanes, rows - first), stride = t * e;
    const float* const keep = kept.data() + chunk * chunk_size();
    // The gradients of a layer's output, of what stands between its halves, and of what is added to those.
    float* dx = room.gradient.data();
    float* other = room.other.data();
    float* const change = room.change.data();
    float* const x = room.x.data();
    for (std::size_t token = 0; token < t; ++token) {
      use.to_lanes(gradient + first * stride + token * e, stride, count, e, dx + blocks_size(token, e));
    }
    for (std::size_t l = shape.layers; l-- > 0;) {
      const float* const layer = keep + activation + l * layout.size;
      const auto place = [&](std::size_t tensor, bool is_bias) {
        return part + places[l * tensors_per_layer + 2 * tensor + (is_bias ? 1 : 0)];
      };
      const auto multiply = [&](std::size_t tensor, const float* from, float* to, Store how) {
        const PackedWeights& matrix = packed_weight(l, tensor);
        use.multiply(matrix.backward(), nullptr, matrix.out(), matrix.in(), from, to, t, how);
      };
      const auto learn = [&](std::size_t tensor, const float* out_gradient, const float* in) {
        const PackedWeights& matrix = packed_weight(l, tensor);
        use.add_products(out_gradient, matrix.out(), 0, matrix.out(), in, matrix.in(), t, place(tensor, false));
        use.add_sums(out_gradient, matrix.out(), 0, matrix.out(), t, place(tensor, true));
      };
      float* const inner = room.inner.data();
      use.norm_backward(weight(l, norm2), e, t, layer + layout.normalised2, layer + layout.factors2, dx,
                        dropouts[2 * l + 1].from(chunk * activation), other, change, place(norm2, false),
                        place(norm2, true));
      learn(feed_forward_out, change, layer + layout.inner);
      multiply(feed_forward_out, change, inner, Store::set);
      use.activate_backward(Activation::relu, f, t, layer + layout.inner, inner);
      use.unnormalise(weight(l, norm1), bias(l, norm1), e, t, layer + layout.normalised1, x);
      learn(feed_forward_in, inner, x);
      multiply(feed_forward_in, inner, other, Store::add);

      use.norm_backward(weight(l, norm1), e, t, layer + layout.normalised1, layer + layout.factors1, other,
                        dropouts[2 * l].from(chunk * activation), dx, change, place(norm1, false), place(norm1, true));
      learn(attention_out, change, layer + layout.mixed);
      multiply(attention_out, change, room.mixed.data(), Store::set);
      use.attend_backward(layer + layout.qkv, layer + layout.shares, room.mixed.data(), t, shape.heads, e / shape.heads,
                          room.square.data(), room.qkv.data());
      const float* in = keep;
      if (l > 0) {
        const float* const before = layer - layout.size;
        use.unnormalise(weight(l - 1, norm2), bias(l - 1, norm2), e, t, before + layout.normalised2, x);
        in = x;
      }
      learn(attention_in, room.qkv.data(), in);
      multiply(attention_in, room.qkv.data(), dx, Store::add);
    }
    for (std::size_t token = 0; token < t; ++token) {
      use.from_lanes(dx + blocks_size(token, e), e, count, stride, token_gradient + first * stride + token * e);
    }
  }
};

Encoder::Encoder(EncoderShape shape, std::shared_ptr<Team> team, const TrainingOperations& operations)
    : data_(std::make_unique<Data>(shape, std::move(team), operations)) {}
Encoder::~Encoder() = default;

void Encoder::forward(std::span<const float* const> weights, const float* tokens, std::size_t rows,
                      const Dropping& dropping, bool for_gradients, float* out) {
  Data& data = *data_;
  data.weights.assign(weights.begin(), weights.end());
  data.rows = rows;
  data.pack(for_gradients);
  data.set_dropouts(dropping);
  if (for_gradients) data.kept.make_room(data.chunks() * data.chunk_size());
  data.team->run(data.chunks(), [&](std::size_t chunk) {
    const FlushDenormals flush;
    auto room = data.take_room();
    if (!for_gradients) room->kept.make_room(data.chunk_size());
    float* const keep = for_gradients ? data.kept.data() + chunk * data.chunk_size() : room->kept.data();
    data.forward(chunk, tokens, keep, *room, out);
    data.leave(std::move(room));
  });
}

void Encoder::backward(const float* gradient, float* token_gradient, std::span<float* const> weight_gradients) {
  Data& data = *data_;
  const std::size_t chunks = data.chunks(), parts = std::min(most_parts, chunks), size = data.places.back();
  data.gradients.make_room(parts * size);
  data.team->run(parts, [&](std::size_t part) {
    const FlushDenormals flush;
    auto room = data.take_room();
    float* const sums = data.gradients.data() + part * size;
    std::fill_n(sums, size, 0.0F);
    for (std::size_t chunk = part * chunks / parts; chunk < (part + 1) * chunks / parts; ++chunk) {
      data.backward(chunk, gradient, sums, *room, token_gradient);
    }
    data.leave(std::move(room));
  });
  for (std::size_t w = 0; w < weight_gradients.size(); ++w) {
    float* const to = weight_gradients[w];
    const float* const from = data.gradients.data() + data.places[w];
    for (std::size_t i = 0; i < data.sizes[w]; ++i) {
      float sum = 0;
      for (std::size_t part = 0; part < parts; ++part) sum += from[part * size + i];
      to[i] = sum;
    }
  }
}

}  // namespace corbel
