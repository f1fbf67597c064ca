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

std::int64_t size_along(const Tensor& tensor, Axis axis) {
  return axis == Axis::channels ? tensor.channels : axis == Axis::height ? tensor.height : tensor.width;
}

std::int64_t& size_along(Tensor& tensor, Axis axis) {
  return axis == Axis::channels ? tensor.channels : axis == Axis::height ? tensor.height : tensor.width;
}

std::string_view name_of(Axis axis) {
  return axis == Axis::channels ? "channels" : axis == Axis::height ? "rows" : "columns";
}

std::uint64_t elements_of(const Tensor& tensor) {
  return saturating_product({tensor.channels, tensor.height, tensor.width});
}

void set_window(Layer& layer, const Window& window) {
  layer.kernel_height = window.kernel_height;
  layer.kernel_width = window.kernel_width;
  layer.stride_height = window.stride_height;
  layer.stride_width = window.stride_width;
  layer.dilation = window.dilation;
}

}  // namespace

std::string to_string(const Tensor& tensor) {
  return fmt::format("[{}, {}, {}]", tensor.channels, tensor.height, tensor.width);
}

Window square_window(std::int64_t kernel, std::int64_t stride) {
  return {.kernel_height = kernel, .kernel_width = kernel, .stride_height = stride, .stride_width = stride};
}

