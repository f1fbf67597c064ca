#include "corbel/scorer/network_spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numbers>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

std::string_view name_of(Activation activation) {
  switch (activation) {
    case Activation::leaky_relu:
      return "leaky_relu";
    case Activation::relu:
      return "relu";
    case Activation::silu:
      return "silu";
  }
  return "";
}

std::int64_t checked(const nlohmann::json& json, std::string_view what, std::int64_t min, std::int64_t max) {
  const bool fits = json.is_number_integer() && (!json.is_number_unsigned() || json.get<std::uint64_t>() <= INT64_MAX);
  if (!fits || json.get<std::int64_t>() < min || json.get<std::int64_t>() > max) {
    throw Error(ErrorCode::corrupt, fmt::format("{} is {}, not a whole number from {} to {}", what,
                                                json.is_number() ? json.dump() : json.type_name(), min, max));
  }
  return json.get<std::int64_t>();
}

}  // namespace

std::int64_t whole_number_in(const nlohmann::json& json, const char* key, std::int64_t min, std::int64_t max) {
  return checked(json.at(key), fmt::format("`{}`", key), min, max);
}

std::string head_prefix(const NetworkSpec& spec, std::int64_t expert) {
  return spec.experts > 1 ? fmt::format("expert.{}.", expert) : "";
}

nlohmann::json to_json(const NetworkSpec& spec) {
  nlohmann::json json = {{"activation", name_of(spec.activation)},
                         {"hidden", spec.hidden},
                         {"metrics", spec.metrics},
                         {"feasibility", spec.feasibility},
                         {"context_size", spec.context_size}};
  for (const auto& [name, kind] : network_kinds) {
    if (kind == spec.kind) json["kind"] = name;
  }
  if (spec.experts > 1) json["experts"] = spec.experts;
  if (spec.kind != NetworkKind::mlp) json["embedding"] = spec.embedding;
  if (spec.kind == NetworkKind::attention) {
    json["layers"] = spec.layers;
    json["heads"] = spec.heads;
    json["feed_forward"] = spec.feed_forward;
  }
  return json;
}

NetworkSpec network_spec_from_json(const nlohmann::json& json) {
  NetworkSpec spec;
  const auto kind = json.at("kind").get<std::string>();
  const auto known = std::find_if(std::begin(network_kinds), std::end(network_kinds),
                                  [&](const auto& entry) { return entry.first == kind; });
  if (known == std::end(network_kinds)) {
    throw Error(ErrorCode::unsupported, fmt::format("unknown network `{}`", kind.substr(0, 40)),
                "this file needs a newer version of corbel");
  }
  spec.kind = known->second;
  const auto activation = json.at("activation").get<std::string>();
  if (activation == "leaky_relu") {
    spec.activation = Activation::leaky_relu;
  } else if (activation == "relu") {
    spec.activation = Activation::relu;
  } else if (activation == "silu") {
    spec.activation = Activation::silu;
  } else {
    throw Error(ErrorCode::unsupported, fmt::format("unknown activation `{}`", activation.substr(0, 40)),
                "this file needs a newer version of corbel");
  }
  const auto& hidden = json.at("hidden").get_ref<const nlohmann::json::array_t&>();
  if (hidden.empty() || hidden.size() > 16) {
    throw Error(ErrorCode::corrupt, fmt::format("the network has {} hidden layers, not 1 to 16", hidden.size()));
  }
  spec.hidden.clear();
  for (const nlohmann::json& width : hidden) {
    spec.hidden.push_back(checked(width, "the width of a hidden layer", 1, 8192));
  }
  spec.metrics = whole_number_in(json, "metrics", 1, 64);
  spec.feasibility = json.at("feasibility").get<bool>();
  spec.context_size = whole_number_in(json, "context_size", 0, 4096);
  if (json.contains("experts")) spec.experts = whole_number_in(json, "experts", 1, 64);
  if (spec.kind != NetworkKind::mlp) spec.embedding = whole_number_in(json, "embedding", 1, 1024);
  if (spec.kind == NetworkKind::attention) {
    spec.layers = whole_number_in(json, "layers", 0, 16);
    spec.heads = whole_number_in(json, "heads", 1, 64);
    spec.feed_forward = whole_number_in(json, "feed_forward", 1, 8192);
    if (spec.embedding % spec.heads != 0) {
      throw Error(ErrorCode::corrupt,
                  fmt::format("{} heads do not divide an embedding of {}", spec.heads, spec.embedding));
    }
  }
  return spec;
}

