#include "workload_testing.hpp"

namespace corbel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Convolution, CountsByHand) {
  // same: 7 / 2 rounded up is 4. 16·4·4 outputs of 3·3·3 products; 16·27 weights and 16 biases.
  const Network network = parse_layers("[3, 7, 7]", "  - conv: {out: 16, kernel: 3, stride: 2}\n");
  ASSERT_EQ(network.layers.size(), 1u);
  const Layer& layer = network.layers[0];
  EXPECT_EQ(layer.kind, LayerKind::conv);
  EXPECT_EQ(layer.out_channels, 16);
  EXPECT_EQ(layer.out_height, 4);
  EXPECT_EQ(layer.out_width, 4);
  EXPECT_EQ(layer.macs(), 6912u);
  EXPECT_EQ(layer.weight_elements(), 432u);
  EXPECT_EQ(layer.parameters(), 448u);
  EXPECT_EQ(layer.input_elements(), 147u);
  EXPECT_EQ(layer.output_elements(), 256u);
  EXPECT_EQ(layer.vector_operations(), 0u);
  EXPECT_THAT(layer.inputs, IsEmpty());
}

struct Padding {
  const char* options;
  std::int64_t height, width;
};

class PaddingTest : public testing::TestWithParam<Padding> {};

TEST_P(PaddingTest, DecidesTheOutput) {
  const Network network = parse_layers("[1, 10, 9]", std::string("  - conv: {out: 1, ") + GetParam().options + "}\n");
  EXPECT_EQ(network.layers[0].out_height, GetParam().height);
  EXPECT_EQ(network.layers[0].out_width, GetParam().width);
}

// (in + 2·padding − (dilation·(kernel − 1) + 1)) / stride + 1, worked out for 10 × 9.
INSTANTIATE_TEST_SUITE_P(
    Sizes, PaddingTest,
    testing::Values(Padding{"kernel: 3", 10, 9}, Padding{"kernel: 3, padding: same, stride: 2", 5, 5},
                    Padding{"kernel: 3, padding: valid", 8, 7}, Padding{"kernel: 3, padding: valid, stride: 2", 4, 4},
                    Padding{"kernel: 3, padding: 1, stride: 2", 5, 5},
                    Padding{"kernel: 3, padding: 0, stride: 3", 3, 3}, Padding{"kernel: 1, padding: 1", 12, 11},
                    Padding{"kernel: 3, padding: valid, dilation: 3", 4, 3}, Padding{"kernel: 3, dilation: 4", 10, 9},
                    Padding{"kernel: [5, 1], padding: [2, 0]", 10, 9}, Padding{"kernel: [10, 9], padding: valid", 1, 1},
                    Padding{"kernel: [1, 4], stride: [2, 1], padding: valid", 5, 6}));

TEST(Convolution, GroupsDivideTheWork) {
  // 8 → 12 channels in 4 groups: each output sees 2 channels. 12·5·5·2·9 products, 12·2·9 weights.
  const Network network = parse_layers("[8, 5, 5]", "  - conv: {out: 12, kernel: 3, groups: 4, bias: false}\n");
  EXPECT_EQ(network.layers[0].kind, LayerKind::conv);
  EXPECT_EQ(network.layers[0].macs(), 5400u);
  EXPECT_EQ(network.layers[0].parameters(), 216u);
}

TEST(Convolution, AsManyGroupsAsChannelsIsDepthwise) {
  const Network network = parse_layers("[8, 6, 6]",
                                       "  - conv: {out: 8, kernel: 3, groups: 8}\n"
                                       "  - depthwise: {kernel: 5, stride: 2, multiplier: 2}\n");
  EXPECT_EQ(network.layers[0].kind, LayerKind::depthwise);
  EXPECT_EQ(network.layers[0].macs(), 8u * 36u * 9u);
  EXPECT_EQ(network.layers[1].kind, LayerKind::depthwise);
  EXPECT_EQ(network.layers[1].out_channels, 16);
  EXPECT_EQ(network.layers[1].macs(), 16u * 9u * 25u);
  EXPECT_EQ(network.layers[1].parameters(), 16u * 25u + 16u);
}

