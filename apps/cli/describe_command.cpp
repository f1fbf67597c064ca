#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/units.hpp"
#include "corbel/scorer/kernels.hpp"
#include "corbel/scorer/machine.hpp"
#include "corbel/scorer/network_spec.hpp"
#include "corbel/search/strategy.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/study/study_file.hpp"
#include "corbel/workload/network.hpp"
#include "network_options.hpp"
#include "simulator_option.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

std::string count(double value) {
  return format_for_people(value, 18);
}

void describe_workload(const std::string& name, const NetworkOptions& options, const Common& common) {
  if (name.empty()) {
    Table table({"workload", "title", "MACs", "parameters"});
    json list = json::array();
    for (const std::string& each : zoo_names()) {
      const Network network = load_network(each, {}, options);
      list.push_back({{"name", network.name},
                      {"title", network.title},
                      {"total_macs", network.total_macs()},
                      {"total_parameters", network.total_parameters()}});
      table.row({network.name, network.title, count(static_cast<double>(network.total_macs())),
                 count(static_cast<double>(network.total_parameters()))});
    }
    if (common.json()) return print_json({{"workloads", list}});
    return table.print();
  }
  const Network network = load_network(name, {}, options);
  const auto shape = [](std::int64_t channels, std::int64_t height, std::int64_t width) {
    return fmt::format("{}x{}x{}", channels, height, width);
  };
  json layers = json::array();
  Table table({"layer", "kind", "input", "output", "kernel", "stride", "groups", "MACs", "parameters"});
  for (const Layer& layer : network.layers) {
    layers.push_back({{"name", layer.name},
                      {"kind", to_string(layer.kind)},
                      {"input", {layer.in_channels, layer.in_height, layer.in_width}},
                      {"output", {layer.out_channels, layer.out_height, layer.out_width}},
                      {"kernel", {layer.kernel_height, layer.kernel_width}},
                      {"stride", {layer.stride_height, layer.stride_width}},
                      {"groups", layer.groups},
                      {"steps", layer.steps},
                      {"macs", layer.macs()},
                      {"parameters", layer.parameters()}});
    table.row({layer.name, std::string(to_string(layer.kind)),
               shape(layer.in_channels, layer.in_height, layer.in_width),
               shape(layer.out_channels, layer.out_height, layer.out_width),
               fmt::format("{}x{}", layer.kernel_height, layer.kernel_width),
               fmt::format("{}x{}", layer.stride_height, layer.stride_width), std::to_string(layer.groups),
               count(static_cast<double>(layer.macs())), count(static_cast<double>(layer.parameters()))});
  }
  if (common.json()) {
    return print_json({{"name", network.name},
                       {"title", network.title},
                       {"source", network.source},
                       {"domain", network.domain},
                       {"batch", network.batch},
                       {"fingerprint", network.fingerprint()},
                       {"total_macs", network.total_macs()},
                       {"total_parameters", network.total_parameters()},
                       {"total_vector_operations", network.total_vector_operations()},
                       {"layers", layers}});
  }
  fmt::print("{}, batch {}\n{}\n\n", network.title, network.batch, network.source);
  table.print();
  fmt::print("\ntotal: {} MACs, {} parameters, {} other operations in {} layers\n",
             count(static_cast<double>(network.total_macs())), count(static_cast<double>(network.total_parameters())),
             count(static_cast<double>(network.total_vector_operations())), network.layers.size());
}

