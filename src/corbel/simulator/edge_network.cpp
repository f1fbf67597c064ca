#include "corbel/simulator/edge_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "corbel/base/error.hpp"
#include "corbel/simulator/edge_constants.hpp"
#include "corbel/workload/saturate.hpp"

namespace corbel {
namespace {

double number(std::int64_t value) {
  return static_cast<double>(value);
}
double number(std::uint64_t value) {
  return static_cast<double>(value);
}

void check(const Network& network) {
  if (network.layers.empty()) {
    throw Error(ErrorCode::invalid_input, fmt::format("network {} has no layers", network.name));
  }
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    const auto refuse = [&](std::string_view what, const char* hint = "") {
      throw Error(ErrorCode::invalid_input,
                  fmt::format("network {}: layer {} ({}) {}", network.name, i, layer.name, what), hint);
    };
    for (const std::int64_t size :
         {layer.batch, layer.in_channels, layer.in_height, layer.in_width, layer.out_channels, layer.out_height,
          layer.out_width, layer.kernel_height, layer.kernel_width, layer.stride_height, layer.stride_width,
          layer.dilation, layer.groups, layer.steps, layer.operands, layer.operations}) {
      if (size < 1) refuse(fmt::format("has a size of {}", size), "every size of a layer is at least 1");
    }
    for (const std::uint64_t count : {layer.macs(), layer.vector_operations(), layer.parameters(),
                                      layer.input_elements(), layer.output_elements(), layer.network_input_elements}) {
      if (count >= saturated) refuse("has operations or elements that need more than 63 bits");
    }
    const bool product = layer.kind == LayerKind::fully_connected || layer.kind == LayerKind::matmul;
    if (product && (layer.out_width != 1 || layer.kernel_height != 1 || layer.kernel_width != 1)) {
      refuse("is a product with a width or a kernel", "the rows of a product are its out_height");
    }
    if (layer.kind == LayerKind::depthwise && layer.groups != layer.in_channels) {
      refuse(fmt::format("is depthwise with {} groups for {} input channels", layer.groups, layer.in_channels));
    }
    if (layer.in_channels % layer.groups != 0 || layer.out_channels % layer.groups != 0) {
      refuse(fmt::format("has {} groups for {} input and {} output channels", layer.groups, layer.in_channels,
                         layer.out_channels));
    }
    for (const int input : layer.inputs) {
      if (input < -1 || input >= static_cast<int>(i)) {
        refuse(fmt::format("reads layer {}, which is not before it", input));
      }
    }
  }
}

/// The last layer that reads each layer's output; the number of layers for the network's outputs.
struct Uses {
  std::vector<std::size_t> last;
  std::vector<std::size_t> count;
};

Uses uses_of(const Network& network) {
  const std::size_t n = network.layers.size();
  Uses uses{std::vector<std::size_t>(n, n), std::vector<std::size_t>(n, 0)};
  for (std::size_t i = 0; i < n; ++i) {
    for (const int input : network.layers[i].inputs) {
      if (input < 0) continue;
      uses.last[static_cast<std::size_t>(input)] = i;
      ++uses.count[static_cast<std::size_t>(input)];
    }
  }
  return uses;
}

/// An elementwise layer is computed where its operand is requantised if that operand was made by the layer just before
/// and nobody else needs it. Softmax and normalisations need a whole row first.
bool fuses(const Network& network, std::size_t index, const Uses& uses) {
  const Layer& layer = network.layers[index];
  if (layer.kind != LayerKind::elementwise || layer.operations > 1 || index == 0) return false;
  // What drains must be of the full size: the gate of a squeeze-and-excite block is not, and its scale reads the rest.
  if (network.layers[index - 1].output_elements() != layer.output_elements()) return false;
  const auto& inputs = layer.inputs;
  return std::find(inputs.begin(), inputs.end(), static_cast<int>(index - 1)) != inputs.end() &&
         uses.count[index - 1] == 1;
}

void describe_product(const Layer& layer, EdgeLayerFacts& facts) {
  const bool own_weights_per_sample = !layer.weight_operand;
  facts.columns = 1;
  facts.rows = number(layer.out_height) * (own_weights_per_sample ? 1 : number(layer.batch));
  // Samples with a second operand of their own are groups: no lane may mix them.
  const double groups = number(layer.groups) * (own_weights_per_sample ? number(layer.batch) : 1);
  facts.group_channels = number(layer.out_channels / layer.groups);
  facts.channels = facts.group_channels * groups;
  facts.group_in_channels = number(layer.in_channels / layer.groups);
  facts.in_channels = facts.group_in_channels * groups;
  facts.words = std::ceil(facts.group_in_channels / edge_lane_ways);
  facts.word_bytes = edge_lane_ways;
  if (own_weights_per_sample) facts.second_operand_bytes = facts.group_in_channels * facts.channels;
}

void describe_window(const Layer& layer, EdgeLayerFacts& facts) {
  const double kernel_rows = number(layer.kernel_height), kernel_columns = number(layer.kernel_width);
  facts.rows = number(layer.out_height) * number(layer.batch);
  facts.columns = number(layer.out_width);
  facts.channels = number(layer.out_channels);
  facts.in_channels = number(layer.in_channels);
  facts.group_channels = number(layer.out_channels / layer.groups);
  facts.group_in_channels = number(layer.in_channels / layer.groups);
  facts.in_rows = number(layer.in_height) * number(layer.batch);
  facts.in_columns = number(layer.in_width);
  facts.stride_rows = number(layer.stride_height);
  facts.stride_columns = number(layer.stride_width);
  facts.window_rows = (kernel_rows - 1) * number(layer.dilation) + 1;
  facts.window_columns = (kernel_columns - 1) * number(layer.dilation) + 1;
  facts.windowed = kernel_rows * kernel_columns > 1 || facts.stride_rows * facts.stride_columns > 1;
  facts.act_step = std::min(facts.stride_columns, facts.window_columns);
  facts.act_first = facts.window_columns - facts.act_step;
  facts.act_rows = facts.kernel_rows = kernel_rows;
  const double channel_blocks = std::ceil(facts.group_in_channels / edge_lane_ways);
  switch (layer.kind) {
    case LayerKind::conv:
      // Channels and columns of a kernel row are adjacent in memory, so that few channels still fill the four ways.
      if (facts.group_in_channels < edge_lane_ways && layer.dilation == 1) {
        facts.unit_words = std::ceil(kernel_columns * facts.group_in_channels / edge_lane_ways);
        facts.words = kernel_rows * facts.unit_words;
      } else {
        facts.unit_words = kernel_columns;
        facts.words = kernel_rows * kernel_columns * channel_blocks;
      }
      facts.word_bytes = edge_lane_ways;
      break;
    case LayerKind::transposed_conv: {
      // One small convolution per phase of the stride: an output sums the part of the kernel that meets an input.
      const double rows = std::ceil(kernel_rows / number(layer.stride_height));
      const double columns = std::ceil(kernel_columns / number(layer.stride_width));
      // What is cropped was computed, so that small outputs cost more than their share of the kernel.
      const double computed = number(layer.macs()) / (number(layer.output_elements()) * edge_lane_ways);
      facts.stride_rows = 1 / number(layer.stride_height);
      facts.stride_columns = 1 / number(layer.stride_width);
      facts.window_rows = (rows - 1) * number(layer.dilation) + 1;
      facts.window_columns = (columns - 1) * number(layer.dilation) + 1;
      facts.windowed = true;
      facts.act_rows = facts.kernel_rows = rows;
      facts.weight_words = kernel_rows * kernel_columns * channel_blocks;
      facts.act_step = facts.stride_columns;
      facts.act_first = facts.window_columns - facts.act_step;
      facts.unit_words = columns;
      facts.words = std::max(rows * columns * channel_blocks, std::ceil(computed));
      facts.word_bytes = edge_lane_ways;
      break;
    }
    case LayerKind::depthwise:
      facts.layer_class = EdgeLayerClass::channelwise;
      facts.words = kernel_rows * kernel_columns;
      facts.unit_words = kernel_columns;
      facts.word_bytes = 1;
      break;
    case LayerKind::resize:
      facts.layer_class = EdgeLayerClass::channelwise;
      facts.stride_rows = facts.in_rows / facts.rows;
      facts.stride_columns = facts.in_columns / facts.columns;
      facts.windowed = true;
      facts.words = number(layer.operations);
      facts.act_rows = facts.words;
      facts.act_step = 1;
      facts.act_first = 0;
      break;
    default:
      // A pool reads its window anew for every output: nothing holds a row of it.
      facts.layer_class = EdgeLayerClass::channelwise;
      facts.operands = number(layer.operands);
      facts.words = kernel_rows * kernel_columns * std::max(number(layer.operations), facts.operands - 1);
      facts.act_rows = kernel_rows * kernel_columns;
      facts.act_step = 1;
      facts.act_first = 0;
      break;
  }
}

/// Rows of a table that stays in DRAM: nothing but the rows that are looked up comes on chip.
void describe_embedding(const Layer& layer, EdgeLayerFacts& facts) {
  facts.layer_class = EdgeLayerClass::channelwise;
  facts.rows = number(layer.out_height) * number(layer.batch);
  facts.columns = number(layer.out_width);
  facts.channels = facts.group_channels = facts.in_channels = facts.group_in_channels = number(layer.out_channels);
  facts.in_rows = facts.rows;
  facts.in_columns = facts.columns;
  facts.operands = 0;
  facts.words = 0;
}

EdgeLayerFacts describe(const Network& network, std::size_t index, const Uses& uses) {
  const Layer& layer = network.layers[index];
  EdgeLayerFacts facts;
  if (layer.kind == LayerKind::fully_connected || layer.kind == LayerKind::matmul) {
    describe_product(layer, facts);
  } else if (layer.kind == LayerKind::embedding) {
    describe_embedding(layer, facts);
  } else {
    describe_window(layer, facts);
  }
  facts.weight_words = std::max(facts.weight_words, facts.words);
  facts.steps = number(layer.steps);
  facts.macs = number(layer.macs());
  facts.vector_operations = number(layer.vector_operations());
  facts.outputs = number(layer.output_elements());
  facts.dram_other_bytes = number(layer.network_input_elements);
  if (layer.kind == LayerKind::embedding) {
    facts.dram_other_bytes += facts.outputs;
  } else {
    facts.dram_weight_bytes =
        number(layer.weight_elements()) + 4 * number(layer.parameters() - layer.weight_elements());
  }
  if (uses.count[index] == 0) facts.dram_other_bytes += facts.outputs;
  facts.fused = fuses(network, index, uses);
  if (facts.fused) {
    facts.operands -= 1;  // the other one is in the accumulators
    facts.words = 0;
  }
  for (std::size_t i = 0; i < index; ++i) {
    const bool needed_later = uses.count[i] > 0 && uses.last[i] > index;
    if (needed_later) facts.parked_bytes += number(network.layers[i].output_elements());
  }
  return facts;
}

}  // namespace

EdgeNetworkFacts edge_network_facts(const Network& network) {
  check(network);
  const Uses uses = uses_of(network);
  EdgeNetworkFacts result;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const EdgeLayerFacts facts = describe(network, i, uses);
    result.macs += facts.macs;
    result.weight_bytes += facts.dram_weight_bytes;
    result.other_dram_bytes += facts.dram_other_bytes;
    const auto known = std::find(result.layers.begin(), result.layers.end(), facts);
    const auto index = static_cast<std::size_t>(known - result.layers.begin());
    if (known == result.layers.end()) {
      result.layers.push_back(facts);
      result.counts.push_back(0);
    }
    result.counts[index] += 1;
    result.facts_of.push_back(index);
  }
  return result;
}

}  // namespace corbel
