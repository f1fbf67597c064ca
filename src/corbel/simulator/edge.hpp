#pragma once

#include <cstdint>
#include <string>

#include "corbel/simulator/edge_constants.hpp"
#include "corbel/simulator/simulator.hpp"

namespace corbel {

/// The hardware of the template in docs/simulator.md: a grid of PEs, each with cores of 4-way int8 MAC lanes.
struct EdgeHardware {
  std::int64_t pes_x, pes_y;
  std::int64_t compute_lanes;       ///< per core, each a 4-way int8 MAC
  std::int64_t cores;               ///< per PE
  std::int64_t pe_memory;           ///< bytes per PE
  std::int64_t core_memory;         ///< bytes per core
  std::int64_t activation_memory;   ///< entries per core
  std::int64_t instruction_memory;  ///< entries
  std::int64_t parameter_memory;    ///< entries per core
  double dram_bandwidth;            ///< GB/s
};

/// Settings that are not part of a design.
struct EdgeSettings {
  double clock_mhz = 800;
  std::string technology = "7nm";  ///< "7nm", "16nm", "28nm" or "45nm"
  /// Of an inference, before and after the accelerator runs.
  double host_latency_us = edge_default_host_latency_us;
};

/// Peak of the MAC arrays: pes_x·pes_y·cores·lanes·4·2·clock. PRIME (arXiv 2110.11346).
double peak_tops(const EdgeHardware& hardware, const EdgeSettings& settings);

/// The built-in analytical model of docs/simulator.md; metrics latency_ms, energy_mj, power_w, area_mm2 (static), and
/// utilisation, dram_mb, resident_weight_share.
/// @throws Error{invalid_input} for a clock outside 1 to 10,000 MHz, a host latency outside 0 to 1e6 us, or an
///         unknown technology
std::unique_ptr<Simulator> make_edge_simulator(const EdgeSettings& settings = {});

}  // namespace corbel
