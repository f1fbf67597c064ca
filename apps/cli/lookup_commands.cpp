#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.hpp"
#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/dataset/inspect.hpp"
#include "corbel/search/strategy.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/study/pipeline.hpp"
#include "corbel/workload/network.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;
using NamedValues = std::vector<std::pair<std::string, std::string>>;

json number(double value) {
  return std::isfinite(value) ? json(value) : json(nullptr);
}

std::string count(double value) {
  return format_for_people(value, 18);
}

/// Imports a log into a store of its own that is removed again.
Dataset read_log(const std::filesystem::path& file, Monitor& monitor, std::vector<std::string>& refusals) {
  std::string folder = (std::filesystem::temp_directory_path() / "corbel-inspect-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) {
    throw Error(ErrorCode::file_access, fmt::format("{}: cannot make a temporary folder", folder), "check TMPDIR");
  }
  struct Cleanup {
    std::string folder;
    ~Cleanup() {
      std::error_code ignored;
      std::filesystem::remove_all(folder, ignored);
    }
  } cleanup{folder};
  Store store(std::filesystem::path(folder) / "log.db", Store::Mode::read_write);
  ImportSpec spec;
  spec.file = file;
  const ImportPlan plan = plan_import(spec, std::nullopt, monitor);
  Store::GroupId group = 0;
  const ImportResult result = import_csv(store, spec, plan, group, monitor);
  refusals = result.refusals;
  return store.read(group);
}

void print_inspection(const Inspection& found) {
  fmt::print("rows       {}: {} feasible, {} infeasible; {} duplicates\n", count(static_cast<double>(found.rows)),
             count(static_cast<double>(found.feasible)), count(static_cast<double>(found.infeasible)),
             count(static_cast<double>(found.duplicates)));
  fmt::print("space      {} designs\n\n", count(static_cast<double>(found.space_size)));
  if (!found.reasons.empty()) {
    Table reasons({"reason", "rows"});
    for (const ReasonCount& reason : found.reasons) {
      reasons.row({reason.reason.empty() ? "(none given)" : reason.reason, count(static_cast<double>(reason.rows))});
    }
    reasons.print();
    fmt::print("\n");
  }
  Table metrics({"metric", "unit", "rows", "min", "median", "mean", "max"});
  for (const MetricSummary& metric : found.metrics) {
    metrics.row({metric.name, metric.unit, count(static_cast<double>(metric.count)), format_for_people(metric.min),
                 format_for_people(metric.median), format_for_people(metric.mean), format_for_people(metric.max)});
  }
  metrics.print();
  fmt::print("\n");
  Table coverage({"parameter", "value: rows (share infeasible)"});
  for (const ParameterCoverage& parameter : found.parameters) {
    std::string values;
    for (const ValueCoverage& value : parameter.values) {
      if (!values.empty()) values += "  ";
      values += fmt::format("{}: {}", value.label, value.rows);
      if (value.rows > 0) {
        values +=
            fmt::format(" ({:.0f} %)", 100.0 * static_cast<double>(value.infeasible) / static_cast<double>(value.rows));
      }
    }
    coverage.row({parameter.name + (parameter.unit.empty() ? "" : " [" + parameter.unit + "]"), values});
  }
  coverage.print();
  for (const std::string& warning : found.warnings) fmt::print("note: {}\n", warning);
}

void add_inspect(CLI::App& app, Common& common) {
  const auto file = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("inspect", "Tell what a log or a study's trials hold, and what to doubt");
  command->add_option("FILE", *file, "A study (YAML), a store (trials.db) or a log (CSV, CSV.gz)")->required();
  add_common(*command, common);
  command->callback([file, &common] {
    TerminalMonitor monitor(common.quiet);
    const std::filesystem::path path = *file;
    const std::string extension = path.extension().string();
    std::vector<std::pair<std::string, Inspection>> found;
    if (extension == ".yaml" || extension == ".yml") {
      Pipeline pipeline(StudyFile::load(path), monitor);
      found.emplace_back("", inspect(pipeline.dataset()));
    } else if (extension == ".db") {
      const Store store(path, Store::Mode::read_only);
      for (const Store::GroupSummary& summary : store.groups()) {
        std::string name = summary.group.simulator;
        if (!summary.group.workload.empty()) name += ", " + summary.group.workload;
        found.emplace_back(name, inspect(store.read(summary.id)));
      }
      if (found.empty()) {
        throw Error(ErrorCode::too_little_data, fmt::format("{}: the store is empty", path.string()),
                    "sweep or import some designs first");
      }
    } else {
      std::vector<std::string> refusals;
      const Dataset dataset = read_log(path, monitor, refusals);
      found.emplace_back("", inspect(dataset));
      for (const std::string& refusal : refusals) found.back().second.warnings.push_back("refused: " + refusal);
    }
    if (common.json()) {
      // One group is what a program expects; several are listed.
      json result = to_json(found.front().second);
      if (found.size() > 1) {
        result["groups"] = json::array();
        for (const auto& [name, inspection] : found) {
          json group = to_json(inspection);
          group["name"] = name;
          result["groups"].push_back(group);
        }
      }
      print_json(result);
      return;
    }
    for (const auto& [name, inspection] : found) {
      if (found.size() > 1) fmt::print("== {}\n", name);
      print_inspection(inspection);
    }
  });
}

