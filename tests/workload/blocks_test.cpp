#include "workload_testing.hpp"

namespace corbel {
namespace {

using testing::ElementsAre;

std::vector<std::string> names(const Network& network) {
  std::vector<std::string> list;
  for (const Layer& layer : network.layers) list.push_back(layer.name);
  return list;
}

TEST(InvertedResidual, ExpandsFiltersProjectsAndAdds) {
  const Network network = parse_layers("[8, 6, 6]", "  - inverted_residual: {name: b, out: 8, expand: 4}\n");
  EXPECT_THAT(names(network), ElementsAre("b.expand", "b.depthwise", "b.project", "b.add"));
  EXPECT_EQ(network.layers[0].out_channels, 32);
  EXPECT_EQ(network.layers[1].kind, LayerKind::depthwise);
  EXPECT_EQ(network.total_macs(), 36u * (8u * 32u + 32u * 9u + 32u * 8u));
  EXPECT_THAT(network.layers[3].inputs, ElementsAre(-1, 2));
}

TEST(InvertedResidual, StridesInTheFirstRepetitionAlone) {
  const Network network =
      parse_layers("[8, 6, 6]", "  - inverted_residual: {name: b, out: 12, expand: 2, stride: 2, repeat: 2}\n");
  EXPECT_THAT(names(network), ElementsAre("b_1.expand", "b_1.depthwise", "b_1.project", "b_2.expand", "b_2.depthwise",
                                          "b_2.project", "b_2.add"));
  EXPECT_EQ(network.layers[2].out_height, 3);
  EXPECT_EQ(network.layers[3].out_channels, 24);  // twice the 12 channels that the first repetition puts out
  EXPECT_EQ(network.layers[4].stride_height, 1);
}

TEST(InvertedResidual, SkipsTheExpansionByOne) {
  const Network network = parse_layers("[8, 6, 6]", "  - inverted_residual: {name: b, out: 4, expand: 1}\n");
  EXPECT_THAT(names(network), ElementsAre("b.depthwise", "b.project"));
}

TEST(InvertedResidual, SqueezesAndExcites) {
  // MobileNetV3 (arXiv 1905.02244): 72 hidden channels, a quarter of them is 18, rounded to 24 (16 is 11 % down).
  const Network network = parse_layers("[24, 4, 4]", R"(
  - inverted_residual: {name: b, out: 40, hidden: 72, kernel: 5, stride: 2, squeeze_excite: 0.25, activation: swish}
)");
  EXPECT_THAT(names(network),
              ElementsAre("b.expand", "b.expand.activation", "b.depthwise", "b.depthwise.activation",
                          "b.squeeze_excite.squeeze", "b.squeeze_excite.reduce", "b.squeeze_excite.restore",
                          "b.squeeze_excite.gate", "b.squeeze_excite.scale", "b.project"));
  EXPECT_EQ(layer_named(network, "b.squeeze_excite.squeeze").kind, LayerKind::pool);
  EXPECT_EQ(layer_named(network, "b.squeeze_excite.reduce").parameters(), 72u * 24u + 24u);
  EXPECT_EQ(layer_named(network, "b.squeeze_excite.restore").parameters(), 24u * 72u + 72u);
  EXPECT_EQ(layer_named(network, "b.squeeze_excite.gate").vector_operations(), 72u);
  EXPECT_EQ(layer_named(network, "b.squeeze_excite.scale").vector_operations(), 72u * 4u);
  EXPECT_THAT(layer_named(network, "b.squeeze_excite.scale").inputs, ElementsAre(3, 7));
}

TEST(InvertedResidual, SqueezesToAGivenNumber) {
  const Network network = parse_layers("[24, 4, 4]", R"(
  - inverted_residual: {name: b, out: 24, expand: 2, squeeze_excite: {channels: 6}}
)");
  EXPECT_EQ(layer_named(network, "b.squeeze_excite.reduce").out_channels, 6);
}

TEST(FusedInvertedResidual, ExpandsWithTheSpatialConvolution) {
  const Network network =
      parse_layers("[8, 6, 6]", "  - fused_inverted_residual: {name: b, out: 8, expand: 4, repeat: 1}\n");
  EXPECT_THAT(names(network), ElementsAre("b.expand", "b.project", "b.add"));
  EXPECT_EQ(network.layers[0].macs(), 36u * 8u * 32u * 9u);
  EXPECT_EQ(network.layers[1].macs(), 36u * 32u * 8u);
}

TEST(FusedInvertedResidual, IsOneConvolutionWithoutExpansion) {
  const Network network = parse_layers("[8, 6, 6]", "  - fused_inverted_residual: {name: b, out: 16, expand: 1}\n");
  EXPECT_THAT(names(network), ElementsAre("b.convolution"));
  EXPECT_EQ(network.total_macs(), 36u * 8u * 16u * 9u);
}

TEST(Bottleneck, ProjectsItsShortcutWhereShapesDiffer) {
  const Network network =
      parse_layers("[8, 6, 6]", "  - bottleneck: {name: b, hidden: 4, stride: 2, groups: 2, repeat: 2}\n");
  EXPECT_THAT(names(network), ElementsAre("b_1.reduce", "b_1.convolution", "b_1.restore", "b_1.shortcut", "b_1.add",
                                          "b_2.reduce", "b_2.convolution", "b_2.restore", "b_2.add"));
  EXPECT_EQ(network.layers[0].out_height, 6);  // the stride is in the spatial convolution
  EXPECT_EQ(network.layers[1].out_height, 3);
  EXPECT_EQ(network.layers[1].macs(), 9u * 4u * 2u * 9u);
  EXPECT_EQ(network.layers[2].out_channels, 16);
  EXPECT_EQ(network.layers[3].stride_height, 2);
  EXPECT_THAT(network.layers[4].inputs, ElementsAre(2, 3));
  EXPECT_THAT(network.layers[8].inputs, ElementsAre(4, 7));
}

TEST(Blocks, PartsOfANamedOneCanBeTapped) {
  const Network network = parse_layers("[8, 6, 6]", R"(
  - inverted_residual: {name: b, out: 8, expand: 4, repeat: 2}
  - conv: {from: b_2.expand, out: 5, kernel: 1}
  - conv: {from: b, out: 5, kernel: 1}
)");
  EXPECT_EQ(network.layers[8].in_channels, 32);
  EXPECT_THAT(network.layers[8].inputs, ElementsAre(4));
  EXPECT_THAT(network.layers[9].inputs, ElementsAre(7));
}

TEST(Stack, RepeatsAResidualEncoder) {
  const Network network = parse_layers("[6, 16]", R"(
  - stack:
      name: encoder
      repeat: 3
      layers:
        - matmul: {name: up, out: 64}
        - matmul: {name: down, out: 16}
        - add: {with: stack_input}
  - matmul: {out: 3}
)");
  EXPECT_THAT(names(network),
              ElementsAre("encoder_1.up", "encoder_1.down", "encoder_1.add_1", "encoder_2.up", "encoder_2.down",
                          "encoder_2.add_2", "encoder_3.up", "encoder_3.down", "encoder_3.add_3", "matmul_1"));
  EXPECT_THAT(network.layers[2].inputs, ElementsAre(-1, 1));
  EXPECT_THAT(network.layers[5].inputs, ElementsAre(2, 4));
  EXPECT_THAT(network.layers[9].inputs, ElementsAre(8));
}

TEST(Stack, InnerInputHidesTheOuterOne) {
  const Network network = parse_layers("[6, 16]", R"(
  - stack:
      layers:
        - matmul: {out: 16}
        - stack: {layers: [{matmul: {out: 16}}, {add: {with: stack_input}}]}
        - add: {with: stack_input}
)");
  EXPECT_THAT(network.layers[2].inputs, ElementsAre(0, 1));
  EXPECT_THAT(network.layers[3].inputs, ElementsAre(-1, 2));
}

// What the zoo holds in another form, to check blocks against published totals.

TEST(PublishedNetworks, BertBaseEncoder) {
  // arXiv 1810.04805: 12 layers, 768 features, 12 heads, 3,072 inner features. The encoder's 85,054,464 parameters are
  // these and 2·2·768 of layer normalisation in each layer.
  const Network network = parse_layers("[128, 768]", R"(
  - stack:
      name: encoder
      repeat: 12
      layers:
        - matmul: {name: query, out: 768}
        - matmul: {name: key, from: stack_input, out: 768}
        - matmul: {name: value, from: stack_input, out: 768}
        - matmul: {from: query, with: key, transposed: true, heads: 12}
        - softmax: {name: softmax}
        - matmul: {with: value, heads: 12}
        - matmul: {out: 768}
        - add: {name: attended, with: stack_input}
        - matmul: {out: 3072, activation: gelu}
        - matmul: {out: 768}
        - add: {with: attended}
)");
  EXPECT_EQ(network.total_parameters(), 85'054'464u - 12u * 2u * 2u * 768u);
  EXPECT_EQ(network.total_macs(), 12ull * 128u * (4u * 768u * 768u + 2u * 768u * 3072u + 2u * 128u * 768u));
}

TEST(Separable, IsDepthwiseAndPointwise) {
  const Network network =
      parse_layers("[4, 8, 8]", "  - separable: {name: s, out: 6, stride: 2, repeat: 2, activation: swish}\n");
  ASSERT_EQ(network.layers.size(), 8u);  // each convolution has its activation
  EXPECT_EQ(network.layers[0].kind, LayerKind::depthwise);
  EXPECT_EQ(network.layers[2].macs(), 4u * 6u * 16u);
  EXPECT_EQ(network.layers[3].name, "s_1.project.activation");
  EXPECT_EQ(network.layers[4].stride_height, 1);
  EXPECT_EQ(network.layers[4].out_channels, 6);
}

TEST(BasicBlock, ProjectsItsShortcutWhereShapesDiffer) {
  const Network network = parse_layers("[4, 8, 8]", "  - basic_block: {out: 6, stride: 2, repeat: 2}\n");
  ASSERT_EQ(network.layers.size(), 4u + 3u);
  EXPECT_EQ(network.layers[0].macs(), 16u * 6u * 4u * 9u);
  EXPECT_EQ(network.layers[1].macs(), 16u * 6u * 6u * 9u);
  EXPECT_EQ(network.layers[2].name, "basic_block_1_1.shortcut");
  EXPECT_EQ(network.layers[2].macs(), 16u * 6u * 4u);
  EXPECT_THAT(network.layers[3].inputs, ElementsAre(1, 2));
  EXPECT_THAT(network.layers[6].inputs, ElementsAre(3, 5));
}

TEST(Branches, ReadTheSameInputAndAreConcatenated) {
  const Network network = parse_layers("[4, 8, 8]", R"(
  - conv: {name: stem, out: 5, kernel: 1}
  - branches:
      name: module
      paths:
        - [conv: {name: left, out: 2, kernel: 1}]
        - [conv: {out: 3, kernel: 1}, branches: {paths: [[conv: {out: 1, kernel: 3}], [max_pool: {kernel: 3, stride: 1}]]}]
  - conv: {name: reader, out: 1, kernel: 1}
  - conv: {name: again, from: module, out: 1, kernel: 1}
  - conv: {name: tapped, from: left, out: 1, kernel: 1}
)");
  EXPECT_EQ(network.layers[1].name, "module.left");
  EXPECT_THAT(network.layers[1].inputs, ElementsAre(0));
  EXPECT_THAT(network.layers[2].inputs, ElementsAre(0));
  EXPECT_EQ(layer_named(network, "reader").in_channels, 2 + 1 + 3);
  EXPECT_THAT(layer_named(network, "reader").inputs, ElementsAre(1, 3, 4));
  EXPECT_THAT(layer_named(network, "again").inputs, ElementsAre(1, 3, 4));
  EXPECT_THAT(layer_named(network, "tapped").inputs, ElementsAre(1));
}

}  // namespace
}  // namespace corbel
