#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "corbel/base/error.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/units.hpp"
#include "corbel/simulator/simulator.hpp"

namespace corbel {
namespace {

std::string prefix(std::string_view place) {
  return place.empty() ? "" : std::string(place) + ": ";
}

std::vector<std::string> names_of(std::span<const HardwareParameter> parameters) {
  std::vector<std::string> names;
  for (const HardwareParameter& parameter : parameters) names.push_back(parameter.name);
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

/// A hardware value as written: a number, a number with a unit of the parameter's kind, or a word.
Value read_value(const HardwareParameter& parameter, const std::string& text, std::string_view place) {
  double number = 0;
  if (parse_number(text, number)) return number;
  const bool starts_as_number = text.find_first_of("0123456789") == text.find_first_not_of(" +-.");
  if (text.empty() || !starts_as_number || parameter.unit.empty()) return text;
  const std::string where = prefix(place) + parameter.name;
  const Quantity quantity = parse_quantity(text, where);
  return convert_unit(quantity.value, quantity.unit, parameter.unit, where);
}

/// Factor from a space's unit to the simulator's. A space that states no unit is taken at its word, and so is a count
/// in a unit of the user's own ("PEs").
double unit_factor(const HardwareParameter& wanted, const Parameter& given) {
  if (given.unit() == wanted.unit || given.unit().empty()) return 1;
  try {
    if (!wanted.unit.empty()) return convert_unit(1, given.unit(), wanted.unit);
    convert_unit(1, given.unit(), given.unit() == "B" ? "bytes" : "B");
  } catch (const Error&) {
    if (wanted.unit.empty() && !is_known_unit(given.unit())) return 1;
  }
  throw Error(ErrorCode::mismatch,
              fmt::format("parameter {} of the space is in {}, the simulator takes {}", wanted.name, given.unit(),
                          wanted.unit.empty() ? "a count" : wanted.unit));
}

}  // namespace

struct HardwareBinding::Data {
  struct Source {
    std::size_t parameter = 0;  // of the space; npos: fixed
    double factor = 1;
    Value fixed;
  };
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
  DesignSpace space;
  std::vector<Source> sources;
};

HardwareBinding::HardwareBinding(const Simulator& simulator, const DesignSpace& space,
                                 const std::vector<std::pair<std::string, std::string>>& fixed) {
  const auto wanted = simulator.hardware_parameters();
  const std::vector<std::string> names = names_of(wanted);
  for (const Parameter& parameter : space.parameters()) {
    if (std::find(names.begin(), names.end(), parameter.name()) != names.end()) continue;
    const std::string near = nearest_name(parameter.name(), names);
    throw Error(
        ErrorCode::mismatch,
        fmt::format("the simulator {} knows no parameter `{}` of the space", simulator.name(), parameter.name()),
        near.empty() ? "it takes " + joined(names) : "did you mean `" + near + "`?");
  }
  std::set<std::string> seen;
  for (const auto& [name, text] : fixed) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw unknown_name("hardware parameter", name, names, "fixed", ErrorCode::mismatch);
    }
    if (!seen.insert(name).second) throw Error(ErrorCode::mismatch, fmt::format("fixed: {} is given twice", name));
    if (space.find(name)) {
      throw Error(ErrorCode::mismatch, fmt::format("fixed: {} is also a parameter of the space", name),
                  "leave it out of one of the two");
    }
  }
  Data data{space, {}};
  std::vector<std::string> missing;
  for (const HardwareParameter& parameter : wanted) {
    Data::Source source;
    if (const auto index = space.find(parameter.name)) {
      source.parameter = *index;
      source.factor = unit_factor(parameter, space.parameters()[*index]);
    } else {
      const auto given =
          std::find_if(fixed.begin(), fixed.end(), [&](const auto& each) { return each.first == parameter.name; });
      if (given == fixed.end()) {
        missing.push_back(parameter.name);
        continue;
      }
      source.parameter = Data::npos;
      source.fixed = read_value(parameter, given->second, "fixed");
    }
    data.sources.push_back(std::move(source));
  }
  if (!missing.empty()) {
    throw Error(ErrorCode::mismatch, fmt::format("the simulator {} also needs {}", simulator.name(), joined(missing)),
                "add a parameter to the space, or a value under `fixed`");
  }
  data_ = std::make_shared<const Data>(std::move(data));
}

Hardware HardwareBinding::hardware(const Design& design) const {
  Hardware values;
  values.reserve(data_->sources.size());
  for (const Data::Source& source : data_->sources) {
    if (source.parameter == Data::npos) {
      values.push_back(source.fixed);
      continue;
    }
    const Parameter& parameter = data_->space.parameters()[source.parameter];
    if (parameter.is_ordered()) {
      values.emplace_back(parameter.number(design[source.parameter]) * source.factor);
    } else {
      values.push_back(parameter.value(design[source.parameter]));
    }
  }
  return values;
}

Hardware parse_hardware(const Simulator& simulator, const std::vector<std::pair<std::string, std::string>>& values,
                        std::string_view place) {
  const auto wanted = simulator.hardware_parameters();
  const std::vector<std::string> names = names_of(wanted);
  std::set<std::string> seen;
  for (const auto& [name, text] : values) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw unknown_name("hardware parameter", name, names, place);
    }
    if (!seen.insert(name).second) {
      throw Error(ErrorCode::invalid_input, fmt::format("{}{} is given twice", prefix(place), name));
    }
  }
  Hardware hardware;
  std::vector<std::string> missing;
  for (const HardwareParameter& parameter : wanted) {
    const auto given =
        std::find_if(values.begin(), values.end(), [&](const auto& each) { return each.first == parameter.name; });
    if (given == values.end()) {
      missing.push_back(parameter.name);
    } else {
      hardware.push_back(read_value(parameter, given->second, place));
    }
  }
  if (!missing.empty()) {
    throw Error(ErrorCode::invalid_input, fmt::format("{}no value for {}", prefix(place), joined(missing)),
                fmt::format("the simulator {} takes {}", simulator.name(), joined(names)));
  }
  try {
    simulator.static_metrics(hardware);
  } catch (const Error& error) {
    throw Error(error.code(), prefix(place) + error.what(), error.hint());
  }
  return hardware;
}

}  // namespace corbel
