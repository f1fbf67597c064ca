#include "corbel/space/parameter.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <unordered_set>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/units.hpp"

namespace corbel {
namespace {

/// Beyond it neighbouring integers are the same double.
constexpr std::int64_t largest_exact_integer = std::int64_t{1} << 53;

bool is_identifier(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

Error bad(const std::string& name, const std::string& what, std::string hint = "") {
  return Error(ErrorCode::invalid_input, "parameter " + in_quotes(name) + " " + what, std::move(hint));
}

void check_name(const std::string& name) {
  constexpr std::size_t longest = 200;
  if (!is_identifier(name)) {
    throw Error(ErrorCode::invalid_input, in_quotes(name) + " cannot name a parameter",
                "use letters, digits and _, not starting with a digit");
  }
  if (name.size() > longest) throw bad(name, "has a name of over " + std::to_string(longest) + " characters");
}

/// One line of text: what labels and units must be, so that they can stand in tables, JSON and fingerprints.
bool is_one_line(std::string_view text) {
  return is_text(text) && text.find_first_of("\t\r\n") == std::string_view::npos;
}

void check_unit(const std::string& name, const std::string& unit) {
  if (!is_one_line(unit)) throw bad(name, "has the unit " + in_quotes(unit) + ", which is not text");
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

}  // namespace

std::string_view to_string(ParameterKind kind) {
  switch (kind) {
    case ParameterKind::ordinal:
      return "ordinal";
    case ParameterKind::categorical:
      return "categorical";
    case ParameterKind::integer:
      return "integer";
    case ParameterKind::boolean:
      return "boolean";
  }
  return "unknown";
}

std::string to_string(const Value& value) {
  if (const double* number = std::get_if<double>(&value)) return format_number(*number);
  return std::get<std::string>(value);
}

Parameter Parameter::ordinal(std::string name, std::vector<double> values, std::string unit) {
  check_name(name);
  check_unit(name, unit);
  if (values.empty()) throw bad(name, "has no values");
  if (values.size() > std::numeric_limits<std::uint32_t>::max()) throw bad(name, "has too many values");
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) throw bad(name, "has the value " + format_number(values[i]));
    if (values[i] == 0) values[i] = 0;  // −0 would be a second text for the same value
    if (i > 0 && values[i] <= values[i - 1]) {
      throw bad(name, "has " + format_number(values[i]) + " after " + format_number(values[i - 1]),
                "list different values in ascending order");
    }
  }
  Parameter parameter;
  parameter.name_ = std::move(name);
  parameter.unit_ = std::move(unit);
  parameter.count_ = static_cast<std::uint32_t>(values.size());
  parameter.numbers_ = std::move(values);
  return parameter;
}

Parameter Parameter::categorical(std::string name, std::vector<std::string> labels) {
  check_name(name);
  if (labels.empty()) throw bad(name, "has no values");
  if (labels.size() > std::numeric_limits<std::uint32_t>::max()) throw bad(name, "has too many values");
  std::unordered_set<std::string_view> seen;
  for (const std::string& label : labels) {
    if (label.empty()) throw bad(name, "has an empty label");
    if (!is_one_line(label)) throw bad(name, "has the label " + in_quotes(label) + ", which is not one line of text");
    if (!seen.insert(label).second) throw bad(name, "has the label " + in_quotes(label) + " twice");
  }
  Parameter parameter;
  parameter.name_ = std::move(name);
  parameter.kind_ = ParameterKind::categorical;
  parameter.count_ = static_cast<std::uint32_t>(labels.size());
  parameter.labels_ = std::move(labels);
  return parameter;
}

Parameter Parameter::integer(std::string name, std::int64_t first, std::int64_t last, std::int64_t step,
                             std::string unit) {
  check_name(name);
  check_unit(name, unit);
  if (step <= 0) throw bad(name, "has the step " + std::to_string(step), "a step is at least 1");
  if (last < first) {
    throw bad(name, "has the range " + std::to_string(first) + " to " + std::to_string(last), "put the smaller first");
  }
  if (first < -largest_exact_integer || last > largest_exact_integer) {
    throw bad(name, "has a range beyond ±2^53, where numbers are no longer exact");
  }
  const std::int64_t steps = (last - first) / step;
  if (steps >= std::numeric_limits<std::uint32_t>::max()) {
    throw bad(name, "has " + std::to_string(steps + 1) + " values; at most 4294967295 are possible",
              "use a larger step");
  }
  Parameter parameter;
  parameter.name_ = std::move(name);
  parameter.unit_ = std::move(unit);
  parameter.kind_ = ParameterKind::integer;
  parameter.count_ = static_cast<std::uint32_t>(steps + 1);
  parameter.first_ = first;
  parameter.step_ = steps == 0 ? 1 : step;
  return parameter;
}

Parameter Parameter::boolean(std::string name) {
  check_name(name);
  Parameter parameter;
  parameter.name_ = std::move(name);
  parameter.kind_ = ParameterKind::boolean;
  parameter.count_ = 2;
  return parameter;
}

double Parameter::number(std::uint32_t index) const {
  assert(index < count_);
  switch (kind_) {
    case ParameterKind::ordinal:
      return numbers_[index];
    case ParameterKind::integer:
      return static_cast<double>(first_ + step_ * static_cast<std::int64_t>(index));
    case ParameterKind::categorical:
    case ParameterKind::boolean:
      break;
  }
  return static_cast<double>(index);
}

std::string Parameter::label(std::uint32_t index) const {
  assert(index < count_);
  switch (kind_) {
    case ParameterKind::categorical:
      return labels_[index];
    case ParameterKind::boolean:
      return index != 0 ? "true" : "false";
    case ParameterKind::integer:
      return std::to_string(first_ + step_ * static_cast<std::int64_t>(index));
    case ParameterKind::ordinal:
      break;
  }
  return format_number(numbers_[index]);
}

Value Parameter::value(std::uint32_t index) const {
  if (kind_ == ParameterKind::categorical) return labels_[index];
  return number(index);
}

std::optional<std::uint32_t> Parameter::find(std::string_view label) const {
  if (kind_ == ParameterKind::categorical) {
    const auto found = std::find(labels_.begin(), labels_.end(), label);
    if (found == labels_.end()) return std::nullopt;
    return static_cast<std::uint32_t>(found - labels_.begin());
  }
  if (kind_ == ParameterKind::boolean) {
    // Logs written by Python say True and False.
    if (equals_ignoring_case(label, "true")) return 1;
    if (equals_ignoring_case(label, "false")) return 0;
  }
  double number = 0;
  if (!parse_number(label, number)) return std::nullopt;
  return find(Value(number));
}

std::optional<std::uint32_t> Parameter::find(const Value& value) const {
  if (const std::string* label = std::get_if<std::string>(&value)) return find(std::string_view(*label));
  const double wanted = std::get<double>(value);
  switch (kind_) {
    case ParameterKind::categorical:
      return find(std::string_view(format_number(wanted)));
    case ParameterKind::boolean:
      if (wanted == 0) return 0;
      if (wanted == 1) return 1;
      return std::nullopt;
    case ParameterKind::ordinal: {
      const auto found = std::lower_bound(numbers_.begin(), numbers_.end(), wanted);
      if (found == numbers_.end() || *found != wanted) return std::nullopt;
      return static_cast<std::uint32_t>(found - numbers_.begin());
    }
    case ParameterKind::integer:
      break;
  }
  if (!(wanted >= number(0) && wanted <= number(count_ - 1)) || wanted != std::floor(wanted)) return std::nullopt;
  const std::int64_t offset = static_cast<std::int64_t>(wanted) - first_;
  if (offset % step_ != 0) return std::nullopt;
  return static_cast<std::uint32_t>(offset / step_);
}

}  // namespace corbel
