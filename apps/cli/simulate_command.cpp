#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/simulator/suite.hpp"
#include "corbel/study/study_file.hpp"
#include "corbel/workload/network.hpp"
#include "network_options.hpp"
#include "simulator_option.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

using NamedValues = std::vector<std::pair<std::string, std::string>>;

struct SimulateArguments {
  std::string design, study, simulator = "edge", space = "edge", combine = "geometric_mean";
  std::vector<std::string> workloads, settings;
  std::vector<double> weights;
  NetworkOptions network;
  bool layers = false, mappings = false;
};

/// "a=1,b=2", or a JSON or YAML file whose top or whose `design` is such a map.
NamedValues read_design(const std::string& text) {
  NamedValues values;
  const std::string extension = std::filesystem::path(text).extension().string();
  if (extension == ".json" || extension == ".yaml" || extension == ".yml") {
    const Config file = Config::load(text);  // JSON is YAML
    const Config& design = file.is_map() && file.has("design") ? file.at("design") : file;
    for (const auto& [name, value] : design.entries()) {
      // Exported designs carry units: {value: 2097152, unit: bytes}.
      values.emplace_back(name, value.is_map() ? value.at("value").text() : value.text());
    }
    return values;
  }
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string item = text.substr(begin, end - begin);
    const std::size_t equals = item.find('=');
    if (equals == std::string::npos) {
      throw Error(ErrorCode::usage, fmt::format("--design: `{}` is not NAME=VALUE", item),
                  "write --design pes_x=4,pes_y=4,… or name a .json or .yaml file");
    }
    values.emplace_back(trim(std::string_view(item).substr(0, equals)),
                        trim(std::string_view(item).substr(equals + 1)));
    begin = end + 1;
  }
  return values;
}

/// Microseconds and microjoules: of one layer, they are whole numbers with a few decimals.
void print_layers(const std::vector<LayerCost>& layers) {
  const auto micro = [](double milli) { return fmt::format("{:.3f}", 1e3 * milli); };
  const auto bytes = [](double count) { return count > 0 ? format_bytes(count) : std::string("-"); };
  Table table({"layer", "kind", "latency us", "bound", "compute us", "on-chip us", "dram us", "energy uJ",
               "utilisation", "weights", "kept on chip", "streamed"});
  double weights = 0, resident = 0;
  std::size_t with_weights = 0, streamed = 0;
  for (const LayerCost& layer : layers) {
    const double missing = layer.weight_bytes - layer.resident_weight_bytes;
    table.row({layer.name, layer.kind, micro(layer.latency_ms), layer.bound, micro(layer.compute_ms),
               micro(layer.on_chip_ms), micro(layer.dram_ms), micro(layer.energy_mj),
               fmt::format("{:.1f} %", layer.utilisation * 100), bytes(layer.weight_bytes),
               bytes(layer.resident_weight_bytes), bytes(missing)});
    weights += layer.weight_bytes;
    resident += layer.resident_weight_bytes;
    if (layer.weight_bytes > 0) ++with_weights;
    if (missing > 0) ++streamed;
  }
  table.print();
  if (weights <= 0) return;
  fmt::print(
      "\nweights: {}, of which {} ({:.1f} %) stay on chip between inferences; {} of {} layers with weights read "
      "{} from DRAM in every inference\n",
      format_bytes(weights), format_bytes(resident), 100 * resident / weights, streamed, with_weights,
      format_bytes(weights - resident));
}

void print_mappings(const std::vector<LayerCost>& layers) {
  Table table({"layer", "mapping"});
  for (const LayerCost& layer : layers) table.row({layer.name, layer.mapping});
  table.print();
}

json layers_json(const std::vector<LayerCost>& layers) {
  json list = json::array();
  for (const LayerCost& layer : layers) {
    list.push_back({{"name", layer.name},
                    {"kind", layer.kind},
                    {"bound", layer.bound},
                    {"latency_ms", layer.latency_ms},
                    {"compute_ms", layer.compute_ms},
                    {"on_chip_ms", layer.on_chip_ms},
                    {"dram_ms", layer.dram_ms},
                    {"energy_mj", layer.energy_mj},
                    {"utilisation", layer.utilisation},
                    {"dram_bytes", layer.dram_bytes},
                    {"weight_bytes", layer.weight_bytes},
                    {"resident_weight_bytes", layer.resident_weight_bytes},
                    {"mapping", layer.mapping}});
  }
  return list;
}

