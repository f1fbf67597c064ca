#include "corbel/simulator/simulator.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/simulator/edge.hpp"
#include "corbel/simulator/process.hpp"
#include "corbel/simulator/table.hpp"

namespace corbel {
namespace {

std::unique_ptr<Simulator> make_edge(const Config& settings, const DesignSpace&) {
  EdgeSettings edge;
  if (settings.is_null()) return make_edge_simulator(edge);
  settings.allow_only({"name", "clock_mhz", "technology", "host_latency_us"});
  if (const Config* clock = settings.find("clock_mhz")) {
    edge.clock_mhz = clock->quantity("MHz");
    if (!(edge.clock_mhz >= 1 && edge.clock_mhz <= 10000)) {
      throw clock->error("clock_mhz is " + clock->text(), "from 1 to 10,000 MHz");
    }
  }
  if (const Config* technology = settings.find("technology")) {
    edge.technology = technology->choice({"7nm", "16nm", "28nm", "45nm"});
  }
  if (const Config* host = settings.find("host_latency_us")) {
    edge.host_latency_us = host->quantity("us");
    if (!(edge.host_latency_us >= 0 && edge.host_latency_us <= 1e6)) {
      throw host->error("host_latency_us is " + host->text(), "from 0 to 1,000,000 us");
    }
  }
  return make_edge_simulator(edge);
}

std::unique_ptr<Simulator> make_table(const Config& settings, const DesignSpace& space) {
  if (settings.is_null()) {
    throw Error(ErrorCode::invalid_input, "the simulator `table` needs a file",
                "write `simulator: {name: table, file: log.csv}`");
  }
  settings.allow_only({"name", "file"});
  const Config& file = settings.at("file");
  return make_table_simulator(std::filesystem::path(settings.file()).parent_path() / file.text(), space);
}

constexpr std::array<SimulatorInfo, 3> simulator_table = {{
    {"edge", "analytical model of an Edge-TPU-like accelerator: a grid of PEs with cores of int8 MAC lanes",
     "template: arXiv 2102.10423, arXiv 2110.11346; constants: docs/simulator.md", make_edge, nullptr},
    {"table", "answers from the recorded rows of a CSV file", "the file's", make_table, nullptr},
    {"process", "any program: design and workload in, metrics out, its failures told apart by rules", "the program's",
     make_process_simulator, describe_process_simulators},
}};

}  // namespace

std::string_view to_string(OutcomeState state) {
  switch (state) {
    case OutcomeState::complete:
      return "complete";
    case OutcomeState::infeasible:
      return "infeasible";
    case OutcomeState::failed:
      return "failed";
    case OutcomeState::abandoned:
      return "abandoned";
  }
  return "unknown";
}

std::vector<LayerCost> Simulator::layer_costs(const Hardware&, const Network&) const {
  return {};
}

std::vector<Outcome> Simulator::simulate_until_stopped(std::span<const Hardware> hardware, const Network* network,
                                                       const Monitor&) const {
  return simulate(hardware, network);
}

std::uint64_t Simulator::layer_mappings(std::span<const Hardware>, const Network&) const {
  return 0;
}

std::span<const SimulatorInfo> simulators() {
  return simulator_table;
}

std::unique_ptr<Simulator> make_simulator(const Config& config, const DesignSpace& space) {
  const Config& name = config.is_map() ? config.at("name") : config;
  for (const SimulatorInfo& info : simulator_table) {
    if (info.id == name.text()) return info.make(config.is_map() ? config : Config(), space);
  }
  std::vector<std::string> names;
  for (const SimulatorInfo& info : simulator_table) names.emplace_back(info.id);
  throw unknown_name("simulator", name.text(), names, name.place());
}

}  // namespace corbel
