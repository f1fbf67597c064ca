#pragma once

#include "corbel/simulator/edge_constants.hpp"
#include "corbel/simulator/edge_mapper.hpp"

namespace corbel::edge {

/// @throws Error{invalid_input} with the choices
const Technology& technology(std::string_view name);

/// Silicon of the whole chip in mm²: PEs with their cores and memories, controller, DRAM interface. Strictly
/// increasing in every size of the chip.
double area_mm2(const EdgeHardware& hardware, const Technology& technology);

/// Energy per event in pJ, for one chip.
struct EnergyTable {
  double mac, requantise, vector_operation;
  double parameter_byte, activation_byte, core_byte, pe_byte, instruction;
  double network_byte, dram_byte;
};
EnergyTable energy_table(const Chip& chip, const Technology& technology);

/// Dynamic energy of a layer in pJ, without DRAM. At least macs · mac.
double layer_energy_pj(const LayerFacts& layer, const Mapping& mapping, const EnergyTable& table);

}  // namespace corbel::edge
