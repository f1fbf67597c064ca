#include "corbel/simulator/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/row_file.hpp"
#include "corbel/base/text.hpp"
#include "corbel/simulator/log_cells.hpp"

namespace corbel {
namespace {

constexpr std::uint32_t no_row = std::numeric_limits<std::uint32_t>::max();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
/// Largest space that is indexed by an array of rows (64 MB) instead of a hash map.
constexpr std::uint64_t max_array = std::uint64_t{1} << 24;

/// Row of each design.
class RowIndex {
 public:
  explicit RowIndex(std::uint64_t designs) {
    if (designs <= max_array) array_.assign(designs, no_row);
  }
  std::uint32_t find(DesignId id) const {
    if (!array_.empty()) return array_[id];
    const auto found = map_.find(id);
    return found == map_.end() ? no_row : found->second;
  }
  void insert(DesignId id, std::uint32_t row) {
    if (!array_.empty()) {
      array_[id] = row;
    } else {
      map_.emplace(id, row);
    }
  }

 private:
  std::vector<std::uint32_t> array_;
  std::unordered_map<DesignId, std::uint32_t> map_;
};

/// Finds values of a parameter by their text, each text parsed once.
class ValueCache {
 public:
  explicit ValueCache(const Parameter& parameter) : parameter_(parameter) {}
  std::optional<std::uint32_t> find(std::string_view text) {
    if (const auto known = known_.find(text); known != known_.end()) return known->second;
    const auto index = parameter_.find(text);
    // Hostile files could hold a new wrong text in every row; those stop the reading anyway.
    if (index) known_.emplace(text, *index);
    return index;
  }

 private:
  const Parameter& parameter_;
  std::map<std::string, std::uint32_t, std::less<>> known_;
};

struct Columns {
  std::vector<std::size_t> parameters;  // in the order of the space
  VerdictColumns verdict;
  std::vector<std::size_t> metrics;
};

Columns find_columns(const RowReader& reader, const std::filesystem::path& file, const DesignSpace& space) {
  const std::vector<std::string>& header = reader.header();
  const auto column = [&](const std::string& name) -> std::optional<std::size_t> {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found == header.end()) return std::nullopt;
    return static_cast<std::size_t>(found - header.begin());
  };
  const auto required = [&](const std::string& name, const std::string& what) {
    if (const auto index = column(name)) return *index;
    const std::string near = nearest_name(name, header);
    throw Error(ErrorCode::invalid_input, fmt::format("{}: there is no column `{}`", file.string(), name),
                near.empty() ? what : fmt::format("is it the one called `{}`?", near));
  };
  Columns columns;
  for (const Parameter& parameter : space.parameters()) {
    columns.parameters.push_back(required(parameter.name(), "every parameter of the space needs a column"));
  }
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (std::find(columns.parameters.begin(), columns.parameters.end(), i) != columns.parameters.end()) continue;
    const auto role = verdict_role(header[i]);
    if (!role) {
      columns.metrics.push_back(i);
      continue;
    }
    auto& place = *role == VerdictRole::feasible ? columns.verdict.feasible : columns.verdict.reason;
    if (place) {
      throw Error(ErrorCode::invalid_input,
                  fmt::format("{}: both `{}` and `{}` tell whether a row is feasible", file.string(), header[*place],
                              header[i]),
                  "keep one of the two columns");
    }
    place = i;
  }
  if (!columns.verdict.any()) {
    required("feasible", "add one that is 1 for designs that simulated and 0 for those that could not");
  }
  if (columns.metrics.empty()) {
    throw Error(ErrorCode::invalid_input, fmt::format("{}: there is no column with a metric", file.string()),
                "add one with what was measured, such as latency_ms");
  }
  return columns;
}

class TableSimulator final : public Simulator {
 public:
  TableSimulator(const std::filesystem::path& file, const DesignSpace& space) : space_(space), index_(space.size()) {
    const std::unique_ptr<RowReader> log = open_rows({file});
    RowReader& reader = *log;
    const Columns columns = find_columns(reader, file, space);
    for (const Parameter& parameter : space.parameters()) {
      parameters_.push_back({parameter.name(), parameter.unit(), "a column of the table"});
    }
    for (const std::size_t column : columns.metrics) {
      metrics_.push_back({reader.header()[column], "as recorded", true});
    }
    read_rows(reader, columns);
    find_static_metrics();
    fingerprint_ = corbel::fingerprint("table 1 " + corbel::fingerprint(read_file(file)));
    file_ = file.string();
  }

