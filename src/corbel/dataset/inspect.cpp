#include "corbel/dataset/inspect.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>

#include "corbel/base/json.hpp"
#include "corbel/base/units.hpp"

namespace corbel {
namespace {

constexpr std::uint64_t most_values_listed = 4096;

std::string people(std::uint64_t count) {
  return format_for_people(static_cast<double>(count), 15);
}

std::string rows_text(std::uint64_t count) {
  return people(count) + (count == 1 ? " row" : " rows");
}

std::string ticked(std::string_view name) {
  return "`" + std::string(name) + "`";
}

/// The first few of some texts: "32, 64, 96 and 4 more".
std::string some_of(const std::vector<std::string>& texts) {
  constexpr std::size_t most = 5;
  std::string list;
  for (std::size_t i = 0; i < std::min(most, texts.size()); ++i) list += (i == 0 ? "" : ", ") + texts[i];
  if (texts.size() > most) list += " and " + people(texts.size() - most) + " more";
  return list;
}

/// A median beyond this is more likely another unit than a very slow, large or hungry accelerator.
struct Plausible {
  std::string_view unit;
  double most;
  std::string_view likely;
};
constexpr std::array plausible_medians = {
    Plausible{"ms", 1e5, "us or ns"}, Plausible{"s", 1e4, "ms"}, Plausible{"mm2", 1e4, "um2"},
    Plausible{"W", 1e4, "mW"},        Plausible{"J", 1e4, "mJ"},
};

/// Half-way between values that differ by so much, in a log of many rows, lies a change of unit.
constexpr double unit_gap = 300;

/// The index in sorted positive values before which they jump by a factor of unit_gap, with at least 1 % of the rows on
/// each side; 0 if nowhere.
std::size_t find_gap(const std::vector<double>& sorted) {
  const std::size_t margin = std::max<std::size_t>(2, sorted.size() / 100);
  for (std::size_t i = margin; i + margin <= sorted.size(); ++i) {
    if (sorted[i - 1] > 0 && sorted[i] / sorted[i - 1] >= unit_gap) return i;
  }
  return 0;
}

class Inspector {
 public:
  explicit Inspector(const Dataset& data) : data_(data) {}

  Inspection run() {
    result_.rows = data_.rows();
    result_.feasible = data_.feasible();
    result_.infeasible = result_.rows - result_.feasible;
    result_.duplicates = data_.duplicates;
    result_.space_size = data_.group.space.size();
    rows();
    reasons();
    for (std::size_t m = 0; m < data_.group.metrics.size(); ++m) metric(m);
    equal_metrics();
    coverage();
    if (10 * result_.duplicates > result_.rows && result_.duplicates > 0) {
      warn(rows_text(result_.duplicates) + " of the log repeated others: was it concatenated from overlapping parts?");
    }
    return std::move(result_);
  }

 private:
  void warn(std::string text) { result_.warnings.push_back(std::move(text)); }
  void rows();
  void reasons();
  void metric(std::size_t index);
  void equal_metrics();
  void coverage();
  void warn_of_coverage(const ParameterCoverage& parameter, std::uint64_t count);

  const Dataset& data_;
  Inspection result_;
};

void Inspector::rows() {
  if (result_.rows == 0) {
    warn("no rows");
  } else if (result_.feasible == 0) {
    warn("no feasible rows: nothing to learn a metric from");
  } else if (result_.infeasible == 0) {
    warn("no infeasible rows: nothing shows which designs cannot be built");
  }
  if (result_.feasible > 0 && result_.feasible < 50) {
    warn("only " + rows_text(result_.feasible) + " feasible: few to learn from");
  }
}

void Inspector::reasons() {
  std::vector<std::uint64_t> counts(data_.reason_names.size(), 0);
  for (std::size_t row = 0; row < data_.rows(); ++row) {
    if (data_.states[row] == TrialState::infeasible) ++counts[data_.reasons[row]];
  }
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) result_.reasons.push_back({data_.reason_names[i], counts[i]});
  }
  std::ranges::sort(result_.reasons, [](const ReasonCount& a, const ReasonCount& b) {
    return a.rows != b.rows ? a.rows > b.rows : a.reason < b.reason;
  });
  if (result_.infeasible >= 20 && result_.reasons.size() > 1) {
    const ReasonCount& first = result_.reasons.front();
    const double share = static_cast<double>(first.rows) / static_cast<double>(result_.infeasible);
    if (share >= 0.9) {
      warn(format_for_people(100 * share, 3) + " % of the infeasible rows have " +
           (first.reason.empty() ? "no reason" : "one reason, " + ticked(first.reason)) +
           ": little shows where the other limits lie");
    }
  }
  if (result_.infeasible > 0 && result_.reasons.size() == 1 && result_.reasons.front().reason.empty()) {
    warn("no infeasible row says why");
  }
}

