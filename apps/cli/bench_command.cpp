#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench_import.hpp"
#include "bench_queue.hpp"
#include "bench_ranking.hpp"
#include "bench_scorer.hpp"
#include "bench_search.hpp"
#include "bench_simulator.hpp"
#include "bench_training.hpp"
#include "commands.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/row_file.hpp"
#include "corbel/base/units.hpp"
#include "corbel/search/strategy.hpp"
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
  json object = {{"workload", result.workload},
                 {"layers", result.layers},
                 {"distinct_layers", result.distinct_layers},
                 {"designs", result.designs},
                 {"runs", result.runs},
                 {"feasible_share", result.feasible_share},
                 {"designs_per_second_wall", result.wall_rate},
                 {"one_by_one_designs_per_second_per_core", result.one_by_one_rate},
                 {"batch_speedup", result.rate.median / result.one_by_one_rate},
                 {"mappings_per_layer", known(result.mappings_per_layer)},
                 {"nanoseconds_per_layer", result.nanoseconds_per_layer},
                 {"nanoseconds_per_layer_mapping", known(result.nanoseconds_per_layer_mapping)},
                 {"peak_memory_first_batch_mb", result.peak_memory_first_batch_mb},
                 {"peak_memory_mb", result.peak_memory_mb}};
  result.rate.add_to(object, "designs_per_second_per_core");
  return object;
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
    table.row({result.workload, format_for_people(result.rate.median, 3), result.rate.rising(),
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

struct SearchBenchArguments {
  std::vector<std::string> strategies;
  SearchBenchOptions options;
};

json to_json(const SuggestionCost& cost, double ms_of_random) {
  json object = {{"strategy", cost.strategy},
                 {"observations", cost.observations},
                 {"parameters", cost.parameters},
                 {"batch", cost.batch},
                 {"suggestions", cost.suggestions},
                 {"runs", cost.runs},
                 {"ratio_to_random", cost.ms.median / ms_of_random}};
  cost.ms.add_to(object, "ms_per_suggestion");
  return object;
}

json to_json(const ScanCost& cost) {
  json object = {{"limit", cost.limit.empty() ? json(nullptr) : json(cost.limit)},
                 {"boxes", cost.boxes},
                 {"designs", cost.designs},
                 {"scored", cost.scored},
                 {"pruned", cost.pruned},
                 {"runs", cost.runs}};
  cost.ns.add_to(object, "ns_per_design");
  return object;
}

json to_json(const RankingCost& cost) {
  json object = {{"part", cost.part}, {"ratio_to_walk", cost.ratio_to_walk}};
  cost.ns.add_to(object, "ns_per_design");
  return object;
}

constexpr const char* scan_choice = "scan";

void check_choices(const std::vector<std::string>& chosen) {
  std::vector<std::string> known;
  for (const StrategyInfo& info : strategies()) known.emplace_back(info.id);
  known.emplace_back(scan_choice);
  for (const std::string& name : chosen) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    throw unknown_name("strategy", name, known, "--strategy", ErrorCode::usage);
  }
}

void bench_search(const SearchBenchArguments& arguments, const Common& common) {
  check_choices(arguments.strategies);
  TerminalMonitor monitor(common.quiet);
  SearchBenchOptions options = arguments.options;
  if (common.seed) options.seed = *common.seed;
  const auto chosen = [&](std::string_view name) {
    const auto& names = arguments.strategies;
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  json list = json::array(), scans = json::array(), parts = json::array();
  Table part_table({"part of a scan", "ns per design", "slowest to fastest", "over the walk"});
  Table table({"strategy", "batch", "ms per suggestion", "slowest to fastest", "over random", "suggestions", "runs"});
  Table scan_table({"scan, limit", "tested", "ns per design", "slowest to fastest", "scored", "left out"});
  for (const std::size_t batch : {std::size_t{1}, std::size_t{8}}) {
    std::optional<SuggestionCost> random;
    for (const StrategyInfo& info : strategies()) {
      if (!chosen(info.id)) continue;
      if (!random) random = bench_suggestions("random", batch, options, monitor);
      const SuggestionCost cost =
          info.id == "random" ? *random : bench_suggestions(std::string(info.id), batch, options, monitor);
      list.push_back(to_json(cost, random->ms.median));
      table.row({cost.strategy, std::to_string(batch), format_for_people(cost.ms.median, 3), cost.ms.falling(),
                 format_for_people(cost.ms.median / random->ms.median, 3) + "x", std::to_string(cost.suggestions),
                 std::to_string(cost.runs)});
    }
  }
  if (chosen(scan_choice)) {
    for (const ScanCost& cost : bench_scan(options, monitor)) {
      scans.push_back(to_json(cost));
      const char* tested = cost.limit.empty() ? "-" : cost.boxes ? "by boxes" : "one by one";
      scan_table.row({cost.limit.empty() ? "none" : cost.limit, tested, format_for_people(cost.ns.median, 3),
                      cost.ns.falling(), format_for_people(static_cast<double>(cost.scored), 12),
                      format_for_people(static_cast<double>(cost.pruned), 12)});
    }
    for (const RankingCost& cost : bench_ranking(options, monitor)) {
      parts.push_back(to_json(cost));
      part_table.row({cost.part, format_for_people(cost.ns.median, 3), cost.ns.falling(),
                      format_for_people(cost.ratio_to_walk, 3) + "x"});
    }
  }
  if (common.json()) {
    return print_json({{"space", "edge"},
                       {"seed", options.seed},
                       {"observations", options.observations},
                       {"results", list},
                       {"scan", scans},
                       {"parts", parts}});
  }
  if (!list.empty()) {
    table.print();
    fmt::print(
        "\nProcessor time of ask and tell per suggested design, fits included, on the space edge from {} observations "
        "on;\nmedian of the runs, each of which goes on from the same state.\n",
        format_for_people(static_cast<double>(options.observations), 12));
  }
  if (!scans.empty()) {
    if (!list.empty()) fmt::print("\n");
    scan_table.print();
    fmt::print(
        "\nProcessor time per design of the space edge with one PE, designs left out included; the objective costs "
        "next to nothing.\n\n");
    part_table.print();
    fmt::print(
        "\nThe same beside the networks: 400 trees of depth 6, three networks. Random designs share nothing, those "
        "along "
        "the\nenumeration their first parameters.\n");
  }
}

void add_search_bench(CLI::App& group, Common& common) {
  const auto arguments = std::make_shared<SearchBenchArguments>();
  CLI::App* command = group.add_subcommand("search", "Cost of a suggestion of each strategy, and of the scan");
  command->add_option("--strategy", arguments->strategies, "Only these; scan: the scan");
  command->add_option("--observations", arguments->options.observations, "That a strategy has when measuring begins")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command->add_option("--suggestions", arguments->options.suggestions, "Of a run")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("--seconds", arguments->options.seconds,
                   "Runs are repeated for this long, at least three times; each is broken off then")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command->add_option("--seed", common.seed, "Of the strategies and the designs told")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 62));
  add_common(*command, common);
  command->callback([arguments, &common] { bench_search(*arguments, common); });
}