TEST(Convolution, DilationCostsNothingMore) {
  const Network network = parse_layers("[2, 9, 9]", "  - conv: {out: 3, kernel: 3, dilation: 2, padding: valid}\n");
  EXPECT_EQ(network.layers[0].out_height, 5);
  EXPECT_EQ(network.layers[0].macs(), 3u * 25u * 2u * 9u);
}

TEST(Pool, ReadsItsWindowAndHasNoParameters) {
  const Network network = parse_layers("[4, 8, 8]",
                                       "  - max_pool: {kernel: 2}\n"
                                       "  - average_pool: {kernel: 3, stride: 1, padding: valid}\n"
                                       "  - global_pool\n");
  const auto& layers = network.layers;
  EXPECT_EQ(layers[0].out_height, 4);  // the stride of a pool is its kernel
  EXPECT_EQ(layers[0].vector_operations(), 4u * 16u * 4u);
  EXPECT_EQ(layers[1].out_height, 2);
  EXPECT_EQ(layers[1].vector_operations(), 4u * 4u * 9u);
  EXPECT_EQ(layers[2].out_height, 1);
  EXPECT_EQ(layers[2].out_channels, 4);
  EXPECT_EQ(layers[2].vector_operations(), 16u);
  EXPECT_EQ(network.total_macs(), 0u);
  EXPECT_EQ(network.total_parameters(), 0u);
}

TEST(FullyConnected, FlattensItsInput) {
  const Network network = parse_layers("[4, 3, 2]", "  - fully_connected: {out: 10}\n", 3);
  const Layer& layer = network.layers[0];
  EXPECT_EQ(layer.in_channels, 24);
  EXPECT_EQ(layer.macs(), 3u * 240u);
  EXPECT_EQ(layer.parameters(), 250u);
  EXPECT_EQ(layer.input_elements(), 72u);
  EXPECT_EQ(layer.output_elements(), 30u);
}

TEST(Matmul, MultipliesEveryRowByTheSameWeights) {
  const Network network = parse_layers("[7, 16]", "  - matmul: {out: 5}\n");
  const Layer& layer = network.layers[0];
  EXPECT_EQ(layer.out_height, 7);
  EXPECT_EQ(layer.macs(), 7u * 16u * 5u);
  EXPECT_EQ(layer.parameters(), 85u);
  EXPECT_EQ(layer.input_elements(), 112u);
  EXPECT_EQ(layer.output_elements(), 35u);
}

TEST(Matmul, AttentionByHand) {
  // 10 rows of 32 features, 4 heads of 8: scores 4 × [10 × 8]·[8 × 10], values 4 × [10 × 10]·[10 × 8].
  const Network network = parse_layers("[10, 32]", R"(
  - matmul: {name: q, out: 32}
  - matmul: {name: k, from: input, out: 32}
  - matmul: {name: v, from: input, out: 32}
  - matmul: {name: scores, from: q, with: k, transposed: true, heads: 4}
  - softmax: {name: softmax}
  - matmul: {name: mixed, with: v, heads: 4}
  - matmul: {name: out, out: 32, bias: false}
  - add: {name: sum, with: input}
)",
                                       2);
  const Layer& scores = layer_named(network, "scores");
  EXPECT_EQ(scores.batch, 8);
  EXPECT_EQ(scores.macs(), 2u * 4u * 10u * 8u * 10u);
  EXPECT_EQ(scores.parameters(), 0u);
  EXPECT_EQ(scores.input_elements(), 2u * 2u * 320u);  // both operands are activations
  EXPECT_EQ(scores.output_elements(), 2u * 400u);
  EXPECT_THAT(scores.inputs, ElementsAre(0, 1));
  EXPECT_EQ(layer_named(network, "softmax").output_elements(), 2u * 400u);
  const Layer& mixed = layer_named(network, "mixed");
  EXPECT_EQ(mixed.macs(), 2u * 4u * 10u * 10u * 8u);
  EXPECT_EQ(mixed.input_elements(), 2u * (400u + 320u));
  EXPECT_EQ(mixed.output_elements(), 2u * 320u);
  EXPECT_EQ(layer_named(network, "out").in_channels, 32);
  EXPECT_THAT(layer_named(network, "sum").inputs, ElementsAre(-1, 6));
  EXPECT_EQ(network.total_parameters(), 3u * (32u * 32u + 32u) + 32u * 32u);
}

