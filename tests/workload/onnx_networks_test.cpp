#include <chrono>

#include "onnx_testing.hpp"

namespace corbel {
namespace {

using testing::ElementsAre;

const Layer& layer_of(const Network& network, std::string_view name) {
  for (const Layer& layer : network.layers) {
    if (layer.name == name) return layer;
  }
  throw std::out_of_range("no layer " + std::string(name));
}

TEST(OnnxNetwork, ADenseBlockReadsAllLayersBeforeIt) {
  // As converted from Caffe: normalisation, scale and shift apart, their parameters unsqueezed; arXiv 1608.06993.
  const auto dense = [](const std::string& name, const std::string& input, std::int64_t channels) {
    const std::string c = std::to_string(channels);
    return weights(name + "s", {channels}) + weights(name + "t", {channels}) + name + "_n = BatchNormalization (" +
           input + ", " + name + "s, " + name + "s, " + name + "s, " + name + "s)\n" + name +
           "_u = Unsqueeze <axes = [1, 2]> (" + name + "t)\n" + name + "_m = Mul (" + name + "_n, " + name + "_u)\n" +
           name + "_a = Add (" + name + "_m, " + name + "_u)\n" + name + "_r = Relu (" + name + "_a)\n" +
           weights(name + "w", {12, channels, 3, 3}) + name + "_c = Conv <pads = [1, 1, 1, 1]> (" + name + "_r, " +
           name + "w)\n" + name + " = Concat <axis = 1> (" + input + ", " + name + "_c)\n";
  };
  const Network network = onnx_network("float[1, 3, 8, 8] x",
                                       weights("w", {16, 3, 3, 3}) + "i = Conv <pads = [1, 1, 1, 1]> (x, w)\n" +
                                           dense("a", "i", 16) + dense("b", "a", 28) + "y = GlobalAveragePool (b)",
                                       9);
  EXPECT_EQ(kinds(network), "conv elementwise conv elementwise conv pool");
  // The stem is read by others too, so the first normalisation cannot fold into it.
  EXPECT_EQ(network.total_parameters(), 432u + 2 * 16 + 16 * 108 + 2 * 28 + 28 * 108);
  EXPECT_THAT(layer_of(network, "b_n").inputs, ElementsAre(0, 2));
  EXPECT_THAT(layer_of(network, "y").inputs, ElementsAre(0, 2, 4));
  EXPECT_EQ(layer_of(network, "y").in_channels, 40);
}

TEST(OnnxNetwork, AChannelShuffleIsNoLayer) {
  // arXiv 1707.01083: grouped 1×1, shuffle, depthwise, grouped 1×1, beside a pooled shortcut.
  const std::string unit =
      weights("w", {12, 4, 1, 1}) + weights("s", {12}) +
      "a = Conv <group = 3> (x, w)\nb = BatchNormalization (a, s, s, s, s)\n"
      "c = Relu (b)\n" +
      integers("split", {1, 3, 4, 8, 8}) + integers("joined", {1, 12, 8, 8}) +
      "d = Reshape (c, split)\ne = Transpose <perm = [0, 2, 1, 3, 4]> (d)\nf = Reshape (e, joined)\n" +
      weights("v", {12, 1, 3, 3}) + "g = Conv <group = 12, strides = [2, 2], pads = [1, 1, 1, 1]> (f, v)\n" +
      weights("u", {12, 4, 1, 1}) +
      "h = Conv <group = 3> (g, u)\n"
      "p = AveragePool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (x)\n"
      "q = Concat <axis = 1> (p, h)\ny = Relu (q)";
  for (const std::int64_t batch : {1, 4}) {
    const Network network = onnx_network("float[1, 12, 8, 8] x", unit, 9, {.batch = batch, .dimensions = {}});
    EXPECT_EQ(kinds(network), "conv depthwise conv pool elementwise");
    EXPECT_EQ(network.total_macs(), static_cast<std::uint64_t>(batch) * (12 * 64 * 4 + 12 * 16 * 9 + 12 * 16 * 4));
    EXPECT_EQ(network.total_parameters(), 48u + 12 + 108 + 48);
    EXPECT_THAT(layer_of(network, "g").inputs, ElementsAre(0));
    EXPECT_THAT(layer_of(network, "y").inputs, ElementsAre(2, 3));
  }
}

TEST(OnnxNetwork, ShapesThatAnExporterComputesAreFollowed) {
  const std::string flatten = "s = Shape (x)\nzero = Constant <value = int64 {0}> ()\nb = Gather (s, zero)\n" +
                              integers("axis", {0}) + "u = Unsqueeze (b, axis)\n" + integers("rest", {-1}) +
                              "t = Concat <axis = 0> (u, rest)\nf = Reshape (x, t)\n" + weights("w", {48, 5}) +
                              "y = MatMul (f, w)";
  const Network network = onnx_network("float[batch, 3, 4, 4] x", flatten, 13, {.batch = 6, .dimensions = {}});
  EXPECT_EQ(kinds(network), "fully_connected");
  EXPECT_EQ(network.layers[0].batch, 6);
  EXPECT_EQ(network.layers[0].in_channels, 48);

  // Half of the height by whole division, through Slice, Cast, Floor, ConstantOfShape and NonZero.
  const std::string half = "z = Sigmoid (x)\ns = Shape (x)\n" + integers("two", {2}) + integers("three", {3}) +
                           "h = Slice (s, two, three)\nk = Div (h, two)\nf = Cast <to = 1> (k)\ng = Floor (f)\n"
                           "i = Cast <to = 7> (g)\no = ConstantOfShape <value = int64[1] {1}> (i)\nn = NonZero (o)\n"
                           "m = Squeeze (n)\nq = Gather <axis = 2> (z, m)\ny = GlobalMaxPool (q)";
  EXPECT_EQ(layer_of(onnx_network("float[1, 3, 9, 4] x", half), "y").in_height, 4);
}

/// An encoder layer as PyTorch writes it: heads by Reshape with computed shapes, GELU and normalisation spelled out.
std::string encoder(std::int64_t width, std::int64_t heads) {
  const auto dense = [](const std::string& name, const std::string& input, std::int64_t in, std::int64_t out) {
    return weights(name + "_w", {in, out}) + weights(name + "_b", {out}) + name + "_m = MatMul (" + input + ", " +
           name + "_w)\n" + name + " = Add (" + name + "_b, " + name + "_m)\n";
  };
  const auto split = [&](const std::string& name, const std::string& order) {
    return name + "_r = Reshape (" + name + ", heads)\n" + name + "_t = Transpose <perm = [" + order + "]> (" + name +
           "_r)\n";
  };
  const auto norm = [&](const std::string& name, const std::string& input) {
    return weights(name + "_g", {width}) + name + "_mean = ReduceMean <axes = [-1]> (" + input + ")\n" + name +
           "_d = Sub (" + input + ", " + name + "_mean)\n" + name + "_p = Pow (" + name + "_d, two)\n" + name +
           "_v = ReduceMean <axes = [-1]> (" + name + "_p)\n" + name + "_e = Add (" + name + "_v, epsilon)\n" + name +
           "_s = Sqrt (" + name + "_e)\n" + name + "_q = Div (" + name + "_d, " + name + "_s)\n" + name + "_h = Mul (" +
           name + "_q, " + name + "_g)\n" + name + " = Add (" + name + "_h, " + name + "_g)\n";
  };
  return "two = Constant <value = float {2.0}> ()\nepsilon = Constant <value = float {0.001}> ()\n"
         "root = Constant <value = float {8.0}> ()\none = Constant <value = float {1.0}> ()\n"
         "half = Constant <value = float {0.5}> ()\nzero = Constant <value = int64 {0}> ()\n"
         "first = Constant <value = int64 {1}> ()\n" +
         integers("axis", {0}) + integers("split", {heads, width / heads}) + integers("width", {width}) +
         "shape = Shape (x)\nb0 = Gather (shape, zero)\ns0 = Gather (shape, first)\nb1 = Unsqueeze (b0, axis)\n"
         "s1 = Unsqueeze (s0, axis)\nheads = Concat <axis = 0> (b1, s1, split)\nflat = Concat <axis = 0> (b1, s1, "
         "width)\n" +
         weights("words", {1000, width}) + weights("positions", {512, width}) + integers("from", {0}) +
         "e0 = Gather (words, x)\npositions_used = Slice (positions, from, s1, axis)\n" +
         "p1 = Unsqueeze (positions_used, axis)\ne = Add (e0, p1)\n" + dense("q", "e", width, width) +
         dense("k", "e", width, width) + dense("v", "e", width, width) + split("q", "0, 2, 1, 3") +
         split("k", "0, 2, 3, 1") + split("v", "0, 2, 1, 3") +
         "scores = MatMul (q_t, k_t)\nscaled = Div (scores, root)\nmasked = Add (scaled, mask)\n"
         "weights = Softmax <axis = -1> (masked)\ncontext = MatMul (weights, v_t)\n"
         "back = Transpose <perm = [0, 2, 1, 3]> (context)\njoined = Reshape (back, flat)\n" +
         dense("o", "joined", width, width) + "r1 = Add (o, e)\n" + norm("n1", "r1") +
         dense("up", "n1", width, 4 * width) +
         "g1 = Div (up, two)\ng2 = Erf (g1)\ng3 = Add (g2, one)\ng4 = Mul (up, g3)\ng5 = Mul (g4, half)\n" +
         dense("down", "g5", 4 * width, width) + "r2 = Add (down, n1)\n" + norm("y", "r2");
}

TEST(OnnxNetwork, AnEncoderLayerHasItsProductsForAnyBatchAndLength) {
  const std::string inputs = "int64[batch, sequence] x, float[batch, 1, 1, sequence] mask";
  const std::string nodes = encoder(64, 4);
  for (const std::int64_t batch : {1, 3}) {
    const Network network = onnx_network(inputs, nodes, 13, {.batch = batch, .dimensions = {{"sequence", 16}}});
    const auto b = static_cast<std::uint64_t>(batch);
    // Four projections, two products of 4 heads, two layers of the feed-forward part.
    EXPECT_EQ(network.total_macs(), b * (4 * 16 * 64 * 64 + 2 * 16 * 16 * 64 + 2 * 16 * 64 * 256));
    // Tables of words and of the 16 positions used, six products with biases, two normalisations.
    EXPECT_EQ(network.total_parameters(), 64'000u + 16 * 64 + 4 * (64 * 64 + 64) + 2 * 64 * 256 + 256 + 64 + 4 * 64);
    EXPECT_EQ(network.batch, batch);
    const Layer& scores = layer_of(network, "scores");
    EXPECT_FALSE(scores.weight_operand);
    EXPECT_EQ(scores.batch, 4 * batch);
    EXPECT_EQ(scores.out_height, 16);
    EXPECT_EQ(scores.in_channels, 16);
    const Layer& up = layer_of(network, "up_m");
    EXPECT_EQ(up.kind, LayerKind::matmul);
    EXPECT_EQ(up.batch, batch);
    EXPECT_EQ(up.out_height, 16);
    EXPECT_TRUE(up.bias);
  }
}

TEST(OnnxNetwork, ACausalMaskMadeOfConstantsIsOneElementwiseLayer) {
  const std::string mask = "s = Constant <value = float {1.0}> ()\n" + integers("n", {1, 1, 16, 16}) +
                           "o = Expand (s, n)\nc = Cast <to = 9> (o)\nlow = Constant <value = float {-10000.0}> ()\n"
                           "y = Where (c, x, low)";
  const Network network = onnx_network("float[1, 4, 16, 16] x", mask);
  EXPECT_EQ(kinds(network), "elementwise");
  EXPECT_EQ(network.total_vector_operations(), 1024u);
}

TEST(OnnxNetwork, ABatchOfARecurrentCellStandsSecond) {
  const std::string cell =
      weights("w", {1, 64, 10}) + weights("r", {1, 64, 16}) + "y = LSTM <hidden_size = 16> (x, w, r)";
  const Network network = onnx_network("float[20, batch, 10] x", cell, 13, {.batch = 4, .dimensions = {}});
  EXPECT_EQ(network.batch, 4);
  EXPECT_EQ(network.layers[0].batch, 4);
  EXPECT_EQ(network.layers[0].steps, 20);
  EXPECT_EQ(network.total_macs(), 4u * 20 * 64 * 26);
  EXPECT_EQ(onnx_network("float[20, 4, 10] x", cell).batch, 4);
  EXPECT_THROW(onnx_network("float[20, 4, 10] x", cell, 13, {.batch = 8, .dimensions = {}}), Error);
}

TEST(OnnxNetwork, FiveThousandNodesAreReadInUnderASecond) {
  std::string nodes = weights("w", {8, 8, 1, 1});
  std::string last = "x";
  for (int i = 0; i < 2500; ++i) {
    const std::string n = std::to_string(i);
    nodes += "c" + n + " = Conv (" + last + ", w)\nr" + n + " = Relu (c" + n + ")\n";
    last = "r" + n;
  }
  const std::string bytes = onnx_bytes("float[1, 8, 8, 8] x", nodes + "y = GlobalAveragePool (" + last + ")");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(network_from_onnx(bytes, "model.onnx").layers.size(), 2501u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

}  // namespace
}  // namespace corbel
