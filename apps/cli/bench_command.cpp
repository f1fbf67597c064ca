#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench_simulator.hpp"
#include "commands.hpp"
#include "corbel/base/units.hpp"
#include "corbel/simulator/simulator.hpp"
#include "simulator_option.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

struct SimulatorBenchArguments {
  std::vector<std::string> workloads = {"mobilenet_v2", "resnet50", "bert_base"};
  std::vector<std::string> settings;
  SimulatorBenchOptions options;
};

json known(double value) {
  return value > 0 ? json(value) : json(nullptr);
}

json to_json(const SimulatorBenchResult& result) {
  return {{"workload", result.workload},
          {"layers", result.layers},
          {"distinct_layers", result.distinct_layers},
          {"designs", result.designs},
          {"runs", result.runs},
          {"feasible_share", result.feasible_share},
          {"designs_per_second_per_core", result.rate},
          {"designs_per_second_per_core_min", result.rate_min},
          {"designs_per_second_per_core_max", result.rate_max},
          {"designs_per_second_wall", result.wall_rate},
          {"one_by_one_designs_per_second_per_core", result.one_by_one_rate},
          {"batch_speedup", result.rate / result.one_by_one_rate},
          {"mappings_per_layer", known(result.mappings_per_layer)},
          {"nanoseconds_per_layer", result.nanoseconds_per_layer},
          {"nanoseconds_per_layer_mapping", known(result.nanoseconds_per_layer_mapping)},
          {"peak_memory_first_batch_mb", result.peak_memory_first_batch_mb},
          {"peak_memory_mb", result.peak_memory_mb}};
}

void bench(const SimulatorBenchArguments& arguments, const Common& common) {
  const std::unique_ptr<Simulator> simulator = make_named_simulator("edge", arguments.settings, "edge");
  TerminalMonitor monitor(common.quiet);
  SimulatorBenchOptions options = arguments.options;
  if (common.seed) options.seed = *common.seed;
  json list = json::array();
  Table table({"workload", "designs/s per core", "slowest to fastest", "runs", "feasible", "distinct layers",
               "mappings each", "ns per layer mapping", "one by one, designs/s", "peak MB, first batch", "last run"});
  for (const std::string& name : arguments.workloads) {
    const SimulatorBenchResult result = bench_simulator(*simulator, load_network(name), options, monitor);
    list.push_back(to_json(result));
    const auto figure = [](double value) { return value > 0 ? format_for_people(value) : "-"; };
    table.row({result.workload, format_for_people(result.rate, 3),
               fmt::format("{} to {}", format_for_people(result.rate_min, 3), format_for_people(result.rate_max, 3)),
               std::to_string(result.runs), fmt::format("{:.1f} %", 100 * result.feasible_share),
               std::to_string(result.distinct_layers), figure(result.mappings_per_layer),
               figure(result.nanoseconds_per_layer_mapping), format_for_people(result.one_by_one_rate, 3),
               fmt::format("{:.1f}", result.peak_memory_first_batch_mb), fmt::format("{:.1f}", result.peak_memory_mb)});
  }
  if (common.json()) {
    return print_json({{"simulator", {{"name", simulator->name()}, {"fingerprint", simulator->fingerprint()}}},
                       {"space", "edge"},
                       {"seed", options.seed},
                       {"results", list}});
  }
  table.print();
  fmt::print(
      "\nOne thread, processor time, {} random designs of space edge per run, in batches; median of the runs.\n"
      "A layer mapping is one way to run one distinct layer on one design, weighed while compiling.\n",
      format_for_people(static_cast<double>(options.designs), 12));
}

}  // namespace

void add_bench_command(CLI::App& app, Common& common, int&) {
  CLI::App* group = app.add_subcommand("bench", "Measure how fast parts of Corbel are on this machine");
  group->require_subcommand(1);
  const auto arguments = std::make_shared<SimulatorBenchArguments>();
  CLI::App* command = group->add_subcommand("simulator", "Designs per second of the simulator edge");
  command->add_option("--workload", arguments->workloads, "Networks of the zoo, or workload files")
      ->capture_default_str();
  command->add_option("--designs", arguments->options.designs, "Random designs of the space edge per run")
      ->check(CLI::Range(1, 10000000))
      ->capture_default_str();
  command->add_option("--seconds", arguments->options.seconds, "Runs are repeated for this long, at least three times")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command->add_option("--set", arguments->settings, "A setting of the simulator, such as clock_mhz=1066");
  command->add_option("--seed", common.seed, "Of the random designs")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 62));
  add_common(*command, common);
  command->callback([arguments, &common] { bench(*arguments, common); });
}

}  // namespace corbel::cli
