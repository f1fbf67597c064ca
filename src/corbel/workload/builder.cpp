#include "corbel/workload/builder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "corbel/workload/saturate.hpp"

namespace corbel {
namespace {

bool same_shape(const Tensor& a, const Tensor& b) {
  return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

bool broadcasts_to(const Tensor& a, const Tensor& b) {
  return (a.channels == b.channels || a.channels == 1) && (a.height == b.height || a.height == 1) &&
         (a.width == b.width || a.width == 1);
}

void set_input(Layer& layer, const Tensor& input) {
  layer.in_channels = input.channels;
  layer.in_height = input.height;
  layer.in_width = input.width;
}

void set_output(Layer& layer, const Tensor& output) {
  layer.out_channels = output.channels;
  layer.out_height = output.height;
  layer.out_width = output.width;
}

}  // namespace

std::string to_string(const Tensor& tensor) {
  return fmt::format("[{}, {}, {}]", tensor.channels, tensor.height, tensor.width);
}

Window square_window(std::int64_t kernel, std::int64_t stride) {
  return {.kernel_height = kernel, .kernel_width = kernel, .stride_height = stride, .stride_width = stride};
}

Error NetworkBuilder::error(std::string_view layer, std::string_view message, std::string hint) const {
  return Error(ErrorCode::invalid_input,
               fmt::format("{}{}layer `{}`: {}", place_, place_.empty() ? "" : ": ", layer, message), std::move(hint));
}

std::int64_t NetworkBuilder::size_product(const std::string& name, std::string_view what, std::int64_t a,
                                          std::int64_t b) const {
  const std::uint64_t product = saturating_product({a, b});
  if (product > static_cast<std::uint64_t>(max_layer_size)) {
    throw error(name, fmt::format("{} × {} = {} are more than {}", a, b, what, max_layer_size),
                "make the tensors smaller");
  }
  return static_cast<std::int64_t>(product);
}

void NetworkBuilder::apply_window(Layer& layer, const Tensor& input, const Window& window) const {
  const auto output = [&](std::string_view axis, std::int64_t in, std::int64_t kernel, std::int64_t stride,
                          std::int64_t padding) {
    if (stride > in) {
      throw error(layer.name, fmt::format("stride {} is larger than the input's {} {}", stride, axis, in),
                  fmt::format("the input is {}; use a stride of at most {}", to_string(input), in));
    }
    if (window.same) return (in + stride - 1) / stride;
    const std::int64_t extent = window.dilation * (kernel - 1) + 1;
    if (padding >= extent) {
      throw error(layer.name, fmt::format("padding {} is not smaller than the kernel's {} {}", padding, axis, extent),
                  "outputs would be made of padding alone; write `same`, `valid` or a smaller padding");
    }
    if (extent > in + 2 * padding) {
      throw error(
          layer.name,
          fmt::format("the kernel's {} {} is larger than the padded input's {}", axis, extent, in + 2 * padding),
          fmt::format("the input is {}; pad it or use a smaller kernel or dilation", to_string(input)));
    }
    return (in + 2 * padding - extent) / stride + 1;
  };
  set_input(layer, input);
  layer.out_height = output("height", input.height, window.kernel_height, window.stride_height, window.padding_height);
  layer.out_width = output("width", input.width, window.kernel_width, window.stride_width, window.padding_width);
  layer.kernel_height = window.kernel_height;
  layer.kernel_width = window.kernel_width;
  layer.stride_height = window.stride_height;
  layer.stride_width = window.stride_width;
  layer.dilation = window.dilation;
}

std::vector<int> NetworkBuilder::merged_producers(const std::string& name, std::span<const Tensor> tensors) const {
  std::vector<int> producers;
  for (const Tensor& tensor : tensors) {
    producers.insert(producers.end(), tensor.producers.begin(), tensor.producers.end());
  }
  // Before repetitions are dropped: sorting them, layer after layer, is what a hostile file could make take hours.
  if (producers.size() > max_layer_inputs) {
    throw error(name, fmt::format("reads {} outputs of other layers, more than {}", producers.size(), max_layer_inputs),
                "reduce the concatenated tensors with a layer in between");
  }
  std::ranges::sort(producers);
  producers.erase(std::ranges::unique(producers).begin(), producers.end());
  return producers;
}

Tensor NetworkBuilder::append(Layer layer, std::span<const Tensor> inputs) {
  if (layers_.size() >= max_layers) {
    throw error(layer.name, fmt::format("the network has more than {} layers", max_layers), "repeat less");
  }
  layer.batch = size_product(layer.name, "samples", layer.batch, batch_);
  layer.inputs = merged_producers(layer.name, inputs);
  if (layer.inputs == std::vector<int>{-1}) layer.inputs.clear();

  macs_ = saturating_sum(macs_, layer.macs());
  vector_operations_ = saturating_sum(vector_operations_, layer.vector_operations());
  parameters_ = saturating_sum(parameters_, layer.parameters());
  const std::array<std::pair<std::string_view, std::uint64_t>, 5> counts{
      {{"multiply-accumulates so far", macs_},
       {"operations so far", vector_operations_},
       {"parameters so far", parameters_},
       {"input elements", layer.input_elements()},
       {"output elements", layer.output_elements()}}};
  for (const auto& [what, count] : counts) {
    if (count >= saturated) {
      throw error(layer.name, fmt::format("the number of {} does not fit in 63 bits", what),
                  fmt::format("its output is [{}, {}, {}] for a batch of {}; make the sizes smaller",
                              layer.out_channels, layer.out_height, layer.out_width, batch_));
    }
  }
  Tensor output{layer.out_channels, layer.out_height, layer.out_width, {static_cast<int>(layers_.size())}};
  layers_.push_back(std::move(layer));
  return output;
}

Tensor NetworkBuilder::convolution(const std::string& name, const Tensor& input, const Convolution& options) {
  const std::int64_t groups = options.groups;
  if (input.channels % groups != 0 || options.out_channels % groups != 0) {
    throw error(name,
                fmt::format("{} groups do not divide {} input and {} output channels", groups, input.channels,
                            options.out_channels),
                "use a number of groups that divides both");
  }
  Layer layer;
  layer.name = name;
  layer.kind = groups > 1 && groups == input.channels ? LayerKind::depthwise : LayerKind::conv;
  apply_window(layer, input, options.window);
  layer.out_channels = options.out_channels;
  layer.groups = groups;
  layer.bias = options.bias;
  return append(std::move(layer), {&input, 1});
}

Tensor NetworkBuilder::pool(const std::string& name, const Tensor& input, const Window& window) {
  Layer layer;
  layer.name = name;
  layer.kind = LayerKind::pool;
  apply_window(layer, input, window);
  layer.out_channels = input.channels;
  layer.bias = false;
  return append(std::move(layer), {&input, 1});
}

Tensor NetworkBuilder::global_pool(const std::string& name, const Tensor& input) {
  return pool(name, input, {.kernel_height = input.height, .kernel_width = input.width, .same = false});
}

Tensor NetworkBuilder::fully_connected(const std::string& name, const Tensor& input, std::int64_t out, bool bias) {
  Layer layer;
  layer.name = name;
  layer.kind = LayerKind::fully_connected;
  layer.in_channels =
      size_product(name, "input features", size_product(name, "positions", input.height, input.width), input.channels);
  layer.out_channels = out;
  layer.bias = bias;
  return append(std::move(layer), {&input, 1});
}

Tensor NetworkBuilder::matmul(const std::string& name, const Tensor& input, std::int64_t out, bool bias) {
  Layer layer;
  layer.name = name;
  layer.kind = LayerKind::matmul;
  layer.in_channels = input.channels;
  layer.out_channels = out;
  layer.out_height = size_product(name, "rows", input.height, input.width);
  layer.bias = bias;
  return append(std::move(layer), {&input, 1});
}

Tensor NetworkBuilder::matmul(const std::string& name, const Tensor& first, const Tensor& second, bool transposed,
                              std::int64_t heads) {
  const std::int64_t first_rows = size_product(name, "rows", first.height, first.width);
  const std::int64_t second_rows = size_product(name, "rows", second.height, second.width);
  const auto shapes = [&] {
    return fmt::format("the operands have {} rows of {} and {} rows of {} features", first_rows, first.channels,
                       second_rows, second.channels);
  };
  const std::int64_t split = transposed ? first.channels : first_rows;
  if (split % heads != 0 || second.channels % heads != 0) {
    throw error(name, fmt::format("{} heads do not divide {} and {}", heads, split, second.channels), shapes());
  }
  const std::int64_t inner = transposed ? second.channels : second_rows;
  if (first.channels != inner) {
    throw error(name, fmt::format("inner sizes {} and {} differ", first.channels, inner),
                fmt::format("{}; is `transposed` right?", shapes()));
  }
  // Heads share no operand, exactly like samples of a batch, so that is what they are to a cost model.
  Layer layer;
  layer.name = name;
  layer.kind = LayerKind::matmul;
  layer.weight_operand = false;
  layer.bias = false;
  layer.batch = heads;
  layer.in_channels = transposed ? first.channels / heads : first.channels;
  layer.out_channels = transposed ? second_rows : second.channels / heads;
  layer.out_height = transposed ? first_rows : first_rows / heads;
  const std::array operands{first, second};
  Tensor output = append(std::move(layer), operands);
  if (transposed) {
    output.height = size_product(name, "rows", output.height, heads);
  } else {
    output.channels = second.channels;
  }
  return output;
}

Tensor NetworkBuilder::elementwise(const std::string& name, std::span<const Tensor> operands, bool broadcast) {
  Layer layer;
  layer.name = name;
  layer.kind = LayerKind::elementwise;
  layer.bias = false;
  layer.operands = 0;
  const Tensor& first = operands.front();
  for (const Tensor& operand : operands) {
    const bool equal = same_shape(operand, first);
    if (!equal && !(broadcast && broadcasts_to(operand, first))) {
      throw error(name, fmt::format("operands of shape {} and {} do not match", to_string(first), to_string(operand)),
                  broadcast ? "an operand has the shape of the first, or 1 in place of a dimension"
                            : "make channels, height and width equal, for example with a 1×1 convolution");
    }
    // What is broadcast is small beside the full operands; counting it as one of them would double the traffic.
    layer.operands += equal ? 1 : 0;
  }
  set_input(layer, first);
  set_output(layer, first);
  return append(std::move(layer), operands);
}

Tensor NetworkBuilder::activation(const std::string& name, const Tensor& input, ActivationCost cost) {
  return cost == ActivationCost::folded ? input : elementwise(name, {&input, 1});
}

Tensor NetworkBuilder::concatenate(const std::string& name, std::span<const Tensor> parts) const {
  Tensor output = parts.front();
  output.channels = 0;
  for (const Tensor& part : parts) {
    if (part.height != output.height || part.width != output.width) {
      throw error(
          name,
          fmt::format("cannot concatenate {} and {} along the channels", to_string(parts.front()), to_string(part)),
          "make heights and widths equal");
    }
    output.channels += part.channels;
    if (output.channels > max_layer_size) {
      throw error(name, fmt::format("more than {} channels", max_layer_size), "concatenate less");
    }
  }
  output.producers = merged_producers(name, parts);
  return output;
}

}  // namespace corbel
