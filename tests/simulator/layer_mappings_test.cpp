#include <gtest/gtest.h>

#include "edge_fixtures.hpp"

namespace corbel {
namespace {

TEST(LayerMappings, AddUpOverDesignsAndDistinctLayers) {
  const auto simulator = make_edge_simulator();
  const Layer layer = product("product", 1, 256, 128);
  const Network one = chain({layer});
  const std::uint64_t once = simulator->layer_mappings(std::span(&v1, 1), one);
  EXPECT_GT(once, 0u);
  const std::vector<Hardware> three(3, v1);
  EXPECT_EQ(simulator->layer_mappings(three, one), 3 * once);
  Network two = one;
  two.layers.push_back(layer);
  two.layers.back().in_channels = 128;
  two.layers.back().inputs = {0};
  EXPECT_GT(simulator->layer_mappings(std::span(&v1, 1), two), once);
  EXPECT_EQ(simulator->layer_mappings({}, one), 0u);
}

}  // namespace
}  // namespace corbel
