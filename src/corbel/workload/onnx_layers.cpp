#include "corbel/workload/internal/onnx_layers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "corbel/workload/saturate.hpp"

namespace corbel {
namespace {

std::int64_t size_product(std::span<const std::int64_t> sizes) {
  return onnx_layer_size(onnx_elements(OnnxShape(sizes.begin(), sizes.end())));
}

}  // namespace

std::int64_t onnx_layer_size(std::uint64_t elements) {
  return static_cast<std::int64_t>(std::min(elements, static_cast<std::uint64_t>(max_layer_size) + 1));
}

std::span<const OnnxLayers::Kind> OnnxLayers::kinds() {
  using L = OnnxLayers;
  static constexpr std::array table = std::to_array<Kind>({
      {"Abs", &L::function},
      {"Acos", &L::function},
      {"Acosh", &L::function},
      {"Add", &L::arithmetic},
      {"And", &L::combine_all},
      {"ArgMax", &L::reduction},
      {"ArgMin", &L::reduction},
      {"Asin", &L::function},
      {"Asinh", &L::function},
      {"Atan", &L::function},
      {"Atanh", &L::function},
      {"AveragePool", &L::pool},
      {"BatchNormalization", &L::batch_normalization},
      {"BitShift", &L::combine_all},
      {"Cast", &L::same},
      {"Ceil", &L::function},
      {"Celu", &L::function},
      {"Clip", &L::clamp},
      {"Concat", &L::concatenate},
      {"Conv", &L::convolution},
      {"ConvTranspose", &L::transposed_convolution},
      {"Cos", &L::function},
      {"Cosh", &L::function},
      {"CumSum", &L::combine_all},
      {"DepthToSpace", &L::move},
      {"DequantizeLinear", &L::same},
      {"Div", &L::arithmetic},
      {"Dropout", &L::same},
      {"DynamicQuantizeLinear", &L::same},
      {"Einsum", &L::einsum},
      {"Elu", &L::function},
      {"Equal", &L::combine_all},
      {"Erf", &L::function},
      {"Exp", &L::function},
      {"Expand", &L::part},
      {"Flatten", &L::move},
      {"Floor", &L::function},
      {"GRU", &L::recurrent},
      {"Gather", &L::gather},
      {"GatherElements", &L::combine_all},
      {"GatherND", &L::combine_all},
      {"Gelu", &L::function},
      {"Gemm", &L::gemm},
      {"GlobalAveragePool", &L::global_pool},
      {"GlobalLpPool", &L::global_pool},
      {"GlobalMaxPool", &L::global_pool},
      {"Greater", &L::combine_all},
      {"GreaterOrEqual", &L::combine_all},
      {"HardSigmoid", &L::function},
      {"HardSwish", &L::function},
      {"Hardmax", &L::softmax},
      {"Identity", &L::same},
      {"InstanceNormalization", &L::normalization},
      {"IsInf", &L::function},
      {"IsNaN", &L::function},
      {"LRN", &L::local_response},
      {"LSTM", &L::recurrent},
      {"LayerNormalization", &L::normalization},
      {"LeakyRelu", &L::function},
      {"Less", &L::combine_all},
      {"LessOrEqual", &L::combine_all},
      {"Log", &L::function},
      {"LogSoftmax", &L::softmax},
      {"LpNormalization", &L::normalization},
      {"LpPool", &L::pool},
      {"MatMul", &L::matmul},
      {"Max", &L::combine_all},
      {"MaxPool", &L::pool},
      {"Mean", &L::combine_all},
      {"MeanVarianceNormalization", &L::normalization},
      {"Min", &L::combine_all},
      {"Mod", &L::combine_all},
      {"Mul", &L::arithmetic},
      {"Neg", &L::function},
      {"Not", &L::function},
      {"OneHot", &L::combine_all},
      {"Or", &L::combine_all},
      {"PRelu", &L::slope},
      {"Pad", &L::pad},
      {"Pow", &L::combine_all},
      {"QuantizeLinear", &L::same},
      {"RNN", &L::recurrent},
      {"Reciprocal", &L::function},
      {"ReduceL1", &L::reduction},
      {"ReduceL2", &L::reduction},
      {"ReduceLogSum", &L::reduction},
      {"ReduceLogSumExp", &L::reduction},
      {"ReduceMax", &L::reduction},
      {"ReduceMean", &L::reduction},
      {"ReduceMin", &L::reduction},
      {"ReduceProd", &L::reduction},
      {"ReduceSum", &L::reduction},
      {"ReduceSumSquare", &L::reduction},
      {"Relu", &L::clamp},
      {"Reshape", &L::move},
      {"Resize", &L::resize},
      {"ReverseSequence", &L::move},
      {"Round", &L::function},
      {"ScatterElements", &L::combine_all},
      {"ScatterND", &L::combine_all},
      {"Selu", &L::function},
      {"Shrink", &L::function},
      {"Sigmoid", &L::function},
      {"Sign", &L::function},
      {"Sin", &L::function},
      {"Sinh", &L::function},
      {"SkipLayerNormalization", &L::skip_normalization},
      {"Slice", &L::part},
      {"Softmax", &L::softmax},
      {"Softplus", &L::function},
      {"Softsign", &L::function},
      {"SpaceToDepth", &L::move},
      {"Split", &L::part},
      {"Sqrt", &L::function},
      {"Squeeze", &L::move},
      {"Sub", &L::arithmetic},
      {"Sum", &L::arithmetic},
      {"Tan", &L::function},
      {"Tanh", &L::function},
      {"ThresholdedRelu", &L::function},
      {"Tile", &L::part},
      {"TopK", &L::reduction},
      {"Transpose", &L::move},
      {"Trilu", &L::function},
      {"Unsqueeze", &L::move},
      {"Upsample", &L::resize},
      {"Where", &L::combine_all},
      {"Xor", &L::combine_all},
  });
  return table;
}

bool OnnxLayers::knows(std::string_view op) {
  return std::ranges::find(kinds(), op, &Kind::op) != kinds().end();
}

OnnxLayers::OnnxLayers(const OnnxModel& model)
    : model_(model), values_(model.tensors.size()), builder_(1), batch_(model.batch) {
  builder_.set_place(model.file);
  for (std::size_t i = 0; i < values_.size(); ++i) values_[i].content = static_cast<int>(i);
  for (const OnnxInput& input : model.inputs) {
    value(input.tensor).producers = {-1};
    value(input.tensor).network_elements = onnx_elements(model.tensor(input.tensor).shape);
  }
}

std::vector<Layer> OnnxLayers::build() {
  for (const OnnxNode& node : model_.nodes) {
    if (std::ranges::all_of(node.outputs, [&](int output) { return model_.constant(output); })) continue;
    const auto kind = std::ranges::find(kinds(), node.op, &Kind::op);
    (this->*kind->build)(node);
  }
  std::vector<Layer> layers = builder_.take_layers();
  std::set<std::string> names;
  for (Layer& layer : layers) {
    // "a.sum" may be a part of node "a", or what the file calls another node.
    while (!names.insert(layer.name).second) layer.name += "_2";
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Ending& ending = endings_[i];
    if (ending.products) layers[i].bias = layers[i].bias || ending.shifts;
    if (!ending.affine) continue;
    layers[i].scale = true;
    layers[i].bias = ending.scales && ending.shifts;
  }
  return layers;
}

Tensor OnnxLayers::operand(int tensor) {
  return {1, 1, 1, value(tensor).producers, value(tensor).network_elements};
}

std::vector<int> OnnxLayers::activations(const OnnxNode& node) const {
  std::vector<int> result;
  for (const int input : node.inputs) {
    const bool fresh = std::ranges::find(result, input) == result.end();
    if (!model_.constant(input) && fresh) result.push_back(input);
  }
  return result;
}

void OnnxLayers::needs_constant(const OnnxNode& node, std::size_t input, std::string_view what) const {
  if (model_.constant(node.input(input))) return;
  throw model_.error(node,
                     fmt::format("{} {} are computed from the network's inputs", what,
                                 in_quotes(model_.tensor(node.inputs[input]).name)),
                     "only constants can be weights; cut the graph before this node");
}

int OnnxLayers::append(Layer layer, std::span<const int> inputs) {
  std::vector<Tensor> tensors;
  for (const int input : inputs) tensors.push_back(operand(input));
  return builder_.append(std::move(layer), tensors).producers.front();
}

void OnnxLayers::set_output(const OnnxNode& node, int layer, Ending ending) {
  endings_.resize(builder_.layers().size());
  endings_.back() = ending;
  for (const int output : node.outputs) {
    if (output < 0) continue;
    value(output).producers = {layer};
    value(output).layer = layer;
    value(output).exclusive = node.outputs.size() == 1;
  }
}

void OnnxLayers::alias(const OnnxNode& node, int input, bool in_place, bool whole) {
  for (const int output : node.outputs) {
    if (output < 0 || model_.constant(output)) continue;
    const Value from = value(input);
    Value& to = value(output);
    to.producers = from.producers;
    to.network_elements = std::min(from.network_elements, onnx_elements(model_.tensor(output).shape));
    to.layer = whole ? from.layer : -1;
    to.exclusive = from.exclusive && model_.tensor(input).readers == 1;
    to.in_place = from.in_place && in_place;
    if (in_place && whole) {
      to.content = from.content;
      to.argument = from.argument;
      to.unpadded = from.unpadded;
    }
  }
}

bool OnnxLayers::can_fold(int input) {
  return value(input).layer >= 0 && value(input).exclusive && model_.tensor(input).readers == 1;
}

std::int64_t OnnxLayers::default_channel_axis(const OnnxShape& shape) {
  return shape.size() >= 4 ? 1 : static_cast<std::int64_t>(shape.size()) - 1;
}

OnnxLayers::Extent OnnxLayers::extent(const OnnxShape& shape, std::int64_t channel_axis) const {
  if (shape.empty()) return {};
  if (shape.size() == 1) return {1, shape[0], 1, 1};
  const auto axis = static_cast<std::size_t>(channel_axis);
  const auto size = std::span(shape);
  const std::size_t rank = shape.size();
  if (rank == 2) {
    const std::int64_t rows = shape[1 - axis];
    const bool batched = rows % batch_ == 0;
    return {batched ? batch_ : 1, shape[axis], batched ? rows / batch_ : rows, 1};
  }
  if (axis == 0) return {1, shape[0], size_product(size.subspan(1, rank - 2)), shape[rank - 1]};
  if (axis == 1) return {shape[0], shape[1], shape[2], size_product(size.subspan(3))};
  return {shape[0], shape[axis], size_product(size.subspan(1, axis - 1)), size_product(size.subspan(axis + 1))};
}

void OnnxLayers::same(const OnnxNode& node) {
  alias(node, node.input(0), true, true);
}

void OnnxLayers::move(const OnnxNode& node) {
  alias(node, node.input(0), false, true);
}

void OnnxLayers::part(const OnnxNode& node) {
  const std::vector<int> inputs = activations(node);
  if (inputs.size() != 1 || inputs[0] != node.input(0)) {
    throw model_.error(node, "what it takes depends on the network's inputs", "export the network with fixed sizes");
  }
  alias(node, inputs[0], false, false);
}

void OnnxLayers::concatenate(const OnnxNode& node) {
  Value& to = value(node.outputs[0]);
  for (const int input : activations(node)) {
    const Value& from = value(input);
    to.producers.insert(to.producers.end(), from.producers.begin(), from.producers.end());
    to.network_elements = saturating_sum(to.network_elements, from.network_elements);
    if (to.producers.size() > max_layer_inputs) {
      throw model_.error(node, fmt::format("joins the outputs of more than {} layers", max_layer_inputs),
                         "put a layer in between");
    }
  }
  std::ranges::sort(to.producers);
  to.producers.erase(std::ranges::unique(to.producers).begin(), to.producers.end());
}

void OnnxLayers::pad(const OnnxNode& node) {
  const int input = node.input(0);
  alias(node, input, false, false);
  const OnnxShape &from = input_shape(node, 0), &to = output_shape(node);
  if (from.size() >= 3 && from[0] == to[0] && from[1] == to[1]) {
    value(node.outputs[0]).unpadded = value(input).unpadded.value_or(from);
  }
}

void OnnxLayers::gather(const OnnxNode& node) {
  const int data = node.input(0), indices = node.input(1);
  if (model_.constant(indices)) return alias(node, data, false, false);
  if (!model_.constant(data)) return combine_all(node);
  const OnnxShape& table = input_shape(node, 0);
  std::int64_t axis = node.integer("axis", 0);
  if (axis < 0) axis += static_cast<std::int64_t>(table.size());
  OnnxShape row = table;
  row.erase(row.begin() + axis);
  const std::int64_t rows = size_product(input_shape(node, 1));
  Layer layer;
  layer.name = node.name;
  layer.kind = LayerKind::embedding;
  layer.bias = false;
  layer.in_channels = table[static_cast<std::size_t>(axis)];
  layer.out_channels = size_product(row);
  layer.batch = rows % batch_ == 0 ? batch_ : 1;
  layer.out_height = rows / layer.batch;
  set_output(node, append(std::move(layer), std::array{indices}), {});
}

void check_onnx_operators(const OnnxModel& model) {
  std::map<std::string, std::vector<std::string>> unknown;
  for (const OnnxNode& node : model.nodes) {
    const bool graph = std::ranges::any_of(node.attributes, [](const auto& each) { return each.second.graph; });
    const bool constant =
        std::ranges::all_of(node.outputs, [&](int output) { return model.constant(output); }) && node.proto != nullptr;
    if (graph || !(constant || OnnxLayers::knows(node.op))) unknown[node.written_op].push_back(node.name);
  }
  if (unknown.empty()) return;
  std::string list;
  for (const auto& [op, names] : unknown) {
    constexpr std::size_t shown = 3;
    std::string some;
    for (std::size_t i = 0; i < std::min(shown, names.size()); ++i) some += (i == 0 ? "" : ", ") + in_quotes(names[i]);
    if (names.size() > shown) some += ", …";
    list += fmt::format("{}{} ({}: {})", list.empty() ? "" : "; ", printable(op), names.size(), some);
  }
  throw Error(ErrorCode::unsupported, fmt::format("{}: operators that cannot become layers: {}", model.file, list),
              "cut the graph before them (onnx.utils.extract_model), export with fixed sizes and without control flow "
              "or custom operators, or describe the network as YAML; docs/formats/onnx.md lists the operators");
}

}  // namespace corbel
