#include "section.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "corbel/base/units.hpp"

namespace corbel {
namespace {

using nlohmann::json;

std::string cell(const json& row, const ResultTable::Column& column) {
  const auto found = row.find(column.key);
  if (found == row.end() || found->is_null()) return "–";
  if (found->is_string()) return found->get<std::string>();
  const double value = found->get<double>();
  return column.decimals < 0 ? format_for_people(value) : fmt::format("{:.{}f}", value, column.decimals);
}

json finite(double value) {
  return std::isfinite(value) ? json(value) : json(nullptr);
}

std::string range(const Target& target) {
  if (!std::isfinite(target.max)) return "at least " + format_for_people(target.min);
  if (!std::isfinite(target.min)) return "at most " + format_for_people(target.max);
  return fmt::format("{} to {}", format_for_people(target.min), format_for_people(target.max));
}

std::string to_markdown(const ResultTable& table) {
  std::string text = table.title.empty() ? "" : table.title + "\n\n";
  std::string rule;
  for (const ResultTable::Column& column : table.columns) {
    const bool numbers = std::all_of(table.rows.begin(), table.rows.end(), [&](const json& row) {
      return !row.contains(column.key) || row[column.key].is_number() || row[column.key].is_null();
    });
    text += "| " + column.heading + " ";
    rule += numbers ? "|--:" : "|---";
  }
  text += "|\n" + rule + "|\n";
  for (const json& row : table.rows) {
    for (const ResultTable::Column& column : table.columns) text += "| " + cell(row, column) + " ";
    text += "|\n";
  }
  return text + "\n";
}

}  // namespace

std::string to_markdown(const Section& section) {
  std::string text = "## " + section.title + "\n\nPublished: " + section.source + "\n\n";
  for (const ResultTable& table : section.tables) text += to_markdown(table);
  if (!section.targets.empty()) {
    text += "| target | found | wanted | |\n|---|--:|---|---|\n";
    for (const Target& target : section.targets) {
      text += fmt::format("| {} | {} | {} | {} |\n", target.name,
                          std::isfinite(target.value) ? format_for_people(target.value) : "–", range(target),
                          target.met() ? "met" : "**not met**");
    }
    text += "\n";
  }
  for (const std::string& note : section.notes) text += note + "\n\n";
  return text;
}

nlohmann::json to_json(const Section& section) {
  json result = {{"source", section.source}, {"targets", json::array()}, {"notes", section.notes}};
  for (const ResultTable& table : section.tables) result[table.key] = table.rows;
  for (const Target& target : section.targets) {
    result["targets"].push_back({{"name", target.name},
                                 {"value", finite(target.value)},
                                 {"min", finite(target.min)},
                                 {"max", finite(target.max)},
                                 {"met", target.met()}});
  }
  return result;
}

bool all_met(const Section& section) {
  return std::all_of(section.targets.begin(), section.targets.end(), [](const Target& target) { return target.met(); });
}

}  // namespace corbel
