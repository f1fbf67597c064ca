#include <fmt/format.h>

#include "corbel/base/error.hpp"
#include "corbel/simulator/edge_cost.hpp"

namespace corbel::edge {
namespace {

double sram_mm2(double bytes, double port_bits) {
  return bytes * sram_area_per_byte_mm2 + port_bits * sram_area_per_port_bit_mm2;
}

}  // namespace

const Technology& technology(std::string_view name) {
  for (const Technology& each : technologies) {
    if (each.name == name) return each;
  }
  std::vector<std::string> names;
  for (const Technology& each : technologies) names.emplace_back(each.name);
  throw unknown_name("technology", name, names);
}

double area_mm2(const EdgeHardware& hardware, const Technology& technology) {
  const auto number = [](std::int64_t value) { return static_cast<double>(value); };
  const double lanes = number(hardware.compute_lanes);
  // Parameter and activation memory serve every lane with a 32-bit word in every cycle: one bank per lane.
  const double lane_port_bits = lanes * 32, wide_port_bits = memory_port_bytes * 8;
  const double core = sram_mm2(number(hardware.core_memory), wide_port_bits) +
                      sram_mm2(number(hardware.parameter_memory) * parameter_entry_bytes, lane_port_bits) +
                      sram_mm2(number(hardware.activation_memory) * activation_entry_bytes, lane_port_bits) +
                      lanes * (lane_ways * mac_area_mm2 + requantiser_area_mm2) + core_control_area_mm2;
  const double pe =
      sram_mm2(number(hardware.pe_memory), wide_port_bits) + number(hardware.cores) * core + router_area_mm2;
  const double controller =
      controller_area_mm2 +
      sram_mm2(number(hardware.instruction_memory) * instruction_entry_bytes, instruction_entry_bytes * 8);
  const double digital = number(hardware.pes_x) * number(hardware.pes_y) * pe + controller;
  return digital * technology.area / corbel::edge::technology("7nm").area +
         hardware.dram_bandwidth * dram_interface_area_per_gbs_mm2;
}

}  // namespace corbel::edge
