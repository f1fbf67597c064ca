#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace corbel {

enum class ParameterKind { ordinal, categorical, integer, boolean };
std::string_view to_string(ParameterKind kind);

/// A parameter's value: a number (in the parameter's unit; booleans are 0 or 1), or a category's label.
using Value = std::variant<double, std::string>;
/// As written in files and tables: "256", "kcp_ws".
std::string to_string(const Value& value);

/// One dimension of a design space: a name, a unit, and an ordered list of at least one distinct value.
/// Immutable; the value of a design is an index into the list.
class Parameter {
 public:
  /// Values in ascending order (any spacing), as given in `unit`.
  /// @throws Error{invalid_input} for a bad name ([A-Za-z_][A-Za-z0-9_]*), no values, values not ascending or not
  /// finite
  static Parameter ordinal(std::string name, std::vector<double> values, std::string unit = "");
  static Parameter categorical(std::string name, std::vector<std::string> labels);
  /// first, first + step, … up to last.
  static Parameter integer(std::string name, std::int64_t first, std::int64_t last, std::int64_t step = 1,
                           std::string unit = "");
  static Parameter boolean(std::string name);

  const std::string& name() const { return name_; }
  ParameterKind kind() const { return kind_; }
  const std::string& unit() const { return unit_; }
  std::uint32_t count() const { return count_; }
  /// False for categorical parameters, whose values have no order.
  bool is_ordered() const { return kind_ != ParameterKind::categorical; }

  /// The number at an index; for a category its index.
  double number(std::uint32_t index) const;
  /// The value as written in files: "262144", "kcp_ws", "true".
  std::string label(std::uint32_t index) const;
  Value value(std::uint32_t index) const;
  /// Index of a value written as in files (numbers compare as numbers: "6e2" finds 600), or nothing.
  std::optional<std::uint32_t> find(std::string_view label) const;
  std::optional<std::uint32_t> find(const std::string& label) const { return find(std::string_view(label)); }
  std::optional<std::uint32_t> find(const char* label) const { return find(std::string_view(label)); }
  std::optional<std::uint32_t> find(const Value& value) const;

  bool operator==(const Parameter&) const = default;

 private:
  Parameter() = default;
  std::string name_, unit_;
  ParameterKind kind_ = ParameterKind::ordinal;
  std::uint32_t count_ = 0;
  std::vector<double> numbers_;        // ordinal
  std::vector<std::string> labels_;    // categorical
  std::int64_t first_ = 0, step_ = 1;  // integer
};

}  // namespace corbel