TEST(Elementwise, CountsOperandsOfTheFullSize) {
  const Network network = parse_layers("[6, 4, 4]", R"(
  - conv: {name: a, out: 6, kernel: 1}
  - conv: {name: b, out: 6, kernel: 1}
  - add: {with: [a, input]}
  - global_pool: {name: gate}
  - multiply: {from: b, with: gate}
)");
  const Layer& add = network.layers[2];
  EXPECT_EQ(add.kind, LayerKind::elementwise);
  EXPECT_EQ(add.operands, 3);
  EXPECT_EQ(add.vector_operations(), 2u * 96u);  // a sum of three tensors is two additions
  EXPECT_EQ(add.input_elements(), 288u);
  EXPECT_EQ(add.parameters(), 0u);
  EXPECT_THAT(add.inputs, ElementsAre(-1, 0, 1));
  EXPECT_EQ(network.layers[4].operands, 1);  // the gate is broadcast
  EXPECT_EQ(network.layers[4].output_elements(), 96u);
}

TEST(Activation, OnlyWhatIsNoClampIsALayer) {
  const Network network = parse_layers("[3, 4, 4]", R"(
  - conv: {out: 8, kernel: 1, activation: relu6}
  - conv: {out: 8, kernel: 1, activation: hard_swish}
  - activation: relu
  - activation: {function: tanh}
)");
  ASSERT_EQ(network.layers.size(), 5u);
  EXPECT_EQ(network.layers[2].name, "conv_2.activation");
  for (std::size_t i = 2; i < 5; ++i) {
    EXPECT_EQ(network.layers[i].kind, LayerKind::elementwise);
    EXPECT_EQ(network.layers[i].vector_operations(), 128u);
    EXPECT_EQ(network.layers[i].operands, 1);
  }
}

TEST(Concatenate, IsFreeAndItsReaderReadsAllParts) {
  const Network network = parse_layers("[3, 4, 4]", R"(
  - conv: {name: a, out: 8, kernel: 1}
  - conv: {name: b, from: input, out: 5, kernel: 3}
  - concatenate: {name: both, with: [a, input]}
  - conv: {out: 2, kernel: 1}
  - add: {from: both, with: both}
)");
  ASSERT_EQ(network.layers.size(), 4u);
  EXPECT_EQ(network.layers[2].in_channels, 5 + 8 + 3);
  EXPECT_THAT(network.layers[2].inputs, ElementsAre(-1, 0, 1));
  EXPECT_THAT(network.layers[3].inputs, ElementsAre(-1, 0, 1));
}

TEST(Lstm, IsItsMatmulAndNineOperationsPerUnit) {
  // 5 steps, i = 12, h = 20: 4·h·(i + h) weights, 4·h biases, used at every step.
  const Network network = parse_layers("[5, 12]", "  - lstm: {name: cell, units: 20}\n  - matmul: {out: 3}\n");
  const Layer& gates = layer_named(network, "cell.gates");
  EXPECT_EQ(gates.kind, LayerKind::matmul);
  EXPECT_EQ(gates.steps, 5);
  EXPECT_EQ(gates.out_height, 1);
  EXPECT_EQ(gates.weight_elements(), 4u * 20u * 32u);
  EXPECT_EQ(gates.parameters(), 4u * 20u * 32u + 80u);
  EXPECT_EQ(gates.macs(), 5u * 2560u);
  EXPECT_EQ(gates.input_elements(), 5u * 32u);
  EXPECT_THAT(gates.inputs, IsEmpty());
  EXPECT_EQ(network.total_vector_operations(), 5u * 9u * 20u);
  EXPECT_EQ(network.layers.back().out_height, 5);
  EXPECT_EQ(network.layers.back().in_channels, 20);
}

