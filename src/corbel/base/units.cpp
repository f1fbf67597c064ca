#include "corbel/base/units.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/text.hpp"

namespace corbel {
namespace {

enum class Dimension { bytes, time, frequency, power, energy, area, bandwidth, cycles, macs };

struct Unit {
  std::string_view name;
  Dimension dimension;
  double scale;             ///< in the smallest unit of the dimension, so that ratios stay whole
  std::string_view suffix;  ///< in metric names; "" if it does not occur there
};

constexpr std::array units = {
    Unit{"B", Dimension::bytes, 1, ""},
    Unit{"bytes", Dimension::bytes, 1, "bytes"},
    Unit{"byte", Dimension::bytes, 1, ""},
    Unit{"KB", Dimension::bytes, 1e3, "kb"},
    Unit{"kB", Dimension::bytes, 1e3, ""},
    Unit{"KiB", Dimension::bytes, 1024, "kib"},
    Unit{"MB", Dimension::bytes, 1e6, "mb"},
    Unit{"MiB", Dimension::bytes, 1048576, "mib"},
    Unit{"GB", Dimension::bytes, 1e9, "gb"},
    Unit{"GiB", Dimension::bytes, 1073741824, "gib"},
    Unit{"s", Dimension::time, 1e9, "s"},
    Unit{"ms", Dimension::time, 1e6, "ms"},
    Unit{"us", Dimension::time, 1e3, "us"},
    Unit{"ns", Dimension::time, 1, "ns"},
    Unit{"Hz", Dimension::frequency, 1, "hz"},
    Unit{"kHz", Dimension::frequency, 1e3, "khz"},
    Unit{"KHz", Dimension::frequency, 1e3, ""},
    Unit{"MHz", Dimension::frequency, 1e6, "mhz"},
    Unit{"GHz", Dimension::frequency, 1e9, "ghz"},
    Unit{"W", Dimension::power, 1e6, "w"},
    Unit{"mW", Dimension::power, 1e3, "mw"},
    Unit{"uW", Dimension::power, 1, "uw"},
    Unit{"J", Dimension::energy, 1e12, "j"},
    Unit{"mJ", Dimension::energy, 1e9, "mj"},
    Unit{"uJ", Dimension::energy, 1e6, "uj"},
    Unit{"nJ", Dimension::energy, 1e3, "nj"},
    Unit{"pJ", Dimension::energy, 1, "pj"},
    Unit{"mm2", Dimension::area, 1e6, "mm2"},
    Unit{"um2", Dimension::area, 1, "um2"},
    Unit{"B/s", Dimension::bandwidth, 1, ""},
    Unit{"KB/s", Dimension::bandwidth, 1e3, ""},
    Unit{"kB/s", Dimension::bandwidth, 1e3, ""},
    Unit{"MB/s", Dimension::bandwidth, 1e6, ""},
    Unit{"GB/s", Dimension::bandwidth, 1e9, ""},
    Unit{"cycles", Dimension::cycles, 1, "cycles"},
    Unit{"cycle", Dimension::cycles, 1, ""},
    Unit{"MACs", Dimension::macs, 1, "macs"},
    Unit{"MAC", Dimension::macs, 1, "mac"},
};

/// The typographic spellings as ASCII: µ (two code points) as u, ² and ^2 as 2.
std::string ascii_unit(std::string_view unit) {
  std::string result;
  for (std::size_t i = 0; i < unit.size(); ++i) {
    const std::string_view rest = unit.substr(i);
    if (rest.starts_with("\u00B5") || rest.starts_with("\u03BC")) {
      result += 'u';
      ++i;
    } else if (rest.starts_with("\u00B2")) {
      result += '2';
      ++i;
    } else if (rest.starts_with("^2")) {
      continue;
    } else {
      result += unit[i];
    }
  }
  return result;
}

const Unit* find_unit(std::string_view name) {
  const std::string wanted = ascii_unit(name);
  const auto found = std::find_if(units.begin(), units.end(), [&](const Unit& unit) { return unit.name == wanted; });
  return found == units.end() ? nullptr : &*found;
}

std::string at_place(std::string_view place) {
  return place.empty() ? "" : std::string(place) + ": ";
}

/// Letters first (also those of other alphabets, for µ), then digits and what compound units are written with.
bool is_unit_text(std::string_view text) {
  const auto letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || (c & 0x80) != 0; };
  if (text.empty() || !(letter(text[0]) || text[0] == '%')) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return letter(c) || std::isdigit(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("/^_%*").find(c) != std::string_view::npos;
  });
}

std::string hint_for(std::string_view unit) {
  std::vector<std::string> names;
  for (const Unit& known : units) names.emplace_back(known.name);
  const std::string near = nearest_name(ascii_unit(unit), names);
  return near.empty() || near == unit ? "" : "did you mean " + in_quotes(near) + "?";
}

