#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "corbel/workload/reader.hpp"

namespace corbel {
namespace {

/// One size for both axes, or [height, width].
std::pair<std::int64_t, std::int64_t> read_pair(const Config& node, std::int64_t min) {
  if (!node.is_sequence()) {
    const std::int64_t both = node.integer(min, max_layer_size);
    return {both, both};
  }
  if (node.items().size() != 2) throw node.error("a pair has two sizes", "write N or [height, width]");
  return {node.items()[0].integer(min, max_layer_size), node.items()[1].integer(min, max_layer_size)};
}

ActivationCost read_function(const Config& node) {
  const std::string& name = node.choice({"none", "relu", "relu6", "leaky_relu", "sigmoid", "hard_sigmoid", "tanh",
                                         "swish", "hard_swish", "gelu", "elu", "softplus", "exp"});
  const bool clamp = name == "none" || name == "relu" || name == "relu6";
  return clamp ? ActivationCost::folded : ActivationCost::layer;
}

/// Channels of squeeze-and-excite as MobileNetV3 rounds them (arXiv 1905.02244): to the nearest multiple of 8, but
/// never by more than 10 % down.
std::int64_t rounded_share(std::int64_t channels, double share) {
  const double exact = static_cast<double>(channels) * share;
  const auto rounded = std::max<std::int64_t>(8, static_cast<std::int64_t>(exact + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * exact ? rounded + 8 : rounded;
}

}  // namespace

// One more kind of entry is a row here, a method that reads its options, and a row in docs/formats/workload.md; a layer
// that none of NetworkBuilder's methods makes is one more of these. A new LayerKind also has its counts in layer.cpp,
// its share in context.cpp and its cost in the simulators.
std::span<const WorkloadReader::Kind> WorkloadReader::kinds() {
  static constexpr std::array<Kind, 32> table{{
      {"conv", &WorkloadReader::read_convolution},
      {"depthwise", &WorkloadReader::read_depthwise},
      {"transposed_conv", &WorkloadReader::read_transposed_convolution},
      {"max_pool", &WorkloadReader::read_pool},
      {"average_pool", &WorkloadReader::read_pool},
      {"global_pool", &WorkloadReader::read_global_pool},
      {"fully_connected", &WorkloadReader::read_fully_connected},
      {"matmul", &WorkloadReader::read_matmul},
      {"add", &WorkloadReader::read_add},
      {"multiply", &WorkloadReader::read_elementwise},
      {"elementwise", &WorkloadReader::read_elementwise},
      {"activation", &WorkloadReader::read_activation},
      {"softmax", &WorkloadReader::read_normalization},
      {"layer_norm", &WorkloadReader::read_normalization},
      {"rms_norm", &WorkloadReader::read_normalization},
      {"batch_norm", &WorkloadReader::read_normalization},
      {"local_response_norm", &WorkloadReader::read_normalization},
      {"upsample", &WorkloadReader::read_upsample},
      {"embedding", &WorkloadReader::read_embedding},
      {"input", &WorkloadReader::read_input},
      {"concatenate", &WorkloadReader::read_concatenate},
      {"reshape", &WorkloadReader::read_reshape},
      {"slice", &WorkloadReader::read_slice},
      {"lstm", &WorkloadReader::read_recurrent},
      {"gru", &WorkloadReader::read_recurrent},
      {"inverted_residual", &WorkloadReader::read_inverted_residual},
      {"fused_inverted_residual", &WorkloadReader::read_inverted_residual},
      {"separable", &WorkloadReader::read_separable},
      {"basic_block", &WorkloadReader::read_basic_block},
      {"bottleneck", &WorkloadReader::read_bottleneck},
      {"branches", &WorkloadReader::read_branches},
      {"stack", &WorkloadReader::read_stack},
  }};
  return table;
}

void WorkloadReader::Entry::allow(std::initializer_list<std::string_view> keys) const {
  if (options == nullptr) return;
  std::vector<std::string> allowed(keys.begin(), keys.end());
  allowed.insert(allowed.end(), {"name", "from"});
  for (const auto& [key, value] : options->entries()) {
    if (std::ranges::find(allowed, key) == allowed.end()) {
      throw unknown_name(fmt::format("`{}` option", kind), key, allowed, value.key_place());
    }
  }
}

const Config& WorkloadReader::Entry::at(std::string_view key) const {
  if (const Config* value = find(key)) return *value;
  throw node.error(fmt::format("`{}` needs `{}`", kind, key), fmt::format("add `{}: …` to its options", key));
}

std::int64_t WorkloadReader::Entry::size(std::string_view key) const {
  return at(key).integer(1, max_layer_size);
}

std::int64_t WorkloadReader::Entry::size(std::string_view key, std::int64_t fallback) const {
  const Config* value = find(key);
  return value == nullptr ? fallback : value->integer(1, max_layer_size);
}

bool WorkloadReader::Entry::flag(std::string_view key, bool fallback) const {
  const Config* value = find(key);
  return value == nullptr ? fallback : value->boolean();
}

ActivationCost WorkloadReader::Entry::activation() const {
  const Config* value = find("activation");
  return value == nullptr ? ActivationCost::folded : read_function(*value);
}

Window WorkloadReader::Entry::window(std::int64_t stride) const {
  Window window;
  std::tie(window.kernel_height, window.kernel_width) = read_pair(at("kernel"), 1);
  window.stride_height = stride == 0 ? window.kernel_height : stride;
  window.stride_width = stride == 0 ? window.kernel_width : stride;
  if (const Config* value = find("stride")) std::tie(window.stride_height, window.stride_width) = read_pair(*value, 1);
  window.dilation = size("dilation", 1);
  const Config* padding = find("padding");
  if (padding == nullptr || (padding->is_scalar() && padding->text() == "same")) return window;
  window.same = false;
  const bool word = padding->is_scalar() && padding->text().find_first_of("0123456789") == std::string::npos;
  if (word) {
    padding->choice({"same", "valid"});
  } else if (padding->is_sequence() && padding->items().size() == 4) {
    const auto side = [&](std::size_t i) { return padding->items()[i].integer(0, max_layer_size); };
    window.padding_top = side(0), window.padding_left = side(1);
    window.padding_bottom = side(2), window.padding_right = side(3);
  } else {
    std::tie(window.padding_top, window.padding_left) = read_pair(*padding, 0);
    window.padding_bottom = window.padding_top;
    window.padding_right = window.padding_left;
  }
  return window;
}

Axis WorkloadReader::Entry::axis() const {
  const Config* value = find("axis");
  if (value == nullptr) return Axis::channels;
  const std::string& word = value->choice({"channels", "rows", "columns"});
  return word == "channels" ? Axis::channels : word == "rows" ? Axis::height : Axis::width;
}

/// What the entry's `activation` makes of its output.
Tensor WorkloadReader::activate(const Entry& entry, const Tensor& x) {
  return builder_.activation(entry.name + ".activation", x, entry.activation());
}

Tensor WorkloadReader::read_convolution(const Entry& entry) {
  entry.allow({"out", "kernel", "stride", "padding", "dilation", "groups", "bias", "activation"});
  const Convolution options{entry.size("out"), entry.window(1), entry.size("groups", 1), entry.flag("bias", true)};
  const Tensor x = builder_.convolution(entry.name, entry.input, options);
  return activate(entry, x);
}

Tensor WorkloadReader::read_depthwise(const Entry& entry) {
  entry.allow({"kernel", "stride", "padding", "dilation", "multiplier", "bias", "activation"});
  const std::int64_t channels = entry.input.channels;
  const std::int64_t multiplier = entry.size("multiplier", 1);
  if (multiplier > max_layer_size / channels) {
    throw entry.at("multiplier")
        .error(fmt::format("{} × {} channels are too many", multiplier, channels), "use a smaller multiplier");
  }
  const Convolution options{channels * multiplier, entry.window(1), channels, entry.flag("bias", true)};
  const Tensor x = builder_.convolution(entry.name, entry.input, options);
  return activate(entry, x);
}

Tensor WorkloadReader::read_transposed_convolution(const Entry& entry) {
  entry.allow({"out", "kernel", "stride", "padding", "output_padding", "dilation", "groups", "bias", "activation"});
  TransposedConvolution options;
  options.out_channels = entry.size("out");
  options.window = entry.window(1);
  if (const Config* more = entry.find("output_padding")) {
    std::tie(options.output_padding_height, options.output_padding_width) = read_pair(*more, 0);
    if (options.window.same) {
      throw more->error("`output_padding` has no meaning with `padding: same`", "write the padding as a number");
    }
  }
  options.groups = entry.size("groups", 1);
  options.bias = entry.flag("bias", true);
  const Tensor x = builder_.transposed_convolution(entry.name, entry.input, options);
  return activate(entry, x);
}

Tensor WorkloadReader::read_pool(const Entry& entry) {
  entry.allow({"kernel", "stride", "padding", "ceil"});
  Window window = entry.window(0);
  window.ceil = entry.flag("ceil", false);
  if (window.ceil && window.same) {
    throw entry.at("ceil").error("`ceil` has no meaning with `padding: same`",
                                 "write the padding as a number or `valid`");
  }
  return builder_.pool(entry.name, entry.input, window);
}

Tensor WorkloadReader::read_global_pool(const Entry& entry) {
  entry.allow({});
  return builder_.global_pool(entry.name, entry.input);
}

Tensor WorkloadReader::read_fully_connected(const Entry& entry) {
  entry.allow({"out", "bias", "activation"});
  const Tensor x = builder_.fully_connected(entry.name, entry.input, entry.size("out"), entry.flag("bias", true));
  return activate(entry, x);
}

Tensor WorkloadReader::read_matmul(const Entry& entry) {
  Tensor x;
  if (const Config* with = entry.find("with")) {
    entry.allow({"with", "transposed", "heads", "activation"});
    x = builder_.matmul(entry.name, entry.input, resolve(*with), entry.flag("transposed", false),
                        entry.size("heads", 1));
  } else {
    entry.allow({"out", "bias", "activation"});
    if (entry.find("out") == nullptr) {
      throw entry.node.error("`matmul` needs `out` or `with`",
                             "`out: N` multiplies by weights, `with: LAYER` by the output of a layer");
    }
    x = builder_.matmul(entry.name, entry.input, entry.size("out"), entry.flag("bias", true));
  }
  return activate(entry, x);
}

Tensor WorkloadReader::read_add(const Entry& entry) {
  entry.allow({"with", "activation"});
  const Tensor x = builder_.elementwise(entry.name, operands(entry, true));
  return activate(entry, x);
}

Tensor WorkloadReader::read_elementwise(const Entry& entry) {
  entry.allow({"with", "operations"});
  const Elementwise work{.broadcast = true, .operations = entry.size("operations", 0)};
  return builder_.elementwise(entry.name, operands(entry, entry.kind == "multiply"), work);
}

Tensor WorkloadReader::read_normalization(const Entry& entry) {
  Elementwise work = entry.kind == "softmax"      ? softmax_work
                     : entry.kind == "layer_norm" ? layer_norm_work
                     : entry.kind == "rms_norm"   ? rms_norm_work
                                                  : batch_norm_work;
  if (entry.kind == "local_response_norm") {
    entry.allow({"size"});
    work = local_response_norm_work(entry.size("size", 5));
  } else {
    entry.allow({});
  }
  return builder_.elementwise(entry.name, {&entry.input, 1}, work);
}

Tensor WorkloadReader::read_activation(const Entry& entry) {
  if (entry.options != nullptr && entry.options->is_map()) {
    entry.allow({"function"});
    if (const Config* function = entry.find("function")) read_function(*function);
  } else if (entry.options != nullptr) {
    read_function(*entry.options);
  }
  return builder_.activation(entry.name, entry.input, ActivationCost::layer);
}

Tensor WorkloadReader::read_upsample(const Entry& entry) {
  entry.allow({"factor", "size", "mode"});
  const Config* mode = entry.find("mode");
  const bool bilinear = mode != nullptr && mode->choice({"nearest", "bilinear"}) == "bilinear";
  const Config* factor = entry.find("factor");
  const Config* size = entry.find("size");
  if ((factor == nullptr) == (size == nullptr)) {
    throw entry.node.error("`upsample` needs either `factor` or `size`",
                           "`factor: 2` is a multiple of the input's height and width, `size: [64, 64]` the output's");
  }
  auto [height, width] = read_pair(factor != nullptr ? *factor : *size, 1);
  const Tensor& input = entry.input;
  if (factor != nullptr) {
    if (height > max_layer_size / input.height || width > max_layer_size / input.width) {
      throw factor->error(fmt::format("an input of {} becomes too large", to_string(input)), "use a smaller factor");
    }
    height *= input.height, width *= input.width;
  } else if (height < input.height || width < input.width) {
    throw size->error(
        fmt::format("[{}, {}] is smaller than the input's [{}, {}]", height, width, input.height, input.width),
        "use a pool or a stride to make it smaller");
  }
  return builder_.resize(entry.name, input, height, width, bilinear);
}

Tensor WorkloadReader::read_embedding(const Entry& entry) {
  entry.allow({"rows", "width", "positions"});
  Tensor indices = entry.input;
  if (const Config* positions = entry.find("positions")) {
    if (const Config* from = entry.find("from")) {
      throw from->error("`embedding` has `from` and `positions`",
                        "leave out `from`: with `positions` it reads the first rows, which no layer chooses");
    }
    indices = {1, positions->integer(1, entry.size("rows")), 1, {}};
  }
  return builder_.embedding(entry.name, indices, entry.size("rows"), entry.size("width"));
}

Tensor WorkloadReader::read_input(const Entry& entry) {
  entry.allow({"shape"});
  if (const Config* from = entry.find("from")) {
    throw from->error("`input` reads no layer", "leave out `from`");
  }
  const Tensor shape = read_shape(entry.at("shape"), "shape");
  return builder_.input(entry.name, shape.channels, shape.height, shape.width);
}

Tensor WorkloadReader::read_concatenate(const Entry& entry) {
  entry.allow({"with", "axis"});
  return builder_.concatenate(entry.name, operands(entry, true), entry.axis());
}

Tensor WorkloadReader::read_reshape(const Entry& entry) {
  entry.allow({"to"});
  const Tensor shape = read_shape(entry.at("to"), "to");
  return builder_.reshape(entry.name, entry.input, shape.channels, shape.height, shape.width);
}

Tensor WorkloadReader::read_slice(const Entry& entry) {
  entry.allow({"axis", "size"});
  return builder_.slice(entry.name, entry.input, entry.axis(), entry.size("size"));
}

Tensor WorkloadReader::read_recurrent(const Entry& entry) {
  entry.allow({"units", "steps", "bias", "output", "repeat"});
  const std::int64_t units = entry.size("units");
  const bool bias = entry.flag("bias", true);
  const Config* output = entry.find("output");
  const bool all = output == nullptr || output->choice({"all", "last"}) == "all";
  const std::int64_t steps = entry.size("steps", 0);
  const std::int64_t repetitions = entry.size("repeat", 1);
  return repeat(entry, [&](const std::string& name, const Tensor& input, std::int64_t index) {
    const bool states = all || index + 1 < repetitions;
    return entry.kind == "lstm" ? builder_.lstm(name, input, units, steps, bias, states)
                                : builder_.gru(name, input, units, steps, bias, states);
  });
}

Tensor WorkloadReader::read_inverted_residual(const Entry& entry) {
  entry.allow({"out", "expand", "hidden", "kernel", "stride", "squeeze_excite", "activation", "residual", "repeat"});
  const Config* expand = entry.find("expand");
  const Config* hidden = entry.find("hidden");
  if ((expand == nullptr) == (hidden == nullptr)) {
    throw entry.node.error(fmt::format("`{}` needs either `expand` or `hidden`", entry.kind),
                           "`expand: 6` is a multiple of the input's channels, `hidden: 96` a number of channels");
  }
  const Config* squeeze = entry.find("squeeze_excite");
  if (squeeze != nullptr && squeeze->is_map()) squeeze->allow_only({"channels"});
  const std::int64_t stride = entry.size("stride", 1);
  InvertedResidual options;
  options.out_channels = entry.size("out");
  options.kernel = entry.size("kernel", 3);
  options.residual = entry.flag("residual", true);
  options.fused = entry.kind == "fused_inverted_residual";
  options.activation = entry.activation();
  return repeat(entry, [&](const std::string& name, const Tensor& input, std::int64_t index) {
    options.stride = index == 0 ? stride : 1;
    if (hidden != nullptr) {
      options.hidden_channels = hidden->integer(1, max_layer_size);
    } else {
      options.hidden_channels = input.channels * expand->integer(1, max_layer_size / input.channels);
    }
    if (squeeze != nullptr) {
      options.squeezed_channels = squeeze->is_map() ? squeeze->at("channels").integer(1, max_layer_size)
                                                    : rounded_share(options.hidden_channels, squeeze->number(0.001, 1));
    }
    return builder_.inverted_residual(name, input, options);
  });
}

Tensor WorkloadReader::read_separable(const Entry& entry) {
  entry.allow({"out", "kernel", "stride", "activation", "repeat"});
  const std::int64_t stride = entry.size("stride", 1);
  InvertedResidual options;
  options.out_channels = entry.size("out");
  options.kernel = entry.size("kernel", 3);
  options.residual = false;
  options.activation = entry.activation();
  return repeat(entry, [&](const std::string& name, const Tensor& input, std::int64_t index) {
    options.stride = index == 0 ? stride : 1;
    options.hidden_channels = input.channels;
    const Tensor x = builder_.inverted_residual(name, input, options);
    return builder_.activation(name + ".project.activation", x, options.activation);
  });
}

Tensor WorkloadReader::read_basic_block(const Entry& entry) {
  entry.allow({"out", "kernel", "stride", "activation", "repeat"});
  BasicBlock options;
  options.out_channels = entry.size("out");
  options.kernel = entry.size("kernel", 3);
  options.activation = entry.activation();
  const std::int64_t stride = entry.size("stride", 1);
  return repeat(entry, [&](const std::string& name, const Tensor& input, std::int64_t index) {
    options.stride = index == 0 ? stride : 1;
    return builder_.basic_block(name, input, options);
  });
}

Tensor WorkloadReader::read_bottleneck(const Entry& entry) {
  entry.allow({"hidden", "out", "kernel", "stride", "groups", "activation", "repeat"});
  Bottleneck options;
  options.hidden_channels = entry.at("hidden").integer(1, max_layer_size / 4);
  options.out_channels = entry.size("out", 4 * options.hidden_channels);
  options.kernel = entry.size("kernel", 3);
  options.groups = entry.size("groups", 1);
  options.activation = entry.activation();
  const std::int64_t stride = entry.size("stride", 1);
  return repeat(entry, [&](const std::string& name, const Tensor& input, std::int64_t index) {
    options.stride = index == 0 ? stride : 1;
    return builder_.bottleneck(name, input, options);
  });
}

}  // namespace corbel
