#include "corbel/dataset/inspect.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "corbel/base/json.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/distribution.hpp"

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

/// Between values that differ by so much, in a log of many rows, lies a change of unit.
constexpr double unit_gap = 300;

class Inspector {
 public:
  explicit Inspector(const TrialLog& log) : log_(log), group_(log.group()) {
    result_.duplicates = log.duplicates();
    result_.space_size = group_.space.size();
    for (const Parameter& parameter : group_.space.parameters()) logged_.emplace_back(parameter.count());
    metrics_.resize(group_.metrics.size());
    for (std::size_t a = 0; a < metrics_.size(); ++a) {
      for (std::size_t b = a + 1; b < metrics_.size(); ++b) equal_.emplace_back(a, b);
    }
  }

  Inspection run() {
    log_.each([&](const TrialView& row) { count(row); });
    result_.infeasible = result_.rows - result_.feasible;
    find_medians();
    rows();
    reasons();
    for (std::size_t m = 0; m < metrics_.size(); ++m) metric(m);
    equal_metrics();
    coverage();
    if (10 * result_.duplicates > result_.rows && result_.duplicates > 0) {
      warn(rows_text(result_.duplicates) + " of the log repeated others: was it concatenated from overlapping parts?");
    }
    return std::move(result_);
  }

 private:
  void warn(std::string text) { result_.warnings.push_back(std::move(text)); }
  void count(const TrialView& row);
  void find_medians();
  void rows();
  void reasons();
  void metric(std::size_t index);
  void equal_metrics();
  void coverage();
  void warn_of_coverage(const ParameterCoverage& parameter, std::uint64_t count);

  /// How often each value of a parameter was logged.
  class Logged {
   public:
    explicit Logged(std::uint32_t values) {
      if (values <= most_values_listed) dense_.resize(values);
    }
    void add(std::uint32_t index, bool feasible) {
      ValueCoverage* value = nullptr;
      if (!dense_.empty()) {
        value = &dense_[index];
      } else if (!overflow_) {
        value = &sparse_[index];
        overflow_ = sparse_.size() > most_values_listed;
        if (overflow_) sparse_.clear();
      }
      if (value == nullptr || overflow_) return;
      ++value->rows;
      value->infeasible += feasible ? 0 : 1;
    }
    std::vector<ValueCoverage> values(const Parameter& parameter) {
      std::vector<ValueCoverage> values = std::move(dense_);
      for (std::uint32_t index = 0; index < values.size(); ++index) values[index].label = parameter.label(index);
      for (auto& [index, value] : sparse_) {
        value.label = parameter.label(index);
        values.push_back(value);
      }
      return values;
    }

   private:
    std::vector<ValueCoverage> dense_;
    std::map<std::uint32_t, ValueCoverage> sparse_;
    bool overflow_ = false;
  };

  struct MetricFacts {
    Distribution values;
    std::uint64_t missing = 0, infinite = 0, negative = 0, zero = 0;
    double median = std::numeric_limits<double>::quiet_NaN(), mean = median;
  };

  const TrialLog& log_;
  const TrialGroup& group_;
  Inspection result_;
  std::vector<std::string> reason_names_ = {""};
  ReasonNumbers reason_numbers_{reason_names_};
  std::vector<std::uint64_t> reason_counts_;
  std::vector<Logged> logged_;
  std::vector<MetricFacts> metrics_;
  std::vector<std::pair<std::size_t, std::size_t>> equal_;  ///< metrics that are so on every feasible row seen
  Design design_;
};

void Inspector::count(const TrialView& row) {
  ++result_.rows;
  group_.space.design(row.design, design_);
  for (std::size_t p = 0; p < logged_.size(); ++p) logged_[p].add(design_[p], row.is_complete());
  if (!row.is_complete()) {
    const std::size_t reason = reason_numbers_.of(row.reason);
    if (reason >= reason_counts_.size()) reason_counts_.resize(reason + 1);
    ++reason_counts_[reason];
    return;
  }
  ++result_.feasible;
  for (std::size_t m = 0; m < metrics_.size(); ++m) {
    const double value = row.metrics[m];
    MetricFacts& facts = metrics_[m];
    if (!std::isfinite(value)) {
      ++(std::isnan(value) ? facts.missing : facts.infinite);
      continue;
    }
    facts.values.add(value);
    facts.negative += value < 0 ? 1 : 0;
    facts.zero += value == 0 ? 1 : 0;
  }
  std::erase_if(equal_, [&](const auto& pair) { return row.metrics[pair.first] != row.metrics[pair.second]; });
}

