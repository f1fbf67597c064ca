#include "corbel/base/file.hpp"
#include "corbel/base/random.hpp"
#include "workload_testing.hpp"

namespace corbel {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Bad {
  const char* what;
  const char* input;
  const char* layers;
  const char* place;  ///< "net.yaml:LINE:COLUMN"
  const char* message;
  const char* hint = "";
};

void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.what;
}

class BadLayers : public testing::TestWithParam<Bad> {};

TEST_P(BadLayers, AreRefusedByPlaceAndRemedy) {
  const auto [message, hint] = complaint(with_layers(GetParam().input, GetParam().layers));
  EXPECT_THAT(message, StartsWith(std::string(GetParam().place) + ": "));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
  EXPECT_THAT(hint, HasSubstr(GetParam().hint));
}

INSTANTIATE_TEST_SUITE_P(
    Entries, BadLayers,
    testing::Values(
        Bad{"kind", "[3, 8, 8]", "  - convv: {out: 8, kernel: 3}\n", "net.yaml:4:5", "unknown layer kind `convv`",
            "did you mean `conv`?"},
        Bad{"option", "[3, 8, 8]", "  - conv: {out: 8, kernal: 3}\n", "net.yaml:4:20", "unknown `conv` option `kernal`",
            "did you mean `kernel`?"},
        Bad{"missing_option", "[3, 8, 8]", "  - conv: {kernel: 3}\n", "net.yaml:4:5", "`conv` needs `out`"},
        Bad{"bare_with_needs", "[3, 8, 8]", "  - conv\n", "net.yaml:4:5", "`conv` needs `out`"},
        Bad{"scalar_options", "[3, 8, 8]", "  - conv: 3\n", "net.yaml:4:11", "the options of `conv` are not a map"},
        Bad{"unindented_options", "[3, 8, 8]", "  - conv:\n    out: 8\n    kernel: 3\n", "net.yaml:4:5",
            "a layer is one kind with its options", "indent the options"},
        Bad{"nested_list", "[3, 8, 8]", "  - [conv]\n", "net.yaml:4:5", "a layer is one kind with its options"},
        Bad{"empty_list", "[3, 8, 8]", "  []\n", "net.yaml:4:3", "the list of layers is empty"},
        Bad{"nothing_computed", "[3, 8, 8]", "  - concatenate: {with: input}\n", "net.yaml:4:3",
            "the network computes nothing"},
        Bad{"no_paths", "[3, 8, 8]", "  - branches: {paths: []}\n", "net.yaml:4:23", "0 paths", "list 1 to"},
        Bad{"empty_path", "[3, 8, 8]", "  - branches: {paths: [[]]}\n", "net.yaml:4:24", "the list of layers is empty"},
        Bad{"flat_path", "[3, 8, 8]", "  - branches: {paths: [conv]}\n", "net.yaml:4:24", "wanted"},
        Bad{"sizes_of_paths", "[3, 8, 8]", "  - branches: {paths: [[global_pool], [activation]]}\n", "net.yaml:4:5",
            "cannot concatenate [3, 1, 1] and [3, 8, 8]"},
        Bad{"sideways", "[3, 8, 8]", "  - branches: {paths: [[activation: {from: b}], [activation: {name: b}]]}\n",
            "net.yaml:4:44", "layer `b` has not run yet"},
        Bad{"function", "[3, 8, 8]", "  - activation: swich\n", "net.yaml:4:17", "swich", "swish"},
        Bad{"padding_word", "[3, 8, 8]", "  - conv: {out: 8, kernel: 3, padding: some}\n", "net.yaml:4:40", "some",
            "same"},
        Bad{"pair", "[3, 8, 8]", "  - conv: {out: 8, kernel: [3, 3, 3]}\n", "net.yaml:4:28", "a pair has two sizes"},
        Bad{"long_name", "[3]",
            "  - activation: {name: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}\n",
            "net.yaml:4:24", "1 to 64 bytes"},
        Bad{"control_character", "[3]", "  - activation: {name: \"a\\nb\"}\n", "net.yaml:4:24", "control character",
            "one line"},
        Bad{"ceil_of_same", "[3, 8, 8]", "  - max_pool: {kernel: 2, ceil: true}\n", "net.yaml:4:33",
            "no meaning with `padding: same`"},
        Bad{"both_expand_and_hidden", "[8, 8, 8]", "  - inverted_residual: {out: 8, expand: 6, hidden: 9}\n",
            "net.yaml:4:5", "needs either `expand` or `hidden`"},
        Bad{"matmul_of_nothing", "[8]", "  - matmul\n", "net.yaml:4:5", "`matmul` needs `out` or `with`"},
        Bad{"add_of_nothing", "[8]", "  - add\n", "net.yaml:4:5", "`add` needs `with`"},
        Bad{"empty_with", "[8]", "  - add: {with: []}\n", "net.yaml:4:17", "`with` is empty"}),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Sizes, BadLayers,
    testing::Values(
        Bad{"zero", "[3, 8, 8]", "  - conv: {out: 0, kernel: 3}\n", "net.yaml:4:17", "0"},
        Bad{"negative", "[3, 8, 8]", "  - conv: {out: 8, kernel: -3}\n", "net.yaml:4:28", "-3"},
        Bad{"fraction", "[3, 8, 8]", "  - conv: {out: 8.5, kernel: 3}\n", "net.yaml:4:17", "8.5"},
        Bad{"huge", "[3, 8, 8]", "  - conv: {out: 2147483648, kernel: 3}\n", "net.yaml:4:17", "2147483648"},
        Bad{"overflowing", "[3, 8, 8]", "  - conv: {out: 99999999999999999999, kernel: 3}\n", "net.yaml:4:17",
            "99999999999999999999"},
        Bad{"negative_padding", "[3, 8, 8]", "  - conv: {out: 8, kernel: 3, padding: -1}\n", "net.yaml:4:40", "-1"},
        Bad{"stride", "[3, 8, 4]", "  - conv: {out: 8, kernel: 3, stride: 5}\n", "net.yaml:4:5",
            "layer `conv_1`: stride 5 is larger than the input's width 4", "at most 4"},
        Bad{"kernel", "[3, 8, 8]", "  - conv: {out: 8, kernel: 11, padding: 1}\n", "net.yaml:4:5",
            "the kernel's height 11 is larger than the padded input's 10"},
        Bad{"dilated_kernel", "[3, 8, 8]", "  - conv: {out: 8, kernel: 3, dilation: 4, padding: valid}\n",
            "net.yaml:4:5", "the kernel's height 9 is larger than the padded input's 8"},
        Bad{"huge_dilation", "[3, 8, 8]",
            "  - conv: {out: 8, kernel: 2147483647, dilation: 2147483647, padding: valid}\n", "net.yaml:4:5",
            "is larger than the padded input's 8"},
        Bad{"padding", "[3, 8, 8]", "  - max_pool: {kernel: 3, padding: 3}\n", "net.yaml:4:5",
            "padding 3 is not smaller than the kernel's height 3"},
        Bad{"groups", "[6, 8, 8]", "  - conv: {out: 8, kernel: 3, groups: 4}\n", "net.yaml:4:5",
            "4 groups do not divide 6 input and 8 output channels"},
        Bad{"bottleneck_groups", "[6, 8, 8]", "  - bottleneck: {hidden: 10, groups: 4}\n", "net.yaml:4:5",
            "layer `bottleneck_1.convolution`: 4 groups do not divide 10"},
        Bad{"multiplier", "[6, 8, 8]", "  - depthwise: {kernel: 3, multiplier: 2147483647}\n", "net.yaml:4:40",
            "too many"},
        Bad{"expansion", "[6, 8, 8]", "  - inverted_residual: {out: 6, expand: 2147483647}\n", "net.yaml:4:41",
            "2147483647"},
        Bad{"steps", "[5, 12]", "  - lstm: {units: 8, steps: 4}\n", "net.yaml:4:5", "4 steps over an input of 5 rows",
            "write 5"},
        Bad{"gates", "[5, 12]", "  - lstm: {units: 2000000000}\n", "net.yaml:4:5", "gates are more than"},
        Bad{"flattened", "[60000, 60000, 8]", "  - fully_connected: {out: 1}\n", "net.yaml:4:5",
            "input features are more than 2147483647"},
        Bad{"macs", "[2000000, 2000, 2000]", "  - conv: {out: 2000000, kernel: 1}\n", "net.yaml:4:5",
            "does not fit in 63 bits"},
        Bad{"elements", "[2000000000, 2000000000, 3]", "  - activation\n", "net.yaml:4:5", "does not fit in 63 bits"},
        Bad{"sum_of_macs", "[1000000, 1000, 1000]",
            "  - stack: {repeat: 10, layers: [conv: {out: 1000000, kernel: 1}]}\n", "net.yaml:4:34",
            "multiply-accumulates so far does not fit in 63 bits"}),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Graph, BadLayers,
    testing::Values(
        Bad{"unknown_from", "[3, 8, 8]",
            "  - conv: {name: stem, out: 8, kernel: 3}\n  - conv: {from: stm, out: 8, kernel: 1}\n", "net.yaml:5:18",
            "unknown layer `stm`", "did you mean `stem`?"},
        Bad{"forward_reference", "[3, 8, 8]",
            "  - conv: {from: late, out: 8, kernel: 3}\n  - conv: {name: late, out: 8, kernel: 1}\n", "net.yaml:4:18",
            "layer `late` has not run yet", "defined at net.yaml:5:18"},
        Bad{"cycle", "[3, 8, 8]",
            "  - conv: {name: a, from: b, out: 3, kernel: 3}\n  - conv: {name: b, from: a, out: 3, kernel: 3}\n",
            "net.yaml:4:27", "layer `b` has not run yet"},
        Bad{"itself", "[3, 8, 8]", "  - add: {name: a, with: a}\n", "net.yaml:4:26", "layer `a` has not run yet"},
        Bad{"out_of_its_stack", "[8]",
            "  - stack: {layers: [{matmul: {name: inner, out: 8}}]}\n  - add: {with: inner}\n", "net.yaml:5:17",
            "layer `inner` has not run yet", "nor one inside a stack"},
        Bad{"stack_input_outside", "[8]", "  - add: {with: stack_input}\n", "net.yaml:4:17",
            "unknown layer `stack_input`"},
        Bad{"taken_name", "[8]", "  - activation: {name: a}\n  - activation: {name: a}\n", "net.yaml:5:24",
            "the name `a` is taken"},
        Bad{"reserved_name", "[8]", "  - activation: {name: input}\n", "net.yaml:4:24", "the name `input` is taken"},
        Bad{"part_named_like_a_layer", "[8]",
            "  - stack: {name: a, layers: [{activation: {name: b}}]}\n  - activation: {name: a.b}\n", "net.yaml:5:24",
            "two layers get the name `a.b`", "dot"},
        Bad{"unnamed_part_named_like_a_layer", "[8]",
            "  - activation: {name: matmul_1.activation}\n  - matmul: {out: 8, activation: gelu}\n", "net.yaml:5:5",
            "two layers get the name `matmul_1.activation`"},
        Bad{"residual", "[8, 8, 8]", "  - conv: {out: 4, kernel: 1}\n  - add: {with: input}\n", "net.yaml:5:5",
            "operands of shape [4, 8, 8] and [8, 8, 8] do not match", "1×1 convolution"},
        Bad{"broadcast_add", "[8, 8, 8]", "  - global_pool: {name: g}\n  - add: {from: input, with: g}\n",
            "net.yaml:5:5", "operands of shape [8, 8, 8] and [8, 1, 1] do not match"},
        Bad{"broadcast_multiply", "[8, 8, 8]",
            "  - conv: {name: half, out: 4, kernel: 1}\n  - multiply: {from: input, with: half}\n", "net.yaml:5:5",
            "do not match"},
        Bad{"concatenation", "[8, 8, 8]", "  - max_pool: {kernel: 2}\n  - concatenate: {with: input}\n", "net.yaml:5:5",
            "cannot concatenate [8, 4, 4] and [8, 8, 8]"},
        Bad{"inner_sizes", "[8, 6]", "  - matmul: {with: input}\n", "net.yaml:4:5", "inner sizes 6 and 8 differ",
            "8 rows of 6"},
        Bad{"heads", "[8, 6]", "  - matmul: {with: input, transposed: true, heads: 4}\n", "net.yaml:4:5",
            "4 heads do not divide 6"}),
    testing::PrintToStringParamName());

