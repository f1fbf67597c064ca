#include "corbel/space/design_space.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/random.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"

namespace corbel {
namespace {

std::string at_place(std::string_view place) {
  return place.empty() ? "" : std::string(place) + ": ";
}

/// Text that is the same exactly when name, kind, unit and values are: labels hold no control characters.
std::string canonical_text(const Parameter& parameter) {
  std::string text =
      parameter.name() + '\n' + std::string(to_string(parameter.kind())) + '\n' + parameter.unit() + '\n';
  text += std::to_string(parameter.count());
  if (parameter.kind() == ParameterKind::integer) {
    text += '\n' + parameter.label(0) + '\n' + parameter.label(parameter.count() - 1);
  } else {
    for (std::uint32_t i = 0; i < parameter.count(); ++i) text += '\n' + parameter.label(i);
  }
  return text + "\n\n";
}

/// What a user may write instead of a value that is not in the space.
std::string values_hint(const Parameter& parameter, std::string_view written) {
  if (parameter.kind() == ParameterKind::integer) {
    const std::uint32_t count = parameter.count();
    std::string hint = "from " + parameter.label(0) + " to " + parameter.label(count - 1);
    if (count > 1 && parameter.number(1) - parameter.number(0) != 1) {
      hint += " in steps of " + format_number(parameter.number(1) - parameter.number(0));
    }
    return hint;
  }
  constexpr std::uint32_t shown = 40;
  std::vector<std::string> labels;
  for (std::uint32_t i = 0; i < std::min(shown, parameter.count()); ++i) labels.push_back(parameter.label(i));
  if (parameter.kind() == ParameterKind::categorical) {
    if (const std::string near = nearest_name(written, labels); !near.empty())
      return "did you mean " + in_quotes(near) + "?";
  }
  std::string hint = "one of";
  for (std::size_t i = 0; i < labels.size(); ++i) hint += (i > 0 ? ", " : " ") + labels[i];
  if (parameter.count() > shown) hint += ", …";
  return hint;
}

/// The value's index; also of "256 KiB" where the parameter counts bytes.
std::optional<std::uint32_t> find_value(const Parameter& parameter, std::string_view written, std::string_view place) {
  if (const auto found = parameter.find(written)) return found;
  if (parameter.unit().empty()) return std::nullopt;
  Quantity quantity;
  try {
    quantity = parse_quantity(written);
  } catch (const Error&) {
    return std::nullopt;
  }
  if (quantity.unit.empty()) return std::nullopt;
  const std::string where = at_place(place) + in_quotes(parameter.name());
  return parameter.find(Value(convert_unit(quantity.value, quantity.unit, parameter.unit(), where)));
}

}  // namespace

struct DesignSpace::Data {
  std::vector<Parameter> parameters;
  std::unordered_map<std::string, std::size_t> indices;
  std::vector<std::uint64_t> strides;  // of the id, per parameter
  std::uint64_t size = 1;
  std::string fingerprint;
};

DesignSpace::DesignSpace(std::vector<Parameter> parameters) {
  if (parameters.empty()) throw Error(ErrorCode::invalid_input, "a design space needs at least one parameter");
  auto data = std::make_shared<Data>();
  std::string canonical;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!data->indices.emplace(parameters[i].name(), i).second) {
      throw Error(ErrorCode::invalid_input, "parameter " + in_quotes(parameters[i].name()) + " is given twice");
    }
    canonical += canonical_text(parameters[i]);
  }
  constexpr std::uint64_t largest = std::uint64_t{1} << 63;
  data->strides.resize(parameters.size());
  for (std::size_t i = parameters.size(); i-- > 0;) {
    data->strides[i] = data->size;
    if (parameters[i].count() > largest / data->size) {
      throw Error(ErrorCode::invalid_input, "the design space holds more than 2^63 designs",
                  "fix some parameters, or give them fewer values");
    }
    data->size *= parameters[i].count();
  }
  data->parameters = std::move(parameters);
  data->fingerprint = corbel::fingerprint(canonical);
  data_ = std::move(data);
}

