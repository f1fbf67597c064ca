#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/dataset/inspect.hpp"
#include "corbel/study/pipeline.hpp"
#include "summaries.hpp"
#include "temporary_folder.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

std::string count(double value) {
  return format_for_people(value, 18);
}

/// Imports a log into a store of its own that is removed again.
Inspection inspect_log(const std::filesystem::path& file, Monitor& monitor) {
  const TemporaryFolder folder("inspect");
  Store store(folder.path() / "log.db", Store::Mode::read_write);
  ImportSpec spec;
  spec.file = file;
  const ImportPlan plan = plan_import(spec, std::nullopt, monitor);
  Store::GroupId group = 0;
  const ImportResult result = import_log(store, spec, plan, group, monitor);
  Inspection found = inspect({store, group});
  for (const std::string& refusal : result.refusals) found.warnings.push_back("refused: " + refusal);
  return found;
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
    const auto figure = [](double value) { return std::isfinite(value) ? format_for_people(value) : std::string("-"); };
    metrics.row({metric.name, metric.unit, count(static_cast<double>(metric.count)), figure(metric.min),
                 figure(metric.median), figure(metric.mean), figure(metric.max)});
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

}  // namespace

void add_inspect_command(CLI::App& app, Common& common, int&) {
  const auto file = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("inspect", "Tell what a log or a study's trials hold, and what to doubt");
  command->add_option("FILE", *file, "A study (YAML), a store (trials.db, postgresql://…) or a log")->required();
  add_common(*command, common);
  command->callback([file, &common] {
    TerminalMonitor monitor(common.quiet);
    const std::filesystem::path path = *file;
    const std::string extension = path.extension().string();
    std::vector<std::pair<std::string, Inspection>> found;
    if (extension == ".yaml" || extension == ".yml") {
      Pipeline pipeline(StudyFile::load(path), monitor);
      found.emplace_back("", inspect(pipeline.trials()));
    } else if (names_store(*file)) {
      const Store store(*file, Store::Mode::snapshot);
      for (const Store::GroupId id : store.group_ids()) {
        const TrialGroup group = store.describe(id);
        std::string name = group.simulator;
        if (!group.workload.empty()) name += ", " + group.workload;
        found.emplace_back(name, inspect({store, id}));
      }
      if (found.empty()) {
        throw Error(ErrorCode::too_little_data, fmt::format("{}: the store is empty", store.location().text()),
                    "sweep or import some designs first");
      }
    } else {
      found.emplace_back("", inspect_log(path, monitor));
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

}  // namespace corbel::cli
