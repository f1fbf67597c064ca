#include "corbel/simulator/edge_mapper.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "corbel/simulator/edge_constants.hpp"

namespace corbel {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Division of positive whole numbers, rounded up.
double parts(double whole, double part) {
  return std::ceil(whole / part);
}

/// The most groups that a slice of channels touches, wherever slices of this size begin.
double groups_of(const EdgeLayerFacts& layer, double channels) {
  if (layer.group_channels >= layer.channels) return 1;
  const auto slice = static_cast<std::int64_t>(channels), group = static_cast<std::int64_t>(layer.group_channels);
  return std::min(parts(layer.channels, layer.group_channels),
                  parts(static_cast<double>(slice + group - std::gcd(slice, group)), layer.group_channels));
}

/// The share of a layer that one PE and one core get under a division.
struct Slice {
  double pe_pixels, pe_channels, core_pixels, core_channels;
  double active_pes, active_cores;
  double in_bytes, out_bytes, weight_bytes, second_operand_bytes;
  double held_in_bytes;  ///< of the inputs, what a PE keeps: what it needs, but at least its share of the tensor
  double foreign_bytes;  ///< of the inputs, what other PEs computed
  bool cores_channels;
};

Slice divide(const EdgeLayerFacts& layer, const EdgeChip& chip, const EdgeDivision& division) {
  Slice slice{};
  const double channel_pes = (division.x_channels ? chip.pes_x : 1) * (division.y_channels ? chip.pes_y : 1);
  slice.pe_channels = parts(layer.channels, channel_pes);
  const double channel_parts = parts(layer.channels, slice.pe_channels);
  const double rows_over = division.y_channels ? 1 : chip.pes_y, columns_over = division.x_channels ? 1 : chip.pes_x;
  const bool own_inputs = layer.layer_class == EdgeLayerClass::channelwise || layer.group_channels < layer.channels;
  const double least_inputs = layer.layer_class == EdgeLayerClass::dense ? layer.group_in_channels : 1;
  const double in_channels =
      own_inputs ? std::max(least_inputs, layer.in_channels * slice.pe_channels / layer.channels) : layer.in_channels;
  if (layer.windowed) {
    const double rows = parts(layer.rows, rows_over), columns = parts(layer.columns, columns_over);
    slice.pe_pixels = rows * columns;
    slice.active_pes = parts(layer.rows, rows) * parts(layer.columns, columns) * channel_parts;
    const double in_rows = std::min(layer.in_rows, (rows - 1) * layer.stride_rows + layer.window_rows);
    const double in_columns = std::min(layer.in_columns, (columns - 1) * layer.stride_columns + layer.window_columns);
    slice.in_bytes = in_rows * in_columns * in_channels * layer.operands;
  } else {
    const double pixels = layer.rows * layer.columns;
    slice.pe_pixels = parts(pixels, rows_over * columns_over);
    slice.active_pes = parts(pixels, slice.pe_pixels) * channel_parts;
    slice.in_bytes = slice.pe_pixels * in_channels * layer.operands;
  }
  // The layer before left an even share of its outputs in every PE.
  const double input_pixels = layer.windowed ? layer.in_rows * layer.in_columns : layer.rows * layer.columns;
  const double own_bytes = input_pixels * layer.in_channels * layer.operands / chip.pes;
  slice.held_in_bytes = std::max(slice.in_bytes, own_bytes);
  slice.foreign_bytes = layer.fused ? 0 : std::max(0.0, slice.in_bytes - own_bytes);
  slice.cores_channels = division.cores_channels;
  if (division.cores_channels) {
    slice.core_pixels = slice.pe_pixels;
    slice.core_channels = parts(slice.pe_channels, chip.cores);
    slice.active_cores = parts(slice.pe_channels, slice.core_channels);
  } else {
    slice.core_pixels = parts(slice.pe_pixels, chip.cores);
    slice.core_channels = slice.pe_channels;
    slice.active_cores = parts(slice.pe_pixels, slice.core_pixels);
  }
  slice.out_bytes = slice.pe_pixels * slice.pe_channels;
  const double channel_share = slice.pe_channels / layer.channels;
  slice.weight_bytes = layer.dram_weight_bytes * channel_share;
  slice.second_operand_bytes = layer.second_operand_bytes * channel_share;
  return slice;
}

/// How one core tiles its slice, before an order is chosen.
struct Tiling {
  double lanes;              ///< that can be fed
  double channel_tiles;      ///< walks over the pixels
  double input_walks;        ///< times the inputs are read in them
  double tile_weight_bytes;  ///< one tile of channels, all lanes wide
  double unit_bytes;         ///< least weights fetched at once, both buffers
  double in_channel_bytes;   ///< input channels of the core per input pixel
  double operand_entries;    ///< activation entries of one operand for all lanes
};

Tiling tile(const EdgeLayerFacts& layer, const EdgeChip& chip, const Slice& slice) {
  Tiling tiling{};
  if (layer.layer_class == EdgeLayerClass::channelwise) {
    tiling.lanes = std::min(chip.lanes, edge_vector_lanes);
    tiling.channel_tiles = parts(slice.core_channels, tiling.lanes);
    tiling.input_walks = 1;
    tiling.in_channel_bytes = slice.core_channels * layer.in_channels / layer.channels * layer.operands;
    tiling.operand_entries = std::ceil(tiling.lanes / edge_activation_entry_bytes);
  } else {
    tiling.lanes = chip.lanes;
    const double groups = groups_of(layer, slice.core_channels);
    const double tiles_per_group = parts(std::min(slice.core_channels, layer.group_channels), chip.lanes);
    tiling.channel_tiles = groups * tiles_per_group;
    tiling.input_walks = tiles_per_group;
    tiling.in_channel_bytes = groups * layer.group_in_channels;
    tiling.operand_entries = 1;
  }
  tiling.tile_weight_bytes = layer.weight_words * layer.word_bytes * tiling.lanes;
  // A lane's weights arrive in whole lines.
  const double unit = layer.unit_words * layer.word_bytes;
  tiling.unit_bytes = 2 * tiling.lanes * edge_memory_port_bytes * parts(unit, edge_memory_port_bytes);
  return tiling;
}

/// Writes everything that depends on the order. `detail` adds what only a chosen mapping needs.
template <bool detail>
void order_layer(const EdgeLayerFacts& layer, const EdgeChip& chip, const Slice& slice, const Tiling& tiling,
                 EdgeOrder order, EdgeMapping& mapping) {
  const bool pixels_outside = order == EdgeOrder::pixels_outside;
  // Partial sums of the tile in both buffers, and the operands that stream past them.
  const double window_step = tiling.operand_entries * layer.act_step;
  const double window_first = tiling.operand_entries * layer.act_first;
  double pixel_entries = 2 * (tiling.lanes + window_step), first_entries = 2 * window_first;
  if (pixels_outside) {
    pixel_entries = 2 * (tiling.lanes + std::ceil(tiling.in_channel_bytes * layer.act_rows * layer.window_columns /
                                                  edge_activation_entry_bytes));
    first_entries = 0;
  }
  mapping.needs[static_cast<std::size_t>(EdgeMemory::activation)] = pixel_entries + first_entries;
  const double tile_pixels =
      std::clamp(std::floor((chip.activation_entries - first_entries) / pixel_entries), 1.0, slice.core_pixels);
  const double pixel_tiles = parts(slice.core_pixels, tile_pixels);

  const double weights = tiling.tile_weight_bytes;
  const double all_weights = tiling.channel_tiles * weights;
  const double held_weights = pixels_outside ? all_weights : weights;
  const bool stationary = 2 * held_weights <= chip.parameter_bytes;
  const double parameter_loads = stationary ? 1 : pixel_tiles;

  // Cores that divide pixels share the weights of one tile of channels.
  const double tiles_at_once = slice.cores_channels ? slice.active_cores : 1;
  double core_need = tiling.unit_bytes, staged = all_weights, input_splits = 1, spilled = 0;
  double working_set = slice.held_in_bytes + slice.out_bytes + slice.second_operand_bytes +
                       std::ceil(layer.parked_bytes / chip.pes) + tiling.unit_bytes * tiles_at_once;
  if (layer.steps > 1) working_set += slice.weight_bytes;
  switch (order) {
    case EdgeOrder::weights_in_core:
      core_need = 2 * weights;
      break;
    case EdgeOrder::pixels_outside:
      core_need = all_weights;
      break;
    case EdgeOrder::weights_in_pe:
      staged = all_weights * pixel_tiles;
      if (layer.steps <= 1) {
        working_set += std::min(slice.weight_bytes + slice.second_operand_bytes, 2 * weights * tiles_at_once);
      }
      break;
    case EdgeOrder::partial_sums: {
      const double unit = tiling.unit_bytes;
      const double units_at_once = std::max(1.0, std::floor(chip.core_memory / std::max(unit, 1.0)));
      input_splits = std::max(1.0, parts(2 * weights, units_at_once * std::max(unit, 1.0)));
      if (pixel_tiles > 1 && input_splits > 1) {
        spilled = (input_splits - 1) * 2 * 4 * slice.core_pixels * slice.core_channels;
        working_set += 4 * slice.pe_pixels * std::min(slice.pe_channels, tiling.lanes * tiles_at_once);
      }
      break;
    }
  }
  mapping.needs[static_cast<std::size_t>(EdgeMemory::pe)] = working_set;
  mapping.needs[static_cast<std::size_t>(EdgeMemory::core)] = core_need;
  mapping.needs[static_cast<std::size_t>(EdgeMemory::parameter)] = tiling.unit_bytes;

  // Every core is set up with addresses of its own; the steps of tiles are the same everywhere, and broadcast: inputs
  // in, runs of products, outputs out.
  const double setup = layer.fused ? 0 : slice.active_pes * slice.active_cores * edge_setup_instructions;
  const double tiles = layer.fused ? 0 : tiling.channel_tiles * pixel_tiles;
  const double product_cycles = tiling.channel_tiles * slice.core_pixels * layer.words;
  const double runs = std::max(tiles * input_splits, parts(product_cycles, edge_run_cycles));
  const double drain_cycles = layer.fused ? 0 : edge_drain_cycles * tiling.channel_tiles * slice.core_pixels;
  const double compute_cycles = product_cycles + drain_cycles + runs * edge_pipeline_cycles;
  // Per tile, a move for every row that it reads, one for weights and one for outputs.
  const double tile_moves = layer.kernel_rows + (weights > 0 ? 2 : 1);
  const double tile_instructions = tile_moves * tiles + runs;
  mapping.needs[static_cast<std::size_t>(EdgeMemory::instruction)] = setup + tile_instructions;

  const double inputs = slice.core_pixels * tiling.in_channel_bytes * layer.act_rows *
                        (pixels_outside ? layer.window_columns : layer.act_step + layer.act_first / tile_pixels) *
                        (pixels_outside ? 1 : tiling.input_walks);
  // Cores that share a group of channels hear its inputs together.
  const double reads_of_inputs = slice.cores_channels && layer.layer_class == EdgeLayerClass::dense
                                     ? std::min(slice.active_cores, groups_of(layer, slice.pe_channels))
                                     : slice.active_cores;
  const double pe_bytes = slice.in_bytes + inputs * reads_of_inputs + staged * tiles_at_once +
                          spilled * slice.active_cores + (layer.fused ? 0 : slice.out_bytes);
  const double core_bytes = staged + all_weights * parameter_loads;
  // Weights cross the network while the layer runs. Its inputs have to be there first, since the layer before it has
  // only just ended.
  const double streamed_bytes = slice.weight_bytes + layer.steps * slice.second_operand_bytes;
  const double exchanged_bytes = layer.steps * slice.foreign_bytes;

  mapping.compute_cycles = layer.steps * compute_cycles;
  mapping.pe_port_cycles = layer.steps * pe_bytes / edge_memory_port_bytes;
  mapping.core_port_cycles = layer.steps * core_bytes / edge_memory_port_bytes;
  mapping.network_cycles = streamed_bytes / edge_link_bytes;
  mapping.exchange_cycles = exchanged_bytes / edge_link_bytes;
  const double first_weights = std::min(layer.words, edge_run_cycles) * layer.word_bytes * tiling.lanes;
  mapping.start_cycles =
      layer.fused ? 0 : layer.steps * (edge_hop_cycles * (chip.pes_x + chip.pes_y) + first_weights / edge_link_bytes);
  const double dispatched_instructions = setup + layer.steps * tile_instructions;
  mapping.dispatch_cycles = dispatched_instructions / edge_instructions_per_cycle;
  mapping.cycles = mapping.start_cycles + mapping.exchange_cycles +
                   std::max({mapping.compute_cycles, mapping.pe_port_cycles, mapping.core_port_cycles,
                             mapping.network_cycles, mapping.dispatch_cycles});
  if constexpr (detail) {
    mapping.active_pes = slice.active_pes;
    mapping.product_cycles = layer.steps * product_cycles;
    mapping.dispatched_instructions = dispatched_instructions;
    mapping.active_cores = slice.active_cores;
    mapping.pixels_per_core = slice.core_pixels;
    mapping.channels_per_core = slice.core_channels;
    mapping.channel_tiles = tiling.channel_tiles;
    mapping.pixel_tiles = pixel_tiles;
    mapping.input_splits = input_splits;
    mapping.pe_bytes = layer.steps * pe_bytes * slice.active_pes;
    mapping.core_bytes = layer.steps * core_bytes * slice.active_pes * slice.active_cores;
    mapping.network_bytes = (streamed_bytes + exchanged_bytes) * slice.active_pes;
  }
}

std::array<double, edge_memory_count> capacities(const EdgeChip& chip) {
  return {chip.pe_memory, chip.core_memory, chip.activation_entries, chip.parameter_bytes,
          chip.instruction_entries / 2};  // the other half receives the next layer
}

using Slices = std::array<Slice, edge_divisions.size()>;

/// The divisions of a layer. Tensors are spread over the array: a division that runs the layer on far fewer cores than
/// another one is not considered, and has no active PEs here.
Slices divisions_of(const EdgeLayerFacts& layer, const EdgeChip& chip) {
  Slices slices;
  double most = 0;
  for (std::size_t d = 0; d < slices.size(); ++d) {
    slices[d] = divide(layer, chip, edge_divisions[d]);
    most = std::max(most, slices[d].active_pes * slices[d].active_cores);
  }
  for (Slice& slice : slices) {
    if (slice.active_pes * slice.active_cores < edge_least_spread * most) slice.active_pes = 0;
  }
  return slices;
}

/// Without weights there is nothing to order.
std::size_t orders_of(const EdgeLayerFacts& layer) {
  return layer.word_bytes > 0 ? edge_order_count : 1;
}

}  // namespace

