#include "corbel/simulator/edge_description.hpp"

#include <fmt/format.h>

#include "corbel/base/units.hpp"
#include "corbel/simulator/edge_constants.hpp"
#include "corbel/simulator/edge_mapper.hpp"

namespace corbel {
namespace {

std::string diagram() {
  const auto in_core = [](const std::string& text) { return fmt::format("  | | {:<73} | |\n", text); };
  std::string text = fmt::format(R"(  DRAM
    |  dram_bandwidth
  controller [instruction_memory: an entry is {} bytes]
    |  network on chip, {} bytes per cycle to a PE
  +------+------+-- --+
  |  PE  |  PE  |  .. |  pes_x columns
  +------+------+-- --+
  |  PE  |  PE  |  .. |  pes_y rows
  +------+------+-- --+
    |
    |  each PE
  +-------------------------------------------------------------------------------+
  | pe_memory: activations, partial sums, outputs; what is left keeps weights     |
  |            between inferences                                                 |
)",
                                 edge_instruction_entry_bytes, edge_link_bytes);
  text += fmt::format("  | {:<77} |\n", fmt::format("  |  {} bytes per cycle", edge_memory_port_bytes));
  text += "  | +-- core, one of `cores` ---------------------------------------------------+ |\n";
  text += in_core("core_memory: weights");
  text += in_core("  |");
  text += in_core(
      fmt::format("parameter_memory  [entry: {} byte]  -> compute_lanes lanes, each", edge_parameter_entry_bytes));
  text += in_core(fmt::format("activation_memory [entry: {} bytes] -> {} int8 MACs a cycle",
                              edge_activation_entry_bytes, edge_lane_ways));
  text += "  | +---------------------------------------------------------------------------+ |\n";
  text += "  +-------------------------------------------------------------------------------+\n";
  return text;
}

std::vector<SimulatorDescription::Line> reasons() {
  const double line = edge_memory_port_bytes;
  return {
      {edge_overflow_reason(EdgeMemory::pe),
       "a layer's tensors do not fit into the PE memories, even divided over all PEs; activations stay on chip"},
      {edge_overflow_reason(EdgeMemory::core),
       fmt::format("core memory is too small for both buffers of the least weights that lanes get: a kernel row, in "
                   "lines of {} bytes",
                   line)},
      {edge_overflow_reason(EdgeMemory::activation),
       "activation memory is too small for both buffers of a partial sum per lane and of their operands"},
      {edge_overflow_reason(EdgeMemory::parameter),
       fmt::format("parameter memory is too small for both buffers of a kernel row for all lanes, in lines of {} bytes",
                   line)},
      {edge_overflow_reason(EdgeMemory::instruction),
       fmt::format("a layer's program does not fit into half of the memory: {} instructions set up a core, the others "
                   "move and multiply tiles",
                   edge_setup_instructions)},
  };
}

std::vector<SimulatorDescription::Line> equations() {
  return {
      {"peak", fmt::format("pes_x · pes_y · cores · compute_lanes · {} · 2 · clock", edge_lane_ways)},
      {"compute", fmt::format("products + {} per sum + {} per run of {} products", edge_drain_cycles,
                              edge_pipeline_cycles, edge_run_cycles)},
      {"instructions", fmt::format("active cores · {} + tiles · (input rows + 2) + runs; {} reach the PEs in a cycle",
                                   edge_setup_instructions, edge_instructions_per_cycle)},
      {"layer on chip", "start + exchange + max(compute, PE memory port, core memory port, network, instructions)"},
      {"layer dram", "(weights that are not resident + inputs and outputs of the network) / dram_bandwidth"},
      {"latency", "host_latency + Σ layers max(on chip, dram)"},
      {"energy",
       "MACs and vector operations + bytes at each memory · energy per byte + DRAM bytes + leakage · area · latency"},
      {"area", "PEs · (PE memory + router + cores · (memories + lanes + sequencer)) + controller + DRAM interface"},
      {"power_w", "energy / latency"},
      {"utilisation", "MACs / (peak MACs per cycle · cycles), without the host's part"},
  };
}

std::vector<std::vector<std::string>> technology() {
  std::vector<std::vector<std::string>> table = {
      {"technology", "area, 45 nm = 1", "energy, 45 nm = 1", "int8 MAC pJ", "DRAM pJ/byte"}};
  for (const EdgeTechnology& node : edge_technologies) {
    table.push_back({std::string(node.name), format_number(node.area), format_number(node.energy),
                     format_for_people(edge_mac_energy_pj * node.energy, 3),
                     format_number(edge_dram_energy_pj_per_byte)});
  }
  return table;
}

}  // namespace

SimulatorDescription edge_description() {
  SimulatorDescription description;
  description.diagram = diagram();
  description.settings = {
      {"clock_mhz", "clock of the accelerator"},
      {"technology", "node that area and energy are scaled to"},
      {"host_latency_us", "of an inference, before and after the accelerator runs; 0: the accelerator alone"},
  };
  description.reasons = reasons();
  description.equations = equations();
  description.technology = technology();
  description.documentation = "docs/simulator.md";
  return description;
}

}  // namespace corbel
