#include "corbel/surrogate/internal/dense_stack.hpp"

#include <algorithm>

#include "corbel/surrogate/internal/aligned_floats.hpp"
#include "corbel/surrogate/internal/packed_weights.hpp"

namespace corbel {
namespace {

constexpr std::size_t lanes = training_lanes;

// Rows of a weight whose gradients are one piece of work.
constexpr std::size_t rows_at_once = 32;

}  // namespace

struct DenseStack::Data {
  std::shared_ptr<Team> team;
  TrainingOperations use;

  struct State {
    PackedWeights packed;
    // [blocks][features][lanes]: what goes in, the layer's result before the activation, and the latter's gradient.
    AlignedFloats in, result, gradient;
  };
  std::vector<Layer> layers;
  std::vector<State> states;
  AlignedFloats input_gradient;
  Activation activation = Activation::leaky_relu;
  std::size_t rows = 0;

  Data(std::shared_ptr<Team> its_team, const TrainingOperations& operations)
      : team(std::move(its_team)), use(operations) {}

  std::size_t blocks() const { return (rows + lanes - 1) / lanes; }
  std::size_t rows_in(std::size_t block) const { return std::min(lanes, rows - block * lanes); }
  // Of a block in an array for that many features.
  static float* block_of(const AlignedFloats& values, std::size_t features, std::size_t block) {
    return values.data() + blocks_size(block, features);
  }

  void forward(std::size_t block, const float* x, float* out) const {
    const std::size_t in = layers.front().in, width = layers.back().out;
    use.to_lanes(x + block * lanes * in, in, rows_in(block), in, block_of(states.front().in, in, block));
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const Layer& layer = layers[l];
      float* const result = block_of(states[l].result, layer.out, block);
      use.multiply(states[l].packed.forward(), layer.bias, layer.in, layer.out, block_of(states[l].in, layer.in, block),
                   result, 1, Store::set);
      if (l + 1 < layers.size()) {
        use.activate(activation, layer.out, 1, result, block_of(states[l + 1].in, layer.out, block));
      } else {
        use.from_lanes(result, width, rows_in(block), width, out + block * lanes * width);
      }
    }
  }

  void backward(std::size_t block, const float* gradient, float* x_gradient) const {
    const std::size_t in = layers.front().in, width = layers.back().out;
    use.to_lanes(gradient + block * lanes * width, width, rows_in(block), width,
                 block_of(states.back().gradient, width, block));
    for (std::size_t l = layers.size(); l-- > 0;) {
      const Layer& layer = layers[l];
      if (l == 0 && x_gradient == nullptr) return;
      float* const to = l > 0 ? block_of(states[l - 1].gradient, layer.in, block) : block_of(input_gradient, in, block);
      use.multiply(states[l].packed.backward(), nullptr, layer.out, layer.in,
                   block_of(states[l].gradient, layer.out, block), to, 1, Store::set);
      if (l > 0) {
        use.activate_backward(activation, layer.in, 1, block_of(states[l - 1].result, layer.in, block), to);
      } else {
        use.from_lanes(to, in, rows_in(block), in, x_gradient + block * lanes * in);
      }
    }
  }
};

DenseStack::DenseStack(std::shared_ptr<Team> team, const TrainingOperations& operations)
    : data_(std::make_unique<Data>(std::move(team), operations)) {}
DenseStack::~DenseStack() = default;

void DenseStack::forward(std::span<const Layer> layers, Activation activation, const float* x, std::size_t rows,
                         bool for_gradients, float* out) {
  Data& data = *data_;
  data.layers.assign(layers.begin(), layers.end());
  data.activation = activation;
  data.rows = rows;
  data.states.resize(layers.size());
  const auto size = [&](std::size_t features) { return blocks_size(data.blocks(), features); };
  for (std::size_t l = 0; l < layers.size(); ++l) {
    Data::State& state = data.states[l];
    state.packed.pack(layers[l].weight, layers[l].out, layers[l].in, for_gradients);
    state.in.make_room(size(layers[l].in));
    state.result.make_room(size(layers[l].out));
    if (for_gradients) state.gradient.make_room(size(layers[l].out));
  }
  data.team->run(data.blocks(), [&](std::size_t block) {
    const FlushDenormals flush;
    data.forward(block, x, out);
  });
}

void DenseStack::backward(const float* gradient, float* x_gradient, std::span<float* const> weight_gradients) {
  Data& data = *data_;
  if (x_gradient != nullptr) {
    data.input_gradient.make_room(blocks_size(data.blocks(), data.layers.front().in));
  }
  data.team->run(data.blocks(), [&](std::size_t block) {
    const FlushDenormals flush;
    data.backward(block, gradient, x_gradient);
  });
  struct Piece {
    std::size_t layer, first, end;
  };
  std::vector<Piece> pieces;
  for (std::size_t l = 0; l < data.layers.size(); ++l) {
    const std::size_t out = data.layers[l].out;
    for (std::size_t first = 0; first < out; first += rows_at_once) {
      pieces.push_back({l, first, std::min(out, first + rows_at_once)});
    }
  }
  data.team->run(pieces.size(), [&](std::size_t i) {
    const FlushDenormals flush;
    const auto [l, first, end] = pieces[i];
    const Layer& layer = data.layers[l];
    float* const of_weight = weight_gradients[2 * l];
    float* const of_bias = weight_gradients[2 * l + 1];
    std::fill(of_weight + first * layer.in, of_weight + end * layer.in, 0.0F);
    std::fill(of_bias + first, of_bias + end, 0.0F);
    const Data::State& state = data.states[l];
    data.use.add_products(state.gradient.data(), layer.out, first, end, state.in.data(), layer.in, data.blocks(),
                          of_weight);
    data.use.add_sums(state.gradient.data(), layer.out, first, end, data.blocks(), of_bias);
  });
}

}  // namespace corbel
