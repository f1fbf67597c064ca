#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "corbel/workload/internal/onnx_layers.hpp"
#include "corbel/workload/saturate.hpp"

namespace corbel {
namespace {

std::int64_t product_of(const OnnxShape& shape) {
  return onnx_layer_size(onnx_elements(shape));
}

std::int64_t clamped_product(std::int64_t a, std::int64_t b) {
  return product_of({a, b});
}

}  // namespace

void OnnxLayers::convolution(const OnnxNode& node) {
  needs_constant(node, 1, "its weights");
  needs_constant(node, 2, "its biases");
  const OnnxShape &input = input_shape(node, 0), &weights = input_shape(node, 1);
  const OnnxWindow window = onnx_window(model_, node, input, {weights.begin() + 2, weights.end()});
  Layer layer;
  layer.groups = node.integer("group", 1);
  layer.kind = layer.groups > 1 && layer.groups == input[1] ? LayerKind::depthwise : LayerKind::conv;
  layer.out_channels = weights[0];
  layer.bias = node.has_input(2);
  const std::string activation = node.text("activation", "Relu");
  if (node.has_input(3) || (activation != "Relu" && activation != "Clip")) {
    throw model_.error(node, "a fused convolution with a sum or a function other than Relu and Clip",
                       "export the network before it is optimised for a runtime");
  }
  window_layer(node, std::move(layer), window,
               {.products = true, .clamped = node.find("activation") != nullptr, .channel_axis = 1});
}

void OnnxLayers::transposed_convolution(const OnnxNode& node) {
  needs_constant(node, 1, "its weights");
  needs_constant(node, 2, "its biases");
  const OnnxShape &input = input_shape(node, 0), &weights = input_shape(node, 1);
  const OnnxWindow window = onnx_transposed_window(model_, node, input, {weights.begin() + 2, weights.end()});
  Layer layer;
  layer.kind = LayerKind::transposed_conv;
  layer.groups = node.integer("group", 1);
  layer.out_channels = output_shape(node)[1];
  layer.bias = node.has_input(2);
  window_layer(node, std::move(layer), window, {.products = true, .channel_axis = 1});
}

void OnnxLayers::append_product(const OnnxNode& node, const Product& product, std::span<const int> inputs) {
  Layer layer;
  layer.name = node.name;
  layer.bias = product.bias;
  layer.weight_operand = product.weights;
  layer.in_channels = product.inner;
  layer.out_channels = product.columns;
  layer.out_height = product.rows;
  layer.batch = product.samples;
  Ending ending{.products = product.weights && product.groups == 1, .channel_axis = product.channel_axis};
  if (product.weights) {
    layer.batch = product.rows % batch_ == 0 ? batch_ : 1;
    layer.out_height = product.rows / layer.batch;
  }
  if (product.groups > 1) {
    // Every group has weights of its own, as in a grouped convolution of one position.
    layer.kind = LayerKind::conv;
    layer.groups = product.groups;
    layer.in_channels = clamped_product(product.inner, product.groups);
    layer.out_channels = clamped_product(product.columns, product.groups);
    layer.in_height = layer.out_height;
  } else {
    layer.kind = product.weights && layer.out_height == 1 ? LayerKind::fully_connected : LayerKind::matmul;
  }
  set_output(node, append(std::move(layer), inputs), ending);
}

void OnnxLayers::gemm(const OnnxNode& node) {
  const OnnxMatrix a = onnx_matrix(input_shape(node, 0), node.integer("transA", 0) != 0, true);
  const OnnxMatrix b = onnx_matrix(input_shape(node, 1), node.integer("transB", 0) != 0, false);
  const bool a_constant = model_.constant(node.input(0)), b_constant = model_.constant(node.input(1));
  Product product;
  product.inner = a.columns;
  product.weights = a_constant || b_constant;
  const bool swapped = a_constant && !b_constant;
  product.rows = swapped ? b.columns : a.rows;
  product.columns = swapped ? a.rows : b.columns;
  product.channel_axis = swapped ? 0 : 1;
  product.bias = product.weights && node.has_input(2) && model_.constant(node.input(2));
  std::vector<int> inputs = activations(node);
  const bool adds = node.has_input(2) && !product.bias;
  if (adds && std::ranges::count(node.inputs, node.inputs[2]) == 1) std::erase(inputs, node.inputs[2]);
  if (inputs.empty()) throw model_.error(node, "only its third operand depends on the network's inputs");
  append_product(node, product, inputs);
  if (!adds) return;
  Layer sum = elementwise_layer(node, output_shape(node), 1);
  sum.name += ".sum";
  sum.operands = model_.constant(node.inputs[2]) ? 1 : 2;
  std::vector<Tensor> operands{operand(node.outputs[0])};
  if (!model_.constant(node.inputs[2])) operands.push_back(operand(node.inputs[2]));
  set_output(node, builder_.append(std::move(sum), operands).producers.front(), {});
}

void OnnxLayers::matmul(const OnnxNode& node) {
  const OnnxMatrix a = onnx_matrix(input_shape(node, 0), node.integer("transA", 0) != 0, true);
  const OnnxMatrix b = onnx_matrix(input_shape(node, 1), node.integer("transB", 0) != 0, false);
  const bool a_constant = model_.constant(node.input(0)), b_constant = model_.constant(node.input(1));
  const OnnxShape& output = output_shape(node);
  const std::int64_t outputs = static_cast<std::int64_t>(std::min(onnx_elements(output), saturated - 1));
  const auto rank = static_cast<int>(output.size());
  Product product;
  product.inner = a.columns;
  product.weights = a_constant || b_constant;
  if (product.weights) {
    const OnnxMatrix& weights = b_constant ? b : a;
    product.columns = b_constant ? b.columns : a.rows;
    product.groups = product_of(weights.batch);
    product.rows = outputs / product.columns / product.groups;
    product.channel_axis = b_constant ? rank - 1 : rank - 2;
    product.bias = node.has_input(2) && model_.constant(node.input(2));
  } else {
    // What is shared by all samples of the other operand is one product with more rows.
    const bool shared = product_of(b.batch) == 1;
    product.columns = b.columns;
    product.rows = shared ? clamped_product(product_of(a.batch), a.rows) : a.rows;
    product.samples = outputs / product.columns / product.rows;
  }
  append_product(node, product, activations(node));
}

void OnnxLayers::einsum(const OnnxNode& node) {
  const OnnxEinsum parsed = onnx_einsum(model_, node);
  if (parsed.operands.size() == 1) {
    const bool permutes = parsed.operands[0].size() == parsed.output.size();
    return permutes ? move(node) : combine_all(node);
  }
  const auto in = [](const std::string& letters, char letter) { return letters.find(letter) != std::string::npos; };
  OnnxShape samples, rows, columns, inner;
  for (const auto& [letter, size] : parsed.sizes) {
    const bool first = in(parsed.operands[0], letter), second = in(parsed.operands[1], letter);
    const bool output = in(parsed.output, letter);
    if (!output && !(first && second)) {
      throw model_.error(node, fmt::format("the equation sums the operand that has `{}` before the product", letter),
                         "export the sum as ReduceSum");
    }
    (first && second ? (output ? samples : inner) : first ? rows : columns).push_back(size);
  }
  Product product{.rows = product_of(rows), .inner = product_of(inner), .columns = product_of(columns)};
  const bool a_constant = model_.constant(node.input(0)), b_constant = model_.constant(node.input(1));
  product.weights = a_constant || b_constant;
  if (a_constant) std::swap(product.rows, product.columns);
  (product.weights ? product.groups : product.samples) = product_of(samples);
  append_product(node, product, activations(node));
}

void OnnxLayers::recurrent(const OnnxNode& node) {
  needs_constant(node, 1, "its weights");
  needs_constant(node, 2, "its weights");
  needs_constant(node, 3, "its biases");
  if (node.has_input(7)) throw model_.error(node, "peepholes are not supported", "export the cell without them");
  const OnnxShape &input = input_shape(node, 0), &weights = input_shape(node, 1);
  const std::int64_t gates = node.op == "LSTM" ? 4 : node.op == "GRU" ? 3 : 1;
  const bool batch_first = node.integer("layout", 0) != 0;
  if (input.size() != 3 || weights.size() != 3 || weights[0] < 1 || weights[0] > 2 || weights[1] % gates != 0 ||
      weights[1] < 1 || weights[2] != input[2] ||
      node.integer("hidden_size", weights[1] / gates) != weights[1] / gates ||
      input_shape(node, 2) != OnnxShape{weights[0], weights[1], weights[1] / gates}) {
    throw model_.error(node, fmt::format("input {}, weights {} and {} do not fit", to_string(input), to_string(weights),
                                         to_string(input_shape(node, 2))));
  }
  const std::int64_t batch = input[batch_first ? 0 : 1];
  if (batch != batch_) {
    if (model_.written_batch != 0) {
      throw model_.error(node, fmt::format("its batch is {}: the batch is not the inputs' first dimension", batch),
                         "export the network with a symbolic batch dimension, or leave out `batch`");
    }
    batch_ = batch;
  }
  // The cell's layers on their own first: they share no batch with the list that they join.
  std::vector<int> last;
  for (std::int64_t direction = 0; direction < weights[0]; ++direction) {
    NetworkBuilder cell(batch);
    cell.set_place(model_.file);
    const Tensor sequence{input[2], input[batch_first ? 1 : 0], 1, {-1}, 1};
    const std::int64_t units = weights[1] / gates;
    const std::string name = node.name + (direction == 0 ? "" : ".reverse");
    const bool bias = node.has_input(3);
    if (gates == 4) cell.lstm(name, sequence, units, 0, bias, true);
    if (gates == 3) cell.gru(name, sequence, units, 0, bias, true);
    if (gates == 1) {
      Layer sums;
      sums.name = name + ".sums";
      sums.kind = LayerKind::matmul;
      sums.in_channels = input[2] + units;
      sums.out_channels = units;
      sums.steps = sequence.height;
      sums.bias = bias;
      Layer squash;
      squash.name = name + ".activation";
      squash.kind = LayerKind::elementwise;
      squash.in_channels = squash.out_channels = units;
      squash.steps = sequence.height;
      squash.bias = false;
      const Tensor sum = cell.append(std::move(sums), std::array{sequence});
      cell.append(std::move(squash), std::array{sum});
    }
    const auto first = static_cast<int>(builder_.layers().size());
    for (Layer& layer : cell.take_layers()) {
      std::vector<Tensor> operands;
      for (const int each : layer.inputs) {
        if (each >= 0) operands.push_back({1, 1, 1, {first + each}, 0});
      }
      if (layer.network_input_elements > 0) operands.push_back(operand(node.input(0)));
      layer.network_input_elements = 0;
      last.push_back(builder_.append(std::move(layer), operands).producers.front());
    }
    last.erase(last.begin() + direction, last.end() - 1);
  }
  endings_.resize(builder_.layers().size());
  for (const int output : node.outputs) {
    if (output >= 0) value(output).producers = last;
  }
}

}  // namespace corbel