void describe_space(const std::string& name, const Common& common) {
  // "edge" and a path mean the same as after `space:` in a study.
  Config node = Config::parse(name.empty() ? "edge" : name, "space");
  const DesignSpace space = DesignSpace::from_config(node);
  if (common.json()) {
    json result = space.to_json();
    result["designs"] = space.size();
    result["fingerprint"] = space.fingerprint();
    return print_json(result);
  }
  Table table({"parameter", "kind", "unit", "count", "values"});
  for (const Parameter& parameter : space.parameters()) {
    std::string values;
    constexpr std::uint32_t most = 16;
    for (std::uint32_t i = 0; i < std::min(parameter.count(), most); ++i) {
      values += (values.empty() ? "" : " ") +
                (parameter.unit() == "bytes" ? format_bytes(parameter.number(i)) : parameter.label(i));
    }
    if (parameter.count() > most) values += " … " + parameter.label(parameter.count() - 1);
    table.row({parameter.name(), std::string(to_string(parameter.kind())), parameter.unit(),
               std::to_string(parameter.count()), values});
  }
  table.print();
  fmt::print("\n{} designs\n", count(static_cast<double>(space.size())));
}

/// Of a kind of simulator, before there is one with its settings.
void describe_kind(const SimulatorInfo& info, const Common& common) {
  const SimulatorDescription description = info.describe();
  if (common.json()) {
    json result = {{"id", info.id},
                   {"summary", info.summary},
                   {"settings", json::array()},
                   {"reasons", json::array()},
                   {"documentation", description.documentation}};
    for (const auto& [name, help] : description.settings)
      result["settings"].push_back({{"name", name}, {"help", help}});
    for (const auto& [name, help] : description.reasons) result["reasons"].push_back({{"name", name}, {"help", help}});
    return print_json(result);
  }
  fmt::print("{}: {}\n\n", info.id, info.summary);
  Table settings({"setting", "meaning"});
  for (const auto& [name, help] : description.settings) settings.row({name, help});
  settings.print();
  fmt::print("\n");
  Table reasons({"reason", "meaning"});
  for (const auto& [name, help] : description.reasons) reasons.row({name, help});
  reasons.print();
  fmt::print("\nin full: {}; of a study's own: corbel describe simulator --study FILE\n", description.documentation);
}

json simulator_json(const Simulator& simulator) {
  const SimulatorDescription description = simulator.description();
  json result = {{"name", simulator.name()},       {"fingerprint", simulator.fingerprint()},
                 {"settings", json::object()},     {"hardware_parameters", json::array()},
                 {"metrics", json::array()},       {"reasons", json::array()},
                 {"equations", json::array()},     {"technology", json::array()},
                 {"diagram", description.diagram}, {"documentation", description.documentation}};
  for (const auto& [setting, value] : simulator.settings()) result["settings"][setting] = value;
  for (const HardwareParameter& parameter : simulator.hardware_parameters()) {
    result["hardware_parameters"].push_back(
        {{"name", parameter.name}, {"unit", parameter.unit}, {"help", parameter.help}});
  }
  for (const MetricInfo& metric : simulator.metrics()) {
    result["metrics"].push_back(
        {{"name", metric.name}, {"needs_workload", metric.needs_workload}, {"help", metric.help}});
  }
  for (const auto& [reason, help] : description.reasons) {
    result["reasons"].push_back({{"name", reason}, {"help", help}});
  }
  for (const auto& [of, equation] : description.equations) {
    result["equations"].push_back({{"name", of}, {"equation", equation}});
  }
  for (std::size_t row = 1; row < description.technology.size(); ++row) {
    json entry = json::object();
    for (std::size_t i = 0; i < description.technology[row].size(); ++i) {
      entry[description.technology.front()[i]] = description.technology[row][i];
    }
    result["technology"].push_back(entry);
  }
  return result;
}