void Inspector::find_medians() {
  std::vector<MedianSearch> searches;
  for (const MetricFacts& facts : metrics_) searches.emplace_back(facts.values);
  const auto is_done = [](const MedianSearch& search) { return search.is_done(); };
  // Around some value, so that neither the sum overflows nor a constant comes out as another number.
  std::vector<double> sums(metrics_.size());
  for (bool first = true; first || !std::ranges::all_of(searches, is_done); first = false) {
    if (result_.feasible == 0) break;
    log_.each([&](const TrialView& row) {
      if (!row.is_complete()) return;
      for (std::size_t m = 0; m < metrics_.size(); ++m) {
        const double value = row.metrics[m];
        if (!std::isfinite(value)) continue;
        if (!searches[m].is_done()) searches[m].add(value);
        const Distribution& values = metrics_[m].values;
        if (first) sums[m] += (value - values.centre()) / static_cast<double>(values.count());
      }
    });
    for (MedianSearch& search : searches) search.narrow();
  }
  for (std::size_t m = 0; m < metrics_.size(); ++m) {
    if (metrics_[m].values.count() == 0) continue;
    metrics_[m].median = searches[m].median();
    metrics_[m].mean = metrics_[m].values.centre() + sums[m];
  }
}

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
  for (std::size_t i = 0; i < reason_counts_.size(); ++i) {
    if (reason_counts_[i] > 0) result_.reasons.push_back({reason_names_[i], reason_counts_[i]});
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
  const std::string& name = group_.metrics[index];
  const MetricFacts& facts = metrics_[index];
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  MetricSummary summary{name, unit_of_metric(name), facts.values.count(), nan, facts.median, facts.mean, nan};
  const std::string ticks = ticked(name);
  if (facts.missing > 0) warn(ticks + " is missing on " + rows_text(facts.missing) + " that are feasible");
  if (facts.infinite > 0) warn(ticks + " is infinite on " + rows_text(facts.infinite));
  const std::uint64_t n = summary.count;
  if (n == 0) {
    result_.metrics.push_back(std::move(summary));
    return;
  }
  summary.min = facts.values.min();
  summary.max = facts.values.max();
  if (facts.negative > 0) {
    warn(ticks + " is negative on " + rows_text(facts.negative) + ", down to " + format_for_people(summary.min));
  }
  // A run may well stall for no cycle, but not last, draw or fill nothing.
  const bool may_be_zero = summary.unit.empty() ||
                           (summary.unit == "cycles" && !name.starts_with("runtime") && !name.starts_with("latency"));
  if (facts.zero > 0 && facts.zero < n && !may_be_zero) {
    warn(ticks + " is 0 on " + rows_text(facts.zero) + " that are feasible");
  }
  if (n > 1 && summary.min == summary.max) {
    warn(ticks + " is " + format_for_people(summary.min) + " on every feasible row: nothing to learn");
  }
  if (const auto gap = facts.values.find_gap(unit_gap)) {
    warn(ticks + " jumps from " + format_for_people(gap->first) + " to " + format_for_people(gap->second) +
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
  if (result_.feasible < 2) return;
  for (const auto& [a, b] : equal_) {
    // Constants have a warning of their own, and those that are nowhere are equal to nothing.
    if (!(result_.metrics[a].min < result_.metrics[a].max)) continue;
    const std::string &first = group_.metrics[a], &second = group_.metrics[b];
    const bool of_one_network = second.ends_with("." + first);
    warn(ticked(first) + " and " + ticked(second) + " are equal on every feasible row: " +
         (of_one_network ? "the other networks play no part in it" : "one column twice?"));
  }
}

void Inspector::coverage() {
  const std::vector<Parameter>& parameters = group_.space.parameters();
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    ParameterCoverage coverage{parameters[p].name(), parameters[p].unit(), logged_[p].values(parameters[p])};
    if (result_.rows > 0) warn_of_coverage(coverage, parameters[p].count());
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

/// Of the text kept with a store: another where the inspection tells something else of the same rows.
constexpr int kept_version = 1;

double number_or_nan(const nlohmann::json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

/// The inverse of to_json().
Inspection inspection_from_json(const nlohmann::json& json) {
  Inspection inspection;
  inspection.rows = json.at("rows");
  inspection.feasible = json.at("feasible");
  inspection.infeasible = json.at("infeasible");
  inspection.duplicates = json.at("duplicates");
  inspection.space_size = json.at("space_size");
  inspection.warnings = json.at("warnings").get<std::vector<std::string>>();
  for (const nlohmann::json& reason : json.at("reasons")) {
    inspection.reasons.push_back({reason.at("reason"), reason.at("rows")});
  }
  for (const nlohmann::json& metric : json.at("metrics")) {
    inspection.metrics.push_back({metric.at("name"), metric.at("unit"), metric.at("count"),
                                  number_or_nan(metric.at("min")), number_or_nan(metric.at("median")),
                                  number_or_nan(metric.at("mean")), number_or_nan(metric.at("max"))});
  }
  for (const nlohmann::json& parameter : json.at("parameters")) {
    ParameterCoverage coverage{parameter.at("name"), parameter.at("unit"), {}};
    for (const nlohmann::json& value : parameter.at("values")) {
      coverage.values.push_back({value.at("label"), value.at("rows"), value.at("infeasible")});
    }
    inspection.parameters.push_back(std::move(coverage));
  }
  return inspection;
}

}  // namespace

Inspection inspect(const TrialLog& log) {
  if (const std::string kept = log.statistics(kept_version); !kept.empty()) {
    try {
      return inspection_from_json(nlohmann::json::parse(kept));
    } catch (const nlohmann::json::exception&) {
      // Damaged: what it was made from is there.
    }
  }
  return Inspector(log).run();
}

void keep_inspection(Store::Batch& batch, const Store& store, Store::GroupId group) {
  const nlohmann::json kept = to_json(Inspector({store, group}).run());
  batch.keep_statistics(group, kept_version, kept.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
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
