#include <fmt/format.h>

#include <array>

#include "corbel/workload/builder.hpp"

namespace corbel {

std::int64_t NetworkBuilder::recurrent_steps(const std::string& name, const Tensor& input, std::int64_t steps) const {
  const std::int64_t rows = size_product(name, "rows", input.height, input.width);
  if (steps == 0 || steps == rows) return rows;
  check_size(name, "number of steps", steps);
  if (rows == 1) return steps;
  throw error(name, fmt::format("{} steps over an input of {} rows", steps, rows),
              fmt::format("leave out `steps`, or write {}", rows));
}

Tensor NetworkBuilder::recurrent_matmul(const std::string& name, std::span<const Tensor> operands, std::int64_t out,
                                        std::int64_t steps, bool bias) {
  Layer layer;
  layer.name = name;
  layer.kind = LayerKind::matmul;
  layer.in_channels = 0;
  for (const Tensor& operand : operands) layer.in_channels += operand.channels;
  layer.out_channels = out;
  layer.steps = steps;
  layer.bias = bias;
  return append(std::move(layer), operands);
}

Tensor NetworkBuilder::recurrent_elementwise(const std::string& name, std::span<const Tensor> operands,
                                             std::int64_t channels, std::int64_t steps) {
  Layer layer;
  layer.name = name;
  layer.kind = LayerKind::elementwise;
  layer.in_channels = layer.out_channels = channels;
  layer.operands = static_cast<std::int64_t>(operands.size());
  layer.steps = steps;
  layer.bias = false;
  return append(std::move(layer), operands);
}

Tensor NetworkBuilder::lstm(const std::string& name, const Tensor& input, std::int64_t units, std::int64_t steps,
                            bool bias, bool all) {
  const std::int64_t count = recurrent_steps(name, input, steps);
  const std::int64_t gates = size_product(name, "gates", 4, units);
  // State of the step before: an operand of the right width that no layer before this cell writes.
  const Tensor state{units, 1, 1, {}};
  const auto step = [&](std::string_view part, const std::vector<Tensor>& operands, std::int64_t channels) {
    return recurrent_elementwise(name + std::string(part), operands, channels, count);
  };
  const Tensor sums = recurrent_matmul(name + ".gates", std::array{input, state}, gates, count, bias);
  const Tensor gate = step(".activation", {sums}, gates);
  const Tensor kept = step(".forget", {gate, state}, units);
  const Tensor added = step(".admit", {gate, gate}, units);
  const Tensor cell = step(".cell", {kept, added}, units);
  const Tensor squashed = step(".squash", {cell}, units);
  Tensor output = step(".output", {gate, squashed}, units);
  output.height = all ? count : 1;
  return output;
}

Tensor NetworkBuilder::gru(const std::string& name, const Tensor& input, std::int64_t units, std::int64_t steps,
                           bool bias, bool all) {
  const std::int64_t count = recurrent_steps(name, input, steps);
  const std::int64_t gates = size_product(name, "gates", 2, units);
  const Tensor state{units, 1, 1, {}};
  const auto step = [&](std::string_view part, const std::vector<Tensor>& operands, std::int64_t channels) {
    return recurrent_elementwise(name + std::string(part), operands, channels, count);
  };
  const Tensor sums = recurrent_matmul(name + ".gates", std::array{input, state}, gates, count, bias);
  const Tensor gate = step(".activation", {sums}, gates);
  const Tensor reset = step(".reset", {gate, state}, units);
  const Tensor candidate = recurrent_matmul(name + ".candidate", std::array{input, reset}, units, count, bias);
  const Tensor squashed = step(".squash", {candidate}, units);
  // z⊙state + (1 − z)⊙candidate as candidate + z⊙(state − candidate): three operations instead of four.
  const Tensor difference = step(".difference", {state, squashed}, units);
  const Tensor kept = step(".keep", {gate, difference}, units);
  Tensor output = step(".output", {kept, squashed}, units);
  output.height = all ? count : 1;
  return output;
}

Tensor NetworkBuilder::squeeze_excite(const std::string& name, const Tensor& input, std::int64_t squeezed_channels) {
  Tensor scale = global_pool(name + ".squeeze", input);
  scale = fully_connected(name + ".reduce", scale, squeezed_channels);
  scale = fully_connected(name + ".restore", scale, input.channels);
  scale = activation(name + ".gate", scale, ActivationCost::layer);
  return elementwise(name + ".scale", std::array{input, scale}, {.broadcast = true});
}

Tensor NetworkBuilder::inverted_residual(const std::string& name, const Tensor& input,
                                         const InvertedResidual& options) {
  const Window spatial = square_window(options.kernel, options.stride);
  const Window pointwise = square_window(1);
  const bool expands = options.hidden_channels != input.channels;
  const auto activate = [&](const std::string& layer, const Tensor& tensor) {
    return activation(layer + ".activation", tensor, options.activation);
  };
  Tensor x = input;
  if (options.fused) {
    // Without an expansion there is nothing to project: one spatial convolution (EfficientNetV2, arXiv 2104.00298).
    const std::string layer = name + (expands ? ".expand" : ".convolution");
    x = convolution(layer, x, {expands ? options.hidden_channels : options.out_channels, spatial});
    x = activate(layer, x);
  } else {
    if (expands) x = activate(name + ".expand", convolution(name + ".expand", x, {options.hidden_channels, pointwise}));
    x = convolution(name + ".depthwise", x, {options.hidden_channels, spatial, options.hidden_channels});
    x = activate(name + ".depthwise", x);
  }
  if (options.squeezed_channels > 0) x = squeeze_excite(name + ".squeeze_excite", x, options.squeezed_channels);
  if (expands || !options.fused) x = convolution(name + ".project", x, {options.out_channels, pointwise});
  if (options.residual && options.stride == 1 && options.out_channels == input.channels) {
    x = elementwise(name + ".add", std::array{x, input});
  }
  return x;
}

Tensor NetworkBuilder::add_shortcut(const std::string& name, const Tensor& x, const Tensor& input, std::int64_t stride,
                                    ActivationCost cost) {
  Tensor shortcut = input;
  if (stride != 1 || x.channels != input.channels) {
    shortcut = convolution(name + ".shortcut", input, {x.channels, square_window(1, stride)});
  }
  return activation(name + ".add.activation", elementwise(name + ".add", std::array{x, shortcut}), cost);
}

Tensor NetworkBuilder::basic_block(const std::string& name, const Tensor& input, const BasicBlock& options) {
  const Window first = square_window(options.kernel, options.stride);
  Tensor x = convolution(name + ".convolution_1", input, {options.out_channels, first});
  x = activation(name + ".convolution_1.activation", x, options.activation);
  x = convolution(name + ".convolution_2", x, {options.out_channels, square_window(options.kernel)});
  return add_shortcut(name, x, input, options.stride, options.activation);
}

Tensor NetworkBuilder::bottleneck(const std::string& name, const Tensor& input, const Bottleneck& options) {
  const auto activate = [&](const std::string& layer, const Tensor& tensor) {
    return activation(layer + ".activation", tensor, options.activation);
  };
  Tensor x = convolution(name + ".reduce", input, {options.hidden_channels, square_window(1)});
  x = activate(name + ".reduce", x);
  x = convolution(name + ".convolution", x,
                  {options.hidden_channels, square_window(options.kernel, options.stride), options.groups});
  x = activate(name + ".convolution", x);
  x = convolution(name + ".restore", x, {options.out_channels, square_window(1)});
  return add_shortcut(name, x, input, options.stride, options.activation);
}

}  // namespace corbel
