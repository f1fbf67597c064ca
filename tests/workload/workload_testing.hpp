#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/workload/network.hpp"

namespace corbel {

inline Network parse_network(std::string_view text, std::int64_t batch = 0) {
  return network_from_config(Config::parse(text, "net.yaml"), batch);
}

/// A network "t" of these layers, in YAML; its first entry stands at line 4, column 5.
inline std::string with_layers(std::string_view input, std::string_view layers) {
  return "name: t\ninput: " + std::string(input) + "\nlayers:\n" + std::string(layers);
}

inline Network parse_layers(std::string_view input, std::string_view layers, std::int64_t batch = 0) {
  return parse_network(with_layers(input, layers), batch);
}

inline const Layer& layer_named(const Network& network, std::string_view name) {
  for (const Layer& layer : network.layers) {
    if (layer.name == name) return layer;
  }
  throw std::out_of_range("no layer " + std::string(name));
}

/// What loading the text complains about: message and hint. Fails the test if it does not, or if no remedy is named:
/// in the hint, or by a message that says what is wanted or missing.
inline std::pair<std::string, std::string> complaint(std::string_view text, ErrorCode code = ErrorCode::invalid_input) {
  try {
    parse_network(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_TRUE(!error.hint().empty() || std::string(error.what()).find(": wanted ") != std::string::npos ||
                std::string(error.what()).ends_with(" is missing"))
        << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return {error.what(), error.hint()};
  }
  ADD_FAILURE() << "accepted:\n" << text;
  return {};
}

}  // namespace corbel