WorkloadSuite load_workloads(const SimulateArguments& arguments) {
  if (!arguments.weights.empty() && arguments.weights.size() != arguments.workloads.size()) {
    throw Error(ErrorCode::usage,
                fmt::format("{} weights for {} workloads", arguments.weights.size(), arguments.workloads.size()),
                "give --weights one for each --workload, in their order, or none");
  }
  WorkloadSuite suite(combine_rule(arguments.combine));
  for (std::size_t i = 0; i < arguments.workloads.size(); ++i) {
    Network network = load_network(arguments.workloads[i], {}, arguments.network);
    // Two files may hold networks of one name: then each is called as it was asked for.
    const bool is_taken = std::ranges::any_of(
        suite.members(), [&](const WorkloadSuite::Member& member) { return member.label == network.name; });
    std::string label = is_taken ? arguments.workloads[i] : network.name;
    suite.add({std::move(network), std::move(label), arguments.weights.empty() ? 1 : arguments.weights[i]});
  }
  return suite;
}

std::string verdict(const Outcome& outcome) {
  return outcome.state == OutcomeState::complete ? "feasible"
                                                 : fmt::format("{}: {}", to_string(outcome.state), outcome.reason);
}

std::string metric_text(const Outcome& outcome, std::size_t metric) {
  const bool known = metric < outcome.metrics.size() && std::isfinite(outcome.metrics[metric]);
  return known ? format_for_people(outcome.metrics[metric]) : "-";
}

json outcome_json(const Outcome& outcome, std::span<const MetricInfo> metrics) {
  json result = {{"feasible", outcome.state == OutcomeState::complete},
                 {"state", to_string(outcome.state)},
                 {"reason", outcome.reason},
                 {"detail", outcome.detail}};
  for (std::size_t i = 0; i < metrics.size() && i < outcome.metrics.size(); ++i) {
    result[metrics[i].name] = number_or_null(outcome.metrics[i]);
  }
  return result;
}

/// One design on several networks: the combined metrics, and each network's own.
void simulate_suite(const SimulateArguments& arguments, const Simulator& simulator, const Hardware& hardware,
                    const WorkloadSuite& suite, const Common& common) {
  const auto metrics = simulator.metrics();
  std::vector<Outcome> outcomes;
  const TerminalMonitor monitor(common.quiet);
  for (const WorkloadSuite::Member& member : suite.members()) {
    outcomes.push_back(simulator.simulate_until_stopped(std::span(&hardware, 1), &member.network, monitor).front());
  }
  const Outcome combined = suite.combine(metrics, outcomes);
  const bool wants_layers = arguments.layers || arguments.mappings;
  const auto layers_of = [&](std::size_t i) {
    const bool has_layers = wants_layers && outcomes[i].state == OutcomeState::complete;
    return has_layers ? simulator.layer_costs(hardware, suite.members()[i].network) : std::vector<LayerCost>{};
  };
  if (common.json()) {
    json result = outcome_json(combined, metrics);
    result["combine"] = to_string(suite.rule());
    result["simulator"] = {{"name", simulator.name()}, {"fingerprint", simulator.fingerprint()}};
    result["workloads"] = json::array();
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      json own = outcome_json(outcomes[i], metrics);
      own["workload"] = suite.members()[i].label;
      own["weight"] = suite.members()[i].weight;
      if (wants_layers) own["layers"] = layers_json(layers_of(i));
      result["workloads"].push_back(std::move(own));
    }
    print_json(result);
    return;
  }
  fmt::print("{} on simulator {}: {}\n", suite.name(), simulator.name(), verdict(combined));
  if (combined.state != OutcomeState::complete) fmt::print("{}\n", combined.detail);
  std::vector<std::string> header = {"metric", std::string(to_string(suite.rule()))};
  for (const WorkloadSuite::Member& member : suite.members()) {
    header.push_back(fmt::format("{} (weight {})", member.label, format_number(member.weight)));
  }
  header.emplace_back("meaning");
  Table table(header);
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    std::vector<std::string> cells = {metrics[m].name, metric_text(combined, m)};
    for (const Outcome& outcome : outcomes) cells.push_back(metric_text(outcome, m));
    cells.push_back(metrics[m].help);
    table.row(std::move(cells));
  }
  table.print();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const std::vector<LayerCost> layers = layers_of(i);
    if (layers.empty()) continue;
    fmt::print("\n== {}\n", suite.members()[i].network.title);
    if (arguments.layers) print_layers(layers);
    if (arguments.mappings) print_mappings(layers);
  }
}

