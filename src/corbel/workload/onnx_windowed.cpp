#include <fmt/format.h>

#include <array>

#include "corbel/workload/internal/onnx_layers.hpp"

namespace corbel {

void OnnxLayers::window_layer(const OnnxNode& node, Layer layer, const OnnxWindow& window, Ending ending) {
  // A dilation changes nothing along an axis where the kernel is 1.
  const OnnxWindow::Axis &height = window.height, &width = window.width;
  if (height.kernel > 1 && width.kernel > 1 && height.dilation != width.dilation) {
    throw model_.error(node, fmt::format("dilations {} and {} differ", height.dilation, width.dilation),
                       "only kernels with one dilation are supported");
  }
  const OnnxShape& input = value(node.input(0)).unpadded ? *value(node.input(0)).unpadded : input_shape(node, 0);
  layer.name = node.name;
  layer.batch = input[0];
  layer.in_channels = input[1];
  layer.in_height = input[2];
  layer.in_width = window.axes == 2 ? input[3] : 1;
  layer.out_height = height.output;
  layer.out_width = width.output;
  layer.kernel_height = height.kernel;
  layer.kernel_width = width.kernel;
  layer.stride_height = height.stride;
  layer.stride_width = width.stride;
  layer.dilation = height.kernel > 1 ? height.dilation : width.kernel > 1 ? width.dilation : 1;
  set_output(node, append(std::move(layer), std::array{node.input(0)}), ending);
}

void OnnxLayers::pool(const OnnxNode& node) {
  Layer layer;
  layer.kind = LayerKind::pool;
  layer.bias = false;
  layer.out_channels = input_shape(node, 0)[1];
  window_layer(node, std::move(layer), onnx_window(model_, node, input_shape(node, 0), {}), {});
}

void OnnxLayers::global_pool(const OnnxNode& node) {
  const OnnxShape& input = input_shape(node, 0);
  Layer layer;
  layer.name = node.name;
  layer.kind = LayerKind::pool;
  layer.bias = false;
  layer.batch = input[0];
  layer.in_channels = layer.out_channels = input[1];
  layer.in_height = layer.kernel_height = input[2];
  layer.in_width = layer.kernel_width = onnx_layer_size(onnx_elements({input.begin() + 3, input.end()}));
  set_output(node, append(std::move(layer), std::array{node.input(0)}), {});
}

void OnnxLayers::reduction(const OnnxNode& node) {
  const std::uint64_t read = onnx_elements(input_shape(node, 0)), written = onnx_elements(output_shape(node));
  if (read == written && node.op != "TopK") return look_up(node, std::array{node.input(0)});
  // Every element is looked at once, whichever axes they are reduced along.
  const OnnxShape& input = input_shape(node, 0);
  const bool spatial = input.size() == 4 && written == onnx_elements({input[0], input[1]});
  if (spatial) return global_pool(node);
  Layer layer;
  layer.name = node.name;
  layer.kind = LayerKind::pool;
  layer.bias = false;
  layer.batch = written % static_cast<std::uint64_t>(batch_) == 0 ? batch_ : 1;
  const std::uint64_t per_sample = written / static_cast<std::uint64_t>(layer.batch);
  layer.in_channels = layer.out_channels = onnx_layer_size(per_sample);
  layer.in_height = layer.kernel_height = onnx_layer_size((read + written - 1) / written);
  set_output(node, append(std::move(layer), std::array{node.input(0)}), {});
}

void OnnxLayers::resize(const OnnxNode& node) {
  const OnnxShape &input = input_shape(node, 0), &output = output_shape(node);
  if (input == output) return same(node);
  if (input.size() < 3 || input.size() > 4 || input[0] != output[0] || input[1] != output[1]) {
    throw model_.error(node, fmt::format("{} cannot become {}", to_string(input), to_string(output)),
                       "only [batch, channels, height, width] can be resized, along height and width");
  }
  const std::string mode = node.text("mode", "nearest");
  const bool linear = mode.find("linear") != std::string::npos;
  constexpr std::int64_t cubic_taps = 4;
  const auto axes = static_cast<std::int64_t>(input.size()) - 2;
  const std::int64_t taps = mode == "nearest" ? 1 : linear ? 2 : cubic_taps;
  Layer layer;
  layer.name = node.name;
  layer.kind = LayerKind::resize;
  layer.bias = false;
  layer.batch = input[0];
  layer.in_channels = layer.out_channels = input[1];
  layer.in_height = input[2];
  layer.out_height = output[2];
  layer.in_width = axes == 2 ? input[3] : 1;
  layer.out_width = axes == 2 ? output[3] : 1;
  layer.operations = axes == 2 ? taps * taps : taps;
  set_output(node, append(std::move(layer), std::array{node.input(0)}), {});
}

}  // namespace corbel
