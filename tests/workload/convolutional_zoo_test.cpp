#include <algorithm>
#include <cmath>

#include "workload_testing.hpp"

namespace corbel {
namespace {

/// A network of the zoo beside what its source says of it.
struct Published {
  const char* name;
  double macs;        ///< as published
  double last_digit;  ///< what one unit of the published figure's last digit is worth; 0 if it is exact
  double scales;      ///< of batch normalisation, which fold into the convolutions: parameters − scales are left
  double parameters;
  const char* source;
};

void PrintTo(const Published& row, std::ostream* out) {
  *out << row.name << ", " << row.source;
}

class PublishedNetwork : public testing::TestWithParam<Published> {
 protected:
  static Network load(const std::string& name) { return load_network(CORBEL_SOURCE_DIR "/zoo/" + name + ".yaml"); }
};

TEST_P(PublishedNetwork, HasThePublishedSize) {
  const Published& row = GetParam();
  const Network network = load(row.name);
  const double tolerance = row.last_digit == 0 ? 0 : 0.01 * row.macs + row.last_digit / 2;
  EXPECT_NEAR(static_cast<double>(network.total_macs()), row.macs, tolerance);
  // Published to the last one, but for the detector's 6.807 M.
  const double rounding = std::string(row.name) == "mobilenet_v1_ssd" ? 500 : 0;
  EXPECT_NEAR(static_cast<double>(network.total_parameters()), row.parameters - row.scales, rounding);
}

// torchvision: "num_params" and "GFLOPS" (multiply-accumulates) of the pages docs.pytorch.org/vision/stable/models.
INSTANTIATE_TEST_SUITE_P(
    Classifiers, PublishedNetwork,
    testing::Values(
        // The sums in its docstring, which leave out the classifier (1,024,000 weights, 1,000 biases) and all biases:
        // one for each of 10,944 channels is left of batch normalisation.
        Published{"mobilenet_v1", 567'716'352. + 1'024'000., 0, 0, 3'185'088 + 10'944 + 1'025'000,
                  "github.com/tensorflow/models, research/slim/nets/mobilenet_v1.py"},
        Published{"mobilenet_v3", 217e6, 1e6, 12'200, 5'483'032,
                  "github.com/tensorflow/models, research/slim/nets/mobilenet; torchvision's mobilenet_v3_large"},
        Published{"resnet18", 1.81e9, 1e7, 4'800, 11'689'512, "torchvision's resnet18"},
        Published{"vgg16", 15.47e9, 1e7, 0, 138'357'544, "torchvision's vgg16"},
        Published{"vgg19", 19.63e9, 1e7, 0, 143'667'240, "torchvision's vgg19"},
        Published{"squeezenet", 0.35e9, 1e7, 0, 1'235'496, "torchvision's squeezenet1_1"},
        Published{"squeezenet_v1_0", 0.82e9, 1e7, 0, 1'248'424, "torchvision's squeezenet1_0"},
        Published{"densenet121", 2.83e9, 1e7, 64 + 58 * 128, 7'978'856, "torchvision's densenet121"},
        // Table 1's column of operations, which rounds to millions; its 34 M for the first convolution should be 118 M:
        // 112² × 64 × 147. The parameters are those of BVLC's Caffe model.
        Published{"inception_v1", (118 + 360 + 128 + 304 + 73 + 88 + 100 + 119 + 170 + 54 + 71 + 1) * 1e6, 12e6, 0,
                  6'998'552, "arXiv 1409.4842, Table 1"},
        Published{"inception_v1_slim", 1.50e9, 1e7, 7'280, 6'624'904, "torchvision's googlenet"},
        // Keras's batch normalisation has no scale here; torchvision's network counts an auxiliary classifier.
        Published{"inception_v3", 5.71e9, 1e7, 0, 23'817'352, "keras.io, trainable; torchvision's inception_v3"},
        Published{"inception_v4", 24.584e9 / 2, 1e6, 31'584, 42'679'816,
                  "OpenVINO's Open Model Zoo, googlenet-v4; timm's inception_v4"},
        Published{"mobilenet_v1_ssd", 2.494e9 / 2, 1e6, 0, 6'807'000,
                  "OpenVINO's Open Model Zoo, ssd_mobilenet_v1_coco"}));

/// Channels times a width, rounded to a multiple of 8, but never by more than 10 % down.
std::uint64_t scaled_to_eights(std::uint64_t channels, double width) {
  const double exact = static_cast<double>(channels) * width;
  const std::uint64_t rounded = std::max<std::uint64_t>(8, static_cast<std::uint64_t>(exact + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * exact ? rounded + 8 : rounded;
}

/// Multiply-accumulates, parameters and outputs of a chain of convolutions, written down once more without the library.
struct Tally {
  std::uint64_t size, channels;
  std::uint64_t macs = 0, parameters = 0, outputs = 0;

  void convolution(std::uint64_t out, std::uint64_t kernel, std::uint64_t stride, bool depthwise = false) {
    size = (size + stride - 1) / stride;
    const std::uint64_t weights = out * kernel * kernel * (depthwise ? 1 : channels);
    macs += size * size * weights;
    outputs += size * size * out;
    parameters += weights + out;
    channels = out;
  }
  void inverted_residuals(std::uint64_t repeat, std::uint64_t kernel, std::uint64_t stride, std::uint64_t expand,
                          std::uint64_t out) {
    for (std::uint64_t i = 0; i < repeat; ++i) {
      if (expand > 1) convolution(channels * expand, 1, 1);
      convolution(channels, kernel, i == 0 ? stride : 1, true);
      convolution(out, 1, 1);
    }
  }
  void fused_inverted_residuals(std::uint64_t repeat, std::uint64_t stride, std::uint64_t hidden, std::uint64_t out) {
    for (std::uint64_t i = 0; i < repeat; ++i) {
      convolution(i == 0 ? hidden : 8 * out, 3, 1);
      convolution(out, 1, i == 0 ? stride : 1);
    }
  }
  void classifier(std::uint64_t classes) {
    macs += channels * classes;
    parameters += channels * classes + classes;
  }
};

TEST_F(PublishedNetwork, EfficientNetLite0) {
  Tally tally{224, 3};
  tally.convolution(32, 3, 2);
  tally.inverted_residuals(1, 3, 1, 1, 16);
  tally.inverted_residuals(2, 3, 2, 6, 24);
  tally.inverted_residuals(2, 5, 2, 6, 40);
  tally.inverted_residuals(3, 3, 2, 6, 80);
  tally.inverted_residuals(3, 5, 1, 6, 112);
  tally.inverted_residuals(4, 5, 2, 6, 192);
  tally.inverted_residuals(1, 3, 1, 6, 320);
  tally.convolution(1280, 1, 1);
  tally.classifier(1000);
  const Network network = load("efficientnet_lite0");
  EXPECT_EQ(network.total_macs(), tally.macs);
  EXPECT_EQ(network.total_parameters(), tally.parameters);
  // timm's efficientnet_lite0: 4,652,008 parameters, of which 21,008 scales fold away.
  EXPECT_EQ(network.total_parameters(), 4'652'008u - 21'008u);
}

struct Scaled {
  const char* name;
  double width, depth;
  std::uint64_t size;
  double macs;
};

// The page of EfficientNet-Lite (github.com/tensorflow/tpu, models/official/efficientnet/lite) gives more multiply-adds
// than its blocks have. The rest is what TensorFlow counts for training: five operations, or 2.5 multiply-adds, for
// each element that batch normalisation sees, and a product and a sum for each weight's random start. With these, all
// five models come out as published, so the blocks of the zoo's Lite0 are right.
TEST(EfficientNetLite, PublishesTheOperationsOfTrainingToo) {
  for (const auto& [name, width, depth, size, published] :
       {Scaled{"Lite0", 1.0, 1.0, 224, 407e6}, Scaled{"Lite1", 1.0, 1.1, 240, 631e6},
        Scaled{"Lite2", 1.1, 1.2, 260, 899e6}, Scaled{"Lite3", 1.2, 1.4, 280, 1.44e9},
        Scaled{"Lite4", 1.4, 1.8, 300, 2.64e9}}) {
    const auto wide = [scale = width](std::uint64_t channels) { return scaled_to_eights(channels, scale); };
    const auto deep = [scale = depth](double repeat) { return static_cast<std::uint64_t>(std::ceil(repeat * scale)); };
    Tally tally{size, 3};
    tally.convolution(32, 3, 2);
    tally.inverted_residuals(1, 3, 1, 1, wide(16));
    tally.inverted_residuals(deep(2), 3, 2, 6, wide(24));
    tally.inverted_residuals(deep(2), 5, 2, 6, wide(40));
    tally.inverted_residuals(deep(3), 3, 2, 6, wide(80));
    tally.inverted_residuals(deep(3), 5, 1, 6, wide(112));
    tally.inverted_residuals(deep(4), 5, 2, 6, wide(192));
    tally.inverted_residuals(1, 3, 1, 6, wide(320));
    tally.convolution(1280, 1, 1);
    tally.classifier(1000);
    const double training = 2.5 * static_cast<double>(tally.outputs) + static_cast<double>(tally.parameters);
    EXPECT_NEAR(static_cast<double>(tally.macs) + training, published, 0.002 * published) << name;
  }
}

TEST_F(PublishedNetwork, EfficientNetEdgeTpuS) {
  Tally tally{224, 3};
  tally.convolution(32, 3, 2);
  tally.fused_inverted_residuals(1, 1, 4 * 24, 24);
  tally.fused_inverted_residuals(2, 2, 8 * 24, 32);
  tally.fused_inverted_residuals(4, 2, 8 * 32, 48);
  tally.inverted_residuals(5, 5, 2, 8, 96);
  tally.inverted_residuals(4, 5, 1, 8, 144);
  tally.inverted_residuals(2, 5, 2, 8, 192);
  tally.convolution(1280, 1, 1);
  tally.classifier(1001);
  const Network network = load("efficientnet_edgetpu_s");
  EXPECT_EQ(network.total_macs(), tally.macs);
  EXPECT_EQ(network.total_parameters(), tally.parameters);
  // AMD's Vitis AI Model Zoo, tf_efficientnet-edgetpu-S_imagenet_224_224: 4.72 G operations.
  EXPECT_NEAR(2 * static_cast<double>(network.total_macs()), 4.72e9, 0.01 * 4.72e9);
  // timm's efficientnet_es: 5,438,392 parameters, of which 25,720 scales fold away, for 1000 classes instead of 1001.
  EXPECT_EQ(network.total_parameters(), 5'438'392u - 25'720u + 1'281u);
}

struct Width {
  const char* name;
  double width;
  std::uint64_t top;  ///< channels of the last convolution; at 0.75 its source keeps them
};

class MobileNetEdgeTpuWidth : public testing::TestWithParam<Width> {};

TEST_P(MobileNetEdgeTpuWidth, RoundsChannelsToMultiplesOfEight) {
  const auto wide = [](std::uint64_t channels) { return scaled_to_eights(channels, GetParam().width); };
  Tally tally{224, 3};
  const auto fused = [&](std::uint64_t expand, std::uint64_t stride, std::uint64_t out) {
    tally.convolution(tally.channels * expand, 3, stride);
    tally.convolution(out, 1, 1);
  };
  tally.convolution(wide(32), 3, 2);
  tally.convolution(wide(16), 1, 1);
  for (const std::uint64_t channels : {wide(32), wide(48)}) {
    fused(8, 2, channels);
    for (int i = 0; i < 3; ++i) fused(4, 1, channels);
  }
  tally.inverted_residuals(1, 3, 2, 8, wide(96));
  tally.inverted_residuals(3, 3, 1, 4, wide(96));
  tally.inverted_residuals(1, 3, 1, 8, wide(96));
  tally.inverted_residuals(3, 3, 1, 4, wide(96));
  tally.inverted_residuals(1, 5, 2, 8, wide(160));
  tally.inverted_residuals(3, 5, 1, 4, wide(160));
  tally.inverted_residuals(1, 3, 1, 8, wide(192));
  tally.convolution(GetParam().top, 1, 1);
  tally.classifier(1001);
  const Network network = load_network(std::string(CORBEL_SOURCE_DIR "/zoo/") + GetParam().name + ".yaml");
  EXPECT_EQ(network.total_macs(), tally.macs);
  EXPECT_EQ(network.total_parameters(), tally.parameters);
}

INSTANTIATE_TEST_SUITE_P(All, MobileNetEdgeTpuWidth,
                         testing::Values(Width{"mobilenet_edgetpu_075", 0.75, 1280},
                                         Width{"mobilenet_edgetpu", 1, 1280},
                                         Width{"mobilenet_edgetpu_125", 1.25, 1600},
                                         Width{"mobilenet_edgetpu_150", 1.5, 1920},
                                         Width{"mobilenet_edgetpu_175", 1.75, 2240}),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(PublishedNetwork, MobileNetEdgeTpu075HasThePublishedSize) {
  // github.com/tensorflow/models, research/slim/nets/mobilenet: 624 M multiply-accumulates, 2.9 M parameters.
  const Network network = load("mobilenet_edgetpu_075");
  EXPECT_NEAR(static_cast<double>(network.total_macs()), 624e6, 0.5e6);
  EXPECT_NEAR(static_cast<double>(network.total_parameters()), 2.9e6, 0.01 * 2.9e6 + 0.05e6);
}

TEST_F(PublishedNetwork, InceptionV1HasTheMapsOfItsPaper) {
  const Network network = load("inception_v1");
  const auto first_of = [&](std::string_view module) -> const Layer& {
    return *std::ranges::find_if(network.layers, [&](const Layer& layer) { return layer.name.starts_with(module); });
  };
  EXPECT_EQ(first_of("inception_3a.").in_channels, 192);
  EXPECT_EQ(first_of("inception_3a.").out_height, 28);
  EXPECT_EQ(first_of("inception_4e.").in_channels, 528);
  EXPECT_EQ(first_of("inception_4e.").out_height, 14);
  const Layer& classifier = network.layers.back();
  EXPECT_EQ(classifier.in_channels, 1024);
  const Layer& last = network.layers[network.layers.size() - 2];
  EXPECT_EQ(last.in_height, 7);
  EXPECT_EQ(last.inputs.size(), 4u);
}

TEST_F(PublishedNetwork, DetectorPredicts1917Boxes) {
  // arXiv 1512.02325 with the anchors of ssd_mobilenet_v1_coco: 3·19² + 6·(10² + 5² + 3² + 2² + 1).
  const Network network = load("mobilenet_v1_ssd");
  std::uint64_t coordinates = 0, classes = 0;
  for (const Layer& layer : network.layers) {
    if (layer.name.starts_with("boxes_")) coordinates += layer.output_elements();
    if (layer.name.starts_with("classes_") && layer.kind == LayerKind::conv) classes += layer.output_elements();
  }
  EXPECT_EQ(coordinates, 4u * 1917u);
  EXPECT_EQ(classes, 91u * 1917u);
}

}  // namespace
}  // namespace corbel
