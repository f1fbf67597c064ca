#include <charconv>
#include <cmath>

#include "corbel/base/csv.hpp"
#include "corbel/base/text.hpp"

namespace corbel {

bool parse_number(std::string_view text, double& out) {
  text = trim(text);
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
