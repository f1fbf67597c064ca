#include "corbel/base/number.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "corbel/base/text.hpp"

namespace corbel {
namespace {

template <class Number>
std::string_view write(Number value, std::array<char, 32>& out) {
  // Most numbers of a log are whole, and those are quick.
  const auto whole = static_cast<std::int64_t>(std::abs(value) < Number{16777216} ? value : Number{0});
  const bool is_whole = whole != 0 && static_cast<Number>(whole) == value;
  const auto [end, failure] = is_whole ? std::to_chars(out.data(), out.data() + out.size(), whole)
                                       : std::to_chars(out.data(), out.data() + out.size(), value);
  return {out.data(), static_cast<std::size_t>(end - out.data())};
}

}  // namespace

std::string_view number_text(double value, std::array<char, 32>& out) {
  return write(value, out);
}
std::string_view number_text(float value, std::array<char, 32>& out) {
  return write(value, out);
}
void append_number(std::string& out, double value) {
  std::array<char, 32> text;
  out += number_text(value, text);
}

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
