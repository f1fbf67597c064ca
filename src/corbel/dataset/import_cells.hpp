#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/dataset/import.hpp"

namespace corbel {

// How cells of a log are read; shared by planning and importing. Internal to this floor.

std::string lowered(std::string_view text);  ///< ASCII letters only
std::string_view trimmed(std::string_view cell);
/// Empty, or a word for "no value": nan, n/a, none, null, -.
bool is_blank(std::string_view cell);

/// Finds strings by string_view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

/// The role a column's name alone gives it (feasible or reason), if any.
std::optional<ColumnRole> role_by_name(std::string_view column);

enum class Verdict { feasible, infeasible, failed, unknown };
struct RowVerdict {
  Verdict verdict = Verdict::unknown;
  std::string_view reason;  ///< as the row tells it; of an unknown one, the cell that is not understood
};

/// Tells from the feasibility and reason columns what a row came to. Without either, every row is feasible.
class VerdictReader {
 public:
  /// @param roles  of the columns, in the file's order
  VerdictReader(std::span<const std::string> header, std::span<const ColumnRole> roles);
  RowVerdict read(std::span<const std::string_view> row) const;
  bool has_column() const { return feasible_ || reason_; }

 private:
  std::optional<std::size_t> feasible_, reason_;
  bool inverted_ = false;  ///< the column says infeasible or invalid: yes means no
  bool words_ = false;     ///< any other word is a reason, not a mistake
};

}  // namespace corbel