void Inspector::metric(std::size_t index) {
  const std::string& name = data_.group.metrics[index];
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  MetricSummary summary{name, unit_of_metric(name), 0, nan, nan, nan, nan};
  std::vector<double> values;
  std::uint64_t missing = 0, infinite = 0;
  for (std::size_t row = 0; row < data_.rows(); ++row) {
    if (data_.states[row] != TrialState::complete) continue;
    const double value = data_.metric(row, index);
    if (std::isfinite(value)) {
      values.push_back(value);
    } else {
      ++(std::isnan(value) ? missing : infinite);
    }
  }
  summary.count = values.size();
  const std::string ticks = ticked(name);
  if (missing > 0) warn(ticks + " is missing on " + rows_text(missing) + " that are feasible");
  if (infinite > 0) warn(ticks + " is infinite on " + rows_text(infinite));
  if (values.empty()) {
    result_.metrics.push_back(std::move(summary));
    return;
  }
  std::ranges::sort(values);
  const std::size_t n = values.size();
  summary.min = values.front();
  summary.max = values.back();
  summary.median = n % 2 == 1 ? values[n / 2] : values[n / 2 - 1] / 2 + values[n / 2] / 2;
  // Around the median, so that neither the sum overflows nor a constant comes out as another number.
  double sum = 0;
  for (const double value : values) sum += (value - summary.median) / static_cast<double>(n);
  summary.mean = summary.median + sum;

  const auto is_negative = [](double value) { return value < 0; };
  const auto negative = static_cast<std::uint64_t>(std::ranges::count_if(values, is_negative));
  const auto zero = static_cast<std::uint64_t>(std::ranges::count(values, 0.0));
  if (negative > 0) {
    warn(ticks + " is negative on " + rows_text(negative) + ", down to " + format_for_people(summary.min));
  }
  // A run may well stall for no cycle, but not last, draw or fill nothing.
  const bool may_be_zero = summary.unit.empty() ||
                           (summary.unit == "cycles" && !name.starts_with("runtime") && !name.starts_with("latency"));
  if (zero > 0 && zero < n && !may_be_zero) {
    warn(ticks + " is 0 on " + rows_text(zero) + " that are feasible");
  }
  if (n > 1 && summary.min == summary.max) {
    warn(ticks + " is " + format_for_people(summary.min) + " on every feasible row: nothing to learn");
  }
  if (const std::size_t gap = find_gap(values); gap > 0) {
    warn(ticks + " jumps from " + format_for_people(values[gap - 1]) + " to " + format_for_people(values[gap]) +
         " with nothing between: are its units mixed?");
  } else if (summary.min > 0 && summary.max / summary.min > 1e6) {
    warn(ticks + " spans " + format_for_people(summary.min) + " to " + format_for_people(summary.max) +
         ", more than 6 orders of magnitude: are its units mixed?");
  }
  for (const Plausible& plausible : plausible_medians) {
    if (summary.unit == plausible.unit && summary.median >= plausible.most) {
      warn("half of " + ticks + " is " + format_for_people(summary.median) + " " + summary.unit +
           " or more: is it really in " + std::string(plausible.likely) + "?");
    }
  }
  result_.metrics.push_back(std::move(summary));
}