std::string with_separators(std::string digits) {
  const std::size_t start = digits.starts_with('-') ? 1 : 0;
  const std::size_t point = digits.find('.');
  for (std::size_t i = point == std::string::npos ? digits.size() : point; i > start + 3;) {
    i -= 3;
    digits.insert(i, 1, ',');
  }
  return digits;
}

std::string print(const char* format, int precision, double value) {
  std::array<char, 512> buffer;
  const int length = std::snprintf(buffer.data(), buffer.size(), format, precision, value);
  return std::string(buffer.data(), static_cast<std::size_t>(length));
}

}  // namespace

Quantity parse_quantity(std::string_view text, std::string_view place) {
  const std::string_view trimmed = trim(text);
  std::string_view rest = trimmed;
  if (rest.starts_with('+')) rest.remove_prefix(1);
  Quantity quantity;
  const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), quantity.value);
  const bool signed_twice = trimmed.starts_with("+-") || trimmed.starts_with("++");
  if (failure == std::errc::result_out_of_range) {
    throw Error(ErrorCode::invalid_input, at_place(place) + in_quotes(trimmed) + " is out of range");
  }
  if (failure != std::errc{} || signed_twice || !std::isfinite(quantity.value)) {
    throw Error(ErrorCode::invalid_input, at_place(place) + in_quotes(trimmed) + " is not a number",
                "write a number and, if need be, its unit, such as 29 or 256 KiB");
  }
  rest = trim(rest.substr(static_cast<std::size_t>(end - rest.data())));
  const bool hexadecimal = rest.starts_with('x') || rest.starts_with('X');
  if (!rest.empty() && (hexadecimal || !is_unit_text(rest))) {
    throw Error(ErrorCode::invalid_input, at_place(place) + in_quotes(trimmed) + " is not a number with a unit",
                "write a number and, if need be, its unit, such as 29 or 256 KiB");
  }
  quantity.unit = rest;
  return quantity;
}

double convert_unit(double value, std::string_view from, std::string_view to, std::string_view place) {
  if (from == to) return value;
  const Unit* source = find_unit(from);
  const Unit* target = find_unit(to);
  if (source == nullptr || target == nullptr || source->dimension != target->dimension) {
    const auto name = [](std::string_view unit) {
      return unit.empty() ? std::string("a plain number") : in_quotes(unit);
    };
    throw Error(ErrorCode::invalid_input, at_place(place) + "cannot convert " + name(from) + " to " + name(to),
                source == nullptr ? hint_for(from) : "");
  }
  const double up = source->scale / target->scale;
  const double down = target->scale / source->scale;
  const double converted = up == std::floor(up)       ? value * up
                           : down == std::floor(down) ? value / down
                                                      : value * source->scale / target->scale;
  if (std::isinf(converted) && !std::isinf(value)) {
    throw Error(ErrorCode::invalid_input, at_place(place) + "`" + format_number(value) + " " + printable(from) +
                                              "` is out of range in " + in_quotes(to));
  }
  return converted;
}

bool is_known_unit(std::string_view unit) {
  return find_unit(unit) != nullptr;
}

bool same_dimension(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const Unit* first = find_unit(a);
  const Unit* second = find_unit(b);
  return first != nullptr && second != nullptr && first->dimension == second->dimension;
}

std::string unit_of_metric(std::string_view metric_name) {
  const std::size_t underscore = metric_name.rfind('_');
  if (underscore == std::string_view::npos || underscore == 0) return "";
  std::string suffix(metric_name.substr(underscore + 1));
  for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (suffix.empty()) return "";
  const auto found = std::find_if(units.begin(), units.end(), [&](const Unit& unit) { return unit.suffix == suffix; });
  return found == units.end() ? "" : std::string(found->name);
}

std::string format_number(double value) {
  std::array<char, 64> buffer;
  const auto [end, failure] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  static_cast<void>(failure);  // 64 characters hold every double
  return std::string(buffer.data(), end);
}

std::string format_for_people(double value, int digits) {
  if (!std::isfinite(value)) return format_number(value);
  const double size = std::abs(value);
  if (size < 1e15 && value == std::floor(value)) return with_separators(print("%.*f", 0, value == 0 ? 0.0 : value));
  if (size < 1e-4 || size >= 1e15) return print("%.*g", digits, value);
  const int before_point = static_cast<int>(std::floor(std::log10(size))) + 1;
  std::string text = print("%.*f", std::max(0, digits - before_point), value);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
  }
  return with_separators(text);
}

std::string format_bytes(double bytes) {
  constexpr std::array<std::string_view, 5> names = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t index = 0;
  while (std::isfinite(bytes) && std::abs(bytes) >= 1024 && index + 1 < names.size()) {
    bytes /= 1024;
    ++index;
  }
  return format_for_people(bytes) + " " + std::string(names[index]);
}

}  // namespace corbel
