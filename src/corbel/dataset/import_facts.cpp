#include "corbel/dataset/import_facts.hpp"

#include <algorithm>
#include <cmath>

#include "corbel/base/monitor.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/row_file.hpp"
#include "corbel/base/text.hpp"

namespace corbel {
namespace {

constexpr std::size_t longest_shown = 100;

}  // namespace

double ColumnFacts::number(std::string_view cell) {
  if (!overflow) {
    const auto known = distinct.find(cell);
    if (known != distinct.end()) return known->second;
  }
  double value = 0;
  if (!parse_number(cell, value)) value = std::numeric_limits<double>::quiet_NaN();
  if (!overflow) {
    // A long text is no value of a parameter; remembering thousands of them would fill the memory.
    overflow = distinct.size() >= most_distinct || cell.size() > 256;
    if (!overflow) distinct.emplace(cell, value);
  }
  return value;
}

void ColumnFacts::add(std::string_view raw, std::uint64_t row, const RowReader& reader, Verdict verdict) {
  const std::string_view cell = trim(raw);
  if (is_blank(cell)) {
    counts_rows = false;
    if (!cell.empty()) {
      ++blank_words;
      blank_labels.emplace(cell);
    }
    return;
  }
  ++filled;
  const double value = number(cell);
  if (std::isnan(value)) {
    if (words++ == 0) first_word = {std::string(cell.substr(0, longest_shown)), reader.place_text()};
    if (is_decimal_comma(cell) && commas++ == 0)
      first_comma = {std::string(cell.substr(0, longest_shown)), reader.place_text()};
    counts_rows = false;
    return;
  }
  whole = whole && value == std::floor(value);
  const auto index = static_cast<double>(row);
  counts_rows = counts_rows && (value == index || value == index + 1);
  if (verdict == Verdict::feasible) {
    ++filled_feasible;
    positive_feasible = positive_feasible && value > 0;
  } else if (verdict == Verdict::infeasible) {
    if (filled_infeasible++ == 0) infeasible_value = value;
    same_infeasible = same_infeasible && value == infeasible_value;
  }
}

std::vector<double> ColumnFacts::numbers() const {
  std::set<double> values;
  for (const auto& [text, value] : distinct) {
    if (!std::isnan(value)) values.insert(value);
  }
  return {values.begin(), values.end()};
}

std::vector<std::string> ColumnFacts::labels() const {
  std::set<std::string> texts = blank_labels;
  for (const auto& [text, value] : distinct) texts.insert(text);
  return {texts.begin(), texts.end()};
}

FileFacts read_facts(RowReader& reader, const VerdictReader& verdicts, Monitor& monitor) {
  FileFacts facts;
  facts.columns.resize(reader.header().size());
  std::vector<std::string_view> fields;
  while (reader.next(fields)) {
    if ((facts.rows & 0x1fff) == 0) {
      monitor.check();
      // The reader is ahead of the rows, and 100 of 100 says that all is done.
      monitor.progress("columns", std::min<std::uint64_t>(99, static_cast<std::uint64_t>(100 * reader.progress())), 100,
                       "");
    }
    const Verdict verdict = verdicts.read(fields).verdict;
    facts.feasible += verdict == Verdict::feasible ? 1 : 0;
    facts.infeasible += verdict == Verdict::infeasible ? 1 : 0;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      facts.columns[i].add(fields[i], facts.rows, reader, verdict);
    }
    ++facts.rows;
  }
  monitor.progress("columns", 100, 100, "");
  return facts;
}

}  // namespace corbel
