#include "corbel/workload/builder.hpp"
#include "workload_testing.hpp"

namespace corbel {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(TransposedConvolution, CountsByHand) {
  // 5·4 positions × 3·3 products × 8 → 6 channels; (5 − 1)·2 + 3 − 2·1 = 9 rows, (4 − 1)·2 + 3 − 2·1 = 7 columns.
  const Network network =
      parse_layers("[8, 5, 4]", "  - transposed_conv: {out: 6, kernel: 3, stride: 2, padding: 1}\n", 2);
  const Layer& layer = network.layers[0];
  EXPECT_EQ(layer.kind, LayerKind::transposed_conv);
  EXPECT_EQ(layer.out_height, 9);
  EXPECT_EQ(layer.out_width, 7);
  EXPECT_EQ(layer.macs(), 2u * 20u * 9u * 8u * 6u);
  EXPECT_EQ(layer.weight_elements(), 9u * 8u * 6u);
  EXPECT_EQ(layer.parameters(), 9u * 8u * 6u + 6u);
  EXPECT_EQ(layer.input_elements(), 2u * 160u);
  EXPECT_EQ(layer.output_elements(), 2u * 6u * 63u);
  EXPECT_EQ(layer.vector_operations(), 0u);
}

struct Transposed {
  const char* options;
  std::int64_t height, width;
};

class TransposedTest : public testing::TestWithParam<Transposed> {};

TEST_P(TransposedTest, PaddingDecidesTheOutput) {
  const Network network =
      parse_layers("[4, 5, 3]", std::string("  - transposed_conv: {out: 2, ") + GetParam().options + "}\n");
  EXPECT_EQ(network.layers[0].out_height, GetParam().height);
  EXPECT_EQ(network.layers[0].out_width, GetParam().width);
}

INSTANTIATE_TEST_SUITE_P(Sizes, TransposedTest,
                         testing::Values(Transposed{"kernel: 3, stride: 2", 10, 6},
                                         Transposed{"kernel: 2, stride: 2, padding: valid", 10, 6},
                                         Transposed{"kernel: 3, stride: [1, 2], padding: valid", 7, 7},
                                         Transposed{"kernel: 3, dilation: 2, padding: valid", 9, 7},
                                         Transposed{"kernel: 3, stride: 2, padding: [1, 0, 0, 1]", 10, 6},
                                         Transposed{"kernel: 3, stride: 2, padding: 1, output_padding: 1", 10, 6},
                                         Transposed{"kernel: 3, stride: 2, padding: 1, output_padding: [0, 1]", 9, 6},
                                         // A stride beyond the input is fine: it spreads the outputs.
                                         Transposed{"kernel: 8, stride: 7, padding: valid", 36, 22}));

TEST(TransposedConvolution, GroupsDivideTheWork) {
  const Network network = parse_layers(
      "[4, 3, 3]", "  - transposed_conv: {out: 8, kernel: 2, stride: 2, groups: 4, bias: false, activation: swish}\n");
  EXPECT_EQ(network.layers[0].macs(), 9u * 4u * 1u * 8u);
  EXPECT_EQ(network.layers[0].parameters(), 8u * 4u);
  EXPECT_EQ(network.layers[1].name, "transposed_conv_1.activation");
  EXPECT_EQ(network.layers[1].output_elements(), 8u * 36u);
}

TEST(Convolution, PaddingOfFourSides) {
  // 10 + 0 + 2 rows and 9 + 1 + 0 columns under 3 × 3.
  const Network network = parse_layers("[1, 10, 9]", "  - conv: {out: 1, kernel: 3, padding: [0, 1, 2, 0]}\n");
  EXPECT_EQ(network.layers[0].out_height, 10);
  EXPECT_EQ(network.layers[0].out_width, 8);
}

TEST(Pool, CeilLetsTheLastWindowHangOver) {
  // 3 × 3 with stride 2 on 8: windows at 0, 2, 4 and, hanging over, 6.
  EXPECT_EQ(parse_layers("[1, 8, 8]", "  - max_pool: {kernel: 3, stride: 2, padding: valid}\n").layers[0].out_height,
            3);
  EXPECT_EQ(parse_layers("[1, 8, 8]", "  - max_pool: {kernel: 3, stride: 2, padding: valid, ceil: true}\n")
                .layers[0]
                .out_height,
            4);
  // 2 × 2 with stride 3 on 4 padded by 1: windows at −1, 2; one at 5 would start outside the input.
  EXPECT_EQ(
      parse_layers("[1, 4, 4]", "  - max_pool: {kernel: 2, stride: 3, padding: 1, ceil: true}\n").layers[0].out_height,
      2);
}

TEST(Upsample, IsOneOrFourOperationsPerOutput) {
  const Network network = parse_layers("[6, 4, 5]", R"(
  - upsample: {factor: 2}
  - upsample: {factor: [1, 2], mode: bilinear}
  - upsample: {size: [9, 20], mode: nearest}
)");
  const Layer& first = network.layers[0];
  EXPECT_EQ(first.kind, LayerKind::resize);
  EXPECT_EQ(first.out_height, 8);
  EXPECT_EQ(first.out_width, 10);
  EXPECT_EQ(first.vector_operations(), 480u);
  EXPECT_EQ(first.input_elements(), 120u);
  EXPECT_EQ(network.layers[1].out_width, 20);
  EXPECT_EQ(network.layers[1].vector_operations(), 4u * 960u);
  EXPECT_EQ(network.layers[2].vector_operations(), 6u * 180u);
  EXPECT_EQ(network.total_macs() + network.total_parameters(), 0u);
}

TEST(Embedding, IsItsTableAndTheRowsItReads) {
  const Network network = parse_layers("[7]", R"(
  - embedding: {name: words, rows: 1000, width: 16}
  - embedding: {name: places, rows: 50, width: 16, positions: 7}
  - add: {with: words}
)",
                                       3);
  const Layer& words = network.layers[0];
  EXPECT_EQ(words.kind, LayerKind::embedding);
  EXPECT_EQ(words.parameters(), 16000u);
  EXPECT_EQ(words.macs() + words.vector_operations(), 0u);
  EXPECT_EQ(words.input_elements(), 21u);
  EXPECT_EQ(words.network_input_elements, 21u);
  EXPECT_EQ(words.output_elements(), 3u * 7u * 16u);
  EXPECT_EQ(network.layers[1].network_input_elements, 0u);  // the first seven rows, whatever comes in
  EXPECT_EQ(network.layers[1].output_elements(), 3u * 7u * 16u);
  EXPECT_THAT(network.layers[2].inputs, ElementsAre(0, 1));
}

