#include "corbel/report/view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/units.hpp"

namespace corbel {

using nlohmann::json;

const json& member(const json& node, std::string_view key) {
  static const json nothing;
  if (!node.is_object()) return nothing;
  const auto it = node.find(std::string(key));
  return it == node.end() ? nothing : *it;
}

const json& items_of(const json& node) {
  static const json nothing = json::array();
  return node.is_array() ? node : nothing;
}

std::vector<std::string> keys_of(const json& node) {
  std::vector<std::string> keys;
  if (node.is_object()) {
    for (auto it = node.begin(); it != node.end(); ++it) keys.push_back(it.key());
  }
  return keys;
}

std::optional<double> number_of(const json& node) {
  if (!node.is_number()) return std::nullopt;
  const double value = node.get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

double coordinate_of(const json& node) {
  return number_of(node).value_or(std::numeric_limits<double>::quiet_NaN());
}

double element_of(const json& row, std::size_t index) {
  return row.is_array() && index < row.size() ? coordinate_of(row[index]) : std::numeric_limits<double>::quiet_NaN();
}

std::string text_of(const json& node) {
  if (node.is_string()) return node.get<std::string>();
  if (node.is_boolean()) return node.get<bool>() ? "true" : "false";
  if (node.is_number_float()) return std::isfinite(node.get<double>()) ? format_number(node.get<double>()) : "";
  if (node.is_number()) return node.dump();
  return "";
}

bool is_true(const json& node) {
  return node.is_boolean() && node.get<bool>();
}

std::string pretty_unit(std::string_view unit) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 12> names = {{{"mm2", "mm²"},
                                                                                           {"um2", "µm²"},
                                                                                           {"us", "µs"},
                                                                                           {"mj", "mJ"},
                                                                                           {"uj", "µJ"},
                                                                                           {"uJ", "µJ"},
                                                                                           {"nj", "nJ"},
                                                                                           {"pj", "pJ"},
                                                                                           {"j", "J"},
                                                                                           {"w", "W"},
                                                                                           {"mw", "mW"},
                                                                                           {"mb", "MB"}}};
  for (const auto& [plain, pretty] : names) {
    if (unit == plain) return std::string(pretty);
  }
  return std::string(unit);
}

std::string value_with_unit(double value, std::string_view unit) {
  if ((unit == "bytes" || unit == "B") && value >= 0) return format_bytes(value);
  const std::string number = format_for_people(value);
  return unit.empty() ? number : number + " " + pretty_unit(unit);
}

std::string measured_with_unit(double value, std::string_view unit) {
  const double size = std::abs(value);
  std::string number = format_for_people(value);
  if (value != std::floor(value) && size >= 1e-4 && size < 1000) {
    number = fmt::format("{:.{}f}", value, 3 - static_cast<int>(std::floor(std::log10(size))));
  }
  return unit.empty() ? number : number + " " + pretty_unit(unit);
}

std::string count_text(double value) {
  return format_for_people(std::round(value));
}

std::string percent_text(double share, int decimals) {
  return fmt::format("{:.{}f} %", 100 * share, decimals);
}

std::string signed_percent_text(double share) {
  const std::string text = fmt::format("{:+.1f} %", 100 * share);
  return text.starts_with('-') ? "−" + text.substr(1) : text;
}

std::string gain_text(double gain) {
  return fmt::format("{:.2f}×", gain);
}

std::string error_text(double error) {
  return percent_text(error, error < 0.1 ? 1 : 0);
}

std::string seconds_text(double seconds) {
  if (seconds < 0) return "–";
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  const double minutes = std::floor(seconds / 60);
  if (minutes < 120) return fmt::format("{:.0f} min {:.0f} s", minutes, std::floor(seconds - 60 * minutes));
  return fmt::format("{:.0f} h {:.0f} min", std::floor(minutes / 60), std::fmod(minutes, 60.0));
}

namespace {

const json& proposal_of_best(const json& results) {
  const json& best = member(results, "best");
  const json& proposals = items_of(member(results, "proposals"));
  const json& design = member(best, "design");
  for (const json& proposal : proposals) {
    if (design.is_object() && member(proposal, "design") == design) return proposal;
  }
  return member(json(), "");
}

const json& usable_best(const json& results) {
  const json& best = member(results, "best");
  return member(best, "design").is_object() && !member(best, "design").empty() ? best : member(json(), "");
}

}  // namespace

ReportView::ReportView(const json& all_results)
    : results(all_results), best(usable_best(results)), best_proposal(proposal_of_best(results)) {
  objective = text_of(member(results, "study", "objective", "metric"));
  if (objective.empty()) objective = "objective";
  direction = direction_from(text_of(member(results, "study", "objective", "direction")));
  const auto add = [&](const std::string& name, const std::string& unit) {
    const bool known = std::any_of(parameters.begin(), parameters.end(),
                                   [&](const ReportParameter& parameter) { return parameter.name == name; });
    if (!name.empty() && !known) parameters.push_back({name, unit});
  };
  for (const json& parameter : items_of(member(results, "dataset", "parameters"))) {
    add(text_of(member(parameter, "name")), text_of(member(parameter, "unit")));
  }
  for (const std::string& name : keys_of(member(best, "design"))) add(name, "");
  for (const json& workload : items_of(member(results, "study", "workloads"))) {
    ReportWorkload known{text_of(member(workload, "label")), text_of(member(workload, "title")),
                         number_of(member(workload, "weight"))};
    if (known.title.empty()) known.title = known.label;
    if (const auto batch = number_of(member(workload, "batch")); batch && *batch != 1) {
      known.title += ", batch " + count_text(*batch);
    }
    if (!known.label.empty()) workloads.push_back(std::move(known));
  }
}

const json& ReportView::of_best(std::string_view key) const {
  const json& own = member(best, key);
  return own.is_null() ? member(best_proposal, key) : own;
}

std::string_view ReportView::better_text() const {
  return direction == Direction::maximise ? "Higher is better." : "Lower is better.";
}

std::string ReportView::metric_unit(std::string_view metric) const {
  if (metric == objective) {
    const std::string unit = text_of(member(results, "study", "objective", "unit"));
    if (!unit.empty()) return unit;
  }
  for (const json& known : items_of(member(results, "dataset", "metrics"))) {
    if (text_of(member(known, "name")) == metric && !text_of(member(known, "unit")).empty()) {
      return text_of(member(known, "unit"));
    }
  }
  return unit_of_metric(metric);
}

std::string ReportView::metric_label(std::string_view metric) const {
  for (const ReportWorkload& workload : workloads) {
    if (!metric.starts_with(workload.label + ".")) continue;
    return metric_label(metric.substr(workload.label.size() + 1)) + " of " + workload.label;
  }
  std::string label(metric);
  const std::string unit = metric_unit(metric);
  const auto lower = [](std::string text) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
  };
  if (!unit.empty() && label.size() > unit.size() + 1 && lower(label).ends_with("_" + lower(unit))) {
    label.resize(label.size() - unit.size() - 1);
  }
  std::replace(label.begin(), label.end(), '_', ' ');
  return label;
}

