#include "corbel/simulator/edge_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "corbel/base/error.hpp"
#include "corbel/simulator/edge_constants.hpp"

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
    for (const std::int64_t size :
         {layer.batch, layer.in_channels, layer.in_height, layer.in_width, layer.out_channels, layer.out_height,
          layer.out_width, layer.kernel_height, layer.kernel_width, layer.stride_height, layer.stride_width,
          layer.dilation, layer.groups, layer.steps, layer.operands}) {
      if (size < 1) {
        throw Error(ErrorCode::invalid_input,
                    fmt::format("network {}: layer {} ({}) has a size of {}", network.name, i, layer.name, size),
                    "every size of a layer is at least 1");
      }
    }
    if (layer.in_channels % layer.groups != 0 || layer.out_channels % layer.groups != 0) {
      throw Error(ErrorCode::invalid_input,
                  fmt::format("network {}: layer {} ({}) has {} groups for {} input and {} output channels",
                              network.name, i, layer.name, layer.groups, layer.in_channels, layer.out_channels));
    }
    for (const int input : layer.inputs) {
      if (input < -1 || input >= static_cast<int>(i)) {
        throw Error(ErrorCode::invalid_input,
                    fmt::format("network {}: layer {} ({}) reads layer {}, which is not before it", network.name, i,
                                layer.name, input));
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

bool reads_network_input(const Layer& layer) {
  return layer.inputs.empty() || std::find(layer.inputs.begin(), layer.inputs.end(), -1) != layer.inputs.end();
}

/// An elementwise layer is computed where its operand is requantised if that operand was made by the layer just before
/// and nobody else needs it.
bool fuses(const Network& network, std::size_t index, const Uses& uses) {
  const Layer& layer = network.layers[index];
  if (layer.kind != LayerKind::elementwise || index == 0) return false;
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
  facts.act_rows = kernel_rows;
  switch (layer.kind) {
    case LayerKind::conv:
      // Channels and columns of a kernel row are adjacent in memory, so that few channels still fill the four ways.
      if (facts.group_in_channels < edge_lane_ways && layer.dilation == 1) {
        facts.unit_words = std::ceil(kernel_columns * facts.group_in_channels / edge_lane_ways);
        facts.words = kernel_rows * facts.unit_words;
      } else {
        facts.unit_words = kernel_columns;
        facts.words = kernel_rows * kernel_columns * std::ceil(facts.group_in_channels / edge_lane_ways);
      }
      facts.word_bytes = edge_lane_ways;
      break;
    case LayerKind::depthwise:
      facts.layer_class = EdgeLayerClass::channelwise;
      facts.words = kernel_rows * kernel_columns;
      facts.unit_words = kernel_columns;
      facts.word_bytes = 1;
      break;
    default:
      // A pool reads its window anew for every output: nothing holds a row of it.
      facts.layer_class = EdgeLayerClass::channelwise;
      facts.operands = number(layer.operands);
      facts.words = kernel_rows * kernel_columns * std::max(1.0, facts.operands - 1);
      facts.act_rows = kernel_rows * kernel_columns;
      facts.act_step = 1;
      facts.act_first = 0;
      break;
  }
}

EdgeLayerFacts describe(const Network& network, std::size_t index, const Uses& uses) {
  const Layer& layer = network.layers[index];
  EdgeLayerFacts facts;
  if (layer.kind == LayerKind::fully_connected || layer.kind == LayerKind::matmul) {
    describe_product(layer, facts);
  } else {
    describe_window(layer, facts);
  }
  facts.steps = number(layer.steps);
  facts.macs = number(layer.macs());
  facts.vector_operations = number(layer.vector_operations());
  facts.outputs = number(layer.output_elements());
  facts.dram_weight_bytes = number(layer.weight_elements()) + 4 * number(layer.parameters() - layer.weight_elements());
  if (reads_network_input(layer)) {
    facts.dram_other_bytes +=
        number(layer.input_elements()) / (layer.kind == LayerKind::elementwise ? facts.operands : 1);
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

/// A static partition of the instruction memory, like the code segments of a linker: half of it evenly, since every
/// layer sets up every PE; a quarter each by outputs and by lane cycles, since tiles follow the former and their parts
/// the latter. It depends on the network alone, so that a larger memory of any kind only gives the mapper more choice.
void share_instructions(EdgeNetworkFacts& facts) {
  const auto outputs_of = [](const EdgeLayerFacts& layer) { return layer.rows * layer.columns * layer.channels; };
  double programs = 0, outputs = 0, cycles = 0;
  for (std::size_t i = 0; i < facts.layers.size(); ++i) {
    const EdgeLayerFacts& layer = facts.layers[i];
    if (layer.fused) continue;
    programs += facts.counts[i];
    outputs += facts.counts[i] * outputs_of(layer);
    cycles += facts.counts[i] * outputs_of(layer) * layer.words;
  }
  for (EdgeLayerFacts& layer : facts.layers) {
    if (layer.fused) continue;
    layer.instruction_share =
        0.5 / programs + 0.25 * outputs_of(layer) / outputs + 0.25 * outputs_of(layer) * layer.words / cycles;
  }
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
  share_instructions(result);
  return result;
}

}  // namespace corbel
