#include <charconv>
#include <cmath>

#include "corbel/base/csv.hpp"

namespace corbel {

bool parse_number(std::string_view text, double& out) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return false;
  text = text.substr(first, text.find_last_not_of(blanks) - first + 1);
  // from_chars takes no plus sign.
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0;
  const char* last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(text.data(), last, value);
  if (failure != std::errc{} || end != last || !std::isfinite(value)) return false;
  out = value;
  return true;
}

}  // namespace corbel
