#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "corbel/simulator/edge.hpp"
#include "corbel/simulator/edge_network.hpp"

namespace corbel {

/// The hardware as the mapper computes with it.
struct EdgeChip {
  double pes_x, pes_y, pes, lanes, cores;
  double pe_memory, core_memory;  ///< bytes
  double activation_entries, instruction_entries;
  double parameter_bytes;
  double dram_bytes_per_cycle;
};
EdgeChip make_edge_chip(const EdgeHardware& hardware, double clock_mhz);

/// The memories a mapping can overflow, in the order of the reasons.
enum class EdgeMemory : std::uint8_t { pe, core, activation, parameter, instruction };
inline constexpr std::size_t edge_memory_count = 5;
/// "pe_memory_overflow", …
std::string edge_overflow_reason(EdgeMemory memory);

/// Which dimension each level of the hardware divides: its output pixels, or its output channels. Columns of PEs (X)
/// take image columns, rows of PEs (Y) image rows; without a window both divide all pixels.
struct EdgeDivision {
  bool x_channels, y_channels, cores_channels;
};
inline constexpr std::array<EdgeDivision, 8> edge_divisions = {{{false, false, false},
                                                                {false, false, true},
                                                                {false, true, false},
                                                                {false, true, true},
                                                                {true, false, false},
                                                                {true, false, true},
                                                                {true, true, false},
                                                                {true, true, true}}};

/// The order in which a core walks its share of a layer, and where weights wait meanwhile.
enum class EdgeOrder : std::uint8_t {
  weights_in_core,  ///< channels outside: the weights of one tile of channels stay in core memory for all pixels
  partial_sums,     ///< the same with as many input channels as fit; partial sums go to PE memory in between
  weights_in_pe,    ///< the layer's weights stay in PE memory and pass through core memory for every tile of pixels
  pixels_outside,   ///< all of the core's weights stay in core memory; inputs are read once
};
inline constexpr std::size_t edge_order_count = 4;

struct EdgeMappingChoice {
  std::uint8_t division = 0;
  EdgeOrder order = EdgeOrder::weights_in_core;
};

/// One way to run a layer, with what it needs and what it costs, all steps included.
struct EdgeMapping {
  std::array<double, edge_memory_count> needs{};  ///< bytes, bytes, entries, bytes, entries
  double cycles = 0;                              ///< without DRAM
  double compute_cycles = 0, pe_port_cycles = 0, core_port_cycles = 0, network_cycles = 0;
  double dispatch_cycles = 0, exchange_cycles = 0, start_cycles = 0;
  // What the description and the energy need; not filled while searching.
  double product_cycles = 0;           ///< of compute_cycles, those in which lanes multiply
  double dispatched_instructions = 0;  ///< over all steps
  double active_pes = 0, active_cores = 0, pixels_per_core = 0, channels_per_core = 0;
  double channel_tiles = 0, pixel_tiles = 0, input_splits = 1;
  double pe_bytes = 0, core_bytes = 0, network_bytes = 0;  ///< moved, over the whole chip
};

/// Needs and costs of a choice, whether it fits or not.
EdgeMapping map_edge_layer(const EdgeLayerFacts& layer, const EdgeChip& chip, EdgeMappingChoice choice);

/// A compiled network: a mapping for every distinct layer and the weights that stay on chip between inferences.
struct EdgeProgram {
  bool fits = false;
  // If it fits:
  std::vector<EdgeMappingChoice> choices;  ///< per distinct layer
  std::vector<double> on_chip_cycles;      ///< per distinct layer
  double resident_bytes = 0;               ///< of weights
  double cycles = 0;                       ///< of an inference
  // If it does not:
  std::size_t layer = 0;  ///< distinct layer
  EdgeMemory memory = EdgeMemory::pe;
  double need = 0, have = 0;  ///< in the unit of the memory
};

/// Reusable by one thread: nothing is allocated after the first design.
class EdgeMapper {
 public:
  explicit EdgeMapper(const EdgeNetworkFacts& network);
  /// The fastest program, or the memory that the nearest mapping of the first impossible layer overflows.
  const EdgeProgram& compile(const EdgeChip& chip);
  /// Of the last program: the weight bytes of each distinct layer that stay on chip.
  std::vector<double> resident_bytes_per_layer(const EdgeChip& chip) const;
  /// Mappings of a layer whose needs and costs were computed, over all programs so far.
  std::uint64_t mappings_weighed() const { return mappings_weighed_; }

 private:
  /// Shares of PE memory that working sets may take; the rest keeps weights between inferences.
  static constexpr std::array<double, 15> shares = {16. / 16, 15. / 16, 14. / 16, 12. / 16, 10. / 16,
                                                    8. / 16,  6. / 16,  5. / 16,  4. / 16,  3. / 16,
                                                    2. / 16,  1.5 / 16, 1. / 16,  0.5 / 16, 0.25 / 16};
  struct Best {
    double cycles;
    EdgeMappingChoice choice;
  };
  bool search(const EdgeLayerFacts& layer, const EdgeChip& chip, std::array<Best, shares.size()>& best);
  void explain(std::size_t layer, const EdgeChip& chip);

  const EdgeNetworkFacts& network_;
  std::vector<std::array<Best, shares.size()>> best_;
  EdgeProgram program_;
  std::uint64_t mappings_weighed_ = 0;
};

}  // namespace corbel