EdgeChip make_edge_chip(const EdgeHardware& hardware, double clock_mhz) {
  const auto number = [](std::int64_t value) { return static_cast<double>(value); };
  EdgeChip chip{};
  chip.pes_x = number(hardware.pes_x);
  chip.pes_y = number(hardware.pes_y);
  chip.pes = chip.pes_x * chip.pes_y;
  chip.lanes = number(hardware.compute_lanes);
  chip.cores = number(hardware.cores);
  chip.pe_memory = number(hardware.pe_memory);
  chip.core_memory = number(hardware.core_memory);
  chip.activation_entries = number(hardware.activation_memory);
  chip.instruction_entries = number(hardware.instruction_memory);
  chip.parameter_bytes = number(hardware.parameter_memory) * edge_parameter_entry_bytes;
  chip.dram_bytes_per_cycle = hardware.dram_bandwidth * 1e9 / (clock_mhz * 1e6);
  return chip;
}

std::string edge_overflow_reason(EdgeMemory memory) {
  switch (memory) {
    case EdgeMemory::pe:
      return "pe_memory_overflow";
    case EdgeMemory::core:
      return "core_memory_overflow";
    case EdgeMemory::activation:
      return "activation_memory_overflow";
    case EdgeMemory::parameter:
      return "parameter_memory_overflow";
    case EdgeMemory::instruction:
      return "instruction_memory_overflow";
  }
  return "overflow";
}

