#include "onnx_testing.hpp"

namespace corbel {
namespace {

struct Graph {
  std::string name, inputs, nodes;
  std::string kinds;
  std::uint64_t macs = 0, parameters = 0;
  std::uint64_t operations = 0;  ///< that are not multiply-accumulates
  int opset = 13;
};
class OnnxGraph : public testing::TestWithParam<Graph> {};

TEST_P(OnnxGraph, BecomesTheseLayers) {
  const Graph& graph = GetParam();
  const Network network = onnx_network(graph.inputs, graph.nodes, graph.opset);
  EXPECT_EQ(kinds(network), graph.kinds);
  EXPECT_EQ(network.total_macs(), graph.macs);
  EXPECT_EQ(network.total_parameters(), graph.parameters);
  EXPECT_EQ(network.total_vector_operations(), graph.operations);
}

const auto name_of = [](const auto& each) { return each.param.name; };
const std::string image = "float[1, 4, 8, 8] x";  // 256 elements
const std::string conv = weights("w", {6, 4, 3, 3}) + "c = Conv <pads = [1, 1, 1, 1]> (x, w)\n";
const std::string old_conv = written_weights("w", {6, 4, 3, 3}) + "c = Conv <pads = [1, 1, 1, 1]> (x, w)\n";
constexpr std::uint64_t conv_macs = 6 * 64 * 36, conv_weights = 6 * 36, conv_outputs = 6 * 64;

INSTANTIATE_TEST_SUITE_P(
    Products, OnnxGraph,
    testing::Values(
        Graph{"ConvWithBias", image, weights("w", {6, 4, 3, 3}) + weights("b", {6}) + "y = Conv (x, w, b)", "conv",
              6 * 36 * 36, 216 + 6},
        Graph{"ConvSameUpper", image,
              weights("w", {6, 4, 3, 3}) + "y = Conv <auto_pad = \"SAME_UPPER\", strides = [2, 2]> (x, w)", "conv",
              6 * 16 * 36, 216},
        Graph{"ConvValid", image,
              weights("w", {6, 4, 3, 3}) + "y = Conv <auto_pad = \"VALID\", strides = [2, 2]> (x, w)", "conv",
              6 * 9 * 36, 216},
        Graph{"ConvDilatedWithUnevenPads", image,
              weights("w", {6, 4, 3, 3}) + "y = Conv <dilations = [2, 2], pads = [0, 1, 2, 3]> (x, w)", "conv",
              6 * (8 + 2 - 5 + 1) * (8 + 4 - 5 + 1) * 36, 216},
        Graph{"GroupedConv", image, weights("w", {6, 2, 1, 1}) + "y = Conv <group = 2> (x, w)", "conv", 6 * 64 * 2, 12},
        Graph{"DepthwiseConv", image, weights("w", {8, 1, 3, 3}) + "y = Conv <group = 4, pads = [1, 1, 1, 1]> (x, w)",
              "depthwise", 8 * 64 * 9, 72},
        Graph{"Conv1D", "float[1, 40, 100] x", weights("w", {64, 40, 5}) + "y = Conv <strides = [2]> (x, w)", "conv",
              64 * 48 * 40 * 5, 64 * 200},
        Graph{"PadThenConv", image,
              integers("p", {0, 0, 1, 1, 0, 0, 1, 1}) + weights("w", {6, 4, 3, 3}) + "a = Pad (x, p)\ny = Conv (a, w)",
              "conv", conv_macs, conv_weights},
        // Every input position times the kernel: 64 · 4 · 6 · 4.
        Graph{"ConvTranspose", image, weights("w", {4, 6, 2, 2}) + "y = ConvTranspose <strides = [2, 2]> (x, w)",
              "transposed_conv", 64 * 4 * 6 * 4, 96},
        Graph{"Gemm", "float[1, 64] x", weights("w", {64, 10}) + weights("b", {10}) + "y = Gemm (x, w, b)",
              "fully_connected", 640, 650},
        Graph{"GemmTransposed", "float[1, 64] x", weights("w", {10, 64}) + "y = Gemm <transB = 1, alpha = 0.5> (x, w)",
              "fully_connected", 640, 640},
        Graph{"GemmOfWeightsAndActivations", "float[64, 5] x", weights("w", {10, 64}) + "y = Gemm (w, x)", "matmul",
              10 * 64 * 5, 640},
        Graph{"GemmPlusActivations", "float[1, 64] x, float[1, 10] z", weights("w", {64, 10}) + "y = Gemm (x, w, z)",
              "fully_connected elementwise", 640, 640, 10},
        Graph{"MatMulAndBias", "float[1, 16, 64] x",
              weights("w", {64, 10}) + weights("b", {10}) + "a = MatMul (x, w)\ny = Add (b, a)", "matmul", 16 * 640,
              650},
        Graph{"MatMulWithWeightsFirst", "float[1, 64, 16] x", weights("w", {10, 64}) + "y = MatMul (w, x)", "matmul",
              16 * 640, 640},
        Graph{"MatMulWithWeightsPerHead", "float[1, 3, 16, 64] x", weights("w", {3, 64, 10}) + "y = MatMul (x, w)",
              "conv", 3 * 16 * 640, 3 * 640},
        Graph{"MatMulOfVectors", "float[64] x, float[64] z", "y = MatMul (x, z)", "matmul", 64},
        Graph{
            "Attention", "float[2, 12, 16, 64] q, float[2, 12, 64, 16] k, float[2, 12, 16, 64] v",
            "s = MatMul (q, k)\nd = Constant <value = float[1] {8.0}> ()\nt = Div (s, d)\np = Softmax <axis = -1> (t)\n"
            "y = MatMul (p, v)",
            "matmul elementwise matmul", 2 * 24 * 16 * 16 * 64, 0, 4 * 24 * 256},
        Graph{"MatMulWithASharedActivation", "float[2, 16, 64] x, float[64, 10] z", "y = MatMul (x, z)", "matmul",
              32 * 640},
        Graph{"EinsumWithWeights", "float[1, 16, 64] x",
              weights("w", {64, 12, 8}) + "y = Einsum <equation = \"bsd,dhk->bshk\"> (x, w)", "matmul", 16 * 64 * 96,
              64 * 96},
        Graph{"EinsumOfActivations", "float[1, 12, 16, 64] x, float[1, 12, 20, 64] z",
              "y = Einsum <equation = \"bhqd, bhkd -> bhqk\"> (x, z)", "matmul", 12 * 16 * 20 * 64},
        Graph{"Embedding", "int64[1, 16] x", weights("w", {100, 8}) + "y = Gather (w, x)", "embedding", 0, 800}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Int8, OnnxGraph,
    testing::Values(
        Graph{
            "QuantizeAndDequantize", image,
            "s = Constant <value = float {0.1}> ()\nz = Constant <value = int8 {0}> ()\na = QuantizeLinear (x, s, z)\n"
            "b = DequantizeLinear (a, s, z)\nq = Constant <value = int8[1] {1}> ()\n" +
                integers("n", {6, 4, 3, 3}) +
                "v = Expand (q, n)\nw = DequantizeLinear (v, s, z)\nc = Conv <pads = [1, 1, 1, 1]> (b, w)\n"
                "d = Relu (c)\ne = QuantizeLinear (d, s, z)\ny = DequantizeLinear (e, s, z)",
            "conv", conv_macs, conv_weights},
        Graph{"QLinearConv", "int8[1, 4, 8, 8] x",
              "s = Constant <value = float {0.1}> ()\nz = Constant <value = int8 {0}> ()\n" +
                  weights("w", {6, 4, 3, 3}) + weights("b", {6}) +
                  "y = QLinearConv <pads = [1, 1, 1, 1]> (x, s, z, w, s, z, s, z, b)",
              "conv", conv_macs, conv_weights + 6},
        Graph{"QLinearMatMul", "int8[1, 16, 64] x",
              "s = Constant <value = float {0.1}> ()\nz = Constant <value = int8 {0}> ()\n" + weights("w", {64, 10}) +
                  "y = QLinearMatMul (x, s, z, w, s, z, s, z)",
              "matmul", 16 * 640, 640},
        Graph{"ConvInteger", "int8[1, 4, 8, 8] x",
              weights("w", {6, 4, 3, 3}) + "y = ConvInteger <pads = [1, 1, 1, 1]> (x, w)", "conv", conv_macs,
              conv_weights},
        Graph{"DynamicallyQuantizedMatMul", "float[1, 16, 64] x",
              weights("w", {64, 10}) + weights("b", {10}) +
                  "ws = Constant <value = float {0.1}> ()\nwz = Constant <value = uint8 {0}> ()\n"
                  "q, s, z = DynamicQuantizeLinear (x)\na = MatMulInteger (q, w, z, wz)\nc = Cast <to = 1> (a)\n"
                  "t = Mul (s, ws)\nd = Mul (c, t)\ny = Add (d, b)",
              "matmul", 16 * 640, 650},
        Graph{"OnnxRuntimeOperators", "uint8[1, 4, 8, 8] x",
              "s = Constant <value = float {0.1}> ()\nz = Constant <value = uint8 {0}> ()\n" +
                  weights("w", {4, 4, 1, 1}) + weights("v", {4, 10}) +
                  "a = QLinearConv (x, s, z, w, s, z, s, z)\n"
                  "b = com.microsoft.QLinearAdd (a, s, z, x, s, z, s, z)\n"
                  "c = com.microsoft.QLinearGlobalAveragePool (b, s, z, s, z)\nd = Flatten (c)\n"
                  "e = com.microsoft.QGemm (d, s, z, v, s, z)\n"
                  "f = com.microsoft.QLinearConcat <axis = 1> (s, z, e, s, z, e, s, z)\n"
                  "y = com.microsoft.QLinearSigmoid (f, s, z, s, z)",
              "conv elementwise pool fully_connected elementwise", 4 * 64 * 4 + 40, 16 + 40, 256 + 256 + 20}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Folding, OnnxGraph,
    testing::Values(
        Graph{"Relu", image, conv + "y = Relu (c)", "conv", conv_macs, conv_weights},
        Graph{"ReluOfTheInput", image, "y = Relu (x)", "elementwise", 0, 0, 256},
        Graph{"ReluOfWhatOthersRead", image, conv + "a = Relu (c)\ny = Add (a, c)", "conv elementwise", conv_macs,
              conv_weights, conv_outputs},
        Graph{"Clip", image, conv + "z = Constant <value = float {0.0}> ()\ny = Clip (c, z)", "conv", conv_macs,
              conv_weights},
        Graph{"ClipOfOldOperatorSets", image, old_conv + "y = Clip <min = 0.0, max = 6.0> (c)", "conv", conv_macs,
              conv_weights, 0, 6},
        Graph{"BatchNormalization", image,
              conv + weights("s", {6}) + "b = BatchNormalization (c, s, s, s, s)\ny = Relu (b)", "conv", conv_macs,
              conv_weights + 6},
        Graph{"BatchNormalizationOfOldOperatorSets", image,
              old_conv + written_weights("s", {6}) + "y = BatchNormalization (c, s, s, s, s)", "conv", conv_macs,
              conv_weights + 6, 0, 6},
        Graph{"BatchNormalizationAfterRelu", image,
              conv + weights("s", {6}) + "r = Relu (c)\ny = BatchNormalization (r, s, s, s, s)", "conv elementwise",
              conv_macs, conv_weights + 12, conv_outputs},
        Graph{"BatchNormalizationScaleShiftRelu", image,
              weights("s", {4}) + weights("t", {4, 1, 1}) +
                  "a = BatchNormalization (x, s, s, s, s)\nb = Mul (a, t)\nc = Add (b, t)\ny = Relu (c)",
              "elementwise", 0, 8, 256},
        Graph{"BiasPerChannel", image, conv + weights("b", {6, 1, 1}) + "y = Add (c, b)", "conv", conv_macs,
              conv_weights + 6},
        Graph{"BiasOfOldOperatorSets", image,
              old_conv + written_weights("b", {6}) + "y = Add <broadcast = 1, axis = 1> (c, b)", "conv", conv_macs,
              conv_weights + 6, 0, 6},
        Graph{"ScalePerChannel", image, conv + weights("b", {1, 6, 1, 1}) + "y = Mul (b, c)", "conv", conv_macs,
              conv_weights},
        Graph{"ScalePerColumn", image, conv + weights("b", {8}) + "y = Mul (c, b)", "conv elementwise", conv_macs,
              conv_weights + 8, conv_outputs},
        Graph{"NumberTimesPool", image,
              "p = GlobalAveragePool (x)\nh = Constant <value = float {0.5}> ()\ny = Mul (p, h)", "pool", 0, 0, 256},
        Graph{"PositionEmbedding", "float[1, 16, 64] x",
              weights("w", {64, 32}) + weights("p", {1, 16, 32}) + "a = MatMul (x, w)\ny = Add (a, p)",
              "matmul embedding elementwise", 16 * 64 * 32, 64 * 32 + 16 * 32, 512},
        Graph{"Swish", image, conv + "s = Sigmoid (c)\ny = Mul (c, s)", "conv elementwise", conv_macs, conv_weights,
              conv_outputs},
        Graph{"SpelledHardSwish", image,
              conv + "three = Constant <value = float {3.0}> ()\nsix = Constant <value = float {6.0}> ()\n"
                     "zero = Constant <value = float {0.0}> ()\na = Add (c, three)\nb = Clip (a, zero, six)\n"
                     "d = Mul (c, b)\ny = Div (d, six)",
              "conv elementwise", conv_macs, conv_weights, conv_outputs},
        Graph{"SpelledGelu", image,
              "r = Constant <value = float {1.414}> ()\none = Constant <value = float {1.0}> ()\n"
              "half = Constant <value = float {0.5}> ()\na = Div (x, r)\nb = Erf (a)\nc = Add (b, one)\n"
              "d = Mul (x, c)\ny = Mul (d, half)",
              "elementwise", 0, 0, 256},
        Graph{"FunctionsOfTwoTensorsStayApart", image + ", float[1, 4, 8, 8] z",
              "a = Sigmoid (x)\nb = Tanh (z)\ny = Mul (a, b)", "elementwise elementwise elementwise", 0, 0, 3 * 256},
        Graph{"AFunctionThatOthersReadStays", image, "a = Sigmoid (x)\nb = Mul (x, a)\ny = Add (b, a)",
              "elementwise elementwise elementwise", 0, 0, 3 * 256},
        // Pool (256), difference, square, pool (256), root with epsilon, quotient, scale and shift.
        Graph{
            "SpelledLayerNormalization", "float[1, 16, 64] x",
            "two = Constant <value = float {2.0}> ()\ne = Constant <value = float {0.001}> ()\n" + weights("g", {64}) +
                "m = ReduceMean <axes = [-1]> (x)\nd = Sub (x, m)\np = Pow (d, two)\nv = ReduceMean <axes = [-1]> (p)\n"
                "s = Add (v, e)\nr = Sqrt (s)\nq = Div (d, r)\nh = Mul (q, g)\ny = Add (h, g)",
            "pool elementwise elementwise pool elementwise elementwise elementwise", 0, 128, 6 * 1024 + 16}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Others, OnnxGraph,
    testing::Values(
        Graph{"MaxPool", image, "y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (x)",
              "pool", 0, 0, 4 * 16 * 9},
        // (8 − 3) / 2 is 2.5: a fourth window per axis starts at 6, inside the input.
        Graph{"MaxPoolCeil", image, "y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1> (x)", "pool",
              0, 0, 4 * 16 * 9},
        // (8 + 2 − 2) / 3 is 2.67: the fourth window would start at 9, in the padding at the end.
        Graph{"MaxPoolCeilIntoPadding", image,
              "y = MaxPool <kernel_shape = [2, 2], strides = [3, 3], pads = [1, 1, 1, 1], ceil_mode = 1> (x)", "pool",
              0, 0, 4 * 9 * 4},
        Graph{"AveragePoolWithPadding", image,
              "y = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (x)", "pool", 0, 0,
              4 * 64 * 9},
        Graph{"GlobalMaxPool", image, "y = GlobalMaxPool (x)", "pool", 0, 0, 256},
        Graph{"ReduceMeanOfAnImage", image, "y = ReduceMean <axes = [2, 3], keepdims = 0> (x)", "pool", 0, 0, 256},
        Graph{"ReduceSumByInput", image, integers("a", {1}) + "y = ReduceSum (x, a)", "pool", 0, 0, 256},
        Graph{"ArgMax", "float[1, 21, 8, 8] x", "y = ArgMax <axis = 1> (x)", "pool", 0, 0, 21 * 64},
        Graph{"TopK", "float[1, 1000] x", integers("k", {10}) + "y, i = TopK (x, k)", "pool", 0, 0, 1000},
        Graph{"LRN", image, "y = LRN <size = 5> (x)", "elementwise", 0, 0, 256 * (1 + 4 + 1 + 1)},
        Graph{"Softmax", "float[1, 1000] x", "y = Softmax (x)", "elementwise", 0, 0, 4000},
        Graph{"LayerNormalization", "float[1, 16, 64] x",
              weights("g", {64}) + "y = LayerNormalization <axis = -1> (x, g, g)", "elementwise", 0, 128, 5 * 1024, 17},
        Graph{"InstanceNormalization", image, weights("g", {4}) + "y = InstanceNormalization (x, g, g)", "elementwise",
              0, 8, 5 * 256},
        Graph{"PRelu", image, conv + weights("s", {6, 1, 1}) + "y = PRelu (c, s)", "conv elementwise", conv_macs,
              conv_weights + 6, conv_outputs},
        Graph{"PReluOfOldOperatorSets", image, old_conv + written_weights("s", {6}) + "y = PRelu (c, s)",
              "conv elementwise", conv_macs, conv_weights + 6, conv_outputs, 6},
        Graph{"LeakyRelu", image, conv + "y = LeakyRelu <alpha = 0.1> (c)", "conv elementwise", conv_macs, conv_weights,
              conv_outputs},
        Graph{"ResizeByScales", image,
              "r = Constant <value = float[0] {}> ()\ns = Constant <value = float[4] {1.0, 1.0, 2.0, 2.0}> ()\n"
              "y = Resize <mode = \"linear\"> (x, r, s)",
              "resize", 0, 0, 4 * 4 * 256},
        Graph{"ResizeBySizes", image, integers("s", {1, 4, 16, 24}) + "y = Resize <mode = \"nearest\"> (x, , , s)",
              "resize", 0, 0, 4 * 16 * 24},
        Graph{"ResizeOfOldOperatorSets", image,
              "s = Constant <value = float[4] {1.0, 1.0, 2.0, 2.0}> ()\ny = Resize <mode = \"nearest\"> (x, s)",
              "resize", 0, 0, 4 * 256, 10},
        Graph{"Upsample", image,
              "s = Constant <value = float[4] {1.0, 1.0, 2.0, 2.0}> ()\ny = Upsample <mode = \"nearest\"> (x, s)",
              "resize", 0, 0, 4 * 256, 9},
        Graph{"UpsampleByAttribute", image, "y = Upsample <mode = \"nearest\", scales = [1.0, 1.0, 2.0, 2.0]> (x)",
              "resize", 0, 0, 4 * 256, 7},
        Graph{"AddWithBroadcast", image + ", float[1, 4, 1, 1] s", "y = Mul (x, s)", "elementwise", 0, 0, 256},
        Graph{"SumOfThree", image + ", float[1, 4, 8, 8] z, float[1, 4, 8, 8] v", "y = Sum (x, z, v)", "elementwise", 0,
              0, 2 * 256},
        Graph{"MovesAlone", image,
              "a = Transpose <perm = [0, 2, 3, 1]> (x)\nb = Flatten (a)\nm, n = Split <axis = 1> (b)\n"
              "c = Concat <axis = 1> (n, m)\nd = Dropout (c)\ne = Cast <to = 1> (d)\n" +
                  weights("w", {256, 2}) + "y = MatMul (e, w)",
              "fully_connected", 512, 512},
        Graph{"DepthToSpace", image, "a = DepthToSpace <blocksize = 2> (x)\ny = Sigmoid (a)", "elementwise", 0, 0, 256},
        Graph{"Lstm", "float[6, 1, 10] x",
              weights("w", {1, 64, 10}) + weights("r", {1, 64, 16}) + weights("b", {1, 128}) +
                  "y = LSTM <hidden_size = 16> (x, w, r, b)",
              "matmul elementwise elementwise elementwise elementwise elementwise elementwise", 6 * 64 * 26,
              64 * 26 + 64, 6 * 9 * 16},
        Graph{"BidirectionalGru", "float[6, 1, 10] x",
              weights("w", {2, 48, 10}) + weights("r", {2, 48, 16}) +
                  "y, h = GRU <hidden_size = 16, direction = \"bidirectional\"> (x, w, r)",
              "matmul elementwise elementwise matmul elementwise elementwise elementwise elementwise "
              "matmul elementwise elementwise matmul elementwise elementwise elementwise elementwise",
              2 * 6 * 48 * 26, 2 * 48 * 26, 2 * 6 * 7 * 16},
        Graph{"Rnn", "float[6, 1, 10] x",
              weights("w", {1, 16, 10}) + weights("r", {1, 16, 16}) + "y = RNN <hidden_size = 16> (x, w, r)",
              "matmul elementwise", 6 * 16 * 26, 16 * 26, 6 * 16}),
    name_of);

// --- Operands that changed between operator sets

class OnnxOperatorSet : public testing::TestWithParam<int> {};

TEST_P(OnnxOperatorSet, AttributesAndInputsMeanTheSame) {
  const int opset = GetParam();
  // x [1, 4, 8, 8] → unsqueeze [1, 1, 4, 8, 8] → squeeze → slice [1, 4, 8, 6] → pad [1, 4, 8, 8] → split in two.
  const auto call = [&](const std::string& output, const std::string& op, int first, const std::string& attributes,
                        const std::string& input, const std::string& operands) {
    return output + " = " + op +
           (opset < first ? " <" + attributes + "> (" + input + ")\n" : " (" + input + ", " + operands + ")\n");
  };
  const std::string nodes =
      integers("one", {1}) + integers("from", {1}) + integers("to", {7}) + integers("last", {3}) +
      integers("pads", {0, 0, 0, 1, 0, 0, 0, 1}) + integers("halves", {2, 2}) + integers("flat", {0, -1}) +
      call("a", "Unsqueeze", 13, "axes = [1]", "x", "one") + call("b", "Squeeze", 13, "axes = [1]", "a", "one") +
      call("c", "Slice", 10, "starts = [1], ends = [7], axes = [3]", "b", "from, to, last") +
      call("d", "Pad", 11, "pads = [0, 0, 0, 1, 0, 0, 0, 1]", "c", "pads") +
      (opset < 13 ? "e, f = Split <axis = 1, split = [2, 2]> (d)\n" : "e, f = Split <axis = 1> (d, halves)\n") +
      (opset < 12 ? "g = Dropout <ratio = 0.5> (e)\n" : "g = Dropout (e)\n") +
      (opset < 11 ? "k = Clip <min = 0.0, max = 1.0> (g)\n" : "k = Clip (g)\n") +
      "h = Reshape (k, flat)\ni = ReduceMean <axes = [1], keepdims = 1> (h)\nj = Softmax <axis = 1> (i)\n" +
      (opset < 13 ? "y = ReduceSum <axes = [1]> (j)" : "y = ReduceSum (j, one)");
  const Network network = onnx_network("float[1, 4, 8, 8] x", nodes, opset);
  // The clamp of the input's half, 128 elements; their mean; softmax and sum of one element.
  EXPECT_EQ(kinds(network), "elementwise pool elementwise elementwise");
  EXPECT_EQ(network.total_vector_operations(), 128u + 128u + 4u + 1u);
}

INSTANTIATE_TEST_SUITE_P(All, OnnxOperatorSet, testing::Range(6, 18),
                         [](const auto& each) { return std::to_string(each.param); });

}  // namespace
}  // namespace corbel
