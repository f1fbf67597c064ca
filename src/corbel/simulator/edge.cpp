#include "corbel/simulator/edge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/units.hpp"
#include "corbel/simulator/edge_cost.hpp"
#include "corbel/simulator/edge_description.hpp"
#include "corbel/simulator/edge_mapper.hpp"

namespace corbel {
namespace {

enum Metric : std::size_t { latency, energy, power, area, utilisation, dram, resident, metric_count };

const std::array<MetricInfo, metric_count> metric_table = {{
    {"latency_ms", "time of one inference, with the host's part", true},
    {"energy_mj", "energy of one inference, accelerator and DRAM", true},
    {"power_w", "energy over latency", true},
    {"area_mm2", "silicon, with the DRAM interface", false, true},
    {"utilisation", "multiply-accumulates over the peak, while the accelerator runs", true},
    {"dram_mb", "megabytes moved between DRAM and chip in one inference", true},
    {"resident_weight_share", "share of the weight bytes that stay on chip between inferences", true},
}};

/// A hardware parameter, the member it fills, and the range that the model makes sense in.
struct Field {
  HardwareParameter info;
  std::int64_t EdgeHardware::*member;
  double min, max;
};

constexpr double mebi = 1024.0 * 1024.0;

const std::array<Field, 9> fields = {{
    {{"pes_x", "", "columns of the grid of PEs"}, &EdgeHardware::pes_x, 1, 1024},
    {{"pes_y", "", "rows of the grid of PEs"}, &EdgeHardware::pes_y, 1, 1024},
    {{"compute_lanes", "", "lanes per core, each a 4-way int8 MAC"}, &EdgeHardware::compute_lanes, 1, 65536},
    {{"cores", "", "cores per PE"}, &EdgeHardware::cores, 1, 1024},
    {{"pe_memory", "bytes", "memory of a PE, shared by its cores"}, &EdgeHardware::pe_memory, 1024, 4096 * mebi},
    {{"core_memory", "bytes", "memory of a core, for weights"}, &EdgeHardware::core_memory, 64, 1024 * mebi},
    {{"activation_memory", "entries", "per core, an entry is 4 bytes"}, &EdgeHardware::activation_memory, 1, 64 * mebi},
    {{"instruction_memory", "entries", "an entry is 16 bytes"}, &EdgeHardware::instruction_memory, 1, 64 * mebi},
    {{"parameter_memory", "entries", "per core, an entry is 1 byte"}, &EdgeHardware::parameter_memory, 1, 64 * mebi},
}};
const HardwareParameter bandwidth_info = {"dram_bandwidth", "GB/s", "between DRAM and chip"};
constexpr double max_bandwidth = 100000;

double checked_number(const Value& value, const HardwareParameter& info, double min, double max, bool whole) {
  const double* number = std::get_if<double>(&value);
  if (number == nullptr || !(*number >= min && *number <= max) || (whole && *number != std::floor(*number))) {
    throw Error(ErrorCode::invalid_input, fmt::format("{} is {}", info.name, to_string(value)),
                fmt::format("the edge simulator takes {} from {} to {}{}{}", whole ? "whole numbers" : "numbers",
                            format_number(min), format_number(max), info.unit.empty() ? "" : " ", info.unit));
  }
  return *number;
}

EdgeHardware read_hardware(const Hardware& values) {
  if (values.size() != fields.size() + 1) {
    throw Error(ErrorCode::invalid_input,
                fmt::format("the edge simulator takes {} hardware values, not {}", fields.size() + 1, values.size()));
  }
  EdgeHardware hardware{};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    hardware.*fields[i].member =
        static_cast<std::int64_t>(checked_number(values[i], fields[i].info, fields[i].min, fields[i].max, true));
  }
  hardware.dram_bandwidth = checked_number(values.back(), bandwidth_info, 1e-6, max_bandwidth, false);
  return hardware;
}

std::string amount(EdgeMemory memory, double value) {
  switch (memory) {
    case EdgeMemory::pe:
    case EdgeMemory::core:
      return format_bytes(std::ceil(value));
    default:
      return format_for_people(std::ceil(value), 12);
  }
}

std::string overflow_detail(const EdgeProgram& program, const EdgeNetworkFacts& facts, const Network& network) {
  const auto first = std::find(facts.facts_of.begin(), facts.facts_of.end(), program.layer) - facts.facts_of.begin();
  const std::string needs =
      fmt::format("layer {} ({}) needs {}", first, network.layers[first].name, amount(program.memory, program.need));
  const std::string have = amount(program.memory, std::floor(program.have));
  switch (program.memory) {
    case EdgeMemory::pe:
      return fmt::format("{} of PE memory, there are {}", needs, have);
    case EdgeMemory::core:
      return fmt::format("{} of core memory, there are {}", needs, have);
    case EdgeMemory::activation:
      return fmt::format("{} entries of activation memory, there are {}", needs, have);
    case EdgeMemory::parameter:
      return fmt::format("{} entries of parameter memory, there are {}", needs, have);
    case EdgeMemory::instruction:
      return fmt::format("{} instructions, half of the memory holds {}", needs, have);
  }
  return needs;
}

std::string_view bound_name(const EdgeMapping& mapping, double dram_cycles) {
  if (dram_cycles > mapping.cycles) return "dram";
  const double running = mapping.cycles - mapping.start_cycles - mapping.exchange_cycles;
  if (mapping.start_cycles > std::max(running, mapping.exchange_cycles)) return "start";
  if (mapping.exchange_cycles > running) return "exchange";
  if (mapping.compute_cycles >= running) return "compute";
  if (mapping.dispatch_cycles >= running) return "instructions";
  if (mapping.network_cycles >= running) return "network";
  return mapping.pe_port_cycles >= running ? "pe_memory" : "core_memory";
}

std::string describe_mapping(const EdgeLayerFacts& layer, const EdgeMappingChoice& choice, const EdgeMapping& mapping) {
  if (layer.fused && mapping.cycles == 0) return "with its producer";
  const EdgeDivision& division = edge_divisions[choice.division];
  const auto what = [](bool channels) { return channels ? "channels" : "pixels"; };
  std::string text = fmt::format("x {} y {} cores {}: {} PEs x {} cores, {} pixels x {} channels each, {} x {} tiles",
                                 what(division.x_channels), what(division.y_channels), what(division.cores_channels),
                                 mapping.active_pes, mapping.active_cores, mapping.pixels_per_core,
                                 mapping.channels_per_core, mapping.pixel_tiles, mapping.channel_tiles);
  if (layer.word_bytes == 0) return text;
  switch (choice.order) {
    case EdgeOrder::weights_in_core:
      return text + ", weights in core memory";
    case EdgeOrder::partial_sums:
      return text + fmt::format(", partial sums over {} parts", mapping.input_splits);
    case EdgeOrder::weights_in_pe:
      return text + ", weights in PE memory";
    case EdgeOrder::pixels_outside:
      return text + ", all weights in core memory";
  }
  return text;
}

class EdgeSimulator final : public Simulator {
 public:
  explicit EdgeSimulator(const EdgeSettings& settings)
      : settings_(settings), technology_(edge_technology(settings.technology)) {
    const auto check = [](const char* name, double value, double min, double max) {
      if (value >= min && value <= max) return;
      throw Error(ErrorCode::invalid_input, fmt::format("{} is {}", name, format_number(value)),
                  fmt::format("from {} to {}", format_number(min), format_number(max)));
    };
    check("clock_mhz", settings.clock_mhz, 1, 10000);
    check("host_latency_us", settings.host_latency_us, 0, 1e6);
    fingerprint_ = corbel::fingerprint(fmt::format("edge {} clock_mhz={} technology={} host_latency_us={}", version,
                                                   format_number(settings.clock_mhz), settings.technology,
                                                   format_number(settings.host_latency_us)));
    for (const Field& field : fields) parameters_.push_back(field.info);
    parameters_.push_back(bandwidth_info);
  }

