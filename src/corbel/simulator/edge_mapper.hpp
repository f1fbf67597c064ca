#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "corbel/simulator/edge.hpp"
#include "corbel/simulator/edge_network.hpp"

namespace corbel::edge {

/// The hardware as the mapper computes with it.
struct Chip {
  double pes_x, pes_y, pes, lanes, cores;
  double pe_memory, core_memory;  ///< bytes
  double activation_entries, instruction_entries;
  double parameter_bytes;
  double dram_bytes_per_cycle;
};
Chip make_chip(const EdgeHardware& hardware, double clock_mhz);

/// The memories a mapping can overflow, in the order of the reasons.
enum class Memory : std::uint8_t { pe, core, activation, parameter, instruction };
inline constexpr std::size_t memory_count = 5;
/// "pe_memory_overflow", …
std::string overflow_reason(Memory memory);

/// Which dimension each level of the hardware divides: its output pixels, or its output channels. Columns of PEs (X)
/// take image columns, rows of PEs (Y) image rows; without a window both divide all pixels.
struct Division {
  bool x_channels, y_channels, cores_channels;
};
inline constexpr std::array<Division, 8> divisions = {{{false, false, false},
                                                       {false, false, true},
                                                       {false, true, false},
                                                       {false, true, true},
                                                       {true, false, false},
                                                       {true, false, true},
                                                       {true, true, false},
                                                       {true, true, true}}};

/// The order in which a core walks its share of a layer, and where weights wait meanwhile.
enum class Order : std::uint8_t {
  weights_in_core,  ///< channels outside: the weights of one tile of channels stay in core memory for all pixels
  partial_sums,     ///< the same with as many input channels as fit; partial sums go to PE memory in between
  weights_in_pe,    ///< the layer's weights stay in PE memory and pass through core memory for every tile of pixels
  pixels_outside,   ///< all of the core's weights stay in core memory; inputs are read once
};
inline constexpr std::size_t order_count = 4;

struct MappingChoice {
  std::uint8_t division = 0;
  Order order = Order::weights_in_core;
};

/// One way to run a layer, with what it needs and what it costs, all steps included.
struct Mapping {
  std::array<double, memory_count> needs{};  ///< bytes, bytes, entries, bytes, entries
  double cycles = 0;                         ///< without DRAM
  double compute_cycles = 0, pe_port_cycles = 0, core_port_cycles = 0, network_cycles = 0, start_cycles = 0;
  // What the description and the energy need; not filled while searching.
  double active_pes = 0, active_cores = 0, pixels_per_core = 0, channels_per_core = 0;
  double channel_tiles = 0, pixel_tiles = 0, input_splits = 1;
  double pe_bytes = 0, core_bytes = 0, network_bytes = 0;  ///< moved, over the whole chip
};

/// Needs and costs of a choice, whether it fits or not.
Mapping map_layer(const LayerFacts& layer, const Chip& chip, MappingChoice choice);

/// A compiled network: a mapping for every distinct layer and the weights that stay on chip between inferences.
struct Program {
  bool fits = false;
  // If it fits:
  std::vector<MappingChoice> choices;  ///< per distinct layer
  std::vector<double> on_chip_cycles;  ///< per distinct layer
  double resident_bytes = 0;           ///< of weights
  double cycles = 0;                   ///< of an inference
  // If it does not:
  std::size_t layer = 0;  ///< distinct layer
  Memory memory = Memory::pe;
  double need = 0, have = 0;  ///< in the unit of the memory
};

/// Reusable by one thread: nothing is allocated after the first design.
class Mapper {
 public:
  explicit Mapper(const NetworkFacts& network);
  /// The fastest program, or the memory that the nearest mapping of the first impossible layer overflows.
  const Program& compile(const Chip& chip);
  /// Of the last program: the weight bytes of each distinct layer that stay on chip.
  std::vector<double> resident_bytes_per_layer(const Chip& chip) const;

 private:
  /// Shares of PE memory that working sets may take; the rest keeps weights between inferences.
  static constexpr std::array<double, 8> shares = {1, 0.75, 0.5, 0.375, 0.25, 0.125, 0.0625, 0.03125};
  struct Best {
    double cycles;
    MappingChoice choice;
  };
  bool search(const LayerFacts& layer, const Chip& chip, std::array<Best, shares.size()>& best) const;
  void explain(std::size_t layer, const Chip& chip);

  const NetworkFacts& network_;
  std::vector<std::array<Best, shares.size()>> best_;
  Program program_;
};

}  // namespace corbel::edge
