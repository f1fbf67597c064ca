#include <fmt/format.h>

#include "corbel/base/error.hpp"
#include "corbel/simulator/edge_cost.hpp"

namespace corbel {
namespace {

double sram_mm2(double bytes, double port_bits) {
  return bytes * edge_sram_area_per_byte_mm2 + port_bits * edge_sram_area_per_port_bit_mm2;
}

}  // namespace

const EdgeTechnology& edge_technology(std::string_view name) {
  for (const EdgeTechnology& each : edge_technologies) {
    if (each.name == name) return each;
  }
  std::vector<std::string> names;
  for (const EdgeTechnology& each : edge_technologies) names.emplace_back(each.name);
  throw unknown_name("technology", name, names);
}

double edge_area_mm2(const EdgeHardware& hardware, const EdgeTechnology& technology) {
  const auto number = [](std::int64_t value) { return static_cast<double>(value); };
  const double lanes = number(hardware.compute_lanes);
  // Parameter and activation memory serve every lane with a 32-bit word in every cycle: one bank per lane.
  const double lane_port_bits = lanes * 32, wide_port_bits = edge_memory_port_bytes * 8;
  const double core = sram_mm2(number(hardware.core_memory), wide_port_bits) +
                      sram_mm2(number(hardware.parameter_memory) * edge_parameter_entry_bytes, lane_port_bits) +
                      sram_mm2(number(hardware.activation_memory) * edge_activation_entry_bytes, lane_port_bits) +
                      lanes * (edge_lane_ways * edge_mac_area_mm2 + edge_requantiser_area_mm2) +
                      edge_core_control_area_mm2;
  const double pe =
      sram_mm2(number(hardware.pe_memory), wide_port_bits) + number(hardware.cores) * core + edge_router_area_mm2;
  const double controller =
      edge_controller_area_mm2 +
      sram_mm2(number(hardware.instruction_memory) * edge_instruction_entry_bytes, edge_instruction_entry_bytes * 8);
  const double digital = number(hardware.pes_x) * number(hardware.pes_y) * pe + controller;
  return digital * technology.area / edge_technology("7nm").area +
         hardware.dram_bandwidth * edge_dram_interface_area_per_gbs_mm2;
}

}  // namespace corbel