  const std::string& name() const override { return name_; }
  const std::string& fingerprint() const override { return fingerprint_; }
  std::span<const HardwareParameter> hardware_parameters() const override { return parameters_; }
  std::span<const MetricInfo> metrics() const override { return metric_table; }
  std::vector<std::pair<std::string, std::string>> settings() const override {
    return {{"clock_mhz", format_number(settings_.clock_mhz) + " MHz"},
            {"technology", settings_.technology},
            {"host_latency_us", format_number(settings_.host_latency_us) + " us"}};
  }

  SimulatorDescription description() const override { return edge_description(); }

  std::vector<Outcome> simulate(std::span<const Hardware> hardware, const Network* network) const override {
    if (network == nullptr) {
      throw Error(ErrorCode::invalid_input, "the edge simulator needs a workload",
                  "name one: `workload: mobilenet_v2`");
    }
    const EdgeNetworkFacts facts = edge_network_facts(*network);
    EdgeMapper mapper(facts);
    std::vector<Outcome> outcomes;
    outcomes.reserve(hardware.size());
    for (const Hardware& values : hardware) {
      const EdgeHardware edge = read_hardware(values);
      const EdgeChip chip = make_edge_chip(edge, settings_.clock_mhz);
      outcomes.push_back(outcome(edge, chip, mapper.compile(chip), facts, *network));
    }
    return outcomes;
  }

