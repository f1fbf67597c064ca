#pragma once

#include <cstdlib>

#include "workload_testing.hpp"

namespace corbel {

/// A test of the networks in the source tree's zoo.
class ZooCounts : public testing::Test {
 protected:
  void SetUp() override { setenv("CORBEL_ZOO", CORBEL_SOURCE_DIR "/zoo", 1); }
  void TearDown() override { unsetenv("CORBEL_ZOO"); }
};

inline std::uint64_t count(const Network& network, LayerKind kind) {
  std::uint64_t layers = 0;
  for (const Layer& layer : network.layers) layers += layer.kind == kind ? 1 : 0;
  return layers;
}

inline std::uint64_t total_weights(const Network& network) {
  std::uint64_t sum = 0;
  for (const Layer& layer : network.layers) sum += layer.weight_elements();
  return sum;
}

inline std::uint64_t total_network_input(const Network& network) {
  std::uint64_t sum = 0;
  for (const Layer& layer : network.layers) sum += layer.network_input_elements;
  return sum;
}

/// A published figure; `digit`: the unit of its last digit, which may have been rounded.
inline void expect_published(std::uint64_t counted, double published, double digit, std::string_view what) {
  EXPECT_NEAR(static_cast<double>(counted), published, 0.01 * published + digit / 2) << what;
}

}  // namespace corbel
