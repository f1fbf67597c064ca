#pragma once

#include "corbel/simulator/edge_constants.hpp"
#include "corbel/simulator/edge_mapper.hpp"

namespace corbel {

/// @throws Error{invalid_input} with the choices
const EdgeTechnology& edge_technology(std::string_view name);

/// Silicon of the whole chip in mm²: PEs with their cores and memories, controller, DRAM interface. Strictly
/// increasing in every size of the chip.
double edge_area_mm2(const EdgeHardware& hardware, const EdgeTechnology& technology);

/// Energy per event in pJ, for one chip.
struct EdgeEnergyTable {
  double mac, requantise, vector_operation;
  double parameter_byte, activation_byte, core_byte, pe_byte, instruction;
  double network_byte, dram_byte;
};
EdgeEnergyTable edge_energy_table(const EdgeChip& chip, const EdgeTechnology& technology);

/// Dynamic energy of a layer in pJ, without DRAM. At least macs · mac.
double edge_layer_energy_pj(const EdgeLayerFacts& layer, const EdgeMapping& mapping, const EdgeEnergyTable& table);

}  // namespace corbel
