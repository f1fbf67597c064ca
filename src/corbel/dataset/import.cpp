#include "corbel/dataset/import.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <unordered_map>

#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/row_file.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/inspect.hpp"
#include "corbel/dataset/log_reader.hpp"
#include "corbel/dataset/trial_sorter.hpp"
#include "corbel/simulator/log_cells.hpp"

namespace corbel {
namespace {

constexpr std::size_t most_refusals_listed = 20;

TrialGroup group_of(const ImportSpec& spec, const ImportPlan& plan) {
  TrialGroup group{plan.space, spec.simulator, "", spec.workload, "", {}};
  std::string produced = "import\n" + spec.simulator;
  for (const ColumnPlan& column : plan.columns) {
    if (column.role != ColumnRole::metric) continue;
    group.metrics.push_back(column.name);
    produced += "\n" + column.name;
  }
  if (!spec.identity.empty()) produced += "\n\n" + spec.identity;
  group.simulator_fingerprint = fingerprint(produced);
  if (!spec.workload.empty()) group.workload_fingerprint = fingerprint("import\n" + spec.workload);
  return group;
}

/// Turns rows into trials.
class TrialReader {
 public:
  TrialReader(const std::vector<std::string>& header, const ImportPlan& plan)
      : plan_(plan), verdicts_(header, verdict_columns(plan)) {
    for (std::size_t i = 0; i < plan.columns.size(); ++i) {
      const ColumnPlan& column = plan.columns[i];
      if (column.role == ColumnRole::metric) metrics_.push_back(i);
      if (column.role == ColumnRole::parameter) {
        parameters_.push_back({i, plan.space.index_of(column.name), {}});
      }
    }
    design_.resize(plan.space.dimensions());
  }

  /// The row as a trial, complete, infeasible or failed. @return "" or why the row is refused
  std::string read(std::span<const std::string_view> row, Trial& trial);

 private:
  struct ParameterColumn {
    std::size_t column, parameter;
    std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> known;  ///< texts already looked up
  };

  static VerdictColumns verdict_columns(const ImportPlan& plan) {
    VerdictColumns columns;
    for (std::size_t i = 0; i < plan.columns.size(); ++i) {
      if (plan.columns[i].role == ColumnRole::feasible) columns.feasible = i;
      if (plan.columns[i].role == ColumnRole::reason) columns.reason = i;
      if (plan.columns[i].blank_is_infeasible) columns.filled_if_feasible = i;
    }
    return columns;
  }
  std::string read_parameter(std::string_view cell, ParameterColumn& column);
  std::string read_metric(std::string_view cell, const ColumnPlan& column, bool feasible, double& value) const;

  const ImportPlan& plan_;
  VerdictReader verdicts_;
  std::vector<std::size_t> metrics_;
  std::vector<ParameterColumn> parameters_;
  Design design_;
};

std::string TrialReader::read_parameter(std::string_view cell, ParameterColumn& column) {
  const auto known = column.known.find(cell);
  if (known != column.known.end()) {
    design_[column.parameter] = known->second;
    return "";
  }
  const Parameter& parameter = plan_.space.parameters()[column.parameter];
  if (cell.empty()) return "`" + parameter.name() + "` is blank";
  const auto index = parameter.find(cell);
  if (!index) return "`" + parameter.name() + "` = " + printable(cell) + " is not in the design space";
  // A large integer range has as many texts as rows.
  if (column.known.size() < 65536) column.known.emplace(cell, *index);
  design_[column.parameter] = *index;
  return "";
}

std::string TrialReader::read_metric(std::string_view cell, const ColumnPlan& column, bool feasible,
                                     double& value) const {
  value = std::numeric_limits<double>::quiet_NaN();
  const auto problem = [&](const std::string& what) { return "`" + column.name + "` " + what; };
  if (is_blank(cell)) {
    if (feasible && column.only_feasible) return problem("is blank, though the row says feasible");
    return "";
  }
  if (!parse_number(cell, value)) {
    value = std::numeric_limits<double>::quiet_NaN();
    return column.column + ": `" + printable(cell) + "` is not a number" +
           (is_decimal_comma(cell) ? ": write it with a point" : "");
  }
  if (feasible || !column.only_feasible) return "";
  if (value == column.filler) {
    value = std::numeric_limits<double>::quiet_NaN();
    return "";
  }
  return problem("= " + printable(cell) + ", though the row says infeasible");
}

std::string TrialReader::read(std::span<const std::string_view> row, Trial& trial) {
  const RowVerdict verdict = verdicts_.read(row);
  if (verdict.verdict == Verdict::unknown) {
    return verdict.reason.empty() ? "does not say whether it is feasible"
                                  : "`" + printable(verdict.reason) + "` is neither feasible nor infeasible";
  }
  if (verdict.verdict == Verdict::failed) {
    trial.state = TrialState::failed;
    return "";
  }
  for (ParameterColumn& column : parameters_) {
    std::string problem = read_parameter(trim(row[column.column]), column);
    if (!problem.empty()) return problem;
  }
  const bool feasible = verdict.verdict == Verdict::feasible;
  trial.metrics.resize(metrics_.size());
  bool any = false;
  for (std::size_t m = 0; m < metrics_.size(); ++m) {
    std::string problem = read_metric(trim(row[metrics_[m]]), plan_.columns[metrics_[m]], feasible, trial.metrics[m]);
    if (!problem.empty()) return problem;
    any = any || !std::isnan(trial.metrics[m]);
  }
  if (feasible && !any) {
    return verdicts_.has_column()
               ? "says feasible, but has no metric"
               : "has no metric; if that means infeasible, set `columns: {" +
                     printable(plan_.columns[metrics_.front()].column) +
                     ": metric_or_infeasible}` under `import:`, or add a column `feasible` of 0 and 1";
  }
  trial.state = feasible ? TrialState::complete : TrialState::infeasible;
  trial.reason = printable(verdict.reason, 200);
  trial.design = plan_.space.id(design_);
  return "";
}

/// Keeps the first refusals of a log, in whatever order they are found.
class Refusals {
 public:
  explicit Refusals(const RowReader& reader) : reader_(reader) {}
  void add(const RowPlace& place, const std::string& why) {
    ++count_;
    const auto after = std::ranges::upper_bound(first_, place, {}, &Refusal::place);
    if (after == first_.end() && first_.size() == most_refusals_listed) return;
    first_.insert(after, {place, why});
    if (first_.size() > most_refusals_listed) first_.pop_back();
  }
  std::uint64_t count() const { return count_; }
  std::vector<std::string> texts() const {
    std::vector<std::string> texts;
    for (const Refusal& refusal : first_) texts.push_back(reader_.text(refusal.place) + ": " + refusal.why);
    return texts;
  }

