#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace corbel {

// How cells of a log are read, alike for the table simulator and for importing.

std::string lowered(std::string_view text);  ///< ASCII letters only
/// Empty, or a word for "no value": nan, n/a, none, null, -.
bool is_blank(std::string_view cell);
/// A number but for a comma in place of its point: "3,5".
bool is_decimal_comma(std::string_view cell);

/// Finds strings by string_view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

/// What a column tells of what a row came to.
enum class VerdictRole { feasible, reason };
/// As its name alone says it: feasible, infeasible, valid, invalid, status; reason.
std::optional<VerdictRole> verdict_role(std::string_view column);

/// Indices of the columns that tell what a row came to.
struct VerdictColumns {
  std::optional<std::size_t> feasible, reason;
  /// A metric that infeasible rows leave blank, in a log without a feasibility column.
  std::optional<std::size_t> filled_if_feasible;

  bool any() const { return feasible || reason || filled_if_feasible; }
};

enum class Verdict { feasible, infeasible, failed, unknown };
struct RowVerdict {
  Verdict verdict = Verdict::unknown;
  std::string_view reason;  ///< as the row tells it; of an unknown one, the cell that is not understood
};

/// Tells from those columns what a row came to; docs/formats/import.md tells the words. Without any, every row is
/// feasible.
class VerdictReader {
 public:
  VerdictReader(std::span<const std::string> header, const VerdictColumns& columns);
  RowVerdict read(std::span<const std::string_view> row) const;
  bool has_column() const { return columns_.any(); }

 private:
  VerdictColumns columns_;
  bool inverted_ = false;  ///< the column says infeasible or invalid: yes means no
  bool words_ = false;     ///< any other word is a reason, not a mistake
};

}  // namespace corbel