DesignSpace DesignSpace::edge() {
  // Parameters and values: PRIME (Kumar et al., "Data-Driven Offline Optimization for Architecting Hardware
  // Accelerators", ICLR 2022, arXiv 2110.11346) and its public tutorial. That compute_lanes precedes cores is deduced:
  // only this order gives the peak TOPS published for the Edge TPU (arXiv 2102.10423).
  const auto doubling = [](double first, int count) {
    std::vector<double> values;
    for (int i = 0; i < count; ++i) values.push_back(std::ldexp(first, i));
    return values;
  };
  const std::vector<double> grid = {1, 2, 4, 6, 8, 10, 12, 14, 16, 32};
  return DesignSpace({
      Parameter::ordinal("pes_x", grid),
      Parameter::ordinal("pes_y", grid),
      Parameter::ordinal("compute_lanes", doubling(4, 7)),
      Parameter::ordinal("cores", grid),
      Parameter::ordinal("pe_memory", doubling(256 * 1024, 7), "bytes"),
      Parameter::ordinal("core_memory", doubling(4 * 1024, 11), "bytes"),
      Parameter::ordinal("activation_memory", doubling(256, 7), "entries"),
      Parameter::ordinal("instruction_memory", doubling(8192, 4), "entries"),
      Parameter::ordinal("parameter_memory", doubling(2048, 5), "entries"),
      Parameter::ordinal("dram_bandwidth", {5, 10, 16, 20, 25, 30}, "GB/s"),
  });
}

const std::vector<Parameter>& DesignSpace::parameters() const {
  return data_->parameters;
}
std::uint64_t DesignSpace::size() const {
  return data_->size;
}
const std::string& DesignSpace::fingerprint() const {
  return data_->fingerprint;
}

std::optional<std::size_t> DesignSpace::find(std::string_view name) const {
  const auto found = data_->indices.find(std::string(name));
  if (found == data_->indices.end()) return std::nullopt;
  return found->second;
}

std::size_t DesignSpace::index_of(std::string_view name) const {
  if (const auto index = find(name)) return *index;
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters()) names.push_back(parameter.name());
  throw unknown_name("parameter", name, names);
}

DesignId DesignSpace::id(const Design& design) const {
  assert(contains(design));
  DesignId id = 0;
  for (std::size_t i = 0; i < design.size(); ++i) id += design[i] * data_->strides[i];
  return id;
}

Design DesignSpace::design(DesignId id) const {
  Design result;
  design(id, result);
  return result;
}

void DesignSpace::design(DesignId id, Design& out) const {
  assert(id < size());
  out.resize(dimensions());
  for (std::size_t i = dimensions(); i-- > 0;) {
    const std::uint32_t count = data_->parameters[i].count();
    out[i] = static_cast<std::uint32_t>(id % count);
    id /= count;
  }
}

bool DesignSpace::advance(Design& design) const {
  assert(contains(design));
  for (std::size_t i = design.size(); i-- > 0;) {
    if (++design[i] < data_->parameters[i].count()) return true;
    design[i] = 0;
  }
  return false;
}

bool DesignSpace::contains(const Design& design) const {
  if (design.size() != dimensions()) return false;
  for (std::size_t i = 0; i < design.size(); ++i) {
    if (design[i] >= data_->parameters[i].count()) return false;
  }
  return true;
}

Design DesignSpace::random(Rng& rng) const {
  Design design(dimensions());
  for (std::size_t i = 0; i < design.size(); ++i) {
    design[i] = static_cast<std::uint32_t>(rng.below(data_->parameters[i].count()));
  }
  return design;
}

std::vector<Design> DesignSpace::neighbours(const Design& design) const {
  assert(contains(design));
  std::vector<Design> result;
  for (std::size_t i = 0; i < design.size(); ++i) {
    const Parameter& parameter = data_->parameters[i];
    const auto add = [&](std::uint32_t value) {
      result.push_back(design);
      result.back()[i] = value;
    };
    if (parameter.is_ordered()) {
      if (design[i] > 0) add(design[i] - 1);
      if (design[i] + 1 < parameter.count()) add(design[i] + 1);
    } else {
      for (std::uint32_t value = 0; value < parameter.count(); ++value) {
        if (value != design[i]) add(value);
      }
    }
  }
  return result;
}