TEST(Normalization, CountsOperationsAndParametersPerChannel) {
  const Network network = parse_layers("[8, 3, 2]", R"(
  - softmax
  - layer_norm
  - rms_norm
  - batch_norm
  - local_response_norm
  - local_response_norm: {size: 3}
  - elementwise: {operations: 6}
  - activation: gelu
)");
  const std::uint64_t operations[] = {4, 5, 3, 1, 7, 5, 6, 1};
  const std::uint64_t parameters[] = {0, 16, 8, 16, 0, 0, 0, 0};
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(network.layers[i].kind, LayerKind::elementwise);
    EXPECT_EQ(network.layers[i].vector_operations(), 48u * operations[i]) << i;
    EXPECT_EQ(network.layers[i].parameters(), parameters[i]) << i;
  }
}

TEST(Input, SeveralOfThemAreReadFromOutside) {
  // One step of attention with a cache of 9 rows of 8 keys beside the new one.
  const Network network = parse_layers("[1, 8]", R"(
  - matmul: {name: query, out: 8}
  - matmul: {name: key, from: input, out: 8}
  - input: {name: cache, shape: [9, 8]}
  - concatenate: {name: keys, with: key, axis: rows}
  - matmul: {from: query, with: keys, transposed: true, heads: 2}
)",
                                       3);
  ASSERT_EQ(network.layers.size(), 3u);
  EXPECT_EQ(network.layers[0].network_input_elements, 24u);
  EXPECT_THAT(network.layers[0].inputs, IsEmpty());
  const Layer& scores = network.layers[2];
  EXPECT_THAT(scores.inputs, ElementsAre(-1, 0, 1));
  EXPECT_EQ(scores.out_channels, 10);
  EXPECT_EQ(scores.macs(), 3u * 10u * 8u);
  EXPECT_EQ(scores.network_input_elements, 3u * 72u);  // the cache, not the query or the new key
  EXPECT_EQ(scores.input_elements(), 3u * (8u + 80u));
}

