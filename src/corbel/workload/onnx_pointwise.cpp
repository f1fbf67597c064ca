#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "corbel/workload/internal/onnx_layers.hpp"

namespace corbel {
namespace {

/// The axis of `shape` along which a constant that is broadcast to it varies.
struct Variation {
  std::int64_t axis = -1;  ///< −1: none, the constant is one number
  bool several = false;
};

Variation variation_of(const OnnxShape& constant, const OnnxShape& shape) {
  Variation variation;
  for (std::size_t i = 0; i < constant.size(); ++i) {
    if (constant[i] == 1) continue;
    variation.several = variation.several || variation.axis >= 0;
    variation.axis = static_cast<std::int64_t>(i + shape.size() - constant.size());
  }
  return variation;
}

}  // namespace

Layer OnnxLayers::elementwise_layer(const OnnxNode& node, const OnnxShape& shape, std::int64_t channel_axis) const {
  const Extent size = extent(shape, channel_axis);
  Layer layer;
  layer.name = node.name;
  layer.kind = LayerKind::elementwise;
  layer.bias = false;
  layer.batch = size.batch;
  layer.in_channels = layer.out_channels = size.channels;
  layer.in_height = layer.out_height = size.height;
  layer.in_width = layer.out_width = size.width;
  return layer;
}

void OnnxLayers::look_up(const OnnxNode& node, std::span<const int> inputs) {
  // What is computed from one number alone, x·sigmoid(x) or the many steps of a GELU, is one look-up in the end.
  int argument = value(inputs[0]).content;
  int merged = -1;
  for (const int input : inputs) {
    const Value& each = value(input);
    const bool private_function = each.argument >= 0 && can_fold(input);
    if (private_function && merged < 0) {
      merged = input;
      argument = each.argument;
    }
  }
  bool one = true;
  for (const int input : inputs) one = one && (input == merged || value(input).content == argument);
  if (merged >= 0 && one) {
    alias(node, merged, true, true);
    Value& to = value(node.outputs[0]);
    to.content = node.outputs[0];
    to.exclusive = true;
    return;
  }
  if (inputs.size() != 1) return combine(node, inputs);
  const int source = value(inputs[0]).content;
  const OnnxShape& shape = output_shape(node);
  set_output(node, append(elementwise_layer(node, shape, default_channel_axis(shape)), inputs), {});
  value(node.outputs[0]).argument = source;
}

void OnnxLayers::combine(const OnnxNode& node, std::span<const int> inputs) {
  const OnnxShape& shape = output_shape(node);
  Layer layer = elementwise_layer(node, shape, default_channel_axis(shape));
  const auto full = std::ranges::count_if(
      inputs, [&](int input) { return onnx_elements(model_.tensor(input).shape) == onnx_elements(shape); });
  layer.operands = std::max<std::int64_t>(full, 1);
  layer.operations = std::max<std::int64_t>(static_cast<std::int64_t>(inputs.size()) - 1, 1);
  set_output(node, append(std::move(layer), inputs), {});
}

void OnnxLayers::combine_all(const OnnxNode& node) {
  const std::vector<int> inputs = activations(node);
  const bool one_number = std::ranges::all_of(node.inputs, [&](int input) {
    return input < 0 || !model_.constant(input) || onnx_elements(model_.tensor(input).shape) == 1;
  });
  const bool same_size = onnx_elements(model_.tensor(inputs[0]).shape) == onnx_elements(output_shape(node));
  const bool pointwise = node.op != "CumSum" && node.op != "OneHot" && !node.op.starts_with("Gather") &&
                         !node.op.starts_with("Scatter") && node.op != "Einsum";
  if (pointwise && one_number && same_size) return look_up(node, inputs);
  combine(node, inputs);
}

void OnnxLayers::clamp(const OnnxNode& node) {
  const std::vector<int> inputs = activations(node);
  if (inputs.size() == 1 && inputs[0] == node.input(0) && can_fold(inputs[0])) {
    ending(inputs[0]).clamped = true;
    const int argument = value(inputs[0]).argument;
    alias(node, inputs[0], true, true);
    value(node.outputs[0]).content = node.outputs[0];
    value(node.outputs[0]).argument = argument;
    return;
  }
  look_up(node, inputs);
}

void OnnxLayers::function(const OnnxNode& node) {
  if (node.has_input(1) && node.op == "Gelu" && model_.constant(node.inputs[1])) {
    const OnnxShape& shape = output_shape(node);
    Layer layer = elementwise_layer(node, shape, static_cast<std::int64_t>(shape.size()) - 1);
    layer.scale = true;
    return set_output(node, append(std::move(layer), std::array{node.input(0)}), {});
  }
  const std::vector<int> inputs = activations(node);
  look_up(node, inputs);
}

void OnnxLayers::slope(const OnnxNode& node) {
  const OnnxShape& shape = output_shape(node);
  const OnnxShape constant = onnx_operand_shape(model_, node, 1);
  const Variation variation = variation_of(constant, shape);
  if (!model_.constant(node.input(1)) || variation.several) return combine_all(node);
  if (variation.axis < 0) return look_up(node, std::array{node.input(0)});
  Layer layer = elementwise_layer(node, shape, variation.axis);
  layer.scale = true;
  set_output(node, append(std::move(layer), std::array{node.input(0)}), {});
}

void OnnxLayers::arithmetic(const OnnxNode& node) {
  std::vector<int> constants;
  for (const int input : node.inputs) {
    if (model_.constant(input) && input >= 0) constants.push_back(input);
  }
  const std::vector<int> inputs = activations(node);
  // A constant that is divided by the activations is not a factor of theirs.
  const bool divides = node.op == "Div" && model_.constant(node.input(0));
  const bool one = inputs.size() == 1 && constants.size() == 1 && !divides;
  const bool full = onnx_elements(model_.tensor(inputs[0]).shape) == onnx_elements(output_shape(node));
  if (!one || !full) return combine_all(node);
  const std::size_t place = node.input(0) == constants[0] ? 0 : 1;
  const bool scales = node.op == "Mul" || node.op == "Div";
  affine(node, inputs[0], constants[0], onnx_operand_shape(model_, node, place), scales, !scales);
}

void OnnxLayers::affine(const OnnxNode& node, int input, int constant, const OnnxShape& constant_shape, bool scales,
                        bool shifts) {
  const OnnxShape& shape = output_shape(node);
  const Variation variation = variation_of(constant_shape, shape);
  const bool number = variation.axis < 0;
  const bool along_batch = variation.axis == 0 && shape.size() > 1;
  if (variation.several || along_batch) return table(node, input, constant);
  if (can_fold(input)) {
    Ending& end = ending(input);
    const bool fits = number || (value(input).in_place && variation.axis == end.channel_axis);
    // Requantisation multiplies by one number in any layer, by one per channel and plus another after sums.
    if ((number && !shifts) || (fits && !end.clamped && (end.products || end.affine))) {
      if (!number || end.products) end.scales = end.scales || scales;
      if (!number || end.products) end.shifts = end.shifts || shifts;
      alias(node, input, true, true);
      value(node.outputs[0]).content = node.outputs[0];
      return;
    }
  }
  if (number) return look_up(node, std::array{input});
  Layer layer = elementwise_layer(node, shape, variation.axis);
  const int index = append(std::move(layer), std::array{input});
  set_output(node, index,
             {.affine = true, .scales = scales, .shifts = shifts, .channel_axis = static_cast<int>(variation.axis)});
}

void OnnxLayers::table(const OnnxNode& node, int input, int constant) {
  // Learnt values for every position: read once, like the rows of an embedding, and added.
  const OnnxShape& shape = output_shape(node);
  const OnnxShape& values = model_.tensor(constant).shape;
  const std::uint64_t per_sample = onnx_elements({shape.begin() + 1, shape.end()});
  const std::uint64_t size = onnx_elements(values);
  if (size != per_sample && size != onnx_elements(shape)) return combine(node, std::array{input});
  Layer rows;
  rows.name = node.name + ".table";
  rows.kind = LayerKind::embedding;
  rows.bias = false;
  rows.out_channels = values.back();
  rows.in_channels = rows.out_height = static_cast<std::int64_t>(size / static_cast<std::uint64_t>(values.back()));
  const Tensor read = builder_.append(std::move(rows), {});
  endings_.resize(builder_.layers().size());
  Layer layer = elementwise_layer(node, shape, default_channel_axis(shape));
  layer.operands = size == onnx_elements(shape) ? 2 : 1;
  const std::array operands{operand(input), read};
  set_output(node, builder_.append(std::move(layer), operands).producers.front(), {});
}

void OnnxLayers::batch_normalization(const OnnxNode& node) {
  for (std::size_t i = 1; i < 5; ++i) needs_constant(node, i, "its parameters");
  for (std::size_t i = 1; i < node.outputs.size(); ++i) {
    if (node.outputs[i] >= 0 && model_.tensor(node.outputs[i]).readers > 0) {
      throw model_.error(node, "outputs of training are read", "export the network for inference");
    }
  }
  const OnnxShape& shape = output_shape(node);
  if (shape.size() < 2 || onnx_elements(input_shape(node, 1)) != static_cast<std::uint64_t>(shape[1])) {
    throw model_.error(
        node, fmt::format("input {} and scale {} do not fit", to_string(shape), to_string(input_shape(node, 1))));
  }
  OnnxShape per_channel(shape.size() - 1, 1);
  per_channel[0] = shape[1];
  // A single channel still has parameters of its own.
  if (shape[1] > 1) return affine(node, node.input(0), node.input(1), per_channel, true, true);
  if (can_fold(node.input(0)) && ending(node.input(0)).products && !ending(node.input(0)).clamped) {
    ending(node.input(0)).shifts = true;
    alias(node, node.input(0), true, true);
    value(node.outputs[0]).content = node.outputs[0];
    return;
  }
  set_output(node, append(elementwise_layer(node, shape, 1), std::array{node.input(0)}),
             {.affine = true, .scales = true, .shifts = true, .channel_axis = 1});
}

void OnnxLayers::normalization(const OnnxNode& node) {
  const OnnxShape& shape = output_shape(node);
  const auto rank = static_cast<std::int64_t>(shape.size());
  Elementwise work = layer_norm_work;
  std::int64_t channel_axis = rank - 1;
  if (node.op == "InstanceNormalization") channel_axis = std::min<std::int64_t>(1, rank - 1);
  if (node.op == "LpNormalization") work = {.operations = 2};
  if (node.op == "MeanVarianceNormalization") work = {.operations = layer_norm_work.operations - 1};
  if (node.op == "LayerNormalization") work.bias = node.has_input(2);
  Layer layer = elementwise_layer(node, shape, std::max<std::int64_t>(channel_axis, 0));
  if (node.op == "LayerNormalization") {
    const auto parameters = onnx_elements(input_shape(node, 1));
    if (parameters != static_cast<std::uint64_t>(layer.out_channels)) {
      // Normalised over several axes: each of their elements is a channel with parameters.
      const std::uint64_t all = onnx_elements(shape);
      layer = elementwise_layer(node,
                                {static_cast<std::int64_t>(all / std::max<std::uint64_t>(parameters, 1)),
                                 static_cast<std::int64_t>(parameters)},
                                1);
    }
  }
  layer.operations = work.operations;
  layer.scale = work.scale;
  layer.bias = work.bias;
  const std::vector<int> inputs = activations(node);
  set_output(node, append(std::move(layer), inputs), {});
}

void OnnxLayers::skip_normalization(const OnnxNode& node) {
  const OnnxShape& shape = output_shape(node);
  const auto last = static_cast<std::int64_t>(shape.size()) - 1;
  Layer sum = elementwise_layer(node, shape, last);
  sum.name += ".sum";
  const std::vector<int> inputs = activations(node);
  sum.operands = static_cast<std::int64_t>(inputs.size());
  const int added = append(std::move(sum), inputs);
  endings_.resize(builder_.layers().size());
  Layer layer = elementwise_layer(node, shape, last);
  layer.operations = layer_norm_work.operations;
  layer.scale = true;
  layer.bias = node.has_input(3);
  const Tensor read{1, 1, 1, {added}, 0};
  set_output(node, builder_.append(std::move(layer), std::array{read}).producers.front(), {});
}

void OnnxLayers::softmax(const OnnxNode& node) {
  const OnnxShape& shape = output_shape(node);
  Layer layer = elementwise_layer(node, shape, default_channel_axis(shape));
  layer.operations = softmax_work.operations;
  set_output(node, append(std::move(layer), std::array{node.input(0)}), {});
}

void OnnxLayers::local_response(const OnnxNode& node) {
  const OnnxShape& shape = output_shape(node);
  const std::int64_t size = node.integer("size", 1);
  if (size < 1 || size > max_layer_size) throw model_.error(node, fmt::format("size is {}, wanted at least 1", size));
  Layer layer = elementwise_layer(node, shape, default_channel_axis(shape));
  layer.operations = local_response_norm_work(size).operations;
  set_output(node, append(std::move(layer), std::array{node.input(0)}), {});
}

}  // namespace corbel