struct SimulateArguments {
  std::string design, workload, simulator = "edge", space = "edge";
  std::vector<std::string> settings;
  std::int64_t batch = 0;
  bool layers = false;
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

std::unique_ptr<Simulator> make_named_simulator(const std::string& name, const std::vector<std::string>& settings,
                                                const std::string& space) {
  std::string text = "{name: " + name;
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      throw Error(ErrorCode::usage, fmt::format("--set: `{}` is not NAME=VALUE", setting),
                  "such as --set clock_mhz=1066");
    }
    text += ", " + setting.substr(0, equals) + ": " + setting.substr(equals + 1);
  }
  return make_simulator(Config::parse(text + "}", "simulator"),
                        DesignSpace::from_config(Config::parse(space, "--space")));
}

void print_layers(const std::vector<LayerCost>& layers) {
  Table table({"layer", "kind", "latency ms", "bound", "compute ms", "on-chip ms", "dram ms", "energy mJ",
               "utilisation", "weights", "resident", "mapping"});
  for (const LayerCost& layer : layers) {
    table.row({layer.name, layer.kind, format_for_people(layer.latency_ms), layer.bound,
               format_for_people(layer.compute_ms), format_for_people(layer.on_chip_ms),
               format_for_people(layer.dram_ms), format_for_people(layer.energy_mj),
               fmt::format("{:.1f} %", layer.utilisation * 100), format_bytes(layer.weight_bytes),
               format_bytes(layer.resident_weight_bytes), layer.mapping});
  }
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

void simulate(const SimulateArguments& arguments, const Common& common) {
  const std::unique_ptr<Simulator> simulator =
      make_named_simulator(arguments.simulator, arguments.settings, arguments.space);
  const Hardware hardware = parse_hardware(*simulator, read_design(arguments.design), "--design");
  if (simulator->needs_workload() && arguments.workload.empty()) {
    throw Error(ErrorCode::usage, fmt::format("simulator {} needs a workload", simulator->name()),
                "give --workload, such as mobilenet_v2");
  }
  Network network;
  if (!arguments.workload.empty()) network = load_network(arguments.workload, {}, arguments.batch);
  const Outcome outcome = simulator->simulate(std::span(&hardware, 1), &network).front();
  const bool complete = outcome.state == OutcomeState::complete;
  std::vector<LayerCost> layers;
  if (arguments.layers && complete) layers = simulator->layer_costs(hardware, network);
  const auto metrics = simulator->metrics();
  if (common.json()) {
    json result = {{"feasible", complete},
                   {"state", to_string(outcome.state)},
                   {"reason", outcome.reason},
                   {"detail", outcome.detail},
                   {"workload", network.name},
                   {"simulator", {{"name", simulator->name()}, {"fingerprint", simulator->fingerprint()}}}};
    for (std::size_t i = 0; i < metrics.size(); ++i) result[metrics[i].name] = number(outcome.metrics[i]);
    if (arguments.layers) result["layers"] = layers_json(layers);
    print_json(result);
    return;
  }
  fmt::print("{} on simulator {}: {}\n", network.title.empty() ? network.name : network.title, simulator->name(),
             complete ? "feasible" : fmt::format("{}: {}", to_string(outcome.state), outcome.reason));
  if (!complete) fmt::print("{}\n", outcome.detail);
  Table table({"metric", "value", "meaning"});
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    table.row({metrics[i].name, std::isfinite(outcome.metrics[i]) ? format_for_people(outcome.metrics[i]) : "-",
               metrics[i].help});
  }
  table.print();
  if (layers.empty()) return;
  fmt::print("\n");
  print_layers(layers);
}

