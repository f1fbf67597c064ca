#include "corbel/dataset/import_cells.hpp"

#include <algorithm>
#include <array>

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

std::string_view trimmed(std::string_view cell) {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t first = cell.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return cell.substr(first, cell.find_last_not_of(space) - first + 1);
}

bool is_blank(std::string_view cell) {
  const std::string_view text = trimmed(cell);
  return text.empty() || (text.size() <= 4 && is_one_of(lowered(text), blank_words));
}

std::optional<ColumnRole> role_by_name(std::string_view column) {
  const std::string name = lowered(trimmed(column));
  if (name == "feasible" || name == "infeasible" || name == "valid" || name == "invalid" || name == "status") {
    return ColumnRole::feasible;
  }
  if (name == "reason") return ColumnRole::reason;
  return std::nullopt;
}

VerdictReader::VerdictReader(std::span<const std::string> header, std::span<const ColumnRole> roles) {
  for (std::size_t i = 0; i < roles.size(); ++i) {
    if (roles[i] == ColumnRole::reason) reason_ = i;
    if (roles[i] != ColumnRole::feasible) continue;
    feasible_ = i;
    const std::string name = lowered(trimmed(header[i]));
    inverted_ = name == "infeasible" || name == "invalid";
    words_ = !inverted_ && name != "feasible" && name != "valid";
  }
}

RowVerdict VerdictReader::read(std::span<const std::string_view> row) const {
  std::string_view reason = reason_ ? trimmed(row[*reason_]) : std::string_view();
  if (is_blank(reason)) reason = {};
  if (!feasible_) {
    if (!reason_ || reason.empty()) return {Verdict::feasible, {}};
    const Verdict verdict = verdict_of(reason);
    if (verdict == Verdict::feasible) return {Verdict::feasible, {}};
    return {verdict == Verdict::failed ? Verdict::failed : Verdict::infeasible, reason};
  }
  const std::string_view cell = trimmed(row[*feasible_]);
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
