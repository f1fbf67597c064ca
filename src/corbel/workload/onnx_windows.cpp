#include <fmt/format.h>

#include <algorithm>

#include "corbel/workload/builder.hpp"
#include "corbel/workload/internal/onnx_model.hpp"

namespace corbel {
namespace {

/// An attribute with one number per spatial axis, `fallback` for each if it is missing.
std::vector<std::int64_t> per_axis(const OnnxModel& model, const OnnxNode& node, std::string_view attribute,
                                   std::size_t count, std::int64_t fallback, std::int64_t least) {
  std::vector<std::int64_t> values = node.integers(attribute);
  if (values.empty()) values.assign(count, fallback);
  const bool fits = values.size() == count && std::ranges::all_of(values, [&](std::int64_t value) {
                      return value >= least && value <= max_layer_size;
                    });
  if (!fits) {
    throw model.error(node, fmt::format("{} is {}, wanted {} numbers from {} to {}", attribute, to_string(values),
                                        count, least, max_layer_size));
  }
  return values;
}

/// What convolutions and pools of both directions share: all but padding and output.
OnnxWindow read_window(const OnnxModel& model, const OnnxNode& node, const OnnxShape& input, const OnnxShape& kernel) {
  if (input.size() != 3 && input.size() != 4) {
    throw model.error(node, fmt::format("input of shape {}", to_string(input)),
                      "only windows over one or two axes, [batch, channels, length] or [batch, channels, height, "
                      "width], are supported");
  }
  const std::size_t count = input.size() - 2;
  std::vector<std::int64_t> kernels = per_axis(model, node, "kernel_shape", count, kernel.empty() ? 0 : 1, 1);
  if (!kernel.empty()) {
    if (kernel.size() != count || (node.find("kernel_shape") != nullptr && kernels != kernel)) {
      throw model.error(node, fmt::format("weights of spatial shape {} do not fit the input {} or kernel_shape {}",
                                          to_string(kernel), to_string(input), to_string(kernels)));
    }
    kernels = kernel;
  }
  const auto strides = per_axis(model, node, "strides", count, 1, 1);
  const auto dilations = per_axis(model, node, "dilations", count, 1, 1);
  OnnxWindow window;
  window.axes = static_cast<int>(count);
  const auto read = [&](OnnxWindow::Axis& axis, std::size_t i) {
    axis.kernel = kernels[i];
    axis.stride = strides[i];
    axis.dilation = dilations[i];
    axis.input = input[2 + i];
    if (axis.extent() > max_layer_size) {
      throw model.error(node, fmt::format("a kernel of {} dilated by {} is too large", axis.kernel, axis.dilation));
    }
  };
  read(window.height, 0);
  if (count == 2) read(window.width, 1);
  return window;
}

void read_padding(const OnnxModel& model, const OnnxNode& node, OnnxWindow& window) {
  const auto count = static_cast<std::size_t>(window.axes);
  const auto pads = per_axis(model, node, "pads", 2 * count, 0, 0);
  window.height.padding_begin = pads[0];
  window.height.padding_end = pads[count];
  if (count == 2) {
    window.width.padding_begin = pads[1];
    window.width.padding_end = pads[3];
  }
}

enum class AutoPad { none, same, valid };
AutoPad auto_pad(const OnnxModel& model, const OnnxNode& node) {
  const std::string text = node.text("auto_pad", "NOTSET");
  if (text == "NOTSET" || text.empty()) return AutoPad::none;
  if (text == "VALID") return AutoPad::valid;
  if (text == "SAME_UPPER" || text == "SAME_LOWER") return AutoPad::same;
  throw model.error(node,
                    fmt::format("auto_pad is {}, wanted NOTSET, VALID, SAME_UPPER or SAME_LOWER", in_quotes(text)));
}

void set_output(const OnnxModel& model, const OnnxNode& node, OnnxWindow::Axis& axis, AutoPad mode, bool ceil) {
  if (axis.stride > axis.input) {
    throw model.error(node, fmt::format("stride {} is larger than the input's {}", axis.stride, axis.input),
                      fmt::format("use a stride of at most {}, or a larger input", axis.input));
  }
  if (mode == AutoPad::same) {
    axis.output = (axis.input + axis.stride - 1) / axis.stride;
    const std::int64_t padding =
        std::max<std::int64_t>(0, (axis.output - 1) * axis.stride + axis.extent() - axis.input);
    axis.padding_begin = padding / 2;
    axis.padding_end = padding - padding / 2;
    return;
  }
  const std::int64_t padded = axis.input + axis.padding_begin + axis.padding_end;
  if (axis.extent() > padded) {
    throw model.error(node, fmt::format("the kernel's {} is larger than the padded input's {}", axis.extent(), padded),
                      "use a larger input or a smaller kernel");
  }
  const std::int64_t moves = padded - axis.extent();
  axis.output = moves / axis.stride + 1;
  // As frameworks do and operator set 19 says: a window that starts in the padding at the end does not count.
  if (ceil && moves % axis.stride != 0 && axis.output * axis.stride < axis.input + axis.padding_begin) ++axis.output;
}

}  // namespace

OnnxWindow onnx_window(const OnnxModel& model, const OnnxNode& node, const OnnxShape& input, const OnnxShape& kernel) {
  OnnxWindow window = read_window(model, node, input, kernel);
  const AutoPad mode = auto_pad(model, node);
  if (mode == AutoPad::none) read_padding(model, node, window);
  const bool pools = kernel.empty();
  for (const OnnxWindow::Axis& axis : {window.height, window.width}) {
    if (!pools || std::max(axis.padding_begin, axis.padding_end) < axis.extent()) continue;
    throw model.error(node,
                      fmt::format("padding {} is not smaller than the kernel's {}",
                                  std::max(axis.padding_begin, axis.padding_end), axis.extent()),
                      "outputs would be made of padding alone");
  }
  const bool ceil = pools && node.integer("ceil_mode", 0) != 0;
  set_output(model, node, window.height, mode, ceil);
  set_output(model, node, window.width, mode, ceil);
  return window;
}

OnnxWindow onnx_transposed_window(const OnnxModel& model, const OnnxNode& node, const OnnxShape& input,
                                  const OnnxShape& kernel) {
  OnnxWindow window = read_window(model, node, input, kernel);
  const AutoPad mode = auto_pad(model, node);
  if (mode == AutoPad::none) read_padding(model, node, window);
  const auto count = static_cast<std::size_t>(window.axes);
  const auto more = per_axis(model, node, "output_padding", count, 0, 0);
  std::vector<std::int64_t> given = node.integers("output_shape");
  if (given.size() == count + 2) given.erase(given.begin(), given.begin() + 2);  // some exporters write all of it
  if (!given.empty() && given.size() != count) {
    throw model.error(node, fmt::format("output_shape is {}, wanted {} numbers", to_string(given), count));
  }
  const auto set = [&](OnnxWindow::Axis& axis, std::size_t i) {
    const std::int64_t full = (axis.input - 1) * axis.stride + axis.extent() + more[i];
    axis.output = full - axis.padding_begin - axis.padding_end;
    if (mode == AutoPad::same) axis.output = axis.input * axis.stride;
    if (!given.empty()) axis.output = given[i];
    if (axis.output >= 1 && axis.output <= max_layer_size) return;
    throw model.error(node, fmt::format("an output size of {}; sizes are 1 to {}", axis.output, max_layer_size));
  };
  set(window.height, 0);
  if (count == 2) set(window.width, 1);
  return window;
}

}  // namespace corbel