void print_simulator(const Simulator& simulator) {
  const SimulatorDescription description = simulator.description();
  if (!description.diagram.empty()) fmt::print("{}\n", description.diagram);
  Table parameters({"hardware parameter", "unit", "meaning"});
  for (const HardwareParameter& parameter : simulator.hardware_parameters()) {
    parameters.row({parameter.name, parameter.unit, parameter.help});
  }
  parameters.print();
  fmt::print("\n");
  Table metrics({"metric", "needs", "meaning"});
  for (const MetricInfo& metric : simulator.metrics()) {
    metrics.row({metric.name, metric.needs_workload ? "hardware, workload" : "hardware", metric.help});
  }
  metrics.print();
  fmt::print("\n");
  Table settings({"setting", "value", "meaning"});
  for (const auto& [setting, value] : simulator.settings()) {
    const auto help = std::find_if(description.settings.begin(), description.settings.end(),
                                   [&](const SimulatorDescription::Line& line) { return line.name == setting; });
    settings.row({setting, value, help == description.settings.end() ? "" : help->text});
  }
  settings.print();
  const auto print_lines = [](const char* what, const char* is, const std::vector<SimulatorDescription::Line>& lines) {
    if (lines.empty()) return;
    fmt::print("\n");
    Table table({what, is});
    for (const auto& [name, text] : lines) table.row({name, text});
    table.print();
  };
  print_lines("reason", "meaning", description.reasons);
  print_lines("quantity", "equation", description.equations);
  if (!description.technology.empty()) {
    fmt::print("\n");
    Table technology(description.technology.front());
    for (std::size_t row = 1; row < description.technology.size(); ++row) technology.row(description.technology[row]);
    technology.print();
  }
  if (!description.documentation.empty()) fmt::print("\nin full, with sources: {}\n", description.documentation);
}

void describe_simulator(const std::string& name, const std::vector<std::string>& settings, const std::string& space,
                        const std::string& study, const Common& common) {
  if (!study.empty()) {
    const StudyFile file = load_simulator_study(study);
    if (!name.empty() && name != file.simulator->name()) {
      throw Error(ErrorCode::usage,
                  fmt::format("the simulator of {} is {}, not {}", study, file.simulator->name(), name),
                  "leave out the name, or --study");
    }
    return common.json() ? print_json(simulator_json(*file.simulator)) : print_simulator(*file.simulator);
  }
  for (const SimulatorInfo& info : simulators()) {
    if (info.id == name && info.describe != nullptr && settings.empty()) return describe_kind(info, common);
  }
  if (name.empty()) {
    Table table({"simulator", "is", "source"});
    json list = json::array();
    for (const SimulatorInfo& info : simulators()) {
      list.push_back({{"id", info.id}, {"summary", info.summary}, {"source", info.source}});
      table.row({std::string(info.id), std::string(info.summary), std::string(info.source)});
    }
    if (common.json()) return print_json({{"simulators", list}});
    return table.print();
  }
  const auto simulator = make_named_simulator(name, settings, space);
  if (common.json()) return print_json(simulator_json(*simulator));
  print_simulator(*simulator);
}

void describe_strategy(const std::string& name, const Common& common) {
  std::vector<std::string> ids;
  for (const StrategyInfo& info : strategies()) ids.emplace_back(info.id);
  if (!name.empty() && std::find(ids.begin(), ids.end(), name) == ids.end()) {
    throw unknown_name("strategy", name, ids);
  }
  json list = json::array();
  Table table({"strategy", "is", "source"});
  for (const StrategyInfo& info : strategies()) {
    if (!name.empty() && info.id != name) continue;
    json options = json::array();
    Table option_table({"option", "default", "range", "meaning"});
    for (const StrategyOption& option : info.options) {
      options.push_back({{"name", option.name},
                         {"default", option.default_value},
                         {"min", option.min},
                         {"max", option.max},
                         {"help", option.help}});
      option_table.row({std::string(option.name), format_number(option.default_value),
                        fmt::format("{} to {}", format_number(option.min), format_number(option.max)),
                        std::string(option.help)});
    }
    list.push_back({{"id", info.id}, {"summary", info.summary}, {"source", info.source}, {"options", options}});
    table.row({std::string(info.id), std::string(info.summary), std::string(info.source)});
    if (!name.empty() && !common.json()) {
      fmt::print("{}: {}\n{}\n\n", info.id, info.summary, info.source);
      option_table.print();
    }
  }
  if (common.json()) return print_json(name.empty() ? json{{"strategies", list}} : list.front());
  if (name.empty()) table.print();
}

