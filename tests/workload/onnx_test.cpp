#include <filesystem>

#include "corbel/base/file.hpp"
#include "onnx_testing.hpp"

namespace corbel {
namespace {

using testing::HasSubstr;

const std::filesystem::path& light_models() {
  static const std::filesystem::path folder = CORBEL_SOURCE_DIR "/../shared/data/onnx";
  return folder;
}

struct LightModel {
  std::string name;
  std::uint64_t macs, parameters;
  std::string kinds;  ///< of the first layers
};

class OnnxLightModel : public testing::TestWithParam<LightModel> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(light_models())) GTEST_SKIP() << "the ONNX project's test models are not here";
  }
  std::filesystem::path path() const { return light_models() / ("light_" + GetParam().name + ".onnx"); }
};

TEST_P(OnnxLightModel, HasThePublishedSize) {
  const Network network = load_network(path().string());
  EXPECT_EQ(network.total_macs(), GetParam().macs);
  EXPECT_EQ(network.total_parameters(), GetParam().parameters);
  EXPECT_TRUE(kinds(network).starts_with(GetParam().kinds)) << kinds(network);
  EXPECT_EQ(network.batch, 1);
  EXPECT_EQ(network.name, "light_" + GetParam().name);
}

TEST_P(OnnxLightModel, TakesAnotherBatchThanTheOneWrittenInItsReshapes) {
  const Network network = load_network(path().string(), {}, NetworkOptions{.batch = 8, .dimensions = {}});
  EXPECT_EQ(network.total_macs(), 8 * GetParam().macs);
  EXPECT_EQ(network.total_parameters(), GetParam().parameters);
  EXPECT_EQ(network.batch, 8);
  for (const Layer& layer : network.layers) EXPECT_EQ(layer.batch, 8) << layer.name;
}

TEST_P(OnnxLightModel, EveryLayerButTheFirstReadsLayersBeforeIt) {
  const Network network = load_network(path().string());
  EXPECT_EQ(network.layers[0].network_input_elements, network.layers[0].input_elements());
  for (std::size_t i = 1; i < network.layers.size(); ++i) {
    EXPECT_FALSE(network.layers[i].inputs.empty()) << network.layers[i].name;
    EXPECT_EQ(network.layers[i].network_input_elements, 0u) << network.layers[i].name;
  }
}

// AlexNet: 60,965,224 parameters with the two groups of Caffe's reference model. ResNet-50: torchvision's 25,557,032
// without the 26,560 scales that fold into convolutions; its MACs are those of a stride in the first 1×1 convolution
// or in the 3×3 one, which agree with 4.089 G only in the latter. VGG-19: arXiv 1409.1556. SqueezeNet: version 1.1 or
// 1.0 differ; this file is 1.1.
INSTANTIATE_TEST_SUITE_P(
    All, OnnxLightModel,
    testing::Values(LightModel{"bvlc_alexnet", 654'560'384, 60'965'224,
                               "conv elementwise pool conv elementwise pool conv conv conv pool "
                               "fully_connected fully_connected fully_connected elementwise"},
                    LightModel{"inception_v1", 1'431'556'352, 6'998'552,
                               "conv pool elementwise conv conv elementwise pool conv conv conv"},
                    LightModel{"resnet50", 4'089'184'256, 25'530'472, "conv pool conv conv conv conv elementwise conv"},
                    LightModel{"squeezenet", 349'151'936, 1'235'496, "conv pool conv conv conv conv conv conv pool"},
                    LightModel{"vgg19", 19'632'062'464, 143'667'240,
                               "conv conv pool conv conv pool conv conv conv conv pool"}),
    [](const auto& each) { return each.param.name; });

TEST(Onnx, IsLoadedByItsEndingAndRelativePath) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "corbel_onnx_relative";
  std::filesystem::create_directories(folder);
  write_file(folder / "tiny.onnx", onnx_bytes("float[1, 3, 8, 8] x", weights("w", {4, 3, 1, 1}) + "y = Conv (x, w)"));
  const Network network = load_network("tiny.onnx", folder);
  EXPECT_EQ(network.name, "tiny");
  EXPECT_EQ(network.source, "ONNX operator set 13");
  EXPECT_EQ(network.total_macs(), 4u * 3u * 64u);
  EXPECT_THROW(load_network("missing.onnx", folder), Error);
  try {
    load_network("resnet50", folder, NetworkOptions{.batch = 0, .dimensions = {{"sequence", 8}}});
    ADD_FAILURE() << "dimensions of a network of the zoo are accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("`sequence`"));
  }
}

