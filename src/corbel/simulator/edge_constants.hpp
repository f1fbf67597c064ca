#pragma once

#include <array>
#include <string_view>

/// Every number of the edge model that is not a parameter of a design, with its source. docs/simulator.md explains how
/// they are used. In the comments: "measured" is a published figure, "derived" follows from one, "choice" is a property
/// of the template that nobody has published.
namespace corbel {

// --- Units of the memories counted in entries (choices; the only place where they stand)

/// An instruction is 128 bits: opcode, addresses, extents and a repeat count. TPUv1's take 12 bytes (Jouppi et al.,
/// ISCA 2017, section 2), with one memory to address.
inline constexpr double edge_instruction_entry_bytes = 16;
/// An entry of parameter memory is one int8 weight: the largest unit for which the parameter memories of the published
/// V1, V2 and V3 configurations (16, 8, 8 Ki entries) are not larger than their core memories (32, 32, 8 KiB;
/// arXiv 2102.10423), from which they are filled.
inline constexpr double edge_parameter_entry_bytes = 1;
/// An entry of activation memory is one 32-bit word: the four int8 operands of one 4-way MAC, or one partial sum.
inline constexpr double edge_activation_entry_bytes = 4;

// --- Data paths (choices, except the lanes)

/// Multipliers of a lane: a lane is a 4-way int8 dot product (arXiv 2102.10423).
inline constexpr double edge_lane_ways = 4;
/// Ports of a PE memory and of a core memory: 512 bits, the port of the CACTI figure below.
inline constexpr double edge_memory_port_bytes = 64;
/// A core's own channels (depthwise, pooling, elementwise) take one operand per lane from this port, so that no more
/// lanes than this can be fed; a convolution broadcasts one word to all lanes instead.
inline constexpr double edge_vector_lanes = edge_memory_port_bytes;
/// What a PE receives from the on-chip network per cycle: 256 bits.
inline constexpr double edge_link_bytes = 32;
/// Instructions that set up a core for a layer: addresses, strides, extents, requantising factors. Derived: NVDLA takes
/// 179 registers of 32 bits per layer in its convolution and output units (opendla.h of nvdla.org: 55 CDMA, 24 CSC,
/// 4 CMAC, 12 CACC, 84 SDP).
inline constexpr double edge_setup_instructions = 45;
/// Products that one instruction makes in every lane: a repeat count of six bits, what 128 bits leave beside an opcode,
/// three addresses of 24 bits, three strides of 12 bits and the flags that order moves and products (choice).
inline constexpr double edge_run_cycles = 64;
/// Instructions reach the PEs over the same links as data.
inline constexpr double edge_instructions_per_cycle = edge_link_bytes / edge_instruction_entry_bytes;
/// The compiler takes divisions of a layer that use at least this share of the cores that the widest one uses (choice).
inline constexpr double edge_least_spread = 0.75;
/// Cycles from the controller to a PE, per hop of the grid, when a layer starts.
inline constexpr double edge_hop_cycles = 2;
/// Depth of a core's pipeline: operand fetch, multiply, add tree, accumulate, requantise, write. Runs do not
/// overlap in it. Chosen in sight of the Coral Edge TPU's compute-bound networks (validation/).
inline constexpr double edge_pipeline_cycles = 48;
/// Cycles in which a lane hands over a sum and clears it, through the port that otherwise adds to it (choice).
inline constexpr double edge_drain_cycles = 2;

/// Time of an inference before and after the accelerator runs. Derived: the fastest runs of three networks that differ
/// five-fold in operations and fifty-fold in weights all take 127.8 to 128.1 µs in the data set published with PRIME
/// (arXiv 2110.11346), so that a fixed cost of about 120 µs is in all of them. A setting of the simulator.
inline constexpr double edge_default_host_latency_us = 120;

// --- Area (mm² at 7 nm unless said otherwise)

/// SRAM as built at 7 nm, large arrays: 0.45 mm² per MB (measured on dies).
inline constexpr double edge_sram_area_per_byte_mm2 = 0.45 / 1e6;
/// Periphery per bit of a macro's port. Derived from CACTI's 8 KB macro with a 512-bit port at 28 nm, 0.0556 mm²: at
/// 7 nm 0.00926 mm², of which 0.00369 mm² are bits; the rest over 512 bits.
inline constexpr double edge_sram_area_per_port_bit_mm2 =
    (0.0556 * 0.059 / 0.3536 - 8192 * edge_sram_area_per_byte_mm2) / 512;
/// An int8 MAC synthesised for 1 GHz at 28 nm, 336.7 µm² (measured, upcycle library), scaled to 7 nm.
inline constexpr double edge_mac_area_mm2 = 336.7e-6 * 0.059 / 0.3536;
/// The 32-bit multiplier and adder that requantise a lane's sum: 3495 + 137 µm² at 45 nm (Horowitz, ISSCC 2014),
/// scaled.
inline constexpr double edge_requantiser_area_mm2 = (3495e-6 + 137e-6) * 0.059;
/// Router of a PE: five ports of 256 bits, four deep, about 5,000 flip-flops and a crossbar (choice).
inline constexpr double edge_router_area_mm2 = 0.005;
/// Sequencer of a core and of the controller, without their memories (choice; control took 2 % of TPUv1).
inline constexpr double edge_core_control_area_mm2 = 0.001;
inline constexpr double edge_controller_area_mm2 = 0.5;
/// DRAM interface per GB/s: controller and LPDDR4 pads (choice). Analogue: does not shrink with the node.
inline constexpr double edge_dram_interface_area_per_gbs_mm2 = 0.1;

// --- Energy (pJ at 45 nm, 0.9 V, unless said otherwise; Horowitz, ISSCC 2014)

/// int8 multiply 0.2 pJ and 32-bit add 0.1 pJ.
inline constexpr double edge_mac_energy_pj = 0.2 + 0.1;
/// An 8 KB SRAM: 10 pJ per 64 bits; other sizes by the square root of the capacity. At 7 nm this gives 15.0 pJ/B for
/// 128 MB, where 15 were measured in TPU v4i, and 2.7 for 4 MB, where 2.0 were.
inline constexpr double edge_sram_energy_8k_pj_per_byte = 10.0 / 8;
/// Requantising one sum: 32-bit multiply and add.
inline constexpr double edge_requantise_energy_pj = 3.1 + 0.1;
/// A pooling or elementwise operation: an 8-bit add.
inline constexpr double edge_vector_energy_pj = 0.03;
/// A byte over the on-chip network: a third of a 108 KB buffer access (Eyeriss, ISCA 2016: 2 against 6).
inline constexpr double edge_network_energy_pj_per_byte = 1.53;
/// LPDDR4: 8 pJ per bit, at any node of the accelerator.
inline constexpr double edge_dram_energy_pj_per_byte = 64;
/// Leakage per mm² of logic and SRAM. Derived: CACTI 7 gives 0.102 mW for an SRAM bank of 0.0104 mm². Taken for every
/// node, since the supply and threshold voltages have been scaled to keep it.
inline constexpr double edge_leakage_mw_per_mm2 = 9.8;

// --- Technology

/// Area and energy relative to 45 nm: Stillmaker and Baas, Integration 58 (2017); energy at 0.8 V. 28 nm is
/// interpolated geometrically between 32 nm (0.46, 0.66) and 20 nm (0.21, 0.22).
struct EdgeTechnology {
  std::string_view name;
  double area;
  double energy;
};
inline constexpr std::array<EdgeTechnology, 4> edge_technologies = {{
    {"7nm", 0.059, 0.094},
    {"16nm", 0.19, 0.17},
    {"28nm", 0.3536, 0.4576},
    {"45nm", 1, 1},
}};

}  // namespace corbel