  std::vector<double> static_metrics(const Hardware& hardware) const override {
    std::vector<double> values(metric_count, std::numeric_limits<double>::quiet_NaN());
    values[area] = edge_area_mm2(read_hardware(hardware), technology_);
    return values;
  }

  std::uint64_t layer_mappings(std::span<const Hardware> hardware, const Network& network) const override {
    const EdgeNetworkFacts facts = edge_network_facts(network);
    EdgeMapper mapper(facts);
    for (const Hardware& values : hardware) mapper.compile(make_edge_chip(read_hardware(values), settings_.clock_mhz));
    return mapper.mappings_weighed();
  }

  std::vector<LayerCost> layer_costs(const Hardware& hardware, const Network& network) const override {
    const EdgeNetworkFacts facts = edge_network_facts(network);
    const EdgeChip chip = make_edge_chip(read_hardware(hardware), settings_.clock_mhz);
    EdgeMapper mapper(facts);
    const EdgeProgram& program = mapper.compile(chip);
    if (!program.fits) return {};
    const std::vector<double> resident_bytes = mapper.resident_bytes_per_layer(chip);
    const EdgeEnergyTable table = edge_energy_table(chip, technology_);
    std::vector<LayerCost> costs;
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      const std::size_t index = facts.facts_of[i];
      const EdgeLayerFacts& layer = facts.layers[index];
      const EdgeMapping mapping = map_edge_layer(layer, chip, program.choices[index]);
      LayerCost cost;
      cost.name = network.layers[i].name;
      cost.kind = std::string(to_string(network.layers[i].kind));
      cost.weight_bytes = layer.dram_weight_bytes;
      cost.resident_weight_bytes = resident_bytes[index];
      cost.dram_bytes = layer.dram_weight_bytes - cost.resident_weight_bytes + layer.dram_other_bytes;
      const double dram_cycles = cost.dram_bytes / chip.dram_bytes_per_cycle;
      cost.latency_ms = milliseconds(std::max(mapping.cycles, dram_cycles));
      cost.compute_ms = milliseconds(mapping.compute_cycles);
      cost.dram_ms = milliseconds(dram_cycles);
      cost.on_chip_ms =
          milliseconds(mapping.exchange_cycles + std::max({mapping.pe_port_cycles, mapping.core_port_cycles,
                                                           mapping.network_cycles, mapping.dispatch_cycles}));
      cost.energy_mj = 1e-9 * (edge_layer_energy_pj(layer, mapping, table) + cost.dram_bytes * table.dram_byte);
      const double cycles = std::max(mapping.cycles, dram_cycles);
      cost.utilisation = cycles > 0 ? layer.macs / (macs_per_cycle(chip) * cycles) : 0;
      cost.bound = std::string(bound_name(mapping, dram_cycles));
      cost.mapping = describe_mapping(layer, program.choices[index], mapping);
      costs.push_back(std::move(cost));
    }
    LayerCost host;
    host.name = host.kind = host.bound = "host";
    host.latency_ms = settings_.host_latency_us / 1e3;
    host.mapping = "before and after the accelerator runs";
    costs.push_back(std::move(host));
    return costs;
  }

