#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/row_file.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/column_names.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/dataset/import_facts.hpp"
#include "corbel/dataset/log_reader.hpp"
#include "corbel/simulator/log_cells.hpp"

namespace corbel {
namespace {

/// Without a space, a column of more values than this is not taken for a parameter unless the user says so.
constexpr std::size_t most_parameter_values = 64;

/// Such as "2.5 ms".
bool is_quantity(const std::string& text) {
  try {
    return is_known_unit(parse_quantity(text).unit);
  } catch (const Error&) {
    return false;
  }
}

std::string ticked(const std::string& column) {
  return "`" + printable(column) + "`";
}

/// Plans one file; the methods are the steps.
class Planner {
 public:
  Planner(const ImportSpec& spec, const std::optional<DesignSpace>& space, const RowReader& reader)
      : spec_(spec), space_(space), header_(reader.header()), file_(spec.file.string()) {}

  /// What names and the user's word decide: it must be known before rows can be read.
  VerdictColumns verdict_columns() const;
  ImportPlan plan(const FileFacts& facts, const VerdictColumns& verdicts) const;

 private:
  Error error(const std::string& message, std::string hint) const {
    return Error(ErrorCode::invalid_input, file_ + ": " + message, std::move(hint));
  }
  std::string hint(const std::string& column, const char* role) const {
    return "say what it is under `import:`, such as `columns: {" + printable(column) + ": " + role + "}`";
  }
  std::string name_of(const std::string& column) const { return column_name(spec_, space_, column); }
  Error both_tell(std::size_t one, std::size_t other) const {
    return error("both " + ticked(header_[one]) + " and " + ticked(header_[other]) + " tell whether a row is feasible",
                 hint(header_[other], "ignore"));
  }
  void check_names() const;
  Error unreadable(const std::string& column, const ColumnFacts& column_facts) const;
  ColumnPlan decide(const std::string& column, const ColumnFacts& column_facts, const FileFacts& facts) const;
  /// What `make` gives; an Error of it, which knows no file, names this one.
  template <class Make>
  auto in_file(const Make& make) const {
    try {
      return make();
    } catch (const Error& problem) {
      throw Error(problem.code(), file_ + ": " + problem.what(), problem.hint());
    }
  }
  Parameter parameter(const ColumnPlan& column, const ColumnFacts& column_facts) const;
  void find_filler(ColumnPlan& column, const ColumnFacts& column_facts, const FileFacts& facts) const;