TEST(NetworkInputElements, CountOperandsNotSteps) {
  const Network network = parse_layers("[5, 12]", R"(
  - lstm: {name: cell, units: 4}
  - lstm: {from: input, units: 4}
)",
                                       2);
  EXPECT_EQ(layer_named(network, "cell.gates").network_input_elements, 2u * 60u);
  EXPECT_EQ(layer_named(network, "cell.forget").network_input_elements, 0u);
  // One row that comes in at all five steps is still twelve elements.
  const Network fed = parse_layers("[12]", "  - lstm: {name: cell, units: 4, steps: 5}\n");
  EXPECT_EQ(layer_named(fed, "cell.gates").network_input_elements, 12u);
}

TEST(Shapes, ReshapeAndSliceAreNoLayers) {
  // Patches of an image as rows of a sequence, then the first of them.
  const Network network = parse_layers("[3, 8, 8]", R"(
  - conv: {out: 10, kernel: 4, stride: 4}
  - reshape: {to: [4, 10]}
  - matmul: {out: 6}
  - slice: {axis: rows, size: 1}
  - fully_connected: {out: 2}
  - slice: {from: input, size: 1}
  - activation
)");
  ASSERT_EQ(network.layers.size(), 4u);
  EXPECT_EQ(network.layers[1].out_height, 4);
  EXPECT_EQ(network.layers[1].in_channels, 10);
  EXPECT_THAT(network.layers[1].inputs, ElementsAre(0));
  EXPECT_EQ(network.layers[2].in_channels, 6);
  EXPECT_EQ(network.layers[3].network_input_elements, 64u);
}

TEST(Concatenate, AlongRowsOrColumns) {
  const Network network = parse_layers("[3, 4, 5]", R"(
  - max_pool: {name: rows, kernel: [2, 1]}
  - max_pool: {name: columns, from: input, kernel: [1, 5]}
  - concatenate: {from: rows, with: input, axis: rows}
  - activation
  - concatenate: {from: columns, with: input, axis: columns}
  - activation
)");
  EXPECT_EQ(network.layers[2].out_height, 6);
  EXPECT_EQ(network.layers[2].out_width, 5);
  EXPECT_EQ(network.layers[3].out_height, 4);
  EXPECT_EQ(network.layers[3].out_width, 6);
}

struct Bad {
  const char* what;
  const char* layer;
  const char* message;
};

void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.what;
}

class BadKinds : public testing::TestWithParam<Bad> {};

