#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/search/direction.hpp"

namespace corbel {

// Reading JSON that may lack anything: what is missing or of another type reads as nothing.

/// The member of an object, or a JSON null.
const nlohmann::json& member(const nlohmann::json& node, std::string_view key);
template <class... Keys>
const nlohmann::json& member(const nlohmann::json& node, std::string_view key, Keys... keys) {
  return member(member(node, key), keys...);
}
/// The array, or an empty one.
const nlohmann::json& items_of(const nlohmann::json& node);
/// The keys of an object, in order; none for anything else.
std::vector<std::string> keys_of(const nlohmann::json& node);
/// A finite number.
std::optional<double> number_of(const nlohmann::json& node);
/// The same for plots: NaN where there is none.
double coordinate_of(const nlohmann::json& node);
/// Element `index` of an array as a coordinate.
double element_of(const nlohmann::json& row, std::size_t index);
/// Strings as they are, numbers and booleans as written; "" for anything else.
std::string text_of(const nlohmann::json& node);
bool is_true(const nlohmann::json& node);

// Numbers as people read them; plain text, not escaped.

/// "mm2" → "mm²", "mj" → "mJ".
std::string pretty_unit(std::string_view unit);
/// A value that somebody chose: "256 KiB", "0.5 V".
std::string value_with_unit(double value, std::string_view unit);
/// A value that was measured or predicted: always four significant digits ("0.4120 ms"), so that columns align; whole
/// numbers stay whole.
std::string measured_with_unit(double value, std::string_view unit);
std::string count_text(double value);                      ///< "452,760,000"
std::string percent_text(double share, int decimals = 1);  ///< 0.042 → "4.2 %"
std::string signed_percent_text(double share);             ///< 0.042 → "+4.2 %"
std::string gain_text(double gain);                        ///< "1.42×"
std::string error_text(double error);                      ///< a relative error, no more digits than it deserves
std::string seconds_text(double seconds);                  ///< "0.8 s", "3 min 20 s"

struct ReportParameter {
  std::string name, unit;
};

/// One of several networks that a design is judged on.
struct ReportWorkload {
  std::string label, title;
  std::optional<double> weight;
  /// The name of its own metric: "mobilenet_v2.latency_ms".
  std::string metric(std::string_view name) const { return label + "." + std::string(name); }
};

/// The results, and what every part of the page asks of them.
struct ReportView {
  explicit ReportView(const nlohmann::json& all_results);

  const nlohmann::json& results;
  std::string objective;                      ///< name of the metric; "objective" if the results do not say
  Direction direction = Direction::minimise;  ///< of the objective
  std::vector<ReportParameter> parameters;    ///< of a design, in the order of the space
  std::vector<ReportWorkload> workloads;      ///< of a study of several networks, else none
  const nlohmann::json& best;                 ///< null if there is no design
  const nlohmann::json& best_proposal;        ///< the proposal `best` came from, or null

  /// What is known of the best design; from its proposal where `best` itself does not say.
  const nlohmann::json& of_best(std::string_view key) const;

  std::string_view better_text() const;  ///< of the objective's axis: "Lower is better."
  std::string metric_unit(std::string_view metric) const;
  /// "latency_ms" → "latency"; of one of several networks "latency of mobilenet_v2".
  std::string metric_label(std::string_view metric) const;
  std::string metric_text(std::string_view metric, const std::optional<double>& value) const;  ///< "0.412 ms" or "–"
  std::string objective_text(const std::optional<double>& value) const { return metric_text(objective, value); }
  /// A parameter's value: "256 KiB", "kcp_ws".
  std::string design_value(const ReportParameter& parameter, const nlohmann::json& design) const;
  /// The same without the unit, unless it scales the number.
  std::string short_design_value(const ReportParameter& parameter, const nlohmann::json& design) const;
  /// The true objective of a proposal, where a simulation gave one.
  std::optional<double> true_objective(const nlohmann::json& proposal) const;
  /// The true objective of the best design, else the predicted one.
  std::optional<double> best_objective() const;
  bool is_only_predicted() const;    ///< the best design, neither simulated nor logged
  bool is_from_table() const;        ///< true values were looked up in a recorded table
  std::string truth_source() const;  ///< what "true" means: "the simulator edge"; plain text
  /// Names of all metrics known, the objective first; those of one of several networks are left out.
  std::vector<std::string> metrics() const;
  /// The names that own metrics of the networks have, such as "latency_ms", the objective first; none for one network.
  std::vector<std::string> workload_metrics() const;
  /// How the networks' metrics become one: "geometric mean".
  std::string combine_text() const;
};

/// The section of the search on the simulator that found the best design; null if none did.
const nlohmann::json& searched_by(const ReportView& view);

/// A limit on one metric alone, such as "area_mm2 <= 29".
struct SimpleLimit {
  std::string text;
  double value = 0;  ///< in the metric's unit
  bool is_upper = true;
};
/// The limits of the study on `metric`; limits that combine several things are not among them.
std::vector<SimpleLimit> limits_on(const ReportView& view, std::string_view metric);

}  // namespace corbel
