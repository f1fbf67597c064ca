#include <gtest/gtest.h>

#include "corbel/simulator/edge.hpp"

namespace corbel {
namespace {

TEST(LayerMappings, AddUpOverDesignsAndDistinctLayers) {
  const auto simulator = make_edge_simulator();
  const Hardware v1 = parse_hardware(*simulator, {{"pes_x", "4"},
                                                  {"pes_y", "4"},
                                                  {"compute_lanes", "64"},
                                                  {"cores", "4"},
                                                  {"pe_memory", "2 MiB"},
                                                  {"core_memory", "32 KiB"},
                                                  {"activation_memory", "1024"},
                                                  {"instruction_memory", "16384"},
                                                  {"parameter_memory", "16384"},
                                                  {"dram_bandwidth", "17"}});
  Layer layer;
  layer.name = "product";
  layer.kind = LayerKind::fully_connected;
  layer.in_channels = 256;
  layer.out_channels = 128;
  Network one;
  one.layers = {layer};
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
