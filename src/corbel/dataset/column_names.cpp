#include "corbel/dataset/column_names.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/simulator/log_cells.hpp"

namespace corbel {
namespace {

/// The column's name made an identifier, such as "PE count" → pe_count and "area (mm^2)" → area_mm2; "" where that
/// could say something else, as a rate or letters that are dropped would.
std::string as_identifier(std::string_view column) {
  std::string text(column);
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> spellings = {
      {{"\xC2\xB5", "u"}, {"\xCE\xBC", "u"}, {"\xC2\xB2", "2"}, {"^", ""}}};
  for (const auto& [from, to] : spellings) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
  }
  const bool plain = std::ranges::all_of(text, [](char c) { return c > 0 && c < 127 && c != '/'; });
  if (!plain) return "";
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
  return name;
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

}  // namespace

bool is_identifier(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && letter(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

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

std::string column_name(const ImportSpec& spec, const std::optional<DesignSpace>& space, const std::string& column) {
  const auto renamed = spec.rename.find(column);
  if (renamed != spec.rename.end()) return renamed->second;
  std::string name(trim(column));
  if (!is_identifier(name)) {
    std::string identifier = as_identifier(name);
    if (!identifier.empty()) name = std::move(identifier);
  }
  const auto unit = spec.units.find(column);
  const bool unnamed_unit =
      unit != spec.units.end() && unit_of_metric(name).empty() && !(space && space->find(name).has_value());
  return unnamed_unit ? name + "_" + unit->second : name;
}

}  // namespace corbel