EdgeMapping map_edge_layer(const EdgeLayerFacts& layer, const EdgeChip& chip, EdgeMappingChoice choice) {
  const Slice slice = divide(layer, chip, edge_divisions[choice.division]);
  EdgeMapping mapping;
  order_layer<true>(layer, chip, slice, tile(layer, chip, slice), choice.order, mapping);
  return mapping;
}

EdgeMapper::EdgeMapper(const EdgeNetworkFacts& network) : network_(network), best_(network.layers.size()) {
  program_.choices.resize(network.layers.size());
  program_.on_chip_cycles.resize(network.layers.size());
}

bool EdgeMapper::search(const EdgeLayerFacts& layer, const EdgeChip& chip, std::array<Best, shares.size()>& best) {
  best.fill({infinity, {}});
  const std::array<double, edge_memory_count> have = capacities(chip);
  const std::size_t orders = orders_of(layer);
  EdgeMapping mapping;
  const Slices slices = divisions_of(layer, chip);
  for (std::size_t d = 0; d < slices.size(); ++d) {
    const Slice& slice = slices[d];
    if (slice.active_pes == 0) continue;
    const Tiling tiling = tile(layer, chip, slice);
    mappings_weighed_ += orders;
    for (std::size_t o = 0; o < orders; ++o) {
      order_layer<false>(layer, chip, slice, tiling, static_cast<EdgeOrder>(o), mapping);
      bool fits = true;
      for (std::size_t m = 0; m < edge_memory_count; ++m) fits &= mapping.needs[m] <= have[m];
      if (!fits) continue;
      for (std::size_t s = 0; s < shares.size() && mapping.needs[0] <= shares[s] * chip.pe_memory; ++s) {
        if (mapping.cycles < best[s].cycles) {
          best[s] = {mapping.cycles, {static_cast<std::uint8_t>(d), static_cast<EdgeOrder>(o)}};
        }
      }
    }
  }
  return best[0].cycles < infinity;
}