void simulate(const SimulateArguments& arguments, const Common& common) {
  std::shared_ptr<const Simulator> simulator;
  NamedValues design = read_design(arguments.design);
  WorkloadSuite suite;
  if (arguments.study.empty()) {
    simulator = make_named_simulator(arguments.simulator, arguments.settings, arguments.space);
  } else {
    const StudyFile study = load_simulator_study(arguments.study);
    simulator = study.simulator;
    design.insert(design.end(), study.fixed.begin(), study.fixed.end());
    suite = study.workloads;
  }
  const Hardware hardware = parse_hardware(*simulator, design, "--design");
  if (!arguments.workloads.empty()) suite = load_workloads(arguments);
  if (simulator->needs_workload() && suite.is_empty()) {
    throw Error(ErrorCode::usage, fmt::format("simulator {} needs a workload", simulator->name()),
                "give --workload, such as mobilenet_v2");
  }
  if (suite.has_several()) {
    if (!simulator->needs_workload()) {
      throw Error(ErrorCode::usage,
                  fmt::format("simulator {} runs no network: several would all be the same", simulator->name()),
                  "leave --workload out");
    }
    return simulate_suite(arguments, *simulator, hardware, suite, common);
  }
  Network network;
  if (!suite.is_empty()) network = suite.members().front().network;
  const TerminalMonitor monitor(common.quiet);
  const Outcome outcome =
      simulator->simulate_until_stopped(std::span(&hardware, 1), suite.is_empty() ? nullptr : &network, monitor)
          .front();
  const bool complete = outcome.state == OutcomeState::complete;
  std::vector<LayerCost> layers;
  const bool wants_layers = arguments.layers || arguments.mappings;
  if (wants_layers && complete) layers = simulator->layer_costs(hardware, network);
  const auto metrics = simulator->metrics();
  if (common.json()) {
    json result = outcome_json(outcome, metrics);
    result["workload"] = network.name;
    result["simulator"] = {{"name", simulator->name()}, {"fingerprint", simulator->fingerprint()}};
    if (wants_layers) result["layers"] = layers_json(layers);
    print_json(result);
    return;
  }
  fmt::print("{} on simulator {}: {}\n", network.title.empty() ? network.name : network.title, simulator->name(),
             verdict(outcome));
  if (!complete) fmt::print("{}\n", outcome.detail);
  Table table({"metric", "value", "meaning"});
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    table.row({metrics[i].name, metric_text(outcome, i), metrics[i].help});
  }
  table.print();
  if (layers.empty()) return;
  if (arguments.layers) {
    fmt::print("\n");
    print_layers(layers);
  }
  if (arguments.mappings) {
    fmt::print("\n");
    print_mappings(layers);
  }
}

}  // namespace

void add_simulate_command(CLI::App& app, Common& common, int&) {
  const auto arguments = std::make_shared<SimulateArguments>();
  CLI::App* command = app.add_subcommand("simulate", "Simulate one design on one network or several");
  command->add_option("--design", arguments->design, "NAME=VALUE,… or a .json or .yaml file, as export writes it")
      ->required();
  command->add_option("--workload", arguments->workloads,
                      "A network of the zoo, or a workload file; several are also combined");
  command->add_option("--weights", arguments->weights, "Of several workloads, in their order; 1 each if not given");
  command->add_option("--combine", arguments->combine, "How the metrics of several workloads become one")
      ->check(CLI::IsMember(std::vector<std::string>(combine_rule_names.begin(), combine_rule_names.end())))
      ->capture_default_str();
  add_network_options(*command, arguments->network);
  CLI::Option* study =
      command->add_option("--study", arguments->study, "Simulator, fixed values and workloads of this study file");
  command->add_option("--simulator", arguments->simulator, "Which simulator")->capture_default_str()->excludes(study);
  command->add_option("--set", arguments->settings, "A setting of the simulator, such as clock_mhz=1066")
      ->excludes(study);
  command->add_option("--space", arguments->space, "For simulator table: the space file that names its columns")
      ->excludes(study);
  command->add_flag("--layers", arguments->layers, "Where time and energy go, and where weights live");
  command->add_flag("--mappings", arguments->mappings, "How each layer is divided and ordered");
  add_common(*command, common);
  command->callback([arguments, &common] { simulate(*arguments, common); });
}

}  // namespace corbel::cli
