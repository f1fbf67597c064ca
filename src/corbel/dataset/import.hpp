#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "corbel/dataset/store.hpp"

namespace corbel {

class Config;
class Monitor;

/// What a column of a log is. `metric_or_infeasible`, only in a spec: a metric that infeasible rows leave blank, in a
/// log without a feasibility column; the plan has it as a metric.
enum class ColumnRole { parameter, metric, feasible, reason, ignore, metric_or_infeasible };

/// What a study's `import:` says.
struct ImportSpec {
  std::filesystem::path file;  ///< a log, a folder of logs, or a pattern such as logs/*.csv: see log_files()
  std::string format;          ///< of row_formats(); "" to tell it from the file
  std::map<std::string, ColumnRole> roles;                           ///< columns set by the user; the rest is inferred
  std::map<std::string, std::string> rename;                         ///< column → parameter or metric name
  std::map<std::string, std::string> units;                          ///< column → unit of its numbers
  std::map<std::string, std::map<std::string, std::string>> values;  ///< column → cell → what it stands for
  std::optional<DesignSpace> space;                                  ///< of a preset
  std::string simulator = "import";                                  ///< name of what produced the log
  std::string workload;
  /// Sets rows apart from those of other logs by the same simulator; "" to add them to one another's.
  std::string identity;
};
/// `file` (relative to the config's; may be absent), `format`, `preset`, `columns: {name:
/// parameter|metric|metric_or_infeasible| feasible|reason|ignore}`, `rename: {column: name}`, `units: {column: unit}`,
/// `values: {column: {cell: value}}`, `simulator`, `workload`. @throws Error{invalid_input} naming the place
ImportSpec import_spec_from_config(const Config& config);

/// The file itself, the files in a folder, or those whose names match a pattern with `*` and `?`; by name.
/// @throws Error{not_found} if there are none; Error{file_access}
std::vector<std::filesystem::path> log_files(const std::filesystem::path& path);

struct ColumnPlan {
  std::string column;
  ColumnRole role;
  std::string name;      ///< of the parameter or metric
  std::string evidence;  ///< why, for people: "named like a metric", "set by the user", "9 distinct numbers"
  /// Of a metric: it has values on feasible rows only, so that a value on an infeasible row contradicts it.
  bool only_feasible = false;
  /// Of such a metric: the number that infeasible rows carry in its place, such as −1; NaN if they leave it blank.
  double filler = std::numeric_limits<double>::quiet_NaN();
  /// Of the metric set to be metric_or_infeasible: a row where it is blank is infeasible.
  bool blank_is_infeasible = false;
};

struct ImportPlan {
  std::vector<ColumnPlan> columns;  ///< one per column of the file, in its order
  DesignSpace space;
  std::uint64_t rows = 0;
};

/// Decides what each column is, from its name and one reading of the file; docs/formats/import.md tells the rules.
/// A column is a parameter if the space names it; `feasible`, `infeasible`, `valid`, `status` and `reason` by name; a
/// metric if it is blank on infeasible rows, named like one, or ends in a unit and has too many values for a parameter.
/// A name that is no identifier becomes one ("PE count" → pe_count) where that leaves its meaning.
/// @param space  when given, every one of its parameters must have a column; otherwise it is made of the values seen
/// @throws Error{invalid_input} naming a column that cannot be told, with what to write to tell it; Error{corrupt,
///         mismatch} as open_rows; Error{too_little_data} for a file without rows; Error{interrupted}
ImportPlan plan_import(const ImportSpec& spec, const std::optional<DesignSpace>& space, Monitor& monitor);

/// rows = feasible + infeasible + failed + refused; feasible + infeasible = added + duplicates.
struct ImportResult {
  std::uint64_t rows = 0, added = 0, feasible = 0, infeasible = 0;
  /// Rows that repeat a design with the same results, in the file or the store.
  std::uint64_t duplicates = 0;
  /// Rows of runs that came to nothing (time-out, crash): left out, since they say nothing of the design.
  std::uint64_t failed = 0;
  /// Rows refused, with line and reason (the first 20), and how many in all.
  std::uint64_t refused = 0;
  std::vector<std::string> refusals;
};

/// Whether an import is kept, or only tells what it would do.
enum class ImportMode { keep, dry_run };

/// Reads the log into the store in one transaction: all good rows or, on an error, none. Rows whose values lie outside
/// the space, that say infeasible and have metrics that contradict it, or that repeat a design with other results are
/// refused and listed. More than half refused is an error. Importing twice adds nothing twice.
/// Metrics that infeasible rows do have (area, say) are kept with them. Memory does not grow with the log; a temporary
/// file beside the store may. What inspect() tells of the group is kept with it.
/// The group's simulator fingerprint is that of the spec's simulator name and metric names.
/// @throws Error{invalid_input}, Error{mismatch} if the log has changed since it was planned; Error{interrupted}
ImportResult import_log(Store& store, const ImportSpec& spec, const ImportPlan& plan, Store::GroupId& group,
                        Monitor& monitor, ImportMode mode = ImportMode::keep);

}  // namespace corbel