void EdgeMapper::explain(std::size_t index, const EdgeChip& chip) {
  const EdgeLayerFacts& layer = network_.layers[index];
  const std::array<double, edge_memory_count> have = capacities(chip);
  double nearest = infinity;
  program_.fits = false;
  program_.layer = index;
  const Slices slices = divisions_of(layer, chip);
  for (std::size_t d = 0; d < slices.size(); ++d) {
    if (slices[d].active_pes == 0) continue;
    mappings_weighed_ += orders_of(layer);
    for (std::size_t o = 0; o < orders_of(layer); ++o) {
      const EdgeMapping mapping =
          map_edge_layer(layer, chip, {static_cast<std::uint8_t>(d), static_cast<EdgeOrder>(o)});
      std::size_t worst = 0;
      const auto excess = [&](std::size_t m) { return mapping.needs[m] / std::max(have[m], 1.0); };
      for (std::size_t m = 1; m < edge_memory_count; ++m) {
        if (excess(m) > excess(worst)) worst = m;
      }
      if (excess(worst) < nearest) {
        nearest = excess(worst);
        program_.memory = static_cast<EdgeMemory>(worst);
        program_.need = mapping.needs[worst];
        program_.have = have[worst];
      }
    }
  }
}

const EdgeProgram& EdgeMapper::compile(const EdgeChip& chip) {
  const std::size_t n = network_.layers.size();
  for (std::size_t i = 0; i < n; ++i) {
    if (!search(network_.layers[i], chip, best_[i])) {
      explain(i, chip);
      return program_;
    }
  }
  program_.fits = true;
  program_.cycles = infinity;
  std::size_t chosen = 0;
  for (std::size_t s = 0; s < shares.size(); ++s) {
    const double capacity = std::min((1 - shares[s]) * chip.pe_memory * chip.pes, network_.weight_bytes);
    // Every resident byte that DRAM time is waiting for saves the same time, so that only their number matters.
    double cycles = 0, wanted = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const EdgeLayerFacts& layer = network_.layers[i];
      const double on_chip = best_[i][s].cycles;
      const double dram_bytes = layer.dram_weight_bytes + layer.dram_other_bytes;
      const double late_bytes = std::max(0.0, dram_bytes - on_chip * chip.dram_bytes_per_cycle);
      cycles += network_.counts[i] * (on_chip + late_bytes / chip.dram_bytes_per_cycle);
      wanted += network_.counts[i] * std::min(layer.dram_weight_bytes, late_bytes);
    }
    cycles -= std::min(wanted, capacity) / chip.dram_bytes_per_cycle;
    if (cycles <= program_.cycles) {
      program_.cycles = cycles;
      program_.resident_bytes = capacity;
      chosen = s;
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    program_.choices[i] = best_[i][chosen].choice;
    program_.on_chip_cycles[i] = best_[i][chosen].cycles;
  }
  return program_;
}

std::vector<double> EdgeMapper::resident_bytes_per_layer(const EdgeChip& chip) const {
  const std::size_t n = network_.layers.size();
  std::vector<double> resident(n, 0.0);
  double left = program_.resident_bytes;
  // First the bytes that DRAM time waits for, then any others.
  for (const bool late_only : {true, false}) {
    for (std::size_t i = 0; i < n; ++i) {
      const EdgeLayerFacts& layer = network_.layers[i];
      const double dram_bytes = layer.dram_weight_bytes + layer.dram_other_bytes;
      const double late = std::max(0.0, dram_bytes - program_.on_chip_cycles[i] * chip.dram_bytes_per_cycle);
      const double wanted = std::min(layer.dram_weight_bytes, late_only ? late : layer.dram_weight_bytes) - resident[i];
      const double taken = std::min(std::max(0.0, wanted), left / network_.counts[i]);
      resident[i] += taken;
      left -= taken * network_.counts[i];
    }
  }
  return resident;
}

}  // namespace corbel
