#include "corbel/base/error.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace corbel {
namespace {

/// Length of the UTF-8 sequence at the start of `text`, 0 if there is none. RFC 3629: no overlong forms, surrogates
/// or code points past U+10FFFF.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F)) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F)) return 0;
    return 4;
  }
  return 0;
}

/// Of the character of `length` bytes at the start of `text`: C0, DEL or, encoded in two bytes, C1. Terminals obey the
/// latter too.
bool is_control(std::string_view text, std::size_t length) {
  const auto first = static_cast<unsigned char>(text[0]);
  return length == 2 ? first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0 : first < 0x20 || first == 0x7F;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

/// Edit distance in which swapping two neighbours counts once (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

}  // namespace

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage:
      return "usage";
    case ErrorCode::invalid_input:
      return "invalid_input";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::file_access:
      return "file_access";
    case ErrorCode::corrupt:
      return "corrupt";
    case ErrorCode::mismatch:
      return "mismatch";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::too_little_data:
      return "too_little_data";
    case ErrorCode::tool_failure:
      return "tool_failure";
    case ErrorCode::interrupted:
      return "interrupted";
  }
  return "unknown";
}

Error::Error(ErrorCode code, const std::string& message, std::string hint)
    : std::runtime_error(printable(message, no_limit)), code_(code), hint_(printable(hint, no_limit)) {}

std::string printable(std::string_view text, std::size_t max_bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  result.reserve(std::min(text.size(), max_bytes));
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    const bool plain = length > 0 && !is_control(text, length);
    if (result.size() + (plain ? length : 4) > max_bytes) return result + "…";
    if (plain) {
      result += text.substr(0, length);
    } else if (byte == '\n') {
      result += "\\n";
    } else if (byte == '\t') {
      result += "\\t";
    } else {
      result += "\\x";
      result += digits[byte >> 4];
      result += digits[byte & 15];
    }
    text.remove_prefix(plain ? length : 1);
  }
  return result;
}

std::string in_quotes(std::string_view text) {
  std::string result = "`";
  result += printable(text);
  result += '`';
  return result;
}

bool is_text(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    if (length == 0) return false;
    const bool allowed = bytes[0] == '\t' || bytes[0] == '\n' || bytes[0] == '\r';
    if (is_control(bytes, length) && !allowed) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::string nearest_name(std::string_view name, std::span<const std::string> candidates) {
  // Names are short; a longer text is no misspelling of one, and would make the distance slow.
  constexpr std::size_t longest = 64;
  if (name.empty() || name.size() > longest) return "";
  const std::string wanted = lower(name);
  std::string best;
  std::size_t best_distance = no_limit;
  for (const std::string& candidate : candidates) {
    if (candidate.empty() || candidate.size() > longest) continue;
    const std::size_t length = std::max(name.size(), candidate.size());
    const std::size_t limit = length == 1 ? 0 : std::max<std::size_t>(1, length / 3);
    if (length - std::min(name.size(), candidate.size()) > limit) continue;
    const std::size_t distance = edit_distance(wanted, lower(candidate));
    if (distance <= limit && distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

Error unknown_name(std::string_view kind, std::string_view name, std::span<const std::string> candidates,
                   std::string_view place, ErrorCode code) {
  std::string message = place.empty() ? "" : std::string(place) + ": ";
  message.append("unknown ").append(kind).append(" ").append(in_quotes(name));
  std::string hint;
  if (const std::string near = nearest_name(name, candidates); !near.empty()) {
    hint = "did you mean " + in_quotes(near) + "?";
  } else if (!candidates.empty()) {
    constexpr std::size_t shown = 20;
    hint = "known: ";
    for (std::size_t i = 0; i < std::min(shown, candidates.size()); ++i) {
      if (i > 0) hint += ", ";
      hint += printable(candidates[i]);
    }
    if (candidates.size() > shown) hint += ", … (" + std::to_string(candidates.size()) + " in all)";
  }
  return Error(code, message, std::move(hint));
}

}  // namespace corbel