TEST(BadNetwork, MissingAndUnknownKeys) {
  EXPECT_THAT(complaint("name: t\nlayers: [global_pool]\n").first, HasSubstr("`input` is missing"));
  EXPECT_THAT(complaint("name: t\ninput: [3]\n").first, HasSubstr("`layers` is missing"));
  EXPECT_THAT(complaint("input: [3]\nlayers: [activation]\n").first, HasSubstr("`name` is missing"));
  EXPECT_THAT(complaint("name: ''\ninput: [3]\nlayers: [activation]\n").first, StartsWith("net.yaml:1:7: a name has"));
  const auto [message, hint] = complaint("name: t\ninput: [3]\nlayer: [activation]\n");
  EXPECT_THAT(message, StartsWith("net.yaml:3:"));
  EXPECT_THAT(hint, HasSubstr("`layers`"));
  EXPECT_THAT(complaint("[1, 2]\n").first, StartsWith("net.yaml:1:1: "));
}

TEST(BadNetwork, InputAndBatch) {
  EXPECT_THAT(complaint(with_layers("[1, 2, 3, 4]", "  - activation\n")).first,
              HasSubstr("net.yaml:2:8: `input` has 4 sizes"));
  EXPECT_THAT(complaint(with_layers("[3, 0]", "  - activation\n")).first, StartsWith("net.yaml:2:12: "));
  EXPECT_THAT(complaint("batch: 0\n" + with_layers("[3]", "  - activation\n")).first, StartsWith("net.yaml:1:8: "));
  EXPECT_THROW(parse_layers("[3]", "  - activation\n", -1), Error);
  EXPECT_THROW(parse_layers("[3]", "  - activation\n", std::int64_t{1} << 40), Error);
  EXPECT_EQ(parse_network("batch: 4\n" + with_layers("[3]", "  - activation\n")).layers[0].batch, 4);
  EXPECT_EQ(parse_network("batch: 4\n" + with_layers("[3]", "  - activation\n"), 2).layers[0].batch, 2);
}