void print_import_cost(const ImportBenchOptions& options, const ImportCost& cost, const Common& common) {
  const double seconds = cost.plan_seconds + cost.import_seconds;
  if (common.json()) {
    return print_json({{"rows", options.rows},
                       {"log", options.log},
                       {"seed", options.seed},
                       {"log_megabytes", cost.log_megabytes},
                       {"store_megabytes", cost.store_megabytes},
                       {"plan_seconds", cost.plan_seconds},
                       {"import_seconds", cost.import_seconds},
                       {"inspect_seconds", cost.inspect_seconds},
                       {"scan_seconds", cost.scan_seconds},
                       {"peak_megabytes", cost.peak_megabytes}});
  }
  const auto row = [](Table& table, const char* what, double value, const char* unit) {
    table.row({what, format_for_people(value, 3), unit});
  };
  Table table({"", "", ""});
  row(table, "log", cost.log_megabytes, "MB");
  row(table, "store", cost.store_megabytes, "MB");
  row(table, "finding columns", cost.plan_seconds, "s");
  row(table, "importing", cost.import_seconds, "s");
  row(table, "both", static_cast<double>(options.rows) / seconds, "rows/s");
  row(table, "inspect", cost.inspect_seconds, "s");
  row(table, "inspect, nothing kept", cost.scan_seconds, "s");
  row(table, "peak memory", cost.peak_megabytes, "MB");
  table.print();
  fmt::print("\nProcessor time for {} rows of {}.\n", format_for_people(static_cast<double>(options.rows), 12),
             options.log);
}

void add_import_bench(CLI::App& group, Common& common) {
  const auto options = std::make_shared<ImportBenchOptions>();
  CLI::App* command = group.add_subcommand("import", "What importing and inspecting a log costs, in time and memory");
  command->add_option("--rows", options->rows, "Of the log, which is made first")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  std::vector<std::string> formats;
  for (const RowFormat& format : row_formats()) formats.emplace_back(format.id);
  command->add_option("--log", options->log, "Format of the log")->check(CLI::IsMember(formats))->capture_default_str();
  command->add_option("--folder", options->folder, "Where log and store are made, and removed again");
  command->add_option("--seed", common.seed, "Of the log")->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 62));
  add_common(*command, common);
  command->callback([options, &common] {
    if (common.seed) options->seed = *common.seed;
    TerminalMonitor monitor(common.quiet);
    print_import_cost(*options, bench_import(*options, monitor), common);
  });
}

void add_queue_bench(CLI::App& group, Common& common) {
  const auto options = std::make_shared<QueueBenchOptions>();
  CLI::App* command = group.add_subcommand("queue", "Trials per second that workers claim and finish");
  command->add_option("--store", options->store, "Where: postgresql://…, best one of its own [a SQLite file]");
  command->add_option("--trials", options->trials, "Of a simulator that takes no time")
      ->check(CLI::Range(1, 5'000'000))
      ->capture_default_str();
  command->add_option("--workers", options->workers, "Processes")->check(CLI::Range(1, 1000))->capture_default_str();
  add_common(*command, common);
  command->callback([options, &common] {
    TerminalMonitor monitor(common.quiet);
    const QueueCost cost = bench_queue(*options, monitor);
    if (common.json()) {
      return print_json({{"trials", options->trials},
                         {"workers", options->workers},
                         {"trials_per_second", cost.trials_per_second},
                         {"one_by_one_trials", cost.one_by_one_trials},
                         {"one_by_one_trials_per_second", cost.one_by_one_trials_per_second}});
    }
    fmt::print("{} trials/s with {} workers, {} trials\n{} trials/s claimed and finished one by one, {} trials\n",
               format_for_people(cost.trials_per_second, 4), options->workers, options->trials,
               format_for_people(cost.one_by_one_trials_per_second, 4), cost.one_by_one_trials);
  });
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
  add_search_bench(*group, common);
  add_scorer_bench(*group, common);
  add_training_bench(*group, common);
  add_import_bench(*group, common);
  add_queue_bench(*group, common);
}

}  // namespace corbel::cli
