#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/report/report.hpp"
#include "corbel/report/view.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

bool is_known(const json& value) {
  if (value.is_null() || (value.is_number_float() && !std::isfinite(value.get<double>()))) return false;
  return !(value.is_structured() && value.empty()) &&
         !(value.is_string() && value.get_ref<const std::string&>().empty());
}

/// `values` without those that are not known.
ordered_json known_values(const json& values) {
  ordered_json out = ordered_json::object();
  for (const std::string& name : keys_of(values)) {
    const json& value = member(values, name);
    if (is_known(value)) out[name] = ordered_json(value);
  }
  return out;
}

ordered_json exported_design(const json& results) {
  const ReportView view(results);
  ordered_json out = ordered_json::object();
  const auto put = [](ordered_json& target, const std::string& key, const json& value) {
    if (is_known(value)) target[key] = ordered_json(value);
  };
  const auto put_section = [&](const std::string& key, ordered_json section) {
    if (!section.empty()) out[key] = std::move(section);
  };

  ordered_json design = ordered_json::object(), units = ordered_json::object();
  for (const ReportParameter& parameter : view.parameters) {
    put(design, parameter.name, member(view.best, "design", parameter.name));
    if (!parameter.unit.empty() && design.contains(parameter.name)) units[parameter.name] = parameter.unit;
  }
  put_section("design", std::move(design));
  put_section("units", std::move(units));
  if (!view.best.is_null()) {
    ordered_json objective = {{"metric", view.objective}};
    if (view.direction == Direction::maximise) objective["direction"] = to_string(view.direction);
    if (const std::string unit = view.metric_unit(view.objective); !unit.empty()) objective["unit"] = unit;
    put(objective, "predicted", member(view.best, "predicted"));
    put(objective, "true", member(view.best, "objective"));
    put(objective, "gain", member(view.best, "gain"));
    put_section("objective", std::move(objective));
    put(out, "source", member(view.best, "source"));
    put(out, "rank", member(view.best, "rank"));
    put(out, "feasibility", view.of_best("feasibility"));
    put_section("metrics", known_values(view.of_best("metrics")));
    put_section("predicted_metrics", known_values(view.of_best("predicted_metrics")));
    ordered_json margins = ordered_json::array();
    for (const json& margin : items_of(view.of_best("margins"))) {
      ordered_json entry = ordered_json::object();
      for (const char* key : {"constraint", "left", "right", "margin", "basis"}) put(entry, key, member(margin, key));
      if (!entry.empty()) margins.push_back(std::move(entry));
    }
    put_section("margins", std::move(margins));
  }

  ordered_json provenance = ordered_json::object();
  put(provenance, "corbel", member(results, "corbel"));
  put(provenance, "study", member(results, "study", "name"));
  put(provenance, "file", member(results, "study", "file"));
  put(provenance, "seed", member(results, "study", "seed"));
  put(provenance, "space", member(results, "study", "space", "name"));
  put(provenance, "space_fingerprint", member(results, "study", "space", "fingerprint"));
  put(provenance, "workload", member(results, "study", "workload", "name"));
  ordered_json workloads = ordered_json::array();
  for (const json& workload : items_of(member(results, "study", "workloads"))) {
    ordered_json entry = ordered_json::object();
    for (const char* key : {"name", "label", "batch", "weight"}) put(entry, key, member(workload, key));
    if (!entry.empty()) workloads.push_back(std::move(entry));
  }
  if (!workloads.empty()) provenance["workloads"] = std::move(workloads);
  put(provenance, "combine", member(results, "study", "combine"));
  put(provenance, "simulator", member(results, "study", "simulator", "name"));
  put(provenance, "simulator_fingerprint", member(results, "study", "simulator", "fingerprint"));
  put(provenance, "constraints", member(results, "study", "constraints"));
  put(provenance, "model", member(results, "training", "model"));
  put(provenance, "data", member(results, "dataset", "source"));
  put_section("provenance", std::move(provenance));
  return out;
}

/// One line of JSON, which YAML 1.2 reads as the same value, with bytes that are not UTF-8 replaced.
std::string json_text(const ordered_json& value, int indent = -1) {
  return value.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

/// A string as YAML: bare where every reader takes it for a string, else in JSON's quotes.
std::string yaml_string(const std::string& text) {
  static constexpr std::string_view reserved[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  std::string lower;
  bool plain = !text.empty();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool later = (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '/';
    plain = plain && (letter || (i > 0 && later));
    lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  for (const std::string_view word : reserved) plain = plain && lower != word;
  return plain ? text : json_text(text);
}

void write_yaml(const ordered_json& value, int depth, std::string& out) {
  const std::string indent(static_cast<std::size_t>(2 * depth), ' ');
  if (value.is_object() && !value.empty()) {
    for (auto it = value.begin(); it != value.end(); ++it) {
      out += indent + yaml_string(it.key()) + ":";
      const bool nested = it.value().is_structured() && !it.value().empty();
      out += nested ? "\n" : " ";
      write_yaml(it.value(), depth + 1, out);
    }
  } else if (value.is_array() && !value.empty()) {
    // Entries in JSON's flow form: short lists of limits and texts need no layout.
    for (const ordered_json& entry : value) {
      out += indent + "- " + (entry.is_string() ? yaml_string(entry.get<std::string>()) : json_text(entry)) + "\n";
    }
  } else {
    out += (value.is_string() ? yaml_string(value.get<std::string>()) : json_text(value)) + "\n";
  }
}

}  // namespace

std::string design_json(const json& results) {
  return json_text(exported_design(results), 2) + "\n";
}

std::string design_yaml(const json& results) {
  const ordered_json exported = exported_design(results);
  if (exported.empty()) return "{}\n";
  std::string out;
  write_yaml(exported, 0, out);
  return out;
}

}  // namespace corbel
