#include "import_preview.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "corbel/base/units.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

std::string people(std::uint64_t count) {
  return format_for_people(static_cast<double>(count), 15);
}

const char* role_name(ColumnRole role) {
  switch (role) {
    case ColumnRole::parameter:
      return "parameter";
    case ColumnRole::metric:
    case ColumnRole::metric_or_infeasible:
      return "metric";
    case ColumnRole::feasible:
      return "feasible";
    case ColumnRole::reason:
      return "reason";
    case ColumnRole::ignore:
      break;
  }
  return "ignore";
}

}  // namespace

ScratchStore::ScratchStore(StoreLocation store, ImportMode mode) : location_(std::move(store)) {
  if (mode == ImportMode::keep || Store::if_there(location_)) return;
  folder_.emplace("import");
  location_ = folder_->path() / "trials.db";
}

void ImportPreview::add(Store& store, const ImportSpec& spec, const std::optional<DesignSpace>& space, ImportMode mode,
                        Monitor& monitor) {
  ImportPlan plan = plan_import(spec, space, monitor);
  Store::GroupId group = 0;
  ImportResult result = import_log(store, spec, plan, group, monitor, mode);
  logs_.push_back({spec.file.string(), spec.workload, std::move(plan), std::move(result)});
}

void ImportPreview::print(ImportMode mode, const Common& common) const {
  if (common.json()) {
    json list = json::array();
    for (const Log& log : logs_) {
      json columns = json::array();
      for (const ColumnPlan& column : log.plan.columns) {
        columns.push_back({{"column", column.column},
                           {"role", role_name(column.role)},
                           {"name", column.name},
                           {"evidence", column.evidence}});
      }
      list.push_back({{"file", log.file},
                      {"workload", log.workload},
                      {"columns", std::move(columns)},
                      {"space", log.plan.space.to_json()},
                      {"rows", log.result.rows},
                      {"added", log.result.added},
                      {"feasible", log.result.feasible},
                      {"infeasible", log.result.infeasible},
                      {"duplicates", log.result.duplicates},
                      {"failed", log.result.failed},
                      {"refused", log.result.refused},
                      {"refusals", log.result.refusals}});
    }
    return print_json({{"dry_run", mode == ImportMode::dry_run}, {"logs", std::move(list)}});
  }
  const std::vector<ColumnPlan>* shown = nullptr;
  for (const Log& log : logs_) {
    const auto same = [](const ColumnPlan& a, const ColumnPlan& b) {
      return a.column == b.column && a.role == b.role && a.name == b.name;
    };
    // The files of a data set are mostly alike.
    if (shown != nullptr && std::ranges::equal(*shown, log.plan.columns, same)) continue;
    shown = &log.plan.columns;
    if (logs_.size() > 1) fmt::print("== {}\n", log.file);
    Table columns({"column", "is", "named", "because"});
    for (const ColumnPlan& column : log.plan.columns) {
      columns.row({column.column, role_name(column.role), column.name, column.evidence});
    }
    columns.print();
    fmt::print("space      {} designs\n\n", format_for_people(static_cast<double>(log.plan.space.size()), 20));
  }
  Table table({"log", "workload", "rows", mode == ImportMode::dry_run ? "would add" : "added", "feasible", "infeasible",
               "duplicates", "failed", "refused"});
  for (const Log& log : logs_) {
    const ImportResult& result = log.result;
    table.row({log.file, log.workload.empty() ? "-" : log.workload, people(result.rows), people(result.added),
               people(result.feasible), people(result.infeasible), people(result.duplicates), people(result.failed),
               people(result.refused)});
  }
  table.print();
  for (const Log& log : logs_) {
    for (const std::string& refusal : log.result.refusals) fmt::print("refused: {}\n", refusal);
    if (log.result.refused > log.result.refusals.size()) {
      fmt::print("refused: {} more rows of {}\n", people(log.result.refused - log.result.refusals.size()), log.file);
    }
  }
  if (mode == ImportMode::dry_run) fmt::print("nothing was imported: this was a dry run\n");
}

}  // namespace corbel::cli
