#include <cmath>
#include <map>
#include <set>

#include "workload_testing.hpp"

namespace corbel {
namespace {

std::map<std::string, float> context_of(const Network& network) {
  const std::vector<float> values = context_vector(network);
  const std::vector<std::string>& names = context_names();
  EXPECT_EQ(values.size(), names.size());
  std::map<std::string, float> context;
  for (std::size_t i = 0; i < names.size(); ++i) context[names[i]] = values[i];
  return context;
}

TEST(Context, IsWorkedOutByHand) {
  // 1,000 MACs in a 1×1 convolution of 10 → 10 channels on 10 positions, 3,000 in a fully connected layer.
  auto context = context_of(parse_layers("[10, 5, 2]",
                                         "  - conv: {out: 10, kernel: 1, bias: false}\n"
                                         "  - fully_connected: {out: 30, bias: false}\n",
                                         2));
  EXPECT_FLOAT_EQ(context["log_macs"], std::log10(8001.F) / 10);
  EXPECT_FLOAT_EQ(context["log_parameters"], std::log10(3101.F) / 8);
  EXPECT_FLOAT_EQ(context["log_activations"], std::log10(1.F + 2 * (100 + 100 + 100 + 30)) / 8);
  EXPECT_FLOAT_EQ(context["log_largest_layer_macs"], std::log10(6001.F) / 8);
  EXPECT_FLOAT_EQ(context["log_macs_per_weight"], std::log10(1.F + 8000.F / 3100.F) / 3);
  EXPECT_FLOAT_EQ(context["log_layers"], std::log10(3.F) / 2);
  EXPECT_FLOAT_EQ(context["log_batch"], 1.F / 8);
  EXPECT_FLOAT_EQ(context["share_macs_pointwise"], 0.25F);
  EXPECT_FLOAT_EQ(context["share_macs_fully_connected"], 0.75F);
  EXPECT_FLOAT_EQ(context["share_macs_spatial"], 0);
  EXPECT_FLOAT_EQ(context["mean_log_in_channels"], (0.25F * std::log2(10.F) + 0.75F * std::log2(100.F)) / 10);
  EXPECT_FLOAT_EQ(context["mean_log_positions"], 0.25F * std::log2(10.F) / 16);
}

TEST(Context, SharesOfMacsSumToOne) {
  auto context = context_of(parse_layers("[4, 8]", R"(
  - conv: {out: 8, kernel: 1}
  - conv: {out: 8, kernel: [3, 1]}
  - conv: {out: 8, kernel: [3, 1], groups: 2}
  - depthwise: {kernel: [3, 1], stride: [2, 1]}
  - matmul: {name: m, out: 8}
  - matmul: {with: m, transposed: true}
  - lstm: {units: 4}
  - fully_connected: {out: 2}
)"));
  float sum = 0;
  for (const char* kind :
       {"pointwise", "spatial", "grouped", "depthwise", "fully_connected", "matmul", "attention", "recurrent"}) {
    const float share = context[std::string("share_macs_") + kind];
    EXPECT_GT(share, 0) << kind;
    sum += share;
  }
  EXPECT_NEAR(sum, 1, 1e-6);
  EXPECT_FLOAT_EQ(context["share_macs_strided"], context["share_macs_depthwise"]);
}

TEST(Context, TransposedConvolutionsAreConvolutionsAndTablesAreNoWeights) {
  auto context = context_of(parse_layers("[4, 6, 6]", R"(
  - transposed_conv: {out: 4, kernel: 1, bias: false}
  - transposed_conv: {out: 4, kernel: 3, bias: false}
  - transposed_conv: {out: 4, kernel: [3, 2], groups: 2, bias: false}
  - embedding: {rows: 1000, width: 8, positions: 3}
)"));
  // Per position 16, 144 and 48 products; as many weights.
  EXPECT_FLOAT_EQ(context["share_macs_pointwise"], 16.F / 208);
  EXPECT_FLOAT_EQ(context["share_macs_spatial"], 144.F / 208);
  EXPECT_FLOAT_EQ(context["share_macs_grouped"], 48.F / 208);
  EXPECT_FLOAT_EQ(context["log_macs_per_weight"], std::log10(1.F + 36.F) / 3);
  EXPECT_FLOAT_EQ(context["log_largest_layer_weights"], std::log10(145.F) / 6);
  EXPECT_FLOAT_EQ(context["log_parameters"], std::log10(1.F + 208.F + 8000.F) / 8);
}

TEST(Context, IsOfOrderOneForNetworksOfAllSizes) {
  const Network tiny = parse_layers("[4]", "  - fully_connected: {out: 2}\n");
  const Network pools = parse_layers("[4, 8, 8]", "  - global_pool\n");
  const Network large = parse_layers("[2048, 8192]", "  - stack: {repeat: 80, layers: [{matmul: {out: 8192}}]}\n", 64);
  for (const Network* network : {&tiny, &pools, &large}) {
    for (const auto& [name, value] : context_of(*network)) {
      EXPECT_TRUE(std::isfinite(value)) << name;
      EXPECT_GE(value, 0) << name;
      EXPECT_LE(value, 2) << name;
    }
  }
}

TEST(Context, NamesAreUnique) {
  const std::vector<std::string>& names = context_names();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  EXPECT_EQ(names.size(), 27u);
}

}  // namespace
}  // namespace corbel