// --- Batch and open dimensions

TEST(OnnxInputs, ASymbolicBatchIsOneOrWhatIsAskedFor) {
  const std::string bytes = onnx_bytes("float[batch_size, 3, 8, 8] x", weights("w", {4, 3, 3, 3}) + "y = Conv (x, w)");
  EXPECT_EQ(network_from_onnx(bytes, "model.onnx").batch, 1);
  const Network five = network_from_onnx(bytes, "model.onnx", {.batch = 5, .dimensions = {}});
  EXPECT_EQ(five.batch, 5);
  EXPECT_EQ(five.layers.at(0).batch, 5);
  EXPECT_EQ(network_from_onnx(bytes, "model.onnx", {.batch = 0, .dimensions = {{"batch_size", 5}}}).batch, 5);
  EXPECT_THAT(onnx_complaint(bytes, {.batch = 4, .dimensions = {{"batch_size", 5}}}).first, HasSubstr("5 and batch 4"));
}

TEST(OnnxInputs, ANamelessFirstDimensionIsTheBatch) {
  for (const std::string name : {"?", "unk__12", "N"}) {
    EXPECT_EQ(onnx_network("float[" + name + ", 16] x", weights("w", {16, 4}) + "y = MatMul (x, w)", 13,
                           {.batch = 3, .dimensions = {}})
                  .batch,
              3)
        << name;
  }
}

