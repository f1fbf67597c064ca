#include <fmt/format.h>

#include <iterator>

#include "corbel/base/hash.hpp"
#include "corbel/workload/network.hpp"
#include "corbel/workload/saturate.hpp"

namespace corbel {
namespace {

bool multiplies(LayerKind kind) {
  return kind == LayerKind::conv || kind == LayerKind::depthwise || kind == LayerKind::transposed_conv ||
         kind == LayerKind::fully_connected || kind == LayerKind::matmul;
}

bool is_product(LayerKind kind) {
  return kind == LayerKind::fully_connected || kind == LayerKind::matmul;
}

std::int64_t biases(const Layer& layer) {
  const bool scales = layer.kind == LayerKind::elementwise && layer.scale;
  return layer.bias && (multiplies(layer.kind) || scales) ? layer.out_channels : 0;
}

template <class Count>
std::uint64_t total(const std::vector<Layer>& layers, Count count) {
  std::uint64_t sum = 0;
  for (const Layer& layer : layers) sum = saturating_sum(sum, (layer.*count)());
  return sum;
}

}  // namespace

std::string_view to_string(LayerKind kind) {
  switch (kind) {
    case LayerKind::conv:
      return "conv";
    case LayerKind::depthwise:
      return "depthwise";
    case LayerKind::pool:
      return "pool";
    case LayerKind::fully_connected:
      return "fully_connected";
    case LayerKind::matmul:
      return "matmul";
    case LayerKind::elementwise:
      return "elementwise";
    case LayerKind::transposed_conv:
      return "transposed_conv";
    case LayerKind::resize:
      return "resize";
    case LayerKind::embedding:
      return "embedding";
  }
  return "unknown";
}

std::uint64_t Layer::macs() const {
  if (!multiplies(kind)) return 0;
  const bool transposed = kind == LayerKind::transposed_conv;
  return saturating_product({batch, steps, out_channels, transposed ? in_height : out_height,
                             transposed ? in_width : out_width, in_channels / groups, kernel_height, kernel_width});
}

std::uint64_t Layer::vector_operations() const {
  if (multiplies(kind) || kind == LayerKind::embedding) return 0;
  const std::int64_t window_height = kind == LayerKind::pool ? kernel_height : 1;
  const std::int64_t per_output = kind == LayerKind::pool ? kernel_width : operations;
  return saturating_product({batch, steps, out_channels, out_height, out_width, window_height, per_output});
}

std::uint64_t Layer::weight_elements() const {
  if (kind == LayerKind::embedding) return saturating_product({in_channels, out_channels});
  if (kind == LayerKind::elementwise) return scale ? saturating_product({out_channels}) : 0;
  if (!multiplies(kind) || !weight_operand) return 0;
  return saturating_product({out_channels, in_channels / groups, kernel_height, kernel_width});
}

std::uint64_t Layer::parameters() const {
  return saturating_sum(weight_elements(), static_cast<std::uint64_t>(biases(*this)));
}

std::uint64_t Layer::input_elements() const {
  if (kind == LayerKind::embedding) return saturating_product({batch, steps, out_height, out_width});
  if (!is_product(kind)) return saturating_product({batch, steps, operands, in_channels, in_height, in_width});
  const std::uint64_t first = saturating_product({batch, steps, out_height, in_channels});
  const std::uint64_t second = weight_operand ? 0 : saturating_product({batch, steps, in_channels, out_channels});
  return saturating_sum(first, second);
}

std::uint64_t Layer::output_elements() const {
  return saturating_product({batch, steps, out_channels, out_height, out_width});
}

std::uint64_t Network::total_macs() const {
  return total(layers, &Layer::macs);
}
std::uint64_t Network::total_parameters() const {
  return total(layers, &Layer::parameters);
}
std::uint64_t Network::total_vector_operations() const {
  return total(layers, &Layer::vector_operations);
}

std::string Network::fingerprint() const {
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), "corbel network 2\nbatch {}\n", batch);
  for (const Layer& layer : layers) {
    fmt::format_to(std::back_inserter(text), "{} {} in {} {} {} out {} {} {} kernel {} {} stride {} {}",
                   to_string(layer.kind), layer.batch, layer.in_channels, layer.in_height, layer.in_width,
                   layer.out_channels, layer.out_height, layer.out_width, layer.kernel_height, layer.kernel_width,
                   layer.stride_height, layer.stride_width);
    fmt::format_to(std::back_inserter(text), " dilation {} groups {} steps {} weights {:d} bias {:d} operands {}",
                   layer.dilation, layer.groups, layer.steps, layer.weight_operand, layer.bias, layer.operands);
    fmt::format_to(std::back_inserter(text), " operations {} scale {:d} network {} from", layer.operations, layer.scale,
                   layer.network_input_elements);
    for (const int input : layer.inputs) fmt::format_to(std::back_inserter(text), " {}", input);
    text.push_back('\n');
  }
  return corbel::fingerprint(std::string_view(text.data(), text.size()));
}

}  // namespace corbel