 private:
  struct Refusal {
    RowPlace place;
    std::string why;
  };
  const RowReader& reader_;
  std::vector<Refusal> first_;  ///< by place
  std::uint64_t count_ = 0;
};

/// Reads every row, into the sorter if it tells of a design.
void sort_trials(RowReader& reader, const ImportPlan& plan, TrialSorter& sorter, Refusals& refusals,
                 ImportResult& result, Monitor& monitor) {
  TrialReader trials(reader.header(), plan);
  std::vector<std::string_view> fields;
  Trial trial;
  while (reader.next(fields)) {
    if ((result.rows & 0x1fff) == 0) {
      monitor.check();
      // One more, so that a file that has grown meanwhile does not look done.
      monitor.progress("import", result.rows, std::max(plan.rows, result.rows + 1), "");
    }
    ++result.rows;
    const std::string problem = trials.read(fields, trial);
    if (!problem.empty()) {
      refusals.add(reader.place(), problem);
    } else if (trial.state == TrialState::failed) {
      ++result.failed;
    } else {
      sorter.add(trial, reader.place());
    }
  }
  monitor.progress("import", result.rows, result.rows, "");
}

}  // namespace

ImportResult import_log(Store& store, const ImportSpec& spec, const ImportPlan& plan, Store::GroupId& group,
                        Monitor& monitor, ImportMode mode) {
  std::vector<std::string> header;
  for (const ColumnPlan& column : plan.columns) header.push_back(column.column);
  const std::string file = spec.file.string();
  const std::unique_ptr<RowReader> reader = open_log(spec, plan.space, header);
  if (reader->header() != header) {
    throw Error(ErrorCode::mismatch, file + ": has other columns than when the import was planned", "import it again");
  }
  ImportResult result;
  Refusals refusals(*reader);
  TrialSorter sorter(store.location().scratch_folder());
  sort_trials(*reader, plan, sorter, refusals, result, monitor);

  Store::Batch batch(store);
  const Store::GroupId id = store.group(group_of(spec, plan));
  batch.start_import(id, spec.file.filename().string());
  std::uint64_t repeated = 0, stored = 0;
  constexpr std::size_t at_once = 8192;
  std::vector<Trial> trials(at_once);
  std::vector<RowPlace> places(at_once);
  std::size_t waiting = 0;
  const auto put = [&] {
    monitor.check();
    monitor.progress("store", stored, result.rows + 1, "");
    const std::vector<Store::Batch::Put> outcomes = batch.put(id, std::span(trials).first(waiting));
    for (std::size_t i = 0; i < waiting; ++i) {
      if (outcomes[i] == Store::Batch::Put::differs) {
        refusals.add(places[i], "repeats a design with other results; the first stay");
        continue;
      }
      ++(trials[i].state == TrialState::complete ? result.feasible : result.infeasible);
      ++(outcomes[i] == Store::Batch::Put::added ? result.added : result.duplicates);
      repeated += outcomes[i] == Store::Batch::Put::repeated ? 1 : 0;
    }
    stored += waiting;
    waiting = 0;
  };
  sorter.for_each([&](const Trial& trial, const RowPlace& place) {
    trials[waiting] = trial;
    places[waiting] = place;
    if (++waiting == at_once) put();
  });
  put();
  result.refused = refusals.count();
  result.refusals = refusals.texts();
  if (2 * result.refused > result.rows) {
    throw Error(ErrorCode::invalid_input,
                file + ": " + std::to_string(result.refused) + " of " + std::to_string(result.rows) +
                    " rows refused, so nothing was imported; the first: " + result.refusals.front(),
                "correct the log, or what `import:` and `space:` say of its columns");
  }
  batch.finish_import(result.rows, result.added, repeated);
  if (mode == ImportMode::keep) {
    keep_inspection(batch, store, id);
    batch.commit();
    group = id;
  }
  monitor.progress("store", result.rows, result.rows, "");
  if (result.failed > 0) {
    monitor.message(format_for_people(static_cast<double>(result.failed), 15) +
                    " rows tell of runs that came to nothing (time-out, crash, …): left out");
  }
  return result;
}

}  // namespace corbel