TEST_P(BadKinds, AreRefusedByPlace) {
  const std::string message = complaint(with_layers("[4, 6, 5]", std::string("  - ") + GetParam().layer + "\n")).first;
  EXPECT_THAT(message, testing::StartsWith("net.yaml:4:"));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadKinds,
    testing::Values(
        Bad{"cropped", "transposed_conv: {out: 2, kernel: 1, padding: 3}",
            "padding 6 leaves nothing of the output's h"},
        Bad{"output_padding", "transposed_conv: {out: 2, kernel: 3, stride: 2, padding: 1, output_padding: 2}",
            "output padding 2 is not smaller than stride 2"},
        Bad{"same_output_padding", "transposed_conv: {out: 2, kernel: 3, stride: 2, output_padding: 1}",
            "no meaning with `padding: same`"},
        Bad{"transposed_groups", "transposed_conv: {out: 6, kernel: 3, groups: 4}", "4 groups do not divide"},
        Bad{"transposed_size", "transposed_conv: {out: 2, kernel: 1, stride: 2147483647}", "are more than 2147483647"},
        Bad{"transposed_extent", "transposed_conv: {out: 2, kernel: 2147483647, dilation: 2147483647, padding: valid}",
            "an output size of 4611686011984936968 is not in 1..2147483647"},
        Bad{"transposed_macs", "transposed_conv: {out: 2147483647, kernel: [2147483647, 1]}",
            "does not fit in 63 bits"},
        Bad{"negative_side", "conv: {out: 2, kernel: 3, padding: [0, 0, -1, 0]}", "-1"},
        Bad{"three_sides", "conv: {out: 2, kernel: 3, padding: [0, 1, 1]}", "a pair has two sizes"},
        Bad{"side", "max_pool: {kernel: 3, padding: [0, 0, 3, 0]}", "padding 3 is not smaller than the kernel's"},
        Bad{"upsample_of_nothing", "upsample", "needs either `factor` or `size`"},
        Bad{"upsample_of_both", "upsample: {factor: 2, size: 20}", "needs either `factor` or `size`"},
        Bad{"upsample_zero", "upsample: {factor: 0}", "0"},
        Bad{"upsample_smaller", "upsample: {size: 5}", "[5, 5] is smaller than the input's [6, 5]"},
        Bad{"upsample_huge", "upsample: {factor: 2147483647}", "becomes too large"},
        Bad{"upsample_mode", "upsample: {factor: 2, mode: cubic}", "cubic"},
        Bad{"embedding_table", "embedding: {rows: 10}", "`embedding` needs `width`"},
        Bad{"embedding_of_features", "embedding: {rows: 10, width: 4}", "the indices have the shape [4, 6, 5]"},
        Bad{"embedding_positions", "embedding: {rows: 10, width: 4, positions: 11}", "11"},
        Bad{"embedding_from", "embedding: {rows: 10, width: 4, positions: 1, from: input}", "`from` and `positions`"},
        Bad{"input_shape", "input", "`input` needs `shape`"},
        Bad{"input_sizes", "input: {shape: [1, 2, 3, 4]}", "`shape` has 4 sizes"},
        Bad{"input_from", "input: {shape: [1], from: input}", "`input` reads no layer"},
        Bad{"reshape", "reshape: {to: [4, 6, 6]}", "[4, 6, 5] cannot become [4, 6, 6]"},
        Bad{"slice", "slice: {size: 5}", "cannot take 5 of 4 channels"},
        Bad{"slice_rows", "slice: {axis: rows, size: 7}", "cannot take 7 of 6 rows"},
        Bad{"axis", "concatenate: {axis: depth, with: input}", "depth"},
        Bad{"normalization_option", "softmax: {size: 3}", "unknown `softmax` option `size`"},
        Bad{"operations", "elementwise: {operations: 0}", "0"}),
    testing::PrintToStringParamName());

/// The builder is what importers call: it must not rely on a reader's checks.
TEST(NetworkBuilder, RefusesSizesThatAreNone) {
  NetworkBuilder builder(1);
  builder.set_place("model.onnx");
  const Tensor x = builder.input("x", 4, 6, 5);
  const auto refuses = [&](auto build, const char* message) {
    try {
      build();
      ADD_FAILURE() << "accepted where expected: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_input);
      EXPECT_THAT(error.what(), HasSubstr("model.onnx: layer `y`: "));
      EXPECT_THAT(error.what(), HasSubstr(message));
      EXPECT_FALSE(error.hint().empty());
    }
  };
  const auto conv = [&](std::int64_t out, const Window& window, std::int64_t groups) {
    return [&builder, &x, out, window, groups] { builder.convolution("y", x, {out, window, groups}); };
  };
  refuses([&] { builder.input("y", 3, 0, 5); }, "an input size of 0");
  refuses([&] { builder.input("y", std::int64_t{1} << 40, 1, 1); }, "1099511627776");
  refuses(conv(0, square_window(3), 1), "output channels 0");
  refuses(conv(8, square_window(3), 0), "number of groups 0");
  refuses(conv(8, square_window(0), 1), "kernel 0");
  refuses(conv(8, square_window(3, 0), 1), "stride 0");
  refuses(conv(8, {.kernel_width = 3, .dilation = -1}, 1), "dilation -1");
  refuses(conv(8, {.kernel_height = 3, .kernel_width = 3, .same = false, .padding_right = -1}, 1), "padding -1");
  refuses([&] { builder.fully_connected("y", x, 0); }, "an output size of 0");
  refuses([&] { builder.matmul("y", x, -4); }, "an output size of -4");
  refuses([&] { builder.matmul("y", x, x, true, 0); }, "number of heads 0");
  refuses([&] { builder.gru("y", builder.input("i", 3, 1, 1), 4, -2, true, true); }, "number of steps -2");
  refuses([&] { builder.resize("y", x, 0, 5, false); }, "an output size of 0");
  refuses([&] { builder.embedding("y", builder.input("i", 1, 3, 1), 0, 5); }, "an input size of 0");
  refuses([&] { builder.reshape("y", x, -4, -6, 5); }, "a size of -4");
  EXPECT_TRUE(builder.layers().empty());
}

}  // namespace
}  // namespace corbel
