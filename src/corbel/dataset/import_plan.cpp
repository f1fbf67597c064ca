#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <unordered_map>

#include "corbel/base/config.hpp"
#include "corbel/base/csv.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/dataset/import_cells.hpp"

namespace corbel {
namespace {

/// More distinct values than this are not counted further: no parameter has so many.
constexpr std::size_t most_distinct = 4096;
/// Without a space, a column of more values than this is not taken for a parameter unless the user says so.
constexpr std::size_t most_parameter_values = 64;

/// What one reading of the file tells of a column.
struct ColumnFacts {
  std::unordered_map<std::string, double, TextHash, std::equal_to<>> distinct;  ///< NaN for words
  bool overflow = false;                                                        ///< more than most_distinct
  std::set<std::string> blank_labels;  ///< words for "no value", which are labels where other words stand too
  std::uint64_t filled = 0, words = 0, blank_words = 0;
  std::uint64_t filled_feasible = 0, filled_infeasible = 0;
  bool whole = true;        ///< all numbers are integers
  bool counts_rows = true;  ///< 0, 1, 2, … or 1, 2, 3, …
  bool same_infeasible = true, positive_feasible = true;
  double infeasible_value = std::numeric_limits<double>::quiet_NaN();

  bool numeric() const { return filled > 0 && words == 0; }
  void add(std::string_view cell, std::uint64_t row, Verdict verdict);
  double number(std::string_view cell);
  std::vector<double> numbers() const;      ///< distinct, ascending
  std::vector<std::string> labels() const;  ///< distinct, sorted
  std::size_t count() const { return numeric() ? numbers().size() : labels().size(); }
};

double ColumnFacts::number(std::string_view cell) {
  if (!overflow) {
    const auto known = distinct.find(cell);
    if (known != distinct.end()) return known->second;
  }
  double value = 0;
  if (!parse_number(cell, value)) value = std::numeric_limits<double>::quiet_NaN();
  if (!overflow) {
    // A long text is no value of a parameter; remembering thousands of them would fill the memory.
    overflow = distinct.size() >= most_distinct || cell.size() > 256;
    if (!overflow) distinct.emplace(cell, value);
  }
  return value;
}

void ColumnFacts::add(std::string_view raw, std::uint64_t row, Verdict verdict) {
  const std::string_view cell = trimmed(raw);
  if (is_blank(cell)) {
    counts_rows = false;
    if (!cell.empty()) {
      ++blank_words;
      blank_labels.emplace(cell);
    }
    return;
  }
  ++filled;
  const double value = number(cell);
  if (std::isnan(value)) ++words;
  whole = whole && value == std::floor(value);
  const auto index = static_cast<double>(row);
  counts_rows = counts_rows && (value == index || value == index + 1);
  if (verdict == Verdict::feasible) {
    ++filled_feasible;
    positive_feasible = positive_feasible && value > 0;
  } else if (verdict == Verdict::infeasible) {
    if (filled_infeasible++ == 0) infeasible_value = value;
    same_infeasible = same_infeasible && value == infeasible_value;
  }
}

std::vector<double> ColumnFacts::numbers() const {
  std::set<double> values;
  for (const auto& [text, value] : distinct) values.insert(value);
  return {values.begin(), values.end()};
}

std::vector<std::string> ColumnFacts::labels() const {
  std::set<std::string> texts = blank_labels;
  for (const auto& [text, value] : distinct) texts.insert(text);
  return {texts.begin(), texts.end()};
}

struct FileFacts {
  std::uint64_t rows = 0, feasible = 0, infeasible = 0;
  std::vector<ColumnFacts> columns;
};

FileFacts read_facts(CsvReader& reader, const VerdictReader& verdicts, Monitor& monitor) {
  FileFacts facts;
  facts.columns.resize(reader.header().size());
  std::vector<std::string_view> fields;
  while (reader.next(fields)) {
    if ((facts.rows & 0x1fff) == 0) {
      monitor.check();
      monitor.progress("read columns", static_cast<std::uint64_t>(100 * reader.progress()), 100, "");
    }
    const Verdict verdict = verdicts.read(fields).verdict;
    facts.feasible += verdict == Verdict::feasible ? 1 : 0;
    facts.infeasible += verdict == Verdict::infeasible ? 1 : 0;
    for (std::size_t i = 0; i < fields.size(); ++i) facts.columns[i].add(fields[i], facts.rows, verdict);
    ++facts.rows;
  }
  return facts;
}

bool is_identifier(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && letter(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string as_identifier(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    if (name.empty() && digit) name += '_';
    if (letter || digit) {
      name += letter && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  while (!name.empty() && name.back() == '_') name.pop_back();
  return name.empty() ? "name" : name;
}

std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  for (const char c : lowered(name)) {
    if (c != '_' && c != ' ' && c != '-' && c != '.') {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.size() > 1 && words.back().empty()) words.pop_back();
  return words;
}

/// Whether the name speaks of something that is measured: "latency_ms", "total energy", "dram_reads".
bool is_named_like_metric(std::string_view name) {
  constexpr std::array<std::string_view, 26> first = {
      "latency", "runtime",     "time",        "seconds",    "delay",    "cycle",    "cycles", "stall", "stalls",
      "energy",  "power",       "area",        "edp",        "cost",     "fps",      "macs",   "flops", "tops",
      "util",    "utilisation", "utilization", "throughput", "accuracy", "accesses", "reads",  "writes"};
  constexpr std::array<std::string_view, 11> last = {"latency",     "runtime",     "energy",    "accesses",
                                                     "reads",       "writes",      "misses",    "hits",
                                                     "utilisation", "utilization", "throughput"};
  constexpr std::array<std::string_view, 7> qualifiers = {"total", "mean", "avg", "average", "max", "min", "peak"};
  const std::vector<std::string> words = words_of(name);
  std::size_t begin = 0;
  while (begin + 1 < words.size() && std::ranges::find(qualifiers, words[begin]) != qualifiers.end()) ++begin;
  return std::ranges::find(first, words[begin]) != first.end() || std::ranges::find(last, words.back()) != last.end();
}

bool is_named_like_workload(std::string_view name) {
  constexpr std::array<std::string_view, 6> names = {"workload", "network", "model", "application", "app", "benchmark"};
  return std::ranges::find(names, lowered(name)) != names.end();
}

bool is_named_like_index(std::string_view name) {
  constexpr std::array<std::string_view, 9> names = {"id",     "index", "idx", "row",   "run",
                                                     "sample", "trial", "no",  "number"};
  const std::vector<std::string> words = words_of(name);
  return std::ranges::find(names, words.back()) != names.end() || words.front().starts_with("unnamed");
}

std::string ticked(const std::string& column) {
  return "`" + printable(column) + "`";
}

/// Plans one file; the methods are the steps.
class Planner {
 public:
  Planner(const ImportSpec& spec, const std::optional<DesignSpace>& space, const CsvReader& reader)
      : spec_(spec), space_(space), header_(reader.header()), file_(spec.file.string()) {}

  /// Roles that names and the user's word decide: feasibility and reason must be known before rows can be read.
  std::vector<ColumnRole> named_roles() const;
  ImportPlan plan(const FileFacts& facts, const std::vector<ColumnRole>& named, bool has_verdicts) const;

 private:
  Error error(const std::string& message, std::string hint) const {
    return Error(ErrorCode::invalid_input, file_ + ": " + message, std::move(hint));
  }
  std::string hint(const std::string& column, const char* role) const {
    return "say what it is under `import:`, such as `columns: {" + printable(column) + ": " + role + "}`";
  }
  std::string name_of(const std::string& column) const {
    const auto renamed = spec_.rename.find(column);
    return renamed == spec_.rename.end() ? std::string(trimmed(column)) : renamed->second;
  }
  void check_names() const;
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
  for (const auto& [column, name] : spec_.rename) {
    check(column);
    if (!is_identifier(name)) {
      throw error("column " + ticked(column) + " cannot be renamed to " + ticked(name),
                  "names are letters, digits and _, not starting with a digit");
    }
  }
}

std::vector<ColumnRole> Planner::named_roles() const {
  check_names();
  // `ignore` stands for "not decided by name" here.
  std::vector<ColumnRole> roles(header_.size(), ColumnRole::ignore);
  std::array<std::string, 2> taken;
  const auto holder = [&](ColumnRole role) -> std::string& { return taken[role == ColumnRole::feasible ? 0 : 1]; };
  for (std::size_t i = 0; i < header_.size(); ++i) {
    const auto set = spec_.roles.find(header_[i]);
    if (set == spec_.roles.end() || (set->second != ColumnRole::feasible && set->second != ColumnRole::reason))
      continue;
    if (!holder(set->second).empty()) {
      throw error("columns " + ticked(holder(set->second)) + " and " + ticked(header_[i]) + " have the same role",
                  "one column can tell feasibility, one the reason");
    }
    roles[i] = set->second;
    holder(set->second) = header_[i];
  }
  for (std::size_t i = 0; i < header_.size(); ++i) {
    const auto role = role_by_name(header_[i]);
    if (!role || spec_.roles.contains(header_[i]) || spec_.rename.contains(header_[i])) continue;
    if (space_ && space_->find(name_of(header_[i]))) continue;
    if (!holder(*role).empty()) {
      if (spec_.roles.contains(holder(*role))) continue;
      throw error("both " + ticked(holder(*role)) + " and " + ticked(header_[i]) + " tell whether a row is feasible",
                  hint(header_[i], "ignore"));
    }
    roles[i] = *role;
    holder(*role) = header_[i];
  }
  return roles;
}

ColumnPlan Planner::decide(const std::string& column, const ColumnFacts& c, const FileFacts& facts) const {
  ColumnPlan plan{column, ColumnRole::ignore, name_of(column), ""};
  const auto is = [&](ColumnRole role, std::string evidence) {
    plan.role = role;
    plan.evidence = std::move(evidence);
    return plan;
  };
  const std::string count = c.overflow ? "over " + std::to_string(most_distinct) : std::to_string(c.count());
  const bool blank_when_infeasible =
      facts.infeasible > 0 && c.filled_feasible > 0 && 2 * c.filled_infeasible < facts.infeasible;

  const auto set = spec_.roles.find(column);
  if (set != spec_.roles.end()) {
    if (set->second == ColumnRole::metric && !c.numeric()) {
      throw error("column " + ticked(column) + " is to be a metric, but is not all numbers", hint(column, "ignore"));
    }
    return is(set->second, "set by the user");
  }
  if (space_ && space_->find(plan.name)) return is(ColumnRole::parameter, "a parameter of the space");
  if (c.filled == 0) return is(ColumnRole::ignore, "always blank");
  const bool constant = !c.overflow && c.count() == 1 && c.filled == facts.rows && facts.rows > 1;
  if (!c.numeric()) {
    if (constant) return is(ColumnRole::ignore, "the same in every row");
    if (!space_ && is_named_like_workload(plan.name)) {
      throw error("column " + ticked(column) + " names " + count + " workloads, and one import holds one",
                  "split the log by workload, or set `columns: {" + printable(column) + ": ignore}`");
    }
    const bool gaps = c.filled + c.blank_words < facts.rows;
    if (space_ || c.overflow || gaps || c.count() > most_parameter_values) {
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
  const bool has_unit = !unit_of_metric(plan.name).empty();
  if (is_named_like_metric(plan.name)) {
    const bool few = !c.overflow && c.count() <= 16 && 16 * c.count() <= c.filled;
    if (few && !has_unit && !space_) {
      throw error("column " + ticked(column) + " cannot be told: named like a metric, but only " + count +
                      " distinct numbers in " + std::to_string(c.filled) + " rows",
                  hint(column, "parameter"));
    }
    return is(ColumnRole::metric, "named like a metric");
  }
  if (space_) return is(ColumnRole::metric, "numbers, and not a parameter of the space");
  if (constant) return is(ColumnRole::ignore, "the same in every row");

  const bool many = c.overflow || c.count() > most_parameter_values;
  // In a short log many values are few; more than half as many as rows are still too many for a parameter.
  const bool many_for_rows = c.count() > 8 && 2 * c.count() > c.filled;
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
  column.only_feasible = filler || 2 * c.filled_infeasible < facts.infeasible;
}

ImportPlan Planner::plan(const FileFacts& facts, const std::vector<ColumnRole>& named, bool has_verdicts) const {
  if (facts.rows == 0) {
    throw Error(ErrorCode::too_little_data, file_ + ": has a header, but no rows", "export the log again");
  }
  std::vector<ColumnPlan> columns;
  std::vector<Parameter> parameters;
  std::map<std::string, std::string> names;
  bool has_metric = false;
  for (std::size_t i = 0; i < header_.size(); ++i) {
    const ColumnFacts& column_facts = facts.columns[i];
    if (named[i] != ColumnRole::ignore) {
      const bool set = spec_.roles.contains(header_[i]);
      if (!set && lowered(header_[i]) == "status" && column_facts.numeric()) {
        throw error("column " + ticked(header_[i]) + " holds numbers, and whether 0 or 1 is good is not said",
                    "set `columns: {" + printable(header_[i]) + ": feasible}` if 1 means feasible, or `ignore`");
      }
      columns.push_back({header_[i], named[i], "", set ? "set by the user" : "by its name"});
      continue;
    }
    ColumnPlan column = decide(header_[i], column_facts, facts);
    const bool used = column.role == ColumnRole::parameter || column.role == ColumnRole::metric;
    if (!used) column.name.clear();
    if (used && !is_identifier(column.name)) {
      throw error("column " + ticked(header_[i]) + " has a name that constraints cannot use",
                  "rename it under `import:`, such as `rename: {\"" + printable(header_[i]) +
                      "\": " + as_identifier(header_[i]) + "}`");
    }
    if (used && !names.try_emplace(column.name, header_[i]).second) {
      throw error("columns " + ticked(names[column.name]) + " and " + ticked(header_[i]) + " are both named " +
                      ticked(column.name),
                  "rename one of them, or ignore it");
    }
    if (column.role == ColumnRole::metric) {
      has_metric = true;
      if (has_verdicts) find_filler(column, column_facts, facts);
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
    if (has_verdicts && facts.feasible == 0) {
      throw Error(ErrorCode::too_little_data,
                  file_ + ": none of the " + std::to_string(facts.rows) + " rows is feasible: there is no metric to learn",
                  "log some feasible designs, or check how the feasibility column is read");
    }
    throw error("no column is a metric",
                "name what was measured with its unit, such as latency_ms, or set `columns: {NAME: metric}`");
  }
  if (!space_) {
    if (parameters.empty())
      throw error("no column is a parameter", "set `columns: {NAME: parameter}` for those that are");
    return {std::move(columns), in_file([&] { return DesignSpace(std::move(parameters)); })};
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
  return {std::move(columns), *space_};
}

}  // namespace

ImportSpec import_spec_from_config(const Config& config) {
  config.allow_only({"file", "columns", "rename", "simulator", "workload"});
  ImportSpec spec;
  spec.file = config.at("file").text();
  if (spec.file.empty()) throw config.at("file").error("the log has no name", "write its path: `file: log.csv`");
  if (spec.file.is_relative() && !config.file().empty()) {
    spec.file = std::filesystem::path(config.file()).parent_path() / spec.file;
  }
  if (const Config* columns = config.find("columns")) {
    for (const auto& [column, role] : columns->entries()) {
      const std::string& text = role.choice({"parameter", "metric", "feasible", "reason", "ignore"});
      spec.roles[column] = text == "parameter"  ? ColumnRole::parameter
                           : text == "metric"   ? ColumnRole::metric
                           : text == "feasible" ? ColumnRole::feasible
                           : text == "reason"   ? ColumnRole::reason
                                                : ColumnRole::ignore;
    }
  }
  if (const Config* rename = config.find("rename")) {
    for (const auto& [column, name] : rename->entries()) spec.rename[column] = name.text();
  }
  if (const Config* simulator = config.find("simulator")) spec.simulator = simulator->text();
  if (const Config* workload = config.find("workload")) spec.workload = workload->text();
  return spec;
}

ImportPlan plan_import(const ImportSpec& spec, const std::optional<DesignSpace>& space, Monitor& monitor) {
  CsvReader reader(spec.file);
  const Planner planner(spec, space, reader);
  const std::vector<ColumnRole> named = planner.named_roles();
  const VerdictReader verdicts(reader.header(), named);
  const FileFacts facts = read_facts(reader, verdicts, monitor);
  return planner.plan(facts, named, verdicts.has_column());
}

}  // namespace corbel