std::string ReportView::metric_text(std::string_view metric, const std::optional<double>& value) const {
  return value ? measured_with_unit(*value, metric_unit(metric)) : "–";
}

std::string ReportView::design_value(const ReportParameter& parameter, const json& design) const {
  const json& value = member(design, parameter.name);
  if (const auto number = number_of(value)) return value_with_unit(*number, parameter.unit);
  const std::string text = text_of(value);
  return text.empty() ? "–" : text;
}

std::string ReportView::short_design_value(const ReportParameter& parameter, const json& design) const {
  const bool is_bytes = parameter.unit == "bytes" || parameter.unit == "B";
  return design_value({parameter.name, is_bytes ? parameter.unit : ""}, design);
}

std::optional<double> ReportView::true_objective(const json& proposal) const {
  const json& simulated = member(proposal, "simulated");
  if (const auto value = number_of(member(simulated, "metrics", objective))) return value;
  return number_of(member(proposal, "metrics", objective));
}

std::optional<double> ReportView::best_objective() const {
  const auto value = number_of(member(best, "objective"));
  return value ? value : number_of(member(best, "predicted"));
}

bool ReportView::is_only_predicted() const {
  const std::string source = text_of(member(best, "source"));
  return source != "validated" && source != "searched" && source != "logged";
}

