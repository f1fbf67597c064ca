#include "corbel/simulator/edge_cost.hpp"

#include <cmath>

namespace corbel::edge {
namespace {

double sram_pj_per_byte(double bytes) {
  return sram_energy_8k_pj_per_byte * std::sqrt(bytes / 8192);
}

}  // namespace

EnergyTable energy_table(const Chip& chip, const Technology& technology) {
  const double scale = technology.energy;
  EnergyTable table{};
  table.mac = mac_energy_pj * scale;
  table.requantise = requantise_energy_pj * scale;
  table.vector_operation = vector_energy_pj * scale;
  table.parameter_byte = sram_pj_per_byte(chip.parameter_bytes / chip.lanes) * scale;  // one bank per lane
  table.activation_byte = sram_pj_per_byte(chip.activation_entries * activation_entry_bytes) * scale;
  table.core_byte = sram_pj_per_byte(chip.core_memory) * scale;
  table.pe_byte = sram_pj_per_byte(chip.pe_memory) * scale;
  table.instruction =
      instruction_entry_bytes * sram_pj_per_byte(chip.instruction_entries * instruction_entry_bytes) * scale;
  table.network_byte = network_energy_pj_per_byte * scale;
  table.dram_byte = dram_energy_pj_per_byte;
  return table;
}

double layer_energy_pj(const LayerFacts& layer, const Mapping& mapping, const EnergyTable& table) {
  // A convolution reads one word per core and cycle for all lanes; channelwise layers read an operand per operation.
  const double activation_bytes = layer.layer_class == LayerClass::dense
                                      ? mapping.compute_cycles * lane_ways * mapping.active_pes * mapping.active_cores
                                      : layer.macs + layer.vector_operations * layer.operands;
  const double requantised = layer.macs > 0 ? layer.outputs : 0;
  return layer.macs * (table.mac + (layer.word_bytes > 0 ? table.parameter_byte : 0)) + requantised * table.requantise +
         layer.vector_operations * table.vector_operation + activation_bytes * table.activation_byte +
         mapping.core_bytes * table.core_byte + mapping.pe_bytes * table.pe_byte +
         mapping.network_bytes * table.network_byte +
         mapping.needs[static_cast<std::size_t>(Memory::instruction)] * table.instruction;
}

}  // namespace corbel::edge