TEST(Gru, IsItsTwoMatmulsAndSevenOperationsPerUnit) {
  const Network network = parse_layers("[12]", "  - gru: {units: 20, steps: 5, output: last, repeat: 2}\n");
  // First cell 3·h·(i + h) + 3·h with i = 12, second with i = 20.
  EXPECT_EQ(network.total_parameters(), (3u * 20u * 32u + 60u) + (3u * 20u * 40u + 60u));
  EXPECT_EQ(network.total_macs(), 5u * (3u * 20u * 32u + 3u * 20u * 40u));
  // Per step and cell: 2·h gate activations, reset, squash, difference, keep, output.
  EXPECT_EQ(network.total_vector_operations(), 2u * 5u * 7u * 20u);
  EXPECT_EQ(layer_named(network, "gru_1_2.candidate").steps, 5);
}

TEST(Recurrent, LastStateAloneGoesOn) {
  const Network network = parse_layers("[5, 12]", "  - lstm: {units: 20, output: last}\n  - matmul: {out: 3}\n");
  EXPECT_EQ(network.layers.back().out_height, 1);
}

TEST(Network, FingerprintIsOfTheCostNotOfTheNames) {
  const char* text = "  - conv: {name: x, out: 8, kernel: 3}\n  - conv: {out: 8, kernel: 1}\n";
  const Network network = parse_layers("[3, 8, 8]", text);
  Network renamed = network;
  renamed.name = renamed.title = renamed.source = renamed.domain = "other";
  renamed.layers[0].name = "y";
  EXPECT_EQ(renamed.fingerprint(), network.fingerprint());
  EXPECT_EQ(network.fingerprint().size(), 32u);
  EXPECT_NE(parse_layers("[3, 8, 8]", text, 2).fingerprint(), network.fingerprint());
  const auto changed = [&](auto change) {
    Network other = network;
    change(other.layers[1]);
    return other.fingerprint() != network.fingerprint();
  };
  EXPECT_TRUE(changed([](Layer& l) { l.kind = LayerKind::pool; }));
  EXPECT_TRUE(changed([](Layer& l) { l.in_channels = 9; }));
  EXPECT_TRUE(changed([](Layer& l) { l.out_width = 9; }));
  EXPECT_TRUE(changed([](Layer& l) { l.kernel_width = 3; }));
  EXPECT_TRUE(changed([](Layer& l) { l.stride_height = 2; }));
  EXPECT_TRUE(changed([](Layer& l) { l.dilation = 2; }));
  EXPECT_TRUE(changed([](Layer& l) { l.groups = 2; }));
  EXPECT_TRUE(changed([](Layer& l) { l.steps = 2; }));
  EXPECT_TRUE(changed([](Layer& l) { l.bias = false; }));
  EXPECT_TRUE(changed([](Layer& l) { l.weight_operand = false; }));
  EXPECT_TRUE(changed([](Layer& l) { l.operands = 2; }));
  EXPECT_TRUE(changed([](Layer& l) { l.operations = 2; }));
  EXPECT_TRUE(changed([](Layer& l) { l.scale = true; }));
  EXPECT_TRUE(changed([](Layer& l) { l.network_input_elements = 1; }));
  EXPECT_TRUE(changed([](Layer& l) { l.inputs = {}; }));
}

TEST(Layer, CountsStopInsteadOfWrapping) {
  Layer layer;
  layer.in_channels = layer.out_channels = layer.out_height = std::int64_t{1} << 31;
  EXPECT_EQ(layer.macs(), std::uint64_t{1} << 63);
  EXPECT_EQ(layer.weight_elements(), std::uint64_t{1} << 62);
}

}  // namespace
}  // namespace corbel
