#include "corbel/simulator/log_cells.hpp"

#include <algorithm>
#include <array>

#include "corbel/base/number.hpp"
#include "corbel/base/text.hpp"

namespace corbel {
namespace {

template <std::size_t n>
bool is_one_of(std::string_view word, const std::array<std::string_view, n>& words) {
  return std::ranges::find(words, word) != words.end();
}

constexpr std::array<std::string_view, 5> blank_words = {"nan", "n/a", "none", "null", "-"};
constexpr std::array<std::string_view, 17> yes_words = {
    "1",        "1.0",  "true", "yes",       "y",        "t",     "ok",     "success", "succeeded",
    "complete", "done", "pass", "completed", "feasible", "valid", "passed", "good"};
constexpr std::array<std::string_view, 11> no_words = {"0",          "0.0",     "false", "no",     "n",  "f",
                                                       "infeasible", "invalid", "fail",  "failed", "bad"};
// A run that came to nothing says nothing of the design.
constexpr std::array<std::string_view, 13> failed_words = {"timeout", "time-out", "timed_out", "timed out", "crash",
                                                           "crashed", "killed",   "aborted",   "cancelled", "canceled",
                                                           "running", "pending",  "waiting"};

Verdict verdict_of(std::string_view cell) {
  const std::string word = lowered(cell);
  if (is_one_of(word, yes_words)) return Verdict::feasible;
  if (is_one_of(word, no_words)) return Verdict::infeasible;
  if (is_one_of(word, failed_words)) return Verdict::failed;
  return Verdict::unknown;
}

}  // namespace

std::string lowered(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_blank(std::string_view cell) {
  const std::string_view text = trim(cell);
  return text.empty() || (text.size() <= 4 && is_one_of(lowered(text), blank_words));
}

bool is_decimal_comma(std::string_view cell) {
  constexpr std::size_t longest = 64;
  const std::size_t comma = cell.find(',');
  if (comma == std::string_view::npos || cell.size() > longest) return false;
  std::string text(cell);
  text[comma] = '.';
  double value = 0;
  return parse_number(text, value);
}

std::optional<VerdictRole> verdict_role(std::string_view column) {
  const std::string name = lowered(trim(column));
  if (name == "feasible" || name == "infeasible" || name == "valid" || name == "invalid" || name == "status") {
    return VerdictRole::feasible;
  }
  if (name == "reason") return VerdictRole::reason;
  return std::nullopt;
}

VerdictReader::VerdictReader(std::span<const std::string> header, const VerdictColumns& columns) : columns_(columns) {
  if (!columns.feasible) return;
  const std::string name = lowered(trim(header[*columns.feasible]));
  inverted_ = name == "infeasible" || name == "invalid";
  words_ = !inverted_ && name != "feasible" && name != "valid";
}

RowVerdict VerdictReader::read(std::span<const std::string_view> row) const {
  std::string_view reason = columns_.reason ? trim(row[*columns_.reason]) : std::string_view();
  if (is_blank(reason)) reason = {};
  if (!columns_.feasible) {
    const bool missing = columns_.filled_if_feasible && is_blank(row[*columns_.filled_if_feasible]);
    if (reason.empty()) return {missing ? Verdict::infeasible : Verdict::feasible, {}};
    const Verdict verdict = verdict_of(reason);
    if (verdict == Verdict::failed) return {verdict, reason};
    if (verdict == Verdict::feasible) return {missing ? Verdict::infeasible : Verdict::feasible, {}};
    return {Verdict::infeasible, reason};
  }
  const std::string_view cell = trim(row[*columns_.feasible]);
  if (is_blank(cell)) return {Verdict::unknown, {}};
  Verdict verdict = verdict_of(cell);
  if (verdict == Verdict::unknown) {
    if (!words_) return {Verdict::unknown, cell};
    return {Verdict::infeasible, reason.empty() ? cell : reason};
  }
  if (inverted_ && verdict == Verdict::feasible) {
    verdict = Verdict::infeasible;
  } else if (inverted_ && verdict == Verdict::infeasible) {
    verdict = Verdict::feasible;
  }
  if (verdict == Verdict::feasible) return {verdict, {}};
  return {verdict, reason};
}

}  // namespace corbel
