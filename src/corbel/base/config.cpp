#include "corbel/base/config.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/base/config_source.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/units.hpp"

namespace corbel {
namespace {

std::string_view describe(Config::Kind kind) {
  switch (kind) {
    case Config::Kind::null:
      return "nothing";
    case Config::Kind::scalar:
      return "a single value";
    case Config::Kind::sequence:
      return "a list";
    case Config::Kind::map:
      return "a map";
  }
  return "something else";
}

nlohmann::ordered_json to_json(const Config& node) {
  nlohmann::ordered_json json;
  switch (node.kind()) {
    case Config::Kind::null:
      break;
    case Config::Kind::scalar:
      json = node.text();
      break;
    case Config::Kind::sequence:
      json = nlohmann::ordered_json::array();
      for (const Config& item : node.items()) json.push_back(to_json(item));
      break;
    case Config::Kind::map:
      json = nlohmann::ordered_json::object();
      for (const auto& [key, value] : node.entries()) json[key] = to_json(value);
      break;
  }
  return json;
}

}  // namespace

std::string Config::dump() const {
  return to_json(*this).dump(1);
}

std::string Config::place() const {
  if (source_ == nullptr) return "";
  return source_->name + ":" + std::to_string(line_) + ":" + std::to_string(column_);
}

std::string Config::key_place() const {
  if (source_ == nullptr || key_line_ == 0) return place();
  return source_->name + ":" + std::to_string(key_line_) + ":" + std::to_string(key_column_);
}

const std::string& Config::file() const {
  static const std::string none;
  return source_ == nullptr ? none : source_->file;
}

Error Config::error(std::string_view message, std::string hint) const {
  const std::string where = place();
  return Error(ErrorCode::invalid_input, where.empty() ? std::string(message) : where + ": " + std::string(message),
               std::move(hint));
}

Error Config::wanted(std::string_view what) const {
  const std::string found = is_scalar() ? in_quotes(scalar_) : std::string(describe(kind_));
  return error("wanted " + std::string(what) + ", found " + found);
}

const std::string& Config::text() const {
  if (!is_scalar()) throw wanted("a single value");
  return scalar_;
}

double Config::number() const {
  double value = 0;
  if (!is_scalar() || !parse_number(scalar_, value)) throw wanted("a number");
  return value;
}

double Config::number(double min, double max) const {
  const double value = number();
  if (!(value >= min && value <= max)) {
    throw wanted("a number from " + format_number(min) + " to " + format_number(max));
  }
  return value;
}

std::int64_t Config::integer(std::int64_t min, std::int64_t max) const {
  const auto out_of_range = [&] {
    return wanted("a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  };
  if (!is_scalar()) throw wanted("a whole number");
  std::int64_t value = 0;
  const char* last = scalar_.data() + scalar_.size();
  const auto [end, failure] = std::from_chars(scalar_.data(), last, value);
  if (failure != std::errc{} || end != last) {
    // Also 1e6, as long as the number is exact.
    double number = 0;
    if (!parse_number(scalar_, number) || number != std::floor(number)) throw wanted("a whole number");
    if (std::abs(number) > 0x1p53) throw out_of_range();
    value = static_cast<std::int64_t>(number);
  }
  if (value < min || value > max) throw out_of_range();
  return value;
}

bool Config::boolean() const {
  if (is_scalar() && (scalar_ == "true" || scalar_ == "false")) return scalar_ == "true";
  throw wanted("true or false");
}

double Config::quantity(std::string_view unit) const {
  if (!is_scalar()) throw wanted("a number");
  const Quantity quantity = parse_quantity(scalar_, place());
  return quantity.unit.empty() ? quantity.value : convert_unit(quantity.value, quantity.unit, unit, place());
}

const std::string& Config::choice(std::span<const std::string_view> choices) const {
  const std::string& value = text();
  if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
    const std::vector<std::string> names(choices.begin(), choices.end());
    throw unknown_name("value", value, names, place());
  }
  return value;
}

const std::vector<Config>& Config::items() const {
  if (!is_sequence()) throw wanted("a list");
  return items_;
}

std::vector<std::string> Config::texts() const {
  if (is_scalar()) return {scalar_};
  std::vector<std::string> result;
  for (const Config& item : items()) result.push_back(item.text());
  return result;
}

const std::vector<std::pair<std::string, Config>>& Config::entries() const {
  if (!is_map()) throw wanted("a map");
  return entries_;
}

const Config* Config::find(std::string_view key) const {
  const auto& list = entries();
  const auto found = std::find_if(list.begin(), list.end(), [&](const auto& entry) { return entry.first == key; });
  return found == list.end() ? nullptr : &found->second;
}

const Config& Config::at(std::string_view key) const {
  if (const Config* found = find(key)) return *found;
  throw error(in_quotes(key) + " is missing");
}

void Config::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, value] : entries()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    const std::vector<std::string> names(keys.begin(), keys.end());
    throw unknown_name("key", key, names, value.key_place());
  }
}

}  // namespace corbel