Elementwise local_response_norm_work(std::int64_t size) {
  return {.operations = size + 2};
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

void NetworkBuilder::check_size(const std::string& name, std::string_view what, std::int64_t size,
                                std::int64_t min) const {
  if (size >= min && size <= max_layer_size) return;
  throw error(name, fmt::format("{} {} is not in {}..{}", what, size, min, max_layer_size), "check the shapes");
}

void NetworkBuilder::check_window(const std::string& name, const Window& window) const {
  for (const std::int64_t kernel : {window.kernel_height, window.kernel_width}) check_size(name, "kernel", kernel);
  for (const std::int64_t stride : {window.stride_height, window.stride_width}) check_size(name, "stride", stride);
  check_size(name, "dilation", window.dilation);
  for (const std::int64_t padding :
       {window.padding_top, window.padding_left, window.padding_bottom, window.padding_right}) {
    check_size(name, "padding", padding, 0);
  }
}

void NetworkBuilder::check_groups(const std::string& name, std::int64_t groups, std::int64_t in,
                                  std::int64_t out) const {
  check_size(name, "output channels", out);
  check_size(name, "number of groups", groups);
  if (in % groups == 0 && out % groups == 0) return;
  throw error(name, fmt::format("{} groups do not divide {} input and {} output channels", groups, in, out),
              "use a number of groups that divides both");
}

void NetworkBuilder::apply_window(Layer& layer, const Tensor& input, const Window& window) const {
  check_window(layer.name, window);
  const auto output = [&](std::string_view axis, std::int64_t in, std::int64_t kernel, std::int64_t stride,
                          std::int64_t before, std::int64_t after) {
    if (stride > in) {
      throw error(layer.name, fmt::format("stride {} is larger than the input's {} {}", stride, axis, in),
                  fmt::format("the input is {}; use a stride of at most {}", to_string(input), in));
    }
    if (window.same) return (in + stride - 1) / stride;
    const std::int64_t extent = window.dilation * (kernel - 1) + 1;
    const std::int64_t padding = std::max(before, after);
    // A convolution's would be its bias, so networks exist that have them; a pool's would be nothing.
    if (padding >= extent && layer.kind == LayerKind::pool) {
      throw error(layer.name, fmt::format("padding {} is not smaller than the kernel's {} {}", padding, axis, extent),
                  "outputs would be made of padding alone; write `same`, `valid` or a smaller padding");
    }
    const std::int64_t padded = before + in + after;
    if (extent > padded) {
      throw error(layer.name,
                  fmt::format("the kernel's {} {} is larger than the padded input's {}", axis, extent, padded),
                  fmt::format("the input is {}; pad it or use a smaller kernel or dilation", to_string(input)));
    }
    std::int64_t windows = (padded - extent + (window.ceil ? stride - 1 : 0)) / stride + 1;
    if (window.ceil && (windows - 1) * stride >= in + before) windows -= 1;
    return windows;
  };
  set_input(layer, input);
  layer.out_height = output("height", input.height, window.kernel_height, window.stride_height, window.padding_top,
                            window.padding_bottom);
  layer.out_width =
      output("width", input.width, window.kernel_width, window.stride_width, window.padding_left, window.padding_right);
  set_window(layer, window);
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
  for (const std::int64_t size : {layer.in_channels, layer.in_height, layer.in_width}) {
    check_size(layer.name, "an input size of", size);
  }
  for (const std::int64_t size : {layer.out_channels, layer.out_height, layer.out_width}) {
    check_size(layer.name, "an output size of", size);
  }
  layer.batch = size_product(layer.name, "samples", layer.batch, batch_);
  for (const Tensor& input : inputs) {
    const std::uint64_t read = input.network_elements >= saturated
                                   ? saturated
                                   : saturating_product({static_cast<std::int64_t>(input.network_elements), batch_});
    layer.network_input_elements = saturating_sum(layer.network_input_elements, read);
  }
  layer.inputs = merged_producers(layer.name, inputs);
  if (layer.inputs == std::vector<int>{-1}) layer.inputs.clear();

  macs_ = saturating_sum(macs_, layer.macs());
  vector_operations_ = saturating_sum(vector_operations_, layer.vector_operations());
  parameters_ = saturating_sum(parameters_, layer.parameters());
  const std::array<std::pair<std::string_view, std::uint64_t>, 6> counts{
      {{"multiply-accumulates so far", macs_},
       {"operations so far", vector_operations_},
       {"parameters so far", parameters_},
       {"input elements", layer.input_elements()},
       {"elements of the network's inputs", layer.network_input_elements},
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

Tensor NetworkBuilder::input(const std::string& name, std::int64_t channels, std::int64_t height,
                             std::int64_t width) const {
  for (const std::int64_t size : {channels, height, width}) check_size(name, "an input size of", size);
  Tensor tensor{channels, height, width, {-1}};
  tensor.network_elements = elements_of(tensor);
  return tensor;
}

Tensor NetworkBuilder::convolution(const std::string& name, const Tensor& input, const Convolution& options) {
  const std::int64_t groups = options.groups;
  check_groups(name, groups, input.channels, options.out_channels);
  Layer layer;
  layer.name = name;
  layer.kind = groups > 1 && groups == input.channels ? LayerKind::depthwise : LayerKind::conv;
  apply_window(layer, input, options.window);
  layer.out_channels = options.out_channels;
  layer.groups = groups;
  layer.bias = options.bias;
  return append(std::move(layer), {&input, 1});
}

Tensor NetworkBuilder::transposed_convolution(const std::string& name, const Tensor& input,
                                              const TransposedConvolution& options) {
  const Window& window = options.window;
  check_groups(name, options.groups, input.channels, options.out_channels);
  check_window(name, window);
  const auto output = [&](std::string_view axis, std::int64_t in, std::int64_t kernel, std::int64_t stride,
                          std::int64_t padding, std::int64_t more) {
    check_size(name, "output padding", more, 0);
    if (more > 0 && more >= std::max(stride, window.dilation)) {
      throw error(
          name,
          fmt::format("output padding {} is not smaller than stride {} or dilation {}", more, stride, window.dilation),
          "use a smaller output padding");
    }
    const std::int64_t scaled = size_product(name, "output rows or columns", in, stride);
    if (window.same) return scaled;
    const std::int64_t extent = window.dilation * (kernel - 1) + 1;
    const std::int64_t size = scaled - stride + extent - padding + more;
    if (size < 1) {
      throw error(name, fmt::format("padding {} leaves nothing of the output's {}", padding, axis),
                  fmt::format("the output before cropping is {}; use a smaller padding", size + padding));
    }
    return size;
  };
  Layer layer;
  layer.name = name;
  layer.kind = LayerKind::transposed_conv;
  set_input(layer, input);
  layer.out_channels = options.out_channels;
  layer.out_height = output("height", input.height, window.kernel_height, window.stride_height,
                            window.padding_top + window.padding_bottom, options.output_padding_height);
  layer.out_width = output("width", input.width, window.kernel_width, window.stride_width,
                           window.padding_left + window.padding_right, options.output_padding_width);
  set_window(layer, window);
  layer.groups = options.groups;
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
  check_size(name, "number of heads", heads);
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

Tensor NetworkBuilder::elementwise(const std::string& name, std::span<const Tensor> operands, const Elementwise& work) {
  Layer layer;
  layer.name = name;
  layer.kind = LayerKind::elementwise;
  layer.scale = work.scale;
  layer.bias = work.scale && work.bias;
  layer.operands = 0;
  const Tensor& first = operands.front();
  for (const Tensor& operand : operands) {
    const bool equal = same_shape(operand, first);
    if (!equal && !(work.broadcast && broadcasts_to(operand, first))) {
      throw error(name, fmt::format("operands of shape {} and {} do not match", to_string(first), to_string(operand)),
                  work.broadcast ? "an operand has the shape of the first, or 1 in place of a dimension"
                                 : "make channels, height and width equal, for example with a 1×1 convolution");
    }
    // What is broadcast is small beside the full operands; counting it as one of them would double the traffic.
    layer.operands += equal ? 1 : 0;
  }
  layer.operations =
      work.operations > 0 ? work.operations : std::max<std::int64_t>(1, static_cast<std::int64_t>(operands.size()) - 1);
  set_input(layer, first);
  set_output(layer, first);
  return append(std::move(layer), operands);
}

Tensor NetworkBuilder::activation(const std::string& name, const Tensor& input, ActivationCost cost) {
  return cost == ActivationCost::folded ? input : elementwise(name, {&input, 1});
}

Tensor NetworkBuilder::resize(const std::string& name, const Tensor& input, std::int64_t height, std::int64_t width,
                              bool bilinear) {
  Layer layer;
  layer.name = name;
  layer.kind = LayerKind::resize;
  layer.bias = false;
  layer.operations = bilinear ? 4 : 1;
  set_input(layer, input);
  set_output(layer, {input.channels, height, width, {}});
  return append(std::move(layer), {&input, 1});
}

Tensor NetworkBuilder::embedding(const std::string& name, const Tensor& indices, std::int64_t rows,
                                 std::int64_t width) {
  const std::int64_t positions = size_product(name, "positions", indices.height, indices.width);
  if (indices.channels != 1 && positions != 1) {
    throw error(name, fmt::format("the indices have the shape {}", to_string(indices)),
                "write [rows, 1] or [rows]: one index per position");
  }
  Layer layer;
  layer.name = name;
  layer.kind = LayerKind::embedding;
  layer.bias = false;
  layer.in_channels = rows;
  layer.out_channels = width;
  layer.out_height = positions * indices.channels;
  return append(std::move(layer), {&indices, 1});
}

Tensor NetworkBuilder::concatenate(const std::string& name, std::span<const Tensor> parts, Axis axis) const {
  Tensor output = parts.front();
  size_along(output, axis) = 0;
  output.network_elements = 0;
  for (const Tensor& part : parts) {
    for (const Axis other : {Axis::channels, Axis::height, Axis::width}) {
      if (other == axis || size_along(part, other) == size_along(output, other)) continue;
      throw error(name,
                  fmt::format("cannot concatenate {} and {} along the {}", to_string(parts.front()), to_string(part),
                              name_of(axis)),
                  "make the other sizes equal");
    }
    std::int64_t& size = size_along(output, axis);
    size += size_along(part, axis);
    if (size > max_layer_size) {
      throw error(name, fmt::format("more than {} {}", max_layer_size, name_of(axis)), "concatenate less");
    }
    output.network_elements = saturating_sum(output.network_elements, part.network_elements);
  }
  output.producers = merged_producers(name, parts);
  return output;
}

Tensor NetworkBuilder::reshape(const std::string& name, const Tensor& input, std::int64_t channels, std::int64_t height,
                               std::int64_t width) const {
  for (const std::int64_t size : {channels, height, width}) check_size(name, "a size of", size);
  Tensor output{channels, height, width, input.producers, input.network_elements};
  if (elements_of(output) != elements_of(input) || elements_of(output) >= saturated) {
    throw error(name, fmt::format("{} cannot become {}", to_string(input), to_string(output)),
                "both [channels, height, width] must have the same number of elements, below 2^63");
  }
  return output;
}

Tensor NetworkBuilder::slice(const std::string& name, const Tensor& input, Axis axis, std::int64_t size) const {
  const std::int64_t whole = size_along(input, axis);
  if (size < 1 || size > whole) {
    throw error(name, fmt::format("cannot take {} of {} {}", size, whole, name_of(axis)),
                fmt::format("the input is {}", to_string(input)));
  }
  Tensor output = input;
  size_along(output, axis) = size;
  // Which part of a concatenation is kept is not known here: at most, all that is kept is the network's input.
  output.network_elements = std::min(input.network_elements, elements_of(output));
  return output;
}

}  // namespace corbel
