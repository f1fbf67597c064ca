#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "corbel/simulator/log_cells.hpp"

namespace corbel {

class Monitor;
class RowReader;

// What one reading of a log tells, for planning its import. Internal to this floor.

/// More distinct values than this are not counted further: no parameter has so many.
constexpr std::size_t most_distinct = 4096;

/// A cell to show: its text, cut to what fits a message, and where it stands.
struct CellSeen {
  std::string text, place;
};

/// What one reading of the file tells of a column.
struct ColumnFacts {
  std::unordered_map<std::string, double, TextHash, std::equal_to<>> distinct;  ///< NaN for words
  bool overflow = false;                                                        ///< more than most_distinct
  std::set<std::string> blank_labels;  ///< words for "no value", which are labels where other words stand too
  std::uint64_t filled = 0, blank_words = 0;
  std::uint64_t words = 0, commas = 0;  ///< filled cells that are no number; of these, numbers with a decimal comma
  CellSeen first_word, first_comma;
  std::uint64_t filled_feasible = 0, filled_infeasible = 0;  ///< with numbers
  bool whole = true;                                         ///< all numbers are integers
  bool counts_rows = true;                                   ///< 0, 1, 2, … or 1, 2, 3, …
  bool same_infeasible = true, positive_feasible = true;
  double infeasible_value = std::numeric_limits<double>::quiet_NaN();

  bool numeric() const { return filled > 0 && words == 0; }
  /// The rest are slips, not values of another kind.
  bool mostly_numbers() const { return words < filled && 10 * words <= filled; }
  bool decimal_commas() const { return !mostly_numbers() && commas > 0 && 10 * (words - commas) <= filled; }
  void add(std::string_view cell, std::uint64_t row, const RowReader& reader, Verdict verdict);
  double number(std::string_view cell);
  std::vector<double> numbers() const;      ///< distinct, ascending; words left out
  std::vector<std::string> labels() const;  ///< distinct, sorted
};

struct FileFacts {
  std::uint64_t rows = 0, feasible = 0, infeasible = 0;
  std::vector<ColumnFacts> columns;
};
/// Reads the rest of the log. @throws as RowReader::next; Error{interrupted}
FileFacts read_facts(RowReader& reader, const VerdictReader& verdicts, Monitor& monitor);

}  // namespace corbel