TEST(OnnxInputs, OtherOpenDimensionsMustBeSetByName) {
  const std::string bytes = onnx_bytes("int64[batch, sequence] x", weights("w", {1000, 64}) + "y = Gather (w, x)");
  const auto [message, hint] = onnx_complaint(bytes);
  EXPECT_THAT(message, HasSubstr("input `x` leaves dimension 1 open: `sequence`"));
  EXPECT_THAT(hint, HasSubstr("`dimensions: {sequence: SIZE}`"));
  EXPECT_THAT(hint, HasSubstr("`--dimension sequence=SIZE`"));
  const Network network = network_from_onnx(bytes, "model.onnx", {.batch = 2, .dimensions = {{"sequence", 128}}});
  EXPECT_EQ(kinds(network), "embedding");
  EXPECT_EQ(network.layers[0].batch, 2);
  EXPECT_EQ(network.layers[0].out_height, 128);
  EXPECT_EQ(network.total_parameters(), 64'000u);
  EXPECT_THAT(onnx_complaint(bytes, {.batch = 0, .dimensions = {{"sequenc", 8}}}).second, HasSubstr("`sequence`"));
  EXPECT_THAT(onnx_complaint(bytes, {.batch = 0, .dimensions = {{"sequence", 0}}}).first, HasSubstr("set to 0"));
}

TEST(OnnxInputs, ANamelessOtherDimensionIsSetByItsPlace) {
  const std::string bytes = onnx_bytes("float[1, ?, 16] x", weights("w", {16, 4}) + "y = MatMul (x, w)");
  EXPECT_THAT(onnx_complaint(bytes).second, HasSubstr("--dimension x.1=SIZE"));
  EXPECT_EQ(network_from_onnx(bytes, "model.onnx", {.batch = 0, .dimensions = {{"x.1", 7}}}).total_macs(), 7u * 64u);
}

TEST(OnnxInputs, ASizeInTheFileStays) {
  const std::string bytes = onnx_bytes("float[1, 3, 8, 8] x", weights("w", {4, 3, 3, 3}) + "y = Conv (x, w)");
  EXPECT_THAT(onnx_complaint(bytes, {.batch = 0, .dimensions = {{"x.2", 9}}}).first, HasSubstr("8 in the file, not 9"));
  EXPECT_THAT(onnx_complaint(onnx_bytes("float[1, 3, 0, 8] x", weights("w", {4, 3, 3, 3}) + "y = Conv (x, w)")).first,
              HasSubstr("dimension 2 of input `x` is 0"));
}

TEST(OnnxInputs, AnotherBatchWherePartsOfTheGraphHaveTheOldOneIsRefused) {
  // The batch is multiplied into the rows of an attention product: eight samples would attend to each other.
  const std::string attention =
      integers("rows", {-1, 64}) + "t = Reshape (x, rows)\n" + "u = Transpose <perm = [1, 0]> (t)\ny = MatMul (t, u)";
  const auto [message, hint] =
      onnx_complaint(onnx_bytes("float[1, 16, 64] x", attention), {.batch = 8, .dimensions = {}});
  EXPECT_THAT(message, HasSubstr("the batch is 1 in the file and cannot be 8"));
  EXPECT_THAT(hint, HasSubstr("symbolic batch"));
  const std::string inside =
      integers("shape", {16, 64}) + "t = Reshape (x, shape)\n" + weights("w", {64, 8}) + "y = MatMul (t, w)";
  EXPECT_THAT(onnx_complaint(onnx_bytes("float[1, 16, 64] x", inside), {.batch = 8, .dimensions = {}}).first,
              HasSubstr("(Reshape): cannot become [16, 64]"));
}

// --- Hostile files

TEST(OnnxHostile, WhatIsNotAModelIsSaidToBeNone) {
  for (const std::string& bytes :
       {std::string(), std::string("hello"), std::string(1000, '\xff'), std::string(64, '\0')}) {
    EXPECT_THAT(onnx_complaint(bytes).first, HasSubstr("not an ONNX model"));
  }
}

TEST(OnnxHostile, CutFilesAreRefusedUnlessOnlyWhatNobodyReadsIsCut) {
  const std::string whole = onnx_bytes("float[1, 3, 8, 8] x", weights("w", {4, 3, 3, 3}) + "y = Conv (x, w)");
  for (std::size_t size = 0; size + 1 < whole.size(); size += 3) {
    try {
      EXPECT_EQ(network_from_onnx(whole.substr(0, size), "model.onnx").total_macs(), 4u * 27u * 36u) << size;
      EXPECT_GT(size, whole.size() - 20);  // the second operator set, of which no node is
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::not_found) << size;
    }
  }
}