void add_simulate(CLI::App& app, Common& common) {
  const auto arguments = std::make_shared<SimulateArguments>();
  CLI::App* command = app.add_subcommand("simulate", "Simulate one design on one network");
  command->add_option("--design", arguments->design, "NAME=VALUE,… or a .json or .yaml file, as export writes it")
      ->required();
  command->add_option("--workload", arguments->workload, "A network of the zoo, or a workload file");
  command->add_option("--batch", arguments->batch, "Inference batch size instead of the workload's")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--simulator", arguments->simulator, "Which simulator")->capture_default_str();
  command->add_option("--set", arguments->settings, "A setting of the simulator, such as clock_mhz=1066");
  command->add_option("--space", arguments->space, "For simulator table: the space file that names its columns");
  command->add_flag("--layers", arguments->layers, "Where time and energy go, and where weights live");
  add_common(*command, common);
  command->callback([arguments, &common] { simulate(*arguments, common); });
}

void describe_workload(const std::string& name, std::int64_t batch, const Common& common) {
  if (name.empty()) {
    Table table({"workload", "title", "MACs", "parameters"});
    json list = json::array();
    for (const std::string& each : zoo_names()) {
      const Network network = load_network(each, {}, batch);
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
  const Network network = load_network(name, {}, batch);
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

void describe_simulator(const std::string& name, const std::vector<std::string>& settings, const std::string& space,
                        const Common& common) {
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
  const std::unique_ptr<Simulator> simulator = make_named_simulator(name, settings, space);
  json result = {{"name", simulator->name()},
                 {"fingerprint", simulator->fingerprint()},
                 {"settings", json::object()},
                 {"hardware_parameters", json::array()},
                 {"metrics", json::array()}};
  Table parameters({"hardware parameter", "unit", "meaning"});
  for (const HardwareParameter& parameter : simulator->hardware_parameters()) {
    result["hardware_parameters"].push_back(
        {{"name", parameter.name}, {"unit", parameter.unit}, {"help", parameter.help}});
    parameters.row({parameter.name, parameter.unit, parameter.help});
  }
  Table metrics({"metric", "needs", "meaning"});
  for (const MetricInfo& metric : simulator->metrics()) {
    result["metrics"].push_back(
        {{"name", metric.name}, {"needs_workload", metric.needs_workload}, {"help", metric.help}});
    metrics.row({metric.name, metric.needs_workload ? "hardware, workload" : "hardware", metric.help});
  }
  Table values({"setting", "value"});
  for (const auto& [setting, value] : simulator->settings()) {
    result["settings"][setting] = value;
    values.row({setting, value});
  }
  if (common.json()) return print_json(result);
  parameters.print();
  fmt::print("\n");
  metrics.print();
  fmt::print("\n");
  values.print();
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

void add_describe(CLI::App& app, Common& common) {
  CLI::App* describe = app.add_subcommand("describe", "Describe a workload, space, simulator or strategy");
  describe->require_subcommand(1);
  const auto name = std::make_shared<std::string>();
  const auto settings = std::make_shared<std::vector<std::string>>();
  const auto batch = std::make_shared<std::int64_t>(0);
  const auto space = std::make_shared<std::string>("edge");
  const auto add = [&](const char* what, const char* help, const char* of, std::function<void()> action) {
    CLI::App* command = describe->add_subcommand(what, help);
    command->add_option("NAME", *name, of);
    add_common(*command, common);
    command->callback(std::move(action));
    return command;
  };
  add("workload", "Layers and totals of a network; without a name, the zoo", "A network of the zoo, or a workload file",
      [=, &common] { describe_workload(*name, *batch, common); })
      ->add_option("--batch", *batch, "Inference batch size instead of the workload's")
      ->check(CLI::Range(1, 1 << 20));
  add("space", "Parameters and values of a design space", "edge, or a space file",
      [=, &common] { describe_space(*name, common); });
  CLI::App* simulator = add("simulator", "Hardware parameters, metrics and settings; without a name, all",
                            "A simulator", [=, &common] { describe_simulator(*name, *settings, *space, common); });
  simulator->add_option("--set", *settings, "A setting, such as clock_mhz=1066");
  simulator->add_option("--space", *space, "For simulator table: the space file that names its columns");
  add("strategy", "Options of a search strategy; without a name, all", "A strategy",
      [=, &common] { describe_strategy(*name, common); });
}

}  // namespace

void add_lookup_commands(CLI::App& app, Common& common, int&) {
  add_inspect(app, common);
  add_simulate(app, common);
  add_describe(app, common);
}

}  // namespace corbel::cli