double DesignSpace::distance(const Design& a, const Design& b) const {
  assert(contains(a) && contains(b));
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    const Parameter& parameter = data_->parameters[i];
    const std::uint32_t steps = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
    sum += parameter.is_ordered() ? static_cast<double>(steps) / (parameter.count() - 1) : 1;
  }
  return sum / static_cast<double>(dimensions());
}

Design DesignSpace::parse(const std::vector<std::pair<std::string, std::string>>& values,
                          std::string_view place) const {
  Design design(dimensions());
  std::vector<bool> given(dimensions(), false);
  for (const auto& [name, written] : values) {
    const auto index = find(name);
    if (!index) {
      std::vector<std::string> names;
      for (const Parameter& parameter : parameters()) names.push_back(parameter.name());
      throw unknown_name("parameter", name, names, place);
    }
    if (given[*index]) {
      throw Error(ErrorCode::invalid_input, at_place(place) + "parameter " + in_quotes(name) + " is given twice");
    }
    given[*index] = true;
    const Parameter& parameter = data_->parameters[*index];
    const auto value = find_value(parameter, written, place);
    if (!value) {
      throw Error(ErrorCode::invalid_input,
                  at_place(place) + in_quotes(written) + " is not a value of " + in_quotes(name),
                  values_hint(parameter, written));
    }
    design[*index] = *value;
  }
  std::string missing;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (!given[i]) missing += (missing.empty() ? "`" : ", `") + data_->parameters[i].name() + "`";
  }
  if (!missing.empty()) {
    throw Error(ErrorCode::invalid_input, at_place(place) + "the design has no value for " + missing,
                "a design gives every parameter a value");
  }
  return design;
}

Design DesignSpace::parse(std::string_view text) const {
  std::vector<std::pair<std::string, std::string>> values;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string_view piece = trim(text.substr(begin, end - begin));
    begin = end + 1;
    if (piece.empty()) continue;
    // Spaces part the pairs too, as design_text() writes them; but "256 KiB" is one value.
    while (!piece.empty()) {
      const std::size_t equals = piece.find('=');
      if (equals == std::string_view::npos) {
        throw Error(ErrorCode::invalid_input, in_quotes(piece) + " is not of the form name=value",
                    "write a design as pes_x=4,pes_y=4,…");
      }
      std::size_t value_end = piece.find('=', equals + 1);
      if (value_end == std::string_view::npos) {
        value_end = piece.size();
      } else {
        const std::size_t space = trim(piece.substr(0, value_end)).find_last_of(" \t");
        value_end = space == std::string_view::npos || space < equals ? piece.size() : space;
      }
      values.emplace_back(trim(piece.substr(0, equals)), trim(piece.substr(equals + 1, value_end - equals - 1)));
      piece = trim(piece.substr(value_end));
    }
  }
  return parse(values);
}

nlohmann::json DesignSpace::design_json(const Design& design) const {
  assert(contains(design));
  nlohmann::json json = nlohmann::json::object();
  for (std::size_t i = 0; i < design.size(); ++i) {
    const Parameter& parameter = data_->parameters[i];
    nlohmann::json& value = json[parameter.name()];
    if (parameter.kind() == ParameterKind::categorical) {
      value = parameter.label(design[i]);
    } else if (parameter.kind() == ParameterKind::boolean) {
      value = design[i] != 0;
    } else if (const double number = parameter.number(design[i]);
               number == std::floor(number) && std::abs(number) <= 0x1p53) {
      value = static_cast<std::int64_t>(number);
    } else {
      value = number;
    }
  }
  return json;
}

std::string DesignSpace::design_text(const Design& design) const {
  assert(contains(design));
  std::string text;
  for (std::size_t i = 0; i < design.size(); ++i) {
    if (i > 0) text += ' ';
    text += data_->parameters[i].name() + '=' + data_->parameters[i].label(design[i]);
  }
  return text;
}

bool DesignSpace::operator==(const DesignSpace& other) const {
  return data_ == other.data_ || data_->parameters == other.data_->parameters;
}

}  // namespace corbel