  const std::string& name() const override { return name_; }
  const std::string& fingerprint() const override { return fingerprint_; }
  std::span<const HardwareParameter> hardware_parameters() const override { return parameters_; }
  std::span<const MetricInfo> metrics() const override { return metrics_; }
  bool needs_workload() const override { return false; }
  std::vector<std::pair<std::string, std::string>> settings() const override {
    return {{"file", file_}, {"rows", std::to_string(reasons_.size())}};
  }

  std::vector<Outcome> simulate(std::span<const Hardware> hardware, const Network*) const override {
    std::vector<Outcome> outcomes;
    outcomes.reserve(hardware.size());
    for (const Hardware& values : hardware) outcomes.push_back(look_up(values));
    return outcomes;
  }

  std::vector<double> static_metrics(const Hardware& hardware) const override {
    std::vector<double> values(metrics_.size(), nan_value);
    const std::uint32_t row = row_of(hardware);
    if (row == no_row) return values;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!metrics_[i].needs_workload) values[i] = metric(row, i);
    }
    return values;
  }

 private:
  static constexpr std::uint32_t feasible_row = 0;  // index into reason_names_

  double metric(std::uint32_t row, std::size_t index) const { return values_[row * metrics_.size() + index]; }

  void read_rows(RowReader& reader, const Columns& columns) {
    std::vector<ValueCache> caches;
    for (const Parameter& parameter : space_.parameters()) caches.emplace_back(parameter);
    std::map<std::string, std::uint32_t, std::less<>> reason_numbers;
    std::vector<std::uint64_t> lines;
    std::vector<std::string_view> fields;
    Design design(space_.dimensions());
    const VerdictReader verdicts(reader.header(), columns.verdict);
    while (reader.next(fields)) {
      for (std::size_t i = 0; i < design.size(); ++i) {
        const std::string_view text = fields[columns.parameters[i]];
        const auto value = caches[i].find(text);
        if (!value) {
          throw Error(ErrorCode::invalid_input,
                      fmt::format("{}: `{}` is not a value of parameter {}", reader.place_text(), printable(text),
                                  space_.parameters()[i].name()),
                      "add the value to the space, or leave the row out");
        }
        design[i] = *value;
      }
      const RowVerdict verdict = verdicts.read(fields);
      check_verdict(verdict, fields, columns.verdict, reader);
      if (verdict.verdict == Verdict::failed) continue;
      const bool feasible = verdict.verdict == Verdict::feasible;
      read_metrics(fields, columns, feasible, reader);
      add_row(space_.id(design), reason_number(feasible, verdict.reason, reason_numbers), reader, lines);
    }
    if (reasons_.empty()) {
      throw Error(ErrorCode::too_little_data, fmt::format("{}: there are no rows", reader.place_text()),
                  "export the table again");
    }
  }

  static void check_verdict(const RowVerdict& verdict, const std::vector<std::string_view>& fields,
                            const VerdictColumns& columns, const RowReader& reader) {
    if (!columns.feasible) return;
    const std::string& name = reader.header()[*columns.feasible];
    const std::string_view cell = trim(fields[*columns.feasible]);
    const auto error = [&](const std::string& what, const char* hint) {
      return Error(ErrorCode::invalid_input,
                   fmt::format("{}: {} is `{}`{}", reader.place_text(), name, printable(cell), what), hint);
    };
    if (verdict.verdict == Verdict::unknown) throw error("", "write 1 or 0");
    double number = 0;
    if (lowered(name) == "status" && parse_number(cell, number)) {
      throw error(", and whether 0 or 1 is good is not said", "call the column `feasible` or `infeasible`");
    }
  }

  void read_metrics(const std::vector<std::string_view>& fields, const Columns& columns, bool feasible,
                    const RowReader& reader) {
    for (std::size_t i = 0; i < columns.metrics.size(); ++i) {
      const std::string_view text = fields[columns.metrics[i]];
      double value = nan_value;
      if (!is_blank(text)) {
        if (!parse_number(text, value) || !std::isfinite(value)) {
          throw Error(
              ErrorCode::invalid_input,
              fmt::format("{}: {} is `{}`, not a number", reader.place_text(), metrics_[i].name, printable(text)),
              is_decimal_comma(text) ? "write numbers with a point (3.5)"
                                     : "columns beside parameters, feasibility and reason are metrics");
        }
      } else if (feasible) {
        throw Error(ErrorCode::invalid_input,
                    fmt::format("{}: the row is feasible, but {} is blank", reader.place_text(), metrics_[i].name),
                    "fill it in, or mark the row infeasible");
      }
      values_.push_back(value);
    }
  }

  std::uint32_t reason_number(bool feasible, std::string_view reason,
                              std::map<std::string, std::uint32_t, std::less<>>& numbers) {
    if (feasible) return feasible_row;
    if (reason.empty()) reason = "infeasible";
    const auto known = numbers.find(reason);
    if (known != numbers.end()) return known->second;
    const auto number = static_cast<std::uint32_t>(reason_names_.size());
    reason_names_.emplace_back(reason);
    numbers.emplace(reason, number);
    return number;
  }

  /// The row's metrics are already at the end of `values_`; those of a repetition are taken off again.
  void add_row(DesignId id, std::uint32_t reason, const RowReader& reader, std::vector<std::uint64_t>& lines) {
    const std::size_t width = metrics_.size();
    const std::uint32_t known = index_.find(id);
    if (known == no_row) {
      index_.insert(id, static_cast<std::uint32_t>(reasons_.size()));
      reasons_.push_back(reason);
      lines.push_back(reader.place().number);
      return;
    }
    const double* fresh = values_.data() + values_.size() - width;
    const bool same = reasons_[known] == reason &&
                      std::equal(fresh, fresh + width, values_.data() + known * width,
                                 [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); });
    if (!same) {
      throw Error(
          ErrorCode::invalid_input,
          fmt::format("{}: the design of line {} again, with another result", reader.place_text(), lines[known]),
          "keep one of the two rows");
    }
    values_.resize(values_.size() - width);
  }

  /// A metric that also stands in every infeasible row was computed without running the workload. Without infeasible
  /// rows nobody can tell. One number in all of them, 0 or −1, stands for none where feasible rows lie above 0.
  void find_static_metrics() {
    const bool any_infeasible = reason_names_.size() > 1;
    for (std::size_t i = 0; any_infeasible && i < metrics_.size(); ++i) {
      bool everywhere = true, filler = true;
      double infeasible_value = nan_value;
      for (std::uint32_t row = 0; row < reasons_.size(); ++row) {
        const double value = metric(row, i);
        if (reasons_[row] == feasible_row) {
          filler = filler && value > 0;
          continue;
        }
        if (std::isnan(infeasible_value)) infeasible_value = value;
        everywhere = everywhere && !std::isnan(value);
        filler = filler && value == infeasible_value && value <= 0;
      }
      metrics_[i].needs_workload = !everywhere || filler;
      for (std::uint32_t row = 0; filler && row < reasons_.size(); ++row) {
        if (reasons_[row] != feasible_row) values_[row * metrics_.size() + i] = nan_value;
      }
    }
  }

  std::uint32_t row_of(const Hardware& values) const {
    if (values.size() != parameters_.size()) {
      throw Error(ErrorCode::invalid_input,
                  fmt::format("the table takes {} hardware values, not {}", parameters_.size(), values.size()));
    }
    Design design(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto index = space_.parameters()[i].find(values[i]);
      if (!index) return no_row;
      design[i] = *index;
    }
    return index_.find(space_.id(design));
  }

  Outcome look_up(const Hardware& values) const {
    const std::uint32_t row = row_of(values);
    Outcome outcome;
    if (row == no_row) {
      outcome.reason = "not_in_table";
      outcome.detail = "no row of the table has these values";
      outcome.metrics.assign(metrics_.size(), nan_value);
      return outcome;
    }
    const auto begin = values_.begin() + static_cast<std::ptrdiff_t>(row * metrics_.size());
    outcome.metrics.assign(begin, begin + static_cast<std::ptrdiff_t>(metrics_.size()));
    outcome.state = reasons_[row] == feasible_row ? OutcomeState::complete : OutcomeState::infeasible;
    outcome.reason = reason_names_[reasons_[row]];
    return outcome;
  }

  DesignSpace space_;
  RowIndex index_;
  std::string name_ = "table", fingerprint_, file_;
  std::vector<HardwareParameter> parameters_;
  std::vector<MetricInfo> metrics_;
  std::vector<double> values_;          // [row][metric]
  std::vector<std::uint32_t> reasons_;  // [row]
  std::vector<std::string> reason_names_ = {""};
};

}  // namespace

std::unique_ptr<Simulator> make_table_simulator(const std::filesystem::path& file, const DesignSpace& space) {
  return std::make_unique<TableSimulator>(file, space);
}

}  // namespace corbel
