#pragma once

#include <cstdint>
#include <vector>

#include "corbel/workload/network.hpp"

namespace corbel {

/// How a core computes a layer.
enum class EdgeLayerClass : std::uint8_t {
  dense,        ///< lanes are output channels that share broadcast inputs: convolution, fully connected, matmul
  channelwise,  ///< every lane needs operands of its own: depthwise, pooling, elementwise
};

/// What the mapper needs to know of a layer, whatever the hardware. Sizes of one step, over the batch, in elements
/// (= bytes: int8) and as doubles, since all of them are multiplied and divided with hardware sizes.
struct EdgeLayerFacts {
  EdgeLayerClass layer_class = EdgeLayerClass::dense;
  bool windowed = false;         ///< output pixels share inputs, so that a slice has a halo
  bool fused = false;            ///< elementwise, computed while its producer drains
  double rows = 1, columns = 1;  ///< output; rows over the batch
  double channels = 1;           ///< output
  double group_channels = 1;     ///< output channels that share inputs
  double in_channels = 1, group_in_channels = 1;
  double in_rows = 1, in_columns = 1, stride_rows = 1, stride_columns = 1;
  double window_rows = 1, window_columns = 1;  ///< kernel, dilated
  double kernel_rows = 1;                      ///< input rows that an output row is made of
  double words = 1;         ///< cycles of a lane per output: 4-way products, or single operations if channelwise
  double unit_words = 1;    ///< the least part of them that is fetched at once: a kernel row of one channel block
  double weight_words = 0;  ///< words of all weights of an output channel: more than `words` if phases differ
  double word_bytes = 0;    ///< weights a lane uses in a cycle; 0 without weights
  double act_rows = 1;      ///< times an input row is read per output row
  double act_step = 1, act_first = 0;  ///< input columns read per further pixel of a row, and before the first
  double operands = 1;                 ///< input tensors that are read on their own
  double second_operand_bytes = 0;     ///< matmul of two activations
  double parked_bytes = 0;             ///< tensors waiting for later layers
  double dram_weight_bytes = 0;        ///< parameters, biases as int32
  double dram_other_bytes = 0;         ///< network inputs and outputs
  double steps = 1;
  double macs = 0, vector_operations = 0, outputs = 0;  ///< over batch and steps
  bool operator==(const EdgeLayerFacts&) const = default;
};

struct EdgeNetworkFacts {
  std::vector<EdgeLayerFacts> layers;  ///< distinct ones, in order of first appearance
  std::vector<double> counts;          ///< how often each occurs
  std::vector<std::size_t> facts_of;   ///< of every layer of the network: index into `layers`
  double macs = 0, weight_bytes = 0, other_dram_bytes = 0;
};

/// @throws Error{invalid_input} for an empty network, or layers of zero or negative size or inconsistent groups
EdgeNetworkFacts edge_network_facts(const Network& network);

}  // namespace corbel
