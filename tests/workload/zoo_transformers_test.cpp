#include "zoo_counts.hpp"

namespace corbel {
namespace {

/// Weights and biases of a product.
constexpr std::uint64_t dense(std::uint64_t in, std::uint64_t out) {
  return in * out + out;
}

/// A layer of arXiv 1706.03762 of width d: four projections, two products of the feed-forward part and two
/// normalisations.
constexpr std::uint64_t layer_parameters(std::uint64_t d, std::uint64_t hidden) {
  return 4 * dense(d, d) + dense(d, hidden) + dense(hidden, d) + 2 * 2 * d;
}

/// The same layer's multiply-accumulates for `rows` tokens that attend to `keys`.
constexpr std::uint64_t layer_macs(std::uint64_t rows, std::uint64_t keys, std::uint64_t d, std::uint64_t hidden) {
  return rows * (4 * d * d + 2 * d * hidden) + 2 * rows * keys * d;
}

class Transformers : public ZooCounts {};

TEST_F(Transformers, BertBase) {
  const Network network = load_network("bert_base");
  // arXiv 1810.04805, section 3: 110 M. arXiv 1909.10351, Table 1: 109 M, 22.5 G operations for 128 tokens.
  expect_published(network.total_parameters(), 110e6, 0, "parameters");
  expect_published(network.total_parameters(), 109e6, 1e6, "parameters");
  expect_published(2 * network.total_macs(), 22.5e9, 0.1e9, "operations");
  constexpr std::uint64_t encoder = 12 * layer_parameters(768, 3072);
  EXPECT_EQ(encoder, 85'054'464u);
  EXPECT_EQ(network.total_parameters(), (30522u + 512 + 2) * 768 + 2 * 768 + encoder + dense(768, 768));
  EXPECT_EQ(network.total_macs(), 12 * layer_macs(128, 128, 768, 3072) + 768 * 768);
}

/// What every MobileBERT has (arXiv 2004.02984): words of 128 features, trigrams, width 512, inside 128; 24 layers of
/// a bottleneck at the input and one at the output, 4 feed-forward parts, and a product behind the attention; a scale
/// and a shift in place of each normalisation.
constexpr std::uint64_t mobilebert_embedding = 30522 * 128 + (512 + 2) * 512 + dense(3 * 128, 512) + 2 * 512;
constexpr std::uint64_t mobilebert_layer = dense(512, 128) + 2 * 128 + dense(128, 128) + 2 * 128 +
                                           4 * (dense(128, 512) + dense(512, 128) + 2 * 128) + dense(128, 512) +
                                           2 * 512;

/// @param products  of one token in one layer, without those of attention
constexpr std::uint64_t mobilebert_macs(std::uint64_t products) {
  return 128u * 384 * 512 + 24 * (128 * products + 2 * 128 * 128 * 128);
}

TEST_F(Transformers, MobileBert) {
  const Network network = load_network("mobilebert");
  // Table 1: attention takes 512 features to 128. 25.3 M parameters and 5.7 G operations for 128 tokens, which count
  // more than products: normalisations, activation functions, softmax.
  EXPECT_EQ(network.total_parameters(), mobilebert_embedding + 24 * (mobilebert_layer + 3 * dense(512, 128)));
  EXPECT_EQ(network.total_macs(), mobilebert_macs(13 * 512 * 128 + 128 * 128));  // 1 + 3 + 4 × 2 + 1 of 512 × 128
  expect_published(network.total_parameters(), 25.3e6, 0, "parameters");
  expect_published(2 * network.total_macs() + network.total_vector_operations(), 5.7e9, 0.1e9, "operations");
}

TEST_F(Transformers, ReleasedMobileBert) {
  const Network network = load_network("mobilebert_released");
  // Its configuration: keys and queries from one more bottleneck.
  constexpr std::uint64_t attention = dense(512, 128) + 2 * 128 + 2 * dense(128, 128) + dense(512, 128);
  EXPECT_EQ(network.total_parameters(), mobilebert_embedding + 24 * (mobilebert_layer + attention));
  EXPECT_EQ(network.total_parameters(), 24'581'888u);
  EXPECT_EQ(network.total_macs(), mobilebert_macs(12 * 512 * 128 + 3 * 128 * 128));
}

TEST_F(Transformers, Gpt2Prefill) {
  const Network network = load_network("gpt2_prefill");
  // github.com/openai/gpt-2: the 124M model. The table of the words is the head's, counted once.
  expect_published(network.total_parameters(), 124e6, 0, "parameters");
  EXPECT_EQ(network.total_parameters(), (50257u + 1024) * 768 + 12 * layer_parameters(768, 3072) + 2 * 768);
  EXPECT_EQ(network.total_macs(), 12 * layer_macs(128, 128, 768, 3072) + 768 * 50257);
}

TEST_F(Transformers, Gpt2DecodeReadsItsCache) {
  const Network network = load_network("gpt2_decode");
  EXPECT_EQ(network.total_parameters(), load_network("gpt2_prefill").total_parameters());
  EXPECT_EQ(network.total_macs(), 12 * layer_macs(1, 1024, 768, 3072) + 768 * 50257);
  // Keys and values of 1023 tokens in 12 layers, the token's row of the table and the number of its place.
  EXPECT_EQ(total_network_input(network), 12u * 2 * 1023 * 768 + 768 + 1);
}

TEST_F(Transformers, VitTiny) {
  const Network network = load_network("vit_tiny");
  // github.com/huggingface/pytorch-image-models, vit_tiny_patch16_224: 5.72 M parameters, 1.3 G multiply-accumulates.
  expect_published(network.total_parameters(), 5.72e6, 0.01e6, "parameters");
  expect_published(network.total_macs(), 1.3e9, 0.1e9, "multiply-accumulates");
  EXPECT_EQ(network.total_parameters(),
            dense(3 * 16 * 16, 192) + (1u + 197) * 192 + 12 * layer_parameters(192, 768) + 2 * 192 + dense(192, 1000));
  EXPECT_EQ(network.total_macs(), 196u * 3 * 16 * 16 * 192 + 12 * layer_macs(197, 197, 192, 768) + 192 * 1000);
}

}  // namespace
}  // namespace corbel
