#include "corbel/simulator/edge_cost.hpp"

#include <cmath>

namespace corbel {
namespace {

double sram_pj_per_byte(double bytes) {
  return edge_sram_energy_8k_pj_per_byte * std::sqrt(bytes / 8192);
}

}  // namespace

EdgeEnergyTable edge_energy_table(const EdgeChip& chip, const EdgeTechnology& technology) {
  const double scale = technology.energy;
  EdgeEnergyTable table{};
  table.mac = edge_mac_energy_pj * scale;
  table.requantise = edge_requantise_energy_pj * scale;
  table.vector_operation = edge_vector_energy_pj * scale;
  table.parameter_byte = sram_pj_per_byte(chip.parameter_bytes / chip.lanes) * scale;  // one bank per lane
  table.activation_byte = sram_pj_per_byte(chip.activation_entries * edge_activation_entry_bytes) * scale;
  table.core_byte = sram_pj_per_byte(chip.core_memory) * scale;
  table.pe_byte = sram_pj_per_byte(chip.pe_memory) * scale;
  table.instruction =
      edge_instruction_entry_bytes * sram_pj_per_byte(chip.instruction_entries * edge_instruction_entry_bytes) * scale;
  table.network_byte = edge_network_energy_pj_per_byte * scale;
  table.dram_byte = edge_dram_energy_pj_per_byte;
  return table;
}

double edge_layer_energy_pj(const EdgeLayerFacts& layer, const EdgeMapping& mapping, const EdgeEnergyTable& table) {
  // A convolution reads one word per core and cycle for all lanes; channelwise layers read an operand per operation.
  const double activation_bytes =
      layer.layer_class == EdgeLayerClass::dense
          ? mapping.product_cycles * edge_lane_ways * mapping.active_pes * mapping.active_cores
          : layer.macs + layer.vector_operations * layer.operands;
  const double requantised = layer.macs > 0 ? layer.outputs : 0;
  return layer.macs * (table.mac + (layer.word_bytes > 0 ? table.parameter_byte : 0)) + requantised * table.requantise +
         layer.vector_operations * table.vector_operation + activation_bytes * table.activation_byte +
         mapping.core_bytes * table.core_byte + mapping.pe_bytes * table.pe_byte +
         mapping.network_bytes * table.network_byte + mapping.dispatched_instructions * table.instruction;
}

}  // namespace corbel