bool has_table(const Parameter& parameter) {
  return !parameter.is_ordered() || parameter.count() <= max_table_rows;
}

std::int64_t input_rows(const Parameter& parameter) {
  return has_table(parameter) ? parameter.count() : static_cast<std::int64_t>(feature_count);
}

void parameter_features(const Parameter& parameter, std::uint32_t index, float* out) {
  const std::uint32_t last = parameter.count() - 1;
  const double rank = last == 0 ? 0 : 2.0 * index / last - 1;
  double log_rank = rank;
  const double lowest = parameter.number(0), highest = parameter.number(last);
  if (lowest > 0 && highest > lowest) {
    log_rank = 2 * std::log(parameter.number(index) / lowest) / std::log(highest / lowest) - 1;
  }
  out[0] = static_cast<float>(rank);
  out[1] = static_cast<float>(log_rank);
  out[2] = static_cast<float>(rank * rank);
  std::size_t at = 3;
  for (const double frequency : {1.0, 2.0, 4.0}) {
    out[at++] = static_cast<float>(std::sin(frequency * std::numbers::pi * rank));
    out[at++] = static_cast<float>(std::cos(frequency * std::numbers::pi * rank));
  }
}

std::vector<std::pair<std::string, std::vector<std::int64_t>>> tensor_shapes(const NetworkSpec& spec,
                                                                             const DesignSpace& space) {
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes;
  const std::int64_t width = spec.input_width();
  const auto parameters = static_cast<std::int64_t>(space.dimensions());
  for (std::size_t p = 0; p < space.dimensions(); ++p) {
    shapes.push_back({fmt::format("input.{}", p), {input_rows(space.parameters()[p]), width}});
  }
  const auto add_dense = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    shapes.push_back({name + ".weight", {out, in}});
    shapes.push_back({name + ".bias", {out}});
  };
  const auto add_norm = [&](const std::string& name) {
    shapes.push_back({name + ".weight", {width}});
    shapes.push_back({name + ".bias", {width}});
  };
  if (spec.kind == NetworkKind::mlp) {
    shapes.push_back({"input.bias", {width}});
  } else {
    shapes.push_back({"input.bias", {parameters, width}});
    if (spec.kind == NetworkKind::lstm) add_dense("lstm", 4 * width, 2 * width);
    for (std::int64_t l = 0; spec.kind == NetworkKind::attention && l < spec.layers; ++l) {
      const std::string layer = fmt::format("layer.{}.", l);
      add_dense(layer + "attention.in", 3 * width, width);
      add_dense(layer + "attention.out", width, width);
      add_norm(layer + "norm1");
      add_dense(layer + "feed_forward.in", spec.feed_forward, width);
      add_dense(layer + "feed_forward.out", width, spec.feed_forward);
      add_norm(layer + "norm2");
    }
    for (std::int64_t e = 0; e < spec.experts; ++e) {
      add_dense(head_prefix(spec, e) + "hidden.0", spec.hidden.front(), parameters * width);
    }
  }
  if (spec.context_size > 0) shapes.push_back({"gate", {spec.gate_width(space.dimensions()), spec.context_size}});
  for (std::int64_t e = 0; e < spec.experts; ++e) {
    std::int64_t in = spec.hidden.front();
    for (std::size_t h = 1; h < spec.hidden.size(); ++h) {
      add_dense(fmt::format("{}hidden.{}", head_prefix(spec, e), h), spec.hidden[h], in);
      in = spec.hidden[h];
    }
    add_dense(head_prefix(spec, e) + "output", spec.outputs(), in);
  }
  if (spec.experts > 1) add_dense("vote", spec.experts, spec.gate_width(space.dimensions()));
  return shapes;
}

}  // namespace corbel
