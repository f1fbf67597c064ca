#include "bench_training.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "corbel/base/parallel.hpp"
#include "corbel/base/units.hpp"
#include "corbel/surrogate/step_cost.hpp"
#include "spread.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

struct Arguments {
  std::vector<std::string> networks = {"attention", "mlp"};
  std::vector<std::size_t> threads;
  StepCostOptions options;
};

Spread step_ms(const StepCost& cost) {
  return {cost.step_ms, cost.step_ms_min, cost.step_ms_max};
}
Spread libtorch_step_ms(const StepCost& cost) {
  return {cost.libtorch_step_ms, cost.libtorch_step_ms_min, cost.libtorch_step_ms_max};
}

json to_json(const StepCostOptions& options, const StepCost& cost) {
  json object = {{"network", options.network},
                 {"rows", options.rows},
                 {"kernel", cost.kernel},
                 {"threads", options.threads},
                 {"runs", cost.runs},
                 {"libtorch_function", cost.libtorch_function},
                 {"ratio", cost.libtorch_step_ms / cost.step_ms},
                 {"gflops", cost.gflops},
                 {"loss_error", cost.loss_error},
                 {"gradient_error", cost.gradient_error}};
  step_ms(cost).add_to(object, "step_ms");
  libtorch_step_ms(cost).add_to(object, "libtorch_step_ms");
  return object;
}

void bench_training(const Arguments& arguments, const Common& common) {
  TerminalMonitor monitor(common.quiet);
  StepCostOptions options = arguments.options;
  if (common.seed) options.seed = *common.seed;
  std::set<std::size_t> threads(arguments.threads.begin(), arguments.threads.end());
  if (threads.empty()) threads = {1, available_cores()};
  json list = json::array();
  Table table({"network", "threads", "kernel", "ms per step", "fastest to slowest", "GFLOP/s", "in LibTorch, ms",
               "fastest to slowest", "ratio", "runs"});
  std::string libtorch_function;
  for (const std::string& network : arguments.networks) {
    for (const std::size_t count : threads) {
      options.network = network;
      options.threads = count;
      const StepCost cost = measure_step(options, monitor);
      list.push_back(to_json(options, cost));
      libtorch_function = cost.libtorch_function;
      table.row({network, std::to_string(count), cost.kernel, format_for_people(cost.step_ms, 3),
                 step_ms(cost).rising(), format_for_people(cost.gflops, 3), format_for_people(cost.libtorch_step_ms, 3),
                 libtorch_step_ms(cost).rising(), format_for_people(cost.libtorch_step_ms / cost.step_ms, 3) + "x",
                 std::to_string(cost.runs)});
    }
  }
  if (common.json()) return print_json({{"space", "edge"}, {"seed", options.seed}, {"results", list}});
  table.print();
  fmt::print(
      "\nOne step of Adam on {} simulated, {} infeasible and {} negative designs of the space edge: loss, gradients, "
      "parameters.\nMedians of steps that alternate with those of the same model in LibTorch's own functions ({}), on "
      "as many threads.\nLosses and gradients of both agree.\n",
      options.rows, options.rows, options.rows, libtorch_function);
}

}  // namespace

void add_training_bench(CLI::App& group, Common& common) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = group.add_subcommand("training", "Time of a training step, and of the same in plain LibTorch");
  command->add_option("--network", arguments->networks, "attention, mlp, lstm")->capture_default_str();
  command->add_option("--threads", arguments->threads, "1 and all cores by default")->check(CLI::Range(1, 4096));
  command->add_option("--rows", arguments->options.rows, "Of each of the three classes in a batch")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  command
      ->add_option("--seconds", arguments->options.seconds, "Steps are repeated for this long, at least five of each")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command->add_option("--seed", common.seed, "Of weights, designs and targets")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 62));
  add_common(*command, common);
  command->callback([arguments, &common] { bench_training(*arguments, common); });
}

}  // namespace corbel::cli
