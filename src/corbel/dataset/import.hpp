#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "corbel/dataset/store.hpp"

namespace corbel {

class Config;
class Monitor;

enum class ColumnRole { parameter, metric, feasible, reason, ignore };

/// What a study's `import:` says.
struct ImportSpec {
  std::filesystem::path file;                 ///< CSV or CSV.gz
  std::map<std::string, ColumnRole> roles;    ///< columns set by the user; the rest is inferred
  std::map<std::string, std::string> rename;  ///< column → parameter or metric name
  std::string simulator = "import";           ///< name of what produced the log
  std::string workload;
};
/// `file`, `columns: {name: parameter|metric|feasible|reason|ignore}`, `rename`, `simulator`, `workload`.
ImportSpec import_spec_from_config(const Config& config);

struct ColumnPlan {
  std::string column;
  ColumnRole role;
  std::string name;      ///< of the parameter or metric
  std::string evidence;  ///< why, for people: "named like a metric", "set in study.yaml", "9 distinct numbers"
};

/// Decides what each column is. A column is a parameter if the space names it; `feasible`, `infeasible`, `valid`,
/// `status` and `reason` by name; a metric if its name ends in a unit and (without a space) it has too many values to
/// be a parameter, or it is blank on infeasible rows. @throws Error{invalid_input} naming a column that cannot be told
/// @param space  when given, every one of its parameters must have a column
struct ImportPlan {
  std::vector<ColumnPlan> columns;
  DesignSpace space;
};
ImportPlan plan_import(const ImportSpec& spec, const std::optional<DesignSpace>& space, Monitor& monitor);

struct ImportResult {
  std::uint64_t rows = 0, added = 0, feasible = 0, infeasible = 0, duplicates = 0;
  /// Rows refused, with line and reason (the first 20), and how many in all.
  std::uint64_t refused = 0;
  std::vector<std::string> refusals;
};

/// Reads the file into the store in one transaction: all good rows or, on an error, none. Rows whose values lie outside
/// the space, that say infeasible and have metrics that contradict it, or that repeat a design with other results are
/// refused and listed. More than half refused is an error. Importing twice adds nothing twice.
/// The group's simulator fingerprint is that of the spec's simulator name and metric names.
ImportResult import_csv(Store& store, const ImportSpec& spec, const ImportPlan& plan, Store::GroupId& group,
                        Monitor& monitor);

}  // namespace corbel