bool ReportView::is_from_table() const {
  return member(results, "validation", "table").is_object();
}

std::string ReportView::truth_source() const {
  if (is_from_table() && text_of(member(best, "source")) != "searched") {
    const std::string file = text_of(member(results, "validation", "table", "file"));
    return file.empty() ? "a recorded table" : "the recorded table " + file;
  }
  const std::string simulator = text_of(member(results, "study", "simulator", "name"));
  return simulator.empty() ? "simulation" : "the simulator " + simulator;
}

std::vector<std::string> ReportView::metrics() const {
  std::vector<std::string> names = {objective};
  const auto add = [&](const std::string& name) {
    const bool is_own = std::any_of(workloads.begin(), workloads.end(), [&](const ReportWorkload& workload) {
      return name.starts_with(workload.metric(""));
    });
    if (!name.empty() && !is_own && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const json& metric : items_of(member(results, "dataset", "metrics"))) add(text_of(member(metric, "name")));
  for (const json* source :
       {&of_best("metrics"), &of_best("predicted_metrics"), &member(results, "dataset", "best_logged", "metrics")}) {
    for (const std::string& name : keys_of(*source)) add(name);
  }
  return names;
}

std::vector<std::string> ReportView::workload_metrics() const {
  std::vector<std::string> names;
  for (const json& metric : items_of(member(results, "dataset", "metrics"))) {
    const std::string name = text_of(member(metric, "name"));
    for (const ReportWorkload& workload : workloads) {
      if (!name.starts_with(workload.metric(""))) continue;
      std::string own = name.substr(workload.label.size() + 1);
      if (std::find(names.begin(), names.end(), own) != names.end()) continue;
      names.insert(own == objective ? names.begin() : names.end(), std::move(own));
    }
  }
  return names;
}

std::string ReportView::combine_text() const {
  std::string text = text_of(member(results, "study", "combine"));
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

const json& searched_by(const ReportView& view) {
  const std::string found_by = text_of(member(view.best, "found_by"));
  return member(view.results, found_by == "pareto" || found_by == "rounds" ? found_by : "online");
}

std::vector<SimpleLimit> limits_on(const ReportView& view, std::string_view metric) {
  std::vector<SimpleLimit> limits;
  for (const json& constraint : items_of(member(view.results, "study", "constraints"))) {
    const std::string text = text_of(constraint);
    const std::size_t sign = text.find_first_of("<>");
    if (sign == std::string::npos) continue;
    const std::size_t after = sign + 1 + (sign + 1 < text.size() && text[sign + 1] == '=' ? 1 : 0);
    const auto trim = [](std::string_view part) {
      while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
      while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
      return part;
    };
    const std::string_view left = trim(std::string_view(text).substr(0, sign));
    const std::string_view right = trim(std::string_view(text).substr(after));
    if (left != metric && right != metric) continue;
    try {
      const Quantity limit = parse_quantity(left == metric ? right : left);
      const std::string unit = view.metric_unit(metric);
      limits.push_back({text, limit.unit.empty() ? limit.value : convert_unit(limit.value, limit.unit, unit),
                        (text[sign] == '<') == (left == metric)});
    } catch (const Error&) {
      // Not a number on the other side: an expression, whose limit is no straight line on one axis.
    }
  }
  return limits;
}

}  // namespace corbel