TEST(BadNetwork, MoreLayersThanAllowed) {
  const std::string limit = "  - stack: {repeat: 100000, layers: [activation]}\n";
  EXPECT_THAT(complaint(with_layers("[3]", limit)).first, HasSubstr("more than 100000 layers"));
  EXPECT_THAT(complaint(with_layers("[3]", "  - lstm: {units: 1, repeat: 2147483647}\n")).first,
              HasSubstr("more than 100000 layers"));
  // Nested repetitions of what costs no layer at all end as well.
  EXPECT_THAT(complaint(with_layers("[3]",
                                    "  - activation: {name: a}\n"
                                    "  - stack: {repeat: 2147483647, layers: [{stack: {repeat: 2147483647, "
                                    "layers: [{concatenate: {from: a, with: input}}]}}]}\n"))
                  .first,
              HasSubstr("more than 100000 layers"));
  EXPECT_EQ(parse_layers("[3]", "  - stack: {repeat: 99999, layers: [activation]}\n").layers.size(), 99999u);
}

TEST(BadNetwork, ReadingTooManyLayersAtOnce) {
  EXPECT_THAT(complaint(with_layers("[3]", R"(  - activation: {name: a}
  - stack:
      repeat: 1000
      layers:
        - activation: {name: x, from: a}
        - concatenate: {from: stack_input, with: x}
)"))
                  .first,
              HasSubstr("reads 513 outputs"));
  // Also where they are the same ones: repeating that in every layer would take hours.
  EXPECT_THAT(complaint(with_layers("[3]", R"(  - activation: {name: a}
  - stack:
      name: parts
      repeat: 300
      layers:
        - activation: {name: x, from: a}
        - concatenate: {from: stack_input, with: x}
  - add: {with: parts}
)"))
                  .first,
              HasSubstr("net.yaml:11:5: layer `add_1`: reads 602 outputs"));
}

TEST(BadNetwork, DamagedFilesLoadOrComplainButNeverCrash) {
  const std::string alphabet = "0123456789-:,[]{}& *\n\t\"'abcekrx\xff";
  Rng rng(7);
  int refused = 0;
  for (const char* name : {"mobilenet_v2", "resnet50", "densenet121", "mobilenet_v1_ssd", "inception_v4"}) {
    const std::string whole = read_file(std::string(CORBEL_SOURCE_DIR "/zoo/") + name + ".yaml");
    for (int round = 0; round < 500; ++round) {
      std::string text = whole.substr(0, round % 10 == 0 ? rng.below(whole.size()) : whole.size());
      for (std::uint64_t edits = rng.below(4); edits > 0 && !text.empty(); --edits) {
        text[rng.below(text.size())] = alphabet[rng.below(alphabet.size())];
      }
      try {
        const Network network = parse_network(text);
        EXPECT_FALSE(network.layers.empty());
        EXPECT_LT(network.total_macs(), std::uint64_t{1} << 63);
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("net.yaml")) << text;
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 400);
  EXPECT_LT(refused, 2400);
}

}  // namespace
}  // namespace corbel
