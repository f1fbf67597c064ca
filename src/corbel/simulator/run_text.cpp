#include "corbel/simulator/internal/run_text.hpp"

#include <algorithm>
#include <cctype>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
}

/// The name of a placeholder whose opening brace is at `open`; "" if there is none.
std::string_view name_at(std::string_view text, std::size_t open) {
  std::size_t end = open + 1;
  while (end < text.size() && is_name_character(text[end])) ++end;
  const bool is_name = end < text.size() && text[end] == '}' && end > open + 1 &&
                       std::isdigit(static_cast<unsigned char>(text[open + 1])) == 0 && text[open + 1] != '.';
  return is_name ? text.substr(open + 1, end - open - 1) : std::string_view{};
}

std::string quoted_for_shell(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace

RunText::RunText(std::string_view text, std::span<const std::string> known, const std::string& place, bool is_file)
    : text_(text) {
  std::string before;
  for (std::size_t i = 0; i < text.size();) {
    const bool is_doubled = text[i] == '{' && i + 1 < text.size() && text[i + 1] == '{';
    if (is_doubled) {
      const std::string_view name = name_at(text, i + 1);
      if (!name.empty() && text.substr(i + 2 + name.size()).starts_with("}}")) {
        before += text.substr(i + 1, name.size() + 2);
        i += name.size() + 4;
        continue;
      }
    }
    const std::string_view name = text[i] == '{' ? name_at(text, i) : std::string_view{};
    if (name.empty()) {
      before += text[i++];
      continue;
    }
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(i), '\n') + 1;
      throw unknown_name("placeholder", name, known, is_file ? place + ":" + std::to_string(line) : place);
    }
    parts_.push_back({std::move(before), std::string(name)});
    before.clear();
    i += name.size() + 2;
  }
  parts_.push_back({std::move(before), ""});
}

bool RunText::uses(std::string_view name) const {
  return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) { return part.name == name; });
}

std::string RunText::fill(const RunValues& values, bool quoted) const {
  std::string filled;
  for (const Part& part : parts_) {
    filled += part.text;
    if (part.name.empty()) continue;
    const std::string& value = values.at(part.name);
    filled += quoted ? quoted_for_shell(value) : value;
  }
  return filled;
}

}  // namespace corbel