TEST(OnnxHostile, DamagedFilesGiveAnErrorOrANetwork) {
  std::vector<std::string> files{
      onnx_bytes("float[1, 4, 8, 8] x",
                 weights("w", {4, 4, 3, 3}) + "a = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (x, w)\n" +
                     integers("shape", {1, -1}) + "b = Reshape (a, shape)\n" + weights("v", {64, 8}) +
                     "c = MatMul (b, v)\nd = Softmax <axis = 1> (c)\n" + integers("from", {0}) + integers("to", {4}) +
                     integers("axes", {1}) + "e = Slice (d, from, to, axes)\nf = ReduceMean <axes = [1]> (e)\n" +
                     "g = Transpose <perm = [1, 0]> (f)\ny = Concat <axis = 1> (g, g)"),
      onnx_bytes("float[6, 2, 10] x",
                 weights("w", {1, 64, 10}) + weights("r", {1, 64, 16}) +
                     "a, b, c = LSTM <hidden_size = 16> (x, w, r)\n" + "y = Squeeze <axes = [1]> (a)",
                 11)};
  if (std::filesystem::exists(light_models())) files.push_back(read_file(light_models() / "light_squeezenet.onnx"));
  std::uint64_t state = 1;
  const auto next = [&state](std::uint64_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>((state >> 33) % bound);
  };
  int accepted = 0, refused = 0;
  for (const std::string& file : files) {
    for (int round = 0; round < 3000; ++round) {
      std::string damaged = file;
      const std::size_t changes = 1 + next(3);
      for (std::size_t i = 0; i < changes; ++i) {
        damaged[next(damaged.size())] = next(3) == 0 ? static_cast<char>(next(8)) : static_cast<char>(next(256));
      }
      try {
        const Network network = network_from_onnx(damaged, "model.onnx");
        for (const Layer& layer : network.layers) {
          EXPECT_GE(layer.batch, 1);
          EXPECT_GE(layer.out_channels, 1);
          EXPECT_LT(layer.macs(), std::uint64_t{1} << 63);
        }
        ++accepted;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 100);
}

struct BadModel {
  std::string name, inputs, nodes, message;
  int opset = 13;
};
class OnnxBadModel : public testing::TestWithParam<BadModel> {};

TEST_P(OnnxBadModel, IsRefusedByName) {
  EXPECT_THAT(onnx_complaint(onnx_bytes(GetParam().inputs, GetParam().nodes, GetParam().opset)).first,
              HasSubstr(GetParam().message));
}

const std::string image = "float[1, 4, 8, 8] x";
const std::string kernel = weights("w", {4, 4, 3, 3});
INSTANTIATE_TEST_SUITE_P(
    All, OnnxBadModel,
    testing::Values(
        BadModel{"Cycle", image, "a = Add (x, b)\nb = Relu (a)\ny = Relu (b)",
                 "node `a` (Add) reads `b`, which `b` (Relu) writes later"},
        BadModel{"MissingInput", image, "y = Add (x, b)", "node `y` (Add) reads `b`, which nothing writes"},
        BadModel{"MissingOutput", image, "z = Relu (x)", "the network's output reads `y`, which nothing writes"},
        BadModel{"WrittenTwice", image, "y = Relu (x)\ny = Abs (x)", "two nodes write `y`: `y` (Relu) and `y` (Abs)"},
        BadModel{"InputWritten", image, "x = Relu (x)\ny = Abs (x)", "the output of node `x` (Relu) `x` has the name"},
        BadModel{"NoLayers", image, "y = Identity (x)", "the network has no layers"},
        BadModel{"NegativePadding", image, kernel + "y = Conv <pads = [-1, 0, 0, 0]> (x, w)",
                 "node `y` (Conv): pads is [-1, 0, 0, 0], wanted 4 numbers from 0"},
        BadModel{"ZeroStride", image, kernel + "y = Conv <strides = [0, 1]> (x, w)", "strides is [0, 1]"},
        BadModel{"LargeStride", image, kernel + "y = Conv <strides = [9, 1]> (x, w)",
                 "stride 9 is larger than the input's 8"},
        BadModel{"LargeKernel", image, weights("w", {4, 4, 9, 9}) + "y = Conv (x, w)",
                 "the kernel's 9 is larger than the padded input's 8"},
        BadModel{"HugeDilation", image, kernel + "y = Conv <dilations = [2147483647, 1]> (x, w)", "too large"},
        BadModel{"ThreeAxes", "float[1, 4, 8, 8, 8] x", weights("w", {4, 4, 3, 3, 3}) + "y = Conv (x, w)",
                 "input of shape [1, 4, 8, 8, 8]"},
        BadModel{"WrongChannels", image, weights("w", {4, 3, 3, 3}) + "y = Conv (x, w)", "channels do not fit"},
        BadModel{"WrongGroups", image, kernel + "y = Conv <group = 3> (x, w)", "channels do not fit with 3 groups"},
        BadModel{"WrongInnerSizes", "float[1, 8] x", weights("w", {4, 4}) + "y = MatMul (x, w)",
                 "the inner sizes differ: operands of shape [1, 8], [4, 4]"},
        BadModel{"DynamicWeights", "float[4, 4, 3, 3] x", "w = Abs (x)\ny = Conv (x, w)",
                 "its weights `w` are computed from the network's inputs"},
        BadModel{"HugeInput", "float[1, 2147483647, 2147483647, 2147483647] x", "y = Sigmoid (x)",
                 "has more than 2^63 elements"},
        BadModel{"HugeReshape", image, integers("s", {1, 9223372036854775807}) + "y = Reshape (x, s)",
                 "a size of the shape is not valid"},
        BadModel{"HugeMacs", "float[65536, 65536] x",
                 weights("w", {65536, 2147483647}) + weights("v", {2147483647, 2147483647}) +
                     "a = MatMul (x, w)\ny = MatMul (a, v)",
                 "multiply-accumulates"},
        BadModel{"ReshapeToOtherSize", image, integers("s", {1, 7}) + "y = Reshape (x, s)", "cannot become [1, 7]"},
        BadModel{"ComputedShape", image, "s = Cast <to = 7> (x)\ny = Reshape (x, s)",
                 "its shape depends on values that are not in the file"},
        BadModel{"WrongAxis", image, "y = Concat <axis = 4> (x, x)", "no axis 4"},
        BadModel{"WrongBroadcast", image, weights("b", {3, 1, 1}) + "y = Add (x, b)", "the operands do not match"},
        BadModel{"UnknownAttribute", image, "y = Relu <slope = 1> (x)", "slope"},
        BadModel{"EmptyResult", image,
                 integers("from", {4}) + integers("to", {4}) + integers("axes", {1}) + "y = Slice (x, from, to, axes)",
                 "its output has the shape [1, 0, 8, 8]"}),
    [](const auto& each) { return each.param.name; });

TEST(OnnxHostile, OperatorsWithoutALayerAreListedAllAtOnce) {
  const auto [message, hint] =
      onnx_complaint(onnx_bytes("float[1, 4, 8] x, float[1, 4, 4] z",
                                "a = NonMaxSuppression (z, x)\nb = com.microsoft.Attention (x, x, x)\n"
                                "c = com.microsoft.Attention (b, a, x)\ny = Add (c, x)"),
                     {}, ErrorCode::unsupported);
  EXPECT_THAT(message, HasSubstr("NonMaxSuppression (1: `a`)"));
  EXPECT_THAT(message, HasSubstr("com.microsoft.Attention (2: `b`, `c`)"));
  EXPECT_THAT(hint, HasSubstr("docs/formats/onnx.md"));
}

TEST(OnnxHostile, OnlyOperatorSets6To17AreRead) {
  for (const int opset : {5, 18}) {
    const auto [message, hint] =
        onnx_complaint(onnx_bytes("float[1, 4] x", "y = Relu (x)", opset), {}, ErrorCode::unsupported);
    EXPECT_THAT(message, HasSubstr("operator set " + std::to_string(opset) + ", of which 6 to 17"));
    EXPECT_THAT(hint, HasSubstr("17"));
  }
}

TEST(OnnxHostile, LayersHaveNamesOfTheirOwn) {
  onnx::ModelProto model;
  model.ParseFromString(
      onnx_bytes("float[1, 4] x", "a = Sigmoid (x)\nb = Softmax (a)\nc = Softmax (b)\ny = Softmax (c)"));
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node()) node.set_name("twice\n");
  const Network network = network_from_onnx(model.SerializeAsString(), "model.onnx");
  EXPECT_EQ(network.layers[0].name, "twice\\n");
  EXPECT_EQ(network.layers[1].name, "twice\\n_2");
  EXPECT_EQ(network.layers[2].name, "twice\\n_3");
}

TEST(OnnxHostile, ConstantsThatFillTheMemoryAreNotComputed) {
  // 2,000 index vectors of 16,384 numbers, which would take half a gigabyte.
  std::string nodes = integers("n", {16384});
  std::string last = "x";
  for (int i = 0; i < 2000; ++i) {
    const std::string k = std::to_string(i);
    nodes += "i" + k + " = ConstantOfShape <value = int64[1] {0}> (n)\n";
    if (i % 500 == 499) {
      nodes += "g" + k + " = Gather <axis = 1> (" + last + ", i" + k + ")\n";
      last = "g" + k;
    }
  }
  EXPECT_EQ(kinds(onnx_network("float[1, 4] x", nodes + "y = Sigmoid (" + last + ")")), "elementwise");
}

TEST(OnnxHostile, WhatNoOutputNeedsIsLeftOut) {
  const Network network = onnx_network("float[1, 4] x, float[1, 4] z", "a = NonMaxSuppression (z, z)\ny = Sigmoid (x)");
  EXPECT_EQ(kinds(network), "elementwise");
}

}  // namespace
}  // namespace corbel