void describe_machine(const Common& common) {
  // Every kind of network in its default shape on the built-in space.
  const DesignSpace space = DesignSpace::edge();
  json sets = json::array(), kernels = json::array(), networks = json::array();
  for (const std::string& name : instruction_sets()) sets.push_back(name);
  Table kernel_table({"kernel", "arithmetic"}), network_table({"network", "exact", "fast"});
  for (const ScorerKernel& kernel : scorer_kernels()) {
    const char* arithmetic = kernel.arithmetic == Arithmetic::exact ? "single precision" : "bf16";
    kernels.push_back({{"name", kernel.name}, {"arithmetic", arithmetic}});
    kernel_table.row({kernel.name, arithmetic});
  }
  for (const auto& [name, kind] : network_kinds) {
    NetworkSpec spec;
    spec.kind = kind;
    const char* exact = fastest_kernel(spec, space, Arithmetic::exact).name;
    const char* fast = fastest_kernel(spec, space, Arithmetic::fast).name;
    networks.push_back({{"network", name}, {"exact", exact}, {"fast", fast}});
    network_table.row({name, exact, fast});
  }
  if (common.json()) {
    return print_json(
        {{"cores", available_cores()}, {"instruction_sets", sets}, {"kernels", kernels}, {"networks", networks}});
  }
  std::string listed;
  for (const json& name : sets) listed += (listed.empty() ? "" : " ") + name.get<std::string>();
  fmt::print("cores: {}\ninstruction sets: {}\n\n", available_cores(), listed.empty() ? "none of use" : listed);
  kernel_table.print();
  fmt::print("\n");
  network_table.print();
  fmt::print("\nThe kernel that computes each network in its default shape: `corbel bench scorer` measures them.\n");
}

}  // namespace

void add_describe_command(CLI::App& app, Common& common, int&) {
  CLI::App* describe =
      app.add_subcommand("describe", "Describe a workload, space, simulator or strategy, or this machine");
  describe->require_subcommand(1);
  const auto name = std::make_shared<std::string>();
  const auto settings = std::make_shared<std::vector<std::string>>();
  const auto options = std::make_shared<NetworkOptions>();
  const auto space = std::make_shared<std::string>("edge");
  const auto study = std::make_shared<std::string>();
  const auto add = [&](const char* what, const char* help, const char* of, std::function<void()> action) {
    CLI::App* command = describe->add_subcommand(what, help);
    command->add_option("NAME", *name, of);
    add_common(*command, common);
    command->callback(std::move(action));
    return command;
  };
  CLI::App* workload = add("workload", "Layers and totals of a network; without a name, the zoo",
                           "A network of the zoo, a workload file or an ONNX file",
                           [=, &common] { describe_workload(*name, *options, common); });
  add_network_options(*workload, *options);
  add("space", "Parameters and values of a design space", "edge, or a space file",
      [=, &common] { describe_space(*name, common); });
  CLI::App* simulator =
      add("simulator", "Template, parameters, metrics, settings, equations; without a name, all", "A simulator",
          [=, &common] { describe_simulator(*name, *settings, *space, *study, common); });
  simulator->add_option("--set", *settings, "A setting, such as clock_mhz=1066");
  simulator->add_option("--space", *space, "For simulator table: the space file that names its columns");
  simulator->add_option("--study", *study, "The simulator of this study file");
  add("strategy", "Options of a search strategy; without a name, all", "A strategy",
      [=, &common] { describe_strategy(*name, common); });
  CLI::App* machine = describe->add_subcommand("machine", "Cores, instruction sets, and how networks are computed");
  add_common(*machine, common);
  machine->callback([&common] { describe_machine(common); });
}

}  // namespace corbel::cli