void Inspector::equal_metrics() {
  const std::size_t width = data_.group.metrics.size();
  if (result_.feasible < 2) return;
  for (std::size_t a = 0; a < width; ++a) {
    // Constants have a warning of their own.
    if (result_.metrics[a].min == result_.metrics[a].max) continue;
    for (std::size_t b = a + 1; b < width; ++b) {
      bool equal = true;
      for (std::size_t row = 0; equal && row < data_.rows(); ++row) {
        equal = data_.states[row] != TrialState::complete || data_.metric(row, a) == data_.metric(row, b);
      }
      if (!equal) continue;
      const std::string &first = data_.group.metrics[a], &second = data_.group.metrics[b];
      const bool of_one_network = second.ends_with("." + first);
      warn(ticked(first) + " and " + ticked(second) + " are equal on every feasible row: " +
           (of_one_network ? "the other networks play no part in it" : "one column twice?"));
    }
  }
}

void Inspector::coverage() {
  const std::vector<Parameter>& parameters = data_.group.space.parameters();
  std::vector<std::map<std::uint32_t, ValueCoverage>> logged(parameters.size());
  Design design;
  for (std::size_t row = 0; row < data_.rows(); ++row) {
    data_.group.space.design(data_.designs[row], design);
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      ValueCoverage& value = logged[p][design[p]];
      ++value.rows;
      value.infeasible += data_.states[row] == TrialState::infeasible ? 1 : 0;
    }
  }
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const Parameter& parameter = parameters[p];
    if (parameter.count() <= most_values_listed) {
      for (std::uint32_t index = 0; index < parameter.count(); ++index) logged[p].try_emplace(index);
    }
    ParameterCoverage coverage{parameter.name(), parameter.unit(), {}};
    for (auto& [index, value] : logged[p]) {
      value.label = parameter.label(index);
      coverage.values.push_back(value);
    }
    if (result_.rows > 0) warn_of_coverage(coverage, parameter.count());
    result_.parameters.push_back(std::move(coverage));
  }
}

void Inspector::warn_of_coverage(const ParameterCoverage& parameter, std::uint64_t count) {
  constexpr std::uint64_t telling = 30;  // fewer rows may all be infeasible by chance
  std::vector<std::string> absent, hopeless;
  for (const ValueCoverage& value : parameter.values) {
    if (value.rows == 0) absent.push_back(value.label);
    if (value.rows >= telling && value.infeasible == value.rows) hopeless.push_back(value.label);
  }
  // An integer range wider than the log is long cannot be covered.
  if (!absent.empty() && count <= result_.rows) {
    warn(people(absent.size()) + " of " + people(count) + " values of " + ticked(parameter.name) +
         " were never logged: " + some_of(absent));
  }
  if (!hopeless.empty() && result_.feasible > 0) {
    warn(ticked(parameter.name) + " = " + some_of(hopeless) + (hopeless.size() == 1 ? " is" : " are") +
         " infeasible on every row");
  }
}

}  // namespace

Inspection inspect(const Dataset& dataset) {
  return Inspector(dataset).run();
}

nlohmann::json to_json(const Inspection& inspection) {
  nlohmann::json json = {
      {"rows", inspection.rows},
      {"feasible", inspection.feasible},
      {"infeasible", inspection.infeasible},
      {"duplicates", inspection.duplicates},
      {"space_size", inspection.space_size},
      {"reasons", nlohmann::json::array()},
      {"metrics", nlohmann::json::array()},
      {"parameters", nlohmann::json::array()},
      {"warnings", inspection.warnings},
  };
  for (const ReasonCount& reason : inspection.reasons) {
    json["reasons"].push_back({{"reason", reason.reason}, {"rows", reason.rows}});
  }
  for (const MetricSummary& metric : inspection.metrics) {
    json["metrics"].push_back({{"name", metric.name},
                               {"unit", metric.unit},
                               {"count", metric.count},
                               {"min", number_or_null(metric.min)},
                               {"median", number_or_null(metric.median)},
                               {"mean", number_or_null(metric.mean)},
                               {"max", number_or_null(metric.max)}});
  }
  for (const ParameterCoverage& parameter : inspection.parameters) {
    nlohmann::json values = nlohmann::json::array();
    for (const ValueCoverage& value : parameter.values) {
      values.push_back({{"label", value.label}, {"rows", value.rows}, {"infeasible", value.infeasible}});
    }
    json["parameters"].push_back({{"name", parameter.name}, {"unit", parameter.unit}, {"values", std::move(values)}});
  }
  return json;
}

}  // namespace corbel
