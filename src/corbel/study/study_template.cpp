#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/units.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {
namespace {

constexpr std::string_view common_part = R"(
seed: 1                         # the same seed, the same answer

train:
  network: mlp                  # or attention: the published network, slower
  # grid: [{alpha: 0, beta: 0}, {alpha: 0.01, beta: 0.03}]   # conservative weights to choose from

search:
  method: auto                  # scan (every design, where that is quick), firefly, evolution or random
  budget: 100000                # designs a strategy may score on the surrogate
  proposals: 64                 # rows of the ranked table
  min_feasibility: 0.5          # least predicted probability that a proposal compiles and simulates
  caution: 0.5                  # times its relative error that a predicted metric stays inside its limit
  # rounds: 4                   # of learning and simulating by turns; needs a simulator
  # simulate: 64                # designs that each round simulates
)";

/// A text as a YAML scalar: quoted, as JSON quotes, unless it can only be read as itself.
std::string scalar(const std::string& text) {
  const bool plain = !text.empty() && std::isalpha(static_cast<unsigned char>(text.front())) &&
                     text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") ==
                         std::string::npos &&
                     text != "true" && text != "false" && text != "null";
  return plain ? text : nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string study_template() {
  return fmt::format(R"(# A Corbel study: corbel run FILE
name: My accelerator

space: edge                     # built in; or a file; or a map of parameters, such as
# space:
#   parameters:
#     num_pes:  {{values: [64, 128, 256, 512]}}
#     l2_bytes: {{values: [64 KiB, 256 KiB, 1 MiB], unit: bytes}}
#     dataflow: {{values: [ws, os, rs]}}

workload: mobilenet_v2          # of the zoo (corbel describe workload), or a workload file
# workloads: [mobilenet_v2, {{name: resnet50, weight: 2}}]   # instead: one design for several, with
# combine: geometric_mean       # or sum, or maximum, of their metrics

simulator:                      # corbel describe simulator edge
  name: edge
  clock_mhz: 800

objective: latency_ms           # a metric of the simulator, minimised; power_w or energy_mj work the same
constraints:
  - area_mm2 <= 29              # over metrics and parameters: "pes_x * pes_y <= 64", "pe_memory >= 512 KiB"

sweep:
  designs: 8000                 # drawn at random and simulated, to learn from
{}
validate:
  designs: 16                   # best proposals to simulate

output: out                     # folder of the trials, the model and the report, beside this file
)",
                     common_part);
}

std::string process_study_template() {
  return fmt::format(R"(# A Corbel study around a program of yours: corbel run FILE
name: My accelerator

space:
  parameters:
    num_pes:  {{values: [64, 128, 256, 512]}}
    l2_bytes: {{values: [64 KiB, 256 KiB, 1 MiB], unit: bytes}}
    dataflow: {{values: [ws, os, rs]}}

workload: mobilenet_v2          # of the zoo, or a workload file; remove it where the program runs a fixed one

simulator:                      # corbel describe simulator process; docs/process.md
  name: process
  command: [./my_simulator]     # arguments may hold "{{num_pes}}", "{{workload.file}}", "{{study_dir}}", …
  stdin: json                   # {{"design": {{…}}, "workload": {{…}}}}; or none, with arguments or templates
  metrics: [latency_ms, area_mm2]   # keys of the JSON it prints; or each from a pattern or a column of a CSV:
  # metrics:
  #   latency_cycles: {{column: Cycles, file: report.csv, take: sum}}
  #   energy_mj: {{pattern: 'Energy: ([0-9.]+) uJ', unit: uJ}}
  # infeasible_if: {{pattern: 'does not fit in (\w+)', reason: "{{1}}_overflow"}}
  # failed_if: {{pattern: '^ERROR'}}
  limits: {{time: 600 s}}         # also memory: 8 GiB
  # retries: {{times: 2, wait: 5 s}}
  # jobs: 4                     # programs at once; all cores if not given
  # version_command: [./my_simulator, --version]

objective: latency_ms
constraints:
  - area_mm2 <= 29

sweep:
  designs: 400                  # drawn at random and simulated, to learn from
{}
validate:
  designs: 16                   # best proposals to simulate

output: out                     # folder of the trials, the model and the report, beside this file
)",
                     common_part);
}

std::string study_template(const std::filesystem::path& log, const ImportPlan& plan, const std::string& objective) {
  std::vector<std::string> metrics;
  std::string columns;
  for (const ColumnPlan& column : plan.columns) {
    static constexpr const char* roles[] = {"parameter", "metric", "feasible", "reason", "ignore"};
    columns +=
        fmt::format("    {}: {}{}# {}\n", scalar(column.column), roles[static_cast<int>(column.role)],
                    std::string(column.column.size() < 24 ? 24 - column.column.size() : 1, ' '), column.evidence);
    if (column.role == ColumnRole::metric) metrics.push_back(column.name);
  }
  if (metrics.empty()) {
    throw Error(ErrorCode::invalid_input, fmt::format("{}: no column looks like a metric", log.string()),
                "name metrics with their unit, such as latency_ms or runtime_cycles");
  }
  const Goal goal = Goal::parse(objective);
  const std::string chosen = goal.metric.empty() ? metrics.front() : goal.metric;
  if (std::find(metrics.begin(), metrics.end(), chosen) == metrics.end()) {
    throw unknown_name("metric", chosen, metrics, log.string());
  }
  const bool is_maximised = goal.direction == Direction::maximise;
  const std::string written = is_maximised ? fmt::format("{{maximise: {}}}", chosen) : chosen;
  std::string others;
  for (const std::string& metric : metrics) {
    if (metric != chosen) others += (others.empty() ? "" : ", ") + metric;
  }
  return fmt::format(R"(# A Corbel study of a simulation log: corbel run FILE
name: {}

import:
  file: {}
  columns:                      # what each column was taken for; change what is wrong
{}
objective: {}{}# {}; also logged: {}
constraints: []                 # such as "area_um2 <= 6e6"; over metrics and parameters
{}
output: out                     # folder of the trials, the model and the report, beside this file
)",
                     scalar(log.stem().stem().string()), scalar(log.string()), columns, written,
                     std::string(written.size() < 20 ? 21 - written.size() : 1, ' '),
                     is_maximised ? "the most of it is wanted" : "minimised", others.empty() ? "nothing" : others,
                     common_part);
}

}  // namespace corbel
