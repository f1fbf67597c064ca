#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/units.hpp"
#include "corbel/space/design_space.hpp"

namespace corbel {
namespace {

constexpr std::int64_t largest_integer = std::int64_t{1} << 53;

std::int64_t integer_quantity(const Config& config, const std::string& unit) {
  const double number = unit.empty() ? config.number() : config.quantity(unit);
  if (number != std::floor(number) || std::abs(number) > static_cast<double>(largest_integer)) {
    throw config.error("a range needs whole numbers up to 2^53, not " + in_quotes(config.text()));
  }
  return static_cast<std::int64_t>(number);
}

/// Names the place in errors of the factories, which know none.
template <class Make>
auto placed(const Config& config, Make make) {
  try {
    return make();
  } catch (const Error& error) {
    throw config.error(error.what(), error.hint());
  }
}

/// The unit of something like "256 KiB", or "".
std::string known_unit_in(const std::string& text) {
  try {
    const Quantity quantity = parse_quantity(text);
    return is_known_unit(quantity.unit) ? quantity.unit : "";
  } catch (const Error&) {
    return "";
  }
}

Parameter range_parameter(const std::string& name, const Config& config, const std::string& unit) {
  const Config& range = config.at("range");
  if (range.items().size() != 2) throw range.error("a range is written as [first, last]");
  const std::int64_t first = integer_quantity(range.items()[0], unit);
  const std::int64_t last = integer_quantity(range.items()[1], unit);
  const Config* written_step = config.find("step");
  const std::int64_t step = written_step == nullptr ? 1 : integer_quantity(*written_step, unit);
  return placed(config, [&] { return Parameter::integer(name, first, last, step, unit); });
}

Parameter listed_parameter(const std::string& name, const Config& config, const std::string& unit) {
  const std::vector<Config>& items = config.at("values").items();
  std::vector<double> numbers;
  std::vector<std::string> labels;
  for (const Config& item : items) {
    double number = 0;
    if (!unit.empty()) {
      numbers.push_back(item.quantity(unit));
    } else if (parse_number(item.text(), number)) {
      numbers.push_back(number);
    } else if (const std::string found = known_unit_in(item.text()); !found.empty()) {
      throw item.error(in_quotes(item.text()) + " has a unit, but " + in_quotes(name) + " has none",
                       "say in which unit the values count, such as `unit: " + found + "`");
    } else {
      labels.push_back(item.text());
    }
    // A list of numbers with one misspelt must not become a list of words.
    if (!numbers.empty() && !labels.empty()) {
      throw item.error("the values of " + in_quotes(name) + " mix numbers and words: `" +
                           format_number(numbers.front()) + "` and " + in_quotes(labels.front()),
                       "correct the number, or make every value a word");
    }
  }
  return placed(config, [&] {
    if (labels.empty()) return Parameter::ordinal(name, std::move(numbers), unit);
    return Parameter::categorical(name, std::move(labels));
  });
}

Parameter parameter_from_config(const std::string& name, const Config& config) {
  if (config.is_scalar()) {
    config.choice({"boolean"});
    return placed(config, [&] { return Parameter::boolean(name); });
  }
  config.allow_only({"values", "range", "step", "unit"});
  std::string unit;
  if (const Config* node = config.find("unit"); node != nullptr && !node->is_null()) unit = node->text();
  if (config.has("values") && config.has("range")) {
    throw config.error(in_quotes(name) + " has both `values` and `range`", "keep one of them");
  }
  if (config.has("range")) return range_parameter(name, config, unit);
  if (const Config* step = config.find("step")) throw step->error("`step` goes with `range`");
  return listed_parameter(name, config, unit);
}

/// JSON's own conversion would cut off fractions and wrap what is too large.
std::int64_t whole_number(const nlohmann::json& json) {
  if (!json.is_number_integer() || (json.is_number_unsigned() && json.get<std::uint64_t>() > largest_integer)) {
    throw Error(ErrorCode::corrupt, "design space: " + json.dump() + " is not a whole number up to 2^53");
  }
  return json.get<std::int64_t>();
}

DesignSpace from_map(const Config& config) {
  config.allow_only({"parameters"});
  const Config& node = config.at("parameters");
  std::vector<Parameter> parameters;
  for (const auto& [name, parameter] : node.entries()) parameters.push_back(parameter_from_config(name, parameter));
  return placed(node, [&] { return DesignSpace(std::move(parameters)); });
}

}  // namespace

DesignSpace DesignSpace::from_config(const Config& config) {
  if (config.is_map()) return from_map(config);
  const std::string& name = config.text();
  if (name == "edge") return edge();
  if (!name.ends_with(".yaml") && !name.ends_with(".yml") && name.find('/') == std::string::npos) {
    const std::vector<std::string> names = {"edge"};
    throw unknown_name("design space", name, names, config.place());
  }
  const std::filesystem::path file = std::filesystem::path(config.file()).parent_path() / name;
  Config content;
  try {
    content = Config::load(file);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    throw Error(ErrorCode::not_found, config.place() + ": " + error.what(), error.hint());
  }
  // A map, so that files cannot name each other in a circle.
  if (!content.is_map()) throw content.error("a design space file is a map with `parameters:`");
  return from_map(content);
}

DesignSpace DesignSpace::from_json(const nlohmann::json& json) {
  try {
    std::vector<Parameter> parameters;
    for (const nlohmann::json& node : json.at("parameters")) {
      const auto name = node.at("name").get<std::string>();
      const auto kind = node.at("kind").get<std::string>();
      const auto unit = node.value("unit", std::string());
      if (kind == to_string(ParameterKind::ordinal)) {
        parameters.push_back(Parameter::ordinal(name, node.at("values").get<std::vector<double>>(), unit));
      } else if (kind == to_string(ParameterKind::categorical)) {
        parameters.push_back(Parameter::categorical(name, node.at("values").get<std::vector<std::string>>()));
      } else if (kind == to_string(ParameterKind::integer)) {
        const nlohmann::json& range = node.at("range");
        parameters.push_back(Parameter::integer(name, whole_number(range.at(0)), whole_number(range.at(1)),
                                                whole_number(node.at("step")), unit));
      } else if (kind == to_string(ParameterKind::boolean)) {
        parameters.push_back(Parameter::boolean(name));
      } else {
        throw Error(ErrorCode::corrupt, "design space: unknown kind of parameter " + in_quotes(kind));
      }
    }
    return DesignSpace(std::move(parameters));
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::corrupt, std::string("not a design space: ") + error.what());
  }
}

nlohmann::json DesignSpace::to_json() const {
  nlohmann::json list = nlohmann::json::array();
  for (const Parameter& parameter : parameters()) {
    nlohmann::json node = {{"name", parameter.name()}, {"kind", to_string(parameter.kind())}};
    if (!parameter.unit().empty()) node["unit"] = parameter.unit();
    const std::uint32_t count = parameter.count();
    switch (parameter.kind()) {
      case ParameterKind::integer: {
        const auto whole = [&](std::uint32_t index) { return static_cast<std::int64_t>(parameter.number(index)); };
        node["range"] = {whole(0), whole(count - 1)};
        node["step"] = count > 1 ? whole(1) - whole(0) : 1;
        break;
      }
      case ParameterKind::ordinal:
        for (std::uint32_t i = 0; i < count; ++i) node["values"].push_back(parameter.number(i));
        break;
      case ParameterKind::categorical:
        for (std::uint32_t i = 0; i < count; ++i) node["values"].push_back(parameter.label(i));
        break;
      case ParameterKind::boolean:
        break;
    }
    list.push_back(std::move(node));
  }
  return {{"parameters", std::move(list)}};
}

}  // namespace corbel