  const ImportSpec& spec_;
  const std::optional<DesignSpace>& space_;
  const std::vector<std::string>& header_;
  std::string file_;
};

void Planner::check_names() const {
  const auto check = [&](const std::string& column) {
    if (std::ranges::find(header_, column) == header_.end()) throw unknown_name("column", column, header_, file_);
  };
  for (const auto& [column, role] : spec_.roles) check(column);
  for (const auto& [column, unit] : spec_.units) check(column);
  for (const auto& [column, values] : spec_.values) check(column);
  for (const auto& [column, name] : spec_.rename) {
    check(column);
    if (!is_identifier(name)) {
      throw error("column " + ticked(column) + " cannot be renamed to " + ticked(name),
                  "names are letters, digits and _, not starting with a digit");
    }
  }
}

VerdictColumns Planner::verdict_columns() const {
  check_names();
  VerdictColumns told;
  for (std::size_t i = 0; i < header_.size(); ++i) {
    const auto set = spec_.roles.find(header_[i]);
    if (set == spec_.roles.end()) continue;
    std::optional<std::size_t>* place = set->second == ColumnRole::feasible               ? &told.feasible
                                        : set->second == ColumnRole::reason               ? &told.reason
                                        : set->second == ColumnRole::metric_or_infeasible ? &told.filled_if_feasible
                                                                                          : nullptr;
    if (place == nullptr) continue;
    if (*place) {
      throw error("columns " + ticked(header_[**place]) + " and " + ticked(header_[i]) + " have the same role",
                  "one column can tell feasibility, one the reason");
    }
    *place = i;
  }
  VerdictColumns columns = told;
  for (std::size_t i = 0; i < header_.size(); ++i) {
    const auto role = verdict_role(header_[i]);
    if (!role || spec_.roles.contains(header_[i]) || spec_.rename.contains(header_[i])) continue;
    if (space_ && space_->find(name_of(header_[i]))) continue;
    const bool tells_feasible = *role == VerdictRole::feasible;
    if (tells_feasible ? told.feasible : told.reason) continue;
    std::optional<std::size_t>& place = tells_feasible ? columns.feasible : columns.reason;
    if (place) throw both_tell(*place, i);
    place = i;
  }
  if (columns.feasible && columns.filled_if_feasible) throw both_tell(*columns.filled_if_feasible, *columns.feasible);
  return columns;
}

/// Of a column that is to be numbers: names the first cell that is not.
Error Planner::unreadable(const std::string& column, const ColumnFacts& c) const {
  const bool comma = c.decimal_commas();
  const CellSeen& cell = comma ? c.first_comma : c.first_word;
  return Error(ErrorCode::invalid_input,
               cell.place + ": " + printable(column) + ": " + ticked(cell.text) + " is not a number",
               (comma                    ? std::string("write numbers with a point (3.5)")
                : is_quantity(cell.text) ? "tell the column's unit under `import:`, such as `units: {" +
                                               printable(column) + ": " + parse_quantity(cell.text).unit + "}`"
                                         : "correct such cells") +
                   std::string(", or, if these are words, set `columns: {") + printable(column) + ": parameter}`");
}

ColumnPlan Planner::decide(const std::string& column, const ColumnFacts& c, const FileFacts& facts) const {
  ColumnPlan plan{column, ColumnRole::ignore, name_of(column), ""};
  const auto is = [&](ColumnRole role, std::string evidence) {
    plan.role = role;
    plan.evidence = std::move(evidence);
    return plan;
  };
  const bool blank_when_infeasible =
      facts.infeasible > 0 && c.filled_feasible > 0 && 2 * c.filled_infeasible < facts.infeasible;

  const auto set = spec_.roles.find(column);
  if (set != spec_.roles.end()) {
    plan.blank_is_infeasible = set->second == ColumnRole::metric_or_infeasible;
    const ColumnRole role = plan.blank_is_infeasible ? ColumnRole::metric : set->second;
    if (role == ColumnRole::metric && c.filled == 0) {
      throw error("column " + ticked(column) + " is to be a metric, but is always blank", hint(column, "ignore"));
    }
    if (role == ColumnRole::metric && (c.words == c.filled || c.decimal_commas())) throw unreadable(column, c);
    return is(role, "set by the user");
  }
  if (space_ && space_->find(plan.name)) return is(ColumnRole::parameter, "a parameter of the space");
  if (c.filled == 0) return is(ColumnRole::ignore, "always blank");
  if (c.decimal_commas()) throw unreadable(column, c);
  const bool has_unit = !unit_of_metric(plan.name).empty();
  const bool named_like_metric = is_named_like_metric(plan.name);
  const bool numbers = c.mostly_numbers() || (named_like_metric && c.words < c.filled);
  const std::size_t distinct = numbers ? c.numbers().size() : c.labels().size();
  const std::string count = c.overflow ? "over " + std::to_string(most_distinct) : std::to_string(distinct);
  const bool constant = !c.overflow && distinct == 1 && c.filled == facts.rows && facts.rows > 1;
  if (!numbers) {
    if (constant) return is(ColumnRole::ignore, "the same in every row");
    if (named_like_metric && has_unit) throw unreadable(column, c);
    if (!space_ && is_named_like_workload(plan.name)) {
      throw error("column " + ticked(column) + " names " + count + " workloads, and one import holds one",
                  "split the log by workload, or set `columns: {" + printable(column) + ": ignore}`");
    }
    const bool gaps = c.filled + c.blank_words < facts.rows;
    if (space_ || c.overflow || gaps || distinct > most_parameter_values) {
      throw error("column " + ticked(column) + " cannot be told: " + count + " different texts" +
                      (gaps ? ", blank in some rows" : ""),
                  hint(column, "ignore"));
    }
    return is(ColumnRole::parameter, count + " distinct words");
  }
  if (blank_when_infeasible) return is(ColumnRole::metric, "blank on infeasible rows");
  if (c.counts_rows && (facts.rows > most_parameter_values || is_named_like_index(column))) {
    return is(ColumnRole::ignore, "a row number");
  }
  if (named_like_metric) {
    const bool few = !c.overflow && distinct <= 16 && 16 * distinct <= c.filled;
    if (few && !has_unit && !space_) {
      throw error("column " + ticked(column) + " cannot be told: named like a metric, but only " + count +
                      " distinct numbers in " + std::to_string(c.filled) + " rows",
                  hint(column, "parameter"));
    }
    return is(ColumnRole::metric, "named like a metric");
  }
  if (space_) return is(ColumnRole::metric, "numbers, and not a parameter of the space");
  if (constant && c.words == 0) return is(ColumnRole::ignore, "the same in every row");

  const bool many = c.overflow || distinct > most_parameter_values;
  // In a short log many values are few; more than half as many as rows are still too many for a parameter.
  const bool many_for_rows = distinct > 8 && 2 * distinct > c.filled;
  if ((many || many_for_rows) && has_unit)
    return is(ColumnRole::metric, "ends in a unit, " + count + " distinct numbers");
  if ((many || many_for_rows) && !c.whole) return is(ColumnRole::metric, count + " distinct fractional numbers");
  if (many) {
    throw error("column " + ticked(column) + " cannot be told: " + count +
                    " distinct integers are many for a parameter, and its name does not say it is a metric",
                hint(column, "metric"));
  }
  if (2 * c.filled < facts.rows) {
    throw error("column " + ticked(column) + " cannot be told: blank in most rows", hint(column, "ignore"));
  }
  // One of a parameter's values may well be a word ("auto"); a guess would lose rows or make up a value.
  if (c.words > 0) throw unreadable(column, c);
  return is(ColumnRole::parameter, count + " distinct numbers");
}

Parameter Planner::parameter(const ColumnPlan& column, const ColumnFacts& c) const {
  if (c.overflow) {
    throw error("column " + ticked(column.column) + " has over " + std::to_string(most_distinct) +
                    " different values, too many to make a parameter of",
                "describe the design space in the study, or set `columns: {" + printable(column.column) + ": metric}`");
  }
  if (c.filled == 0) {
    throw error("parameter column " + ticked(column.column) + " is blank", hint(column.column, "ignore"));
  }
  if (c.numeric()) {
    return in_file([&] { return Parameter::ordinal(column.name, c.numbers(), unit_of_metric(column.name)); });
  }
  std::set<std::string> words;
  for (const std::string& label : c.labels()) words.insert(lowered(label));
  if (words == std::set<std::string>{"false", "true"}) return Parameter::boolean(column.name);
  return in_file([&] { return Parameter::categorical(column.name, c.labels()); });
}

void Planner::find_filler(ColumnPlan& column, const ColumnFacts& c, const FileFacts& facts) const {
  if (facts.infeasible == 0 || c.filled_feasible == 0) return;
  const bool filler = c.filled_infeasible > 1 && c.same_infeasible && c.infeasible_value <= 0 && c.positive_feasible;
  if (filler) {
    column.filler = c.infeasible_value;
    column.evidence += "; " + format_number(c.infeasible_value) + " on infeasible rows stands for none";
  }
  column.only_feasible = column.blank_is_infeasible || filler || 2 * c.filled_infeasible < facts.infeasible;
}

ImportPlan Planner::plan(const FileFacts& facts, const VerdictColumns& verdicts) const {
  if (facts.rows == 0) {
    throw Error(ErrorCode::too_little_data, file_ + ": has a header, but no rows", "export the log again");
  }
  std::vector<ColumnPlan> columns;
  std::vector<Parameter> parameters;
  std::map<std::string, std::string> names;
  bool has_metric = false;
  for (std::size_t i = 0; i < header_.size(); ++i) {
    const ColumnFacts& column_facts = facts.columns[i];
    if (i == verdicts.feasible || i == verdicts.reason) {
      const bool set = spec_.roles.contains(header_[i]);
      if (!set && lowered(header_[i]) == "status" && column_facts.numeric()) {
        throw error("column " + ticked(header_[i]) + " holds numbers, and whether 0 or 1 is good is not said",
                    "set `columns: {" + printable(header_[i]) + ": feasible}` if 1 means feasible, or `ignore`");
      }
      const ColumnRole role = i == verdicts.feasible ? ColumnRole::feasible : ColumnRole::reason;
      columns.push_back({header_[i], role, "", set ? "set by the user" : "by its name"});
      continue;
    }
    ColumnPlan column = decide(header_[i], column_facts, facts);
    const bool used = column.role == ColumnRole::parameter || column.role == ColumnRole::metric;
    if (!used) column.name.clear();
    if (used && !is_identifier(column.name)) {
      throw error("column " + ticked(header_[i]) + " has a name that constraints cannot use",
                  "rename it under `import:`, such as `rename: {\"" + printable(header_[i]) + "\": NAME}`");
    }
    if (used && column.name != trim(header_[i]) && !spec_.rename.contains(header_[i])) {
      column.evidence += "; named " + column.name;
    }
    if (used && !names.try_emplace(column.name, header_[i]).second) {
      throw error("columns " + ticked(names[column.name]) + " and " + ticked(header_[i]) + " are both named " +
                      ticked(column.name),
                  "rename one of them under `import:`, such as `rename: {\"" + printable(header_[i]) +
                      "\": NAME}`, or ignore it");
    }
    if (column.role == ColumnRole::metric) {
      has_metric = true;
      if (verdicts.any()) find_filler(column, column_facts, facts);
      if (column_facts.words > 0) {
        column.evidence += "; rows where it is not a number are refused: " + std::to_string(column_facts.words);
      }
    }
    if (column.role == ColumnRole::parameter && space_ && !space_->find(column.name)) {
      throw unknown_name("parameter", column.name, header_, file_);
    }
    if (column.role == ColumnRole::parameter && !space_) {
      parameters.push_back(parameter(column, column_facts));
    }
    columns.push_back(std::move(column));
  }
  if (!has_metric) {
    if (verdicts.any() && facts.feasible == 0) {
      throw Error(
          ErrorCode::too_little_data,
          file_ + ": none of the " + std::to_string(facts.rows) + " rows is feasible: there is no metric to learn",
          "log some feasible designs, or check how the feasibility column is read");
    }
    throw error("no column is a metric",
                "name what was measured with its unit, such as latency_ms, or set `columns: {NAME: metric}`");
  }
  if (!space_) {
    if (parameters.empty())
      throw error("no column is a parameter", "set `columns: {NAME: parameter}` for those that are");
    return {std::move(columns), in_file([&] { return DesignSpace(std::move(parameters)); }), facts.rows};
  }
  for (const Parameter& parameter : space_->parameters()) {
    const auto column = names.find(parameter.name());
    if (column == names.end()) {
      const std::string near = nearest_name(parameter.name(), header_);
      throw error("no column for parameter " + ticked(parameter.name()),
                  near.empty()
                      ? "rename the column that holds it: `rename: {COLUMN: " + parameter.name() + "}`"
                      : "did you mean column `" + near + "`? then `rename: {" + near + ": " + parameter.name() + "}`");
    }
  }
  return {std::move(columns), *space_, facts.rows};
}

}  // namespace

ImportPlan plan_import(const ImportSpec& spec, const std::optional<DesignSpace>& told, Monitor& monitor) {
  const std::optional<DesignSpace>& space = told ? told : spec.space;
  const std::unique_ptr<RowReader> reader = open_log(spec, space);
  const Planner planner(spec, space, *reader);
  const VerdictColumns columns = planner.verdict_columns();
  const VerdictReader verdicts(reader->header(), columns);
  const FileFacts facts = read_facts(*reader, verdicts, monitor);
  return planner.plan(facts, columns);
}

}  // namespace corbel