 private:
  /// Counts up whenever the same hardware and network can give another result.
  static constexpr int version = 2;

  static double macs_per_cycle(const EdgeChip& chip) { return chip.pes * chip.cores * chip.lanes * edge_lane_ways; }
  double milliseconds(double cycles) const { return cycles / (settings_.clock_mhz * 1e3); }

  Outcome outcome(const EdgeHardware& hardware, const EdgeChip& chip, const EdgeProgram& program,
                  const EdgeNetworkFacts& facts, const Network& network) const {
    Outcome result;
    result.metrics.assign(metric_count, std::numeric_limits<double>::quiet_NaN());
    result.metrics[area] = edge_area_mm2(hardware, technology_);
    if (!program.fits) {
      result.state = OutcomeState::infeasible;
      result.reason = edge_overflow_reason(program.memory);
      result.detail = overflow_detail(program, facts, network);
      return result;
    }
    result.state = OutcomeState::complete;
    const EdgeEnergyTable table = edge_energy_table(chip, technology_);
    double dynamic_pj = 0;
    for (std::size_t i = 0; i < facts.layers.size(); ++i) {
      const EdgeMapping mapping = map_edge_layer(facts.layers[i], chip, program.choices[i]);
      dynamic_pj += facts.counts[i] * edge_layer_energy_pj(facts.layers[i], mapping, table);
    }
    const double dram_bytes = facts.weight_bytes - program.resident_bytes + facts.other_dram_bytes;
    const double latency_ms = milliseconds(program.cycles) + settings_.host_latency_us * 1e-3;
    const double leakage_mj = edge_leakage_mw_per_mm2 * result.metrics[area] * latency_ms * 1e-3;
    const double energy_mj = 1e-9 * (dynamic_pj + dram_bytes * table.dram_byte) + leakage_mj;
    result.metrics[latency] = latency_ms;
    result.metrics[energy] = energy_mj;
    result.metrics[power] = energy_mj / latency_ms;
    result.metrics[utilisation] = facts.macs / (macs_per_cycle(chip) * program.cycles);
    result.metrics[dram] = dram_bytes * 1e-6;
    result.metrics[resident] = facts.weight_bytes > 0 ? program.resident_bytes / facts.weight_bytes : 0;
    return result;
  }

  EdgeSettings settings_;
  const EdgeTechnology& technology_;
  std::string name_ = "edge", fingerprint_;
  std::vector<HardwareParameter> parameters_;
};

}  // namespace

double peak_tops(const EdgeHardware& hardware, const EdgeSettings& settings) {
  const double lanes = static_cast<double>(hardware.pes_x) * static_cast<double>(hardware.pes_y) *
                       static_cast<double>(hardware.cores) * static_cast<double>(hardware.compute_lanes);
  return lanes * edge_lane_ways * 2 * settings.clock_mhz * 1e6 / 1e12;
}

std::unique_ptr<Simulator> make_edge_simulator(const EdgeSettings& settings) {
  return std::make_unique<EdgeSimulator>(settings);
}

}  // namespace corbel
