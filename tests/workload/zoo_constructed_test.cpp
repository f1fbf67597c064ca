#include <array>

#include "zoo_counts.hpp"

namespace corbel {
namespace {

/// A row of the applications in arXiv 2110.11346. Its megabytes are 2^20 bytes of int8 parameters: its 3.87 MB of
/// MobileNetEdgeTPU are 4.05 M parameters. Operations are two per multiply-accumulate. A figure may differ by 1 %.
struct Application {
  std::string_view name;
  double megabytes;
  double operations;
  std::uint64_t convolutions;  ///< transposed ones among them
  std::uint64_t depthwise;
  std::uint64_t fully_connected;
};

class Constructed : public ZooCounts, public testing::WithParamInterface<Application> {};

TEST_P(Constructed, HasThePublishedCounts) {
  const Application& published = GetParam();
  const Network network = load_network(published.name);
  const double parameters = published.megabytes * 1048576;
  EXPECT_NEAR(static_cast<double>(network.total_parameters()), parameters, 0.01 * parameters);
  EXPECT_NEAR(2 * static_cast<double>(network.total_macs()), published.operations, 0.01 * published.operations);
  EXPECT_EQ(count(network, LayerKind::conv) + count(network, LayerKind::transposed_conv), published.convolutions);
  EXPECT_EQ(count(network, LayerKind::depthwise), published.depthwise);
  EXPECT_EQ(count(network, LayerKind::fully_connected), published.fully_connected);
  EXPECT_EQ(count(network, LayerKind::matmul), 0u);
}

TEST_P(Constructed, SaysThatItIs) {
  const Network network = load_network(GetParam().name);
  EXPECT_THAT(network.source, testing::StartsWith("constructed to the published counts of arXiv 2110.11346"));
  EXPECT_THAT(network.source, testing::HasSubstr("architecture not published"));
}

INSTANTIATE_TEST_SUITE_P(Zoo, Constructed,
                         testing::Values(Application{"m4", 6.23, 3.47e9, 32, 13, 2},
                                         Application{"m5", 2.16, 0.94e9, 47, 27, 0},
                                         Application{"m6", 0.41, 0.228e9, 53, 33, 2},
                                         Application{"unet", 3.69, 13.7e9, 35, 0, 0},
                                         Application{"trnn_encoder", 21.6, 45.6e6, 0, 0, 18},
                                         Application{"trnn_decoder", 19, 40.1e6, 0, 0, 19}),
                         [](const auto& row) { return std::string(row.param.name); });

/// Boxes that a detector proposes and scores that it gives them.
std::pair<std::int64_t, std::int64_t> proposals(const Network& network) {
  std::int64_t coordinates = 0, scores = 0;
  for (const Layer& layer : network.layers) {
    if (layer.kind == LayerKind::elementwise) continue;
    const std::int64_t outputs = layer.out_channels * layer.out_height * layer.out_width;
    if (layer.name.starts_with("box_")) coordinates += outputs;
    if (layer.name.starts_with("class_")) scores += outputs;
  }
  EXPECT_EQ(coordinates % 4, 0);
  return {coordinates / 4, scores};
}

class Detectors : public ZooCounts {};

TEST_F(Detectors, ProposeBoxesOnAllFeatureMaps) {
  const std::int64_t m4 = 3 * 23 * 23 + 6 * (12 * 12 + 6 * 6 + 3 * 3 + 2 * 2 + 1);
  EXPECT_EQ(proposals(load_network("m4")), std::pair(m4, 3 * m4));
  const std::int64_t m5 = 6 * (20 * 20 + 10 * 10 + 5 * 5 + 3 * 3);
  EXPECT_EQ(proposals(load_network("m5")), std::pair(m5, 81 * m5));
  const std::int64_t m6 = 3 * 20 * 20 + 6 * (10 * 10 + 5 * 5 + 3 * 3 + 2 * 2 + 1);
  EXPECT_EQ(proposals(load_network("m6")), std::pair(m6, 3 * m6));
}

TEST_F(Detectors, M4StandsOnMobileNetV1) {
  const Network network = load_network("m4");
  std::uint64_t weights = 0, biases = 0;
  for (std::size_t i = 0; i < 27; ++i) {
    weights += network.layers[i].weight_elements();
    biases += network.layers[i].parameters() - network.layers[i].weight_elements();
  }
  // Keras, MobileNet without its classifier: 3,228,864 parameters, of which 4 per channel are of batch normalisation.
  EXPECT_EQ(biases, 10'944u);
  EXPECT_EQ(weights, 3'228'864u - 4 * 10'944u);
}

class Segmentation : public ZooCounts {};

TEST_F(Segmentation, UNetIsTheSumOfItsLevels) {
  constexpr std::array<std::uint64_t, 6> channels{16, 32, 64, 96, 160, 256};
  std::uint64_t weights = 0, macs = 0;
  const auto convolve = [&](std::uint64_t in, std::uint64_t out, std::uint64_t kernel, std::uint64_t size) {
    weights += in * out * kernel * kernel;
    macs += in * out * kernel * kernel * size * size;
  };
  std::uint64_t in = 3;
  for (std::size_t level = 0; level < channels.size(); ++level) {
    const std::uint64_t out = channels[level];
    const std::uint64_t size = 352 >> level;
    convolve(in, out, 3, size);
    convolve(out, out, 3, size);
    convolve(out, out, 3, size);
    in = out;
    if (level + 1 == channels.size()) break;
    convolve(channels[level + 1], out, 2, size / 2);  // transposed: the whole kernel at every input position
    convolve(2 * out, out, 3, size);
    convolve(out, out, 3, size);
  }
  convolve(16, 16, 3, 352);
  convolve(16, 2, 1, 352);
  const Network network = load_network("unet");
  EXPECT_EQ(total_weights(network), weights);
  EXPECT_EQ(network.total_macs(), macs);
  EXPECT_EQ(layer_named(network, "mask").out_height, 352);
}

class Transducer : public ZooCounts {};

TEST_F(Transducer, UsesEveryWeightOnce) {
  // Per layer, four gates of 2048 units on the input and on the last output, and the projection to 640.
  constexpr std::uint64_t upper = 4 * 2048 * (640 + 640) + 2048 * 640;
  constexpr std::uint64_t encoder = 4 * 2048 * (528 + 640) + 2048 * 640 + upper;
  constexpr std::uint64_t decoder = 4 * 2048 * (128 + 640) + 2048 * 640 + upper + 640 * 1024;
  for (const auto& [name, weights] : {std::pair{"trnn_encoder", encoder}, std::pair{"trnn_decoder", decoder}}) {
    const Network network = load_network(name);
    EXPECT_EQ(total_weights(network), weights) << name;
    EXPECT_EQ(network.total_macs(), weights) << name;
    for (const Layer& layer : network.layers) EXPECT_EQ(layer.steps * layer.out_height, 1) << name << layer.name;
  }
}

TEST_F(Transducer, ReadsTheStateOfTheLastStep) {
  // The frame and the last outputs once for each of four gates, the last cells once.
  EXPECT_EQ(total_network_input(load_network("trnn_encoder")), 4u * 528 + 2 * (4 * 640 + 2048));
  EXPECT_EQ(total_network_input(load_network("trnn_decoder")), 4u * 128 + 2 * (4 * 640 + 2048) + 640);
}

}  // namespace
}  // namespace corbel
