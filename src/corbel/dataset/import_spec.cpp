#include <string_view>
#include <vector>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/row_file.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/dataset/log_presets.hpp"

namespace corbel {

ImportSpec import_spec_from_config(const Config& config) {
  config.allow_only({"file", "format", "preset", "columns", "rename", "units", "values", "simulator", "workload"});
  ImportSpec spec;
  if (const Config* preset = config.find("preset")) {
    std::vector<std::string_view> names;
    for (const LogPreset& known : log_presets()) names.push_back(known.name);
    log_preset(preset->choice(names)).apply(spec);
  }
  if (const Config* file = config.find("file")) {
    spec.file = file->text();
    if (spec.file.empty()) throw file->error("the log has no name", "write its path: `file: log.csv`");
    if (spec.file.is_relative() && !config.file().empty()) {
      spec.file = std::filesystem::path(config.file()).parent_path() / spec.file;
    }
  }
  if (const Config* columns = config.find("columns")) {
    for (const auto& [column, role] : columns->entries()) {
      const std::string& text =
          role.choice({"parameter", "metric", "metric_or_infeasible", "feasible", "reason", "ignore"});
      spec.roles[column] = text == "parameter"              ? ColumnRole::parameter
                           : text == "metric"               ? ColumnRole::metric
                           : text == "metric_or_infeasible" ? ColumnRole::metric_or_infeasible
                           : text == "feasible"             ? ColumnRole::feasible
                           : text == "reason"               ? ColumnRole::reason
                                                            : ColumnRole::ignore;
    }
  }
  if (const Config* rename = config.find("rename")) {
    for (const auto& [column, name] : rename->entries()) spec.rename[column] = name.text();
  }
  if (const Config* format = config.find("format")) {
    std::vector<std::string_view> ids;
    for (const RowFormat& known : row_formats()) ids.push_back(known.id);
    spec.format = format->choice(ids);
  }
  if (const Config* units = config.find("units")) {
    for (const auto& [column, unit] : units->entries()) {
      if (!is_known_unit(unit.text())) {
        throw unit.error("unknown unit " + in_quotes(unit.text()), "write one such as us, mm2, KiB or GB/s");
      }
      spec.units[column] = unit.text();
    }
  }
  if (const Config* values = config.find("values")) {
    for (const auto& [column, map] : values->entries()) {
      for (const auto& [from, to] : map.entries()) spec.values[column][from] = to.text();
    }
  }
  if (const Config* simulator = config.find("simulator")) spec.simulator = simulator->text();
  if (const Config* workload = config.find("workload")) spec.workload = workload->text();
  return spec;
}

}  // namespace corbel
