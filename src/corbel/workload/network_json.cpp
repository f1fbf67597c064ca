#include "corbel/workload/network_json.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<const char*, std::int64_t Layer::*>, 16> sizes = {{
    {"batch", &Layer::batch},
    {"in_channels", &Layer::in_channels},
    {"in_height", &Layer::in_height},
    {"in_width", &Layer::in_width},
    {"out_channels", &Layer::out_channels},
    {"out_height", &Layer::out_height},
    {"out_width", &Layer::out_width},
    {"kernel_height", &Layer::kernel_height},
    {"kernel_width", &Layer::kernel_width},
    {"stride_height", &Layer::stride_height},
    {"stride_width", &Layer::stride_width},
    {"dilation", &Layer::dilation},
    {"groups", &Layer::groups},
    {"steps", &Layer::steps},
    {"operands", &Layer::operands},
    {"operations", &Layer::operations},
}};
constexpr std::array<std::pair<const char*, bool Layer::*>, 3> flags = {{
    {"weight_operand", &Layer::weight_operand},
    {"bias", &Layer::bias},
    {"scale", &Layer::scale},
}};
constexpr std::array kinds = {LayerKind::conv,
                              LayerKind::depthwise,
                              LayerKind::pool,
                              LayerKind::fully_connected,
                              LayerKind::matmul,
                              LayerKind::elementwise,
                              LayerKind::transposed_conv,
                              LayerKind::resize,
                              LayerKind::embedding};

Error fault(const std::string& what) {
  return Error(ErrorCode::invalid_input, "a network's description: " + what,
               "it was written by another version of Corbel, or is damaged");
}

LayerKind kind_of(const std::string& name) {
  for (const LayerKind kind : kinds) {
    if (to_string(kind) == name) return kind;
  }
  throw fault(fmt::format("{} is no kind of layer", in_quotes(name)));
}

Layer layer_from(const json& from, std::size_t index) {
  Layer layer;
  layer.name = from.at("name").get<std::string>();
  layer.kind = kind_of(from.at("kind").get<std::string>());
  const auto wrong = [&](const std::string& what) { return fault(fmt::format("layer {}: {}", index, what)); };
  for (const auto& [name, member] : sizes) {
    if (!from.at(name).is_number_integer()) throw wrong(fmt::format("{} is no whole number", name));
    layer.*member = from.at(name).get<std::int64_t>();
    // Operations and operands may be none.
    if (layer.*member < (member == &Layer::operands || member == &Layer::operations ? 0 : 1)) {
      throw wrong(fmt::format("{} is {}", name, layer.*member));
    }
  }
  for (const auto& [name, member] : flags) layer.*member = from.at(name).get<bool>();
  layer.inputs = from.at("inputs").get<std::vector<int>>();
  layer.network_input_elements = from.at("network_input_elements").get<std::uint64_t>();
  int before = -2;
  for (const int input : layer.inputs) {
    if (input <= before || input < -1 || input >= static_cast<int>(index)) throw wrong("its inputs make no sense");
    before = input;
  }
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  for (const std::uint64_t count :
       {layer.macs(), layer.vector_operations(), layer.parameters(), layer.input_elements(), layer.output_elements()}) {
    if (count > most) throw wrong("it is too large");
  }
  return layer;
}

}  // namespace

json to_json(const Network& network) {
  json layers = json::array();
  for (const Layer& layer : network.layers) {
    json entry = {{"name", layer.name},
                  {"kind", to_string(layer.kind)},
                  {"inputs", layer.inputs},
                  {"network_input_elements", layer.network_input_elements},
                  {"macs", layer.macs()}};
    for (const auto& [name, member] : sizes) entry[name] = layer.*member;
    for (const auto& [name, member] : flags) entry[name] = layer.*member;
    layers.push_back(std::move(entry));
  }
  return {{"name", network.name},
          {"title", network.title},
          {"batch", network.batch},
          {"fingerprint", network.fingerprint()},
          {"layers", std::move(layers)}};
}

Network network_from_json(const json& from) {
  try {
    Network network;
    network.name = from.at("name").get<std::string>();
    network.title = from.at("title").get<std::string>();
    network.batch = from.at("batch").get<std::int64_t>();
    const json& layers = from.at("layers");
    if (network.batch < 1 || !layers.is_array() || layers.empty()) throw fault("it has no layers, or no batch");
    for (const json& layer : layers) network.layers.push_back(layer_from(layer, network.layers.size()));
    return network;
  } catch (const json::exception& error) {
    throw fault(error.what());
  }
}

}  // namespace corbel
