#include "corbel/scorer/kernels.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/expect_error.hpp"
#include "corbel/regression/cross_validation.hpp"
#include "scorer/scorer_testing.hpp"

namespace corbel {
namespace {

using test::mixed_space;
using test::random_designs;

DesignSpace space_of(std::size_t parameters, std::int64_t values) {
  std::vector<Parameter> all;
  for (std::size_t p = 0; p < parameters; ++p) {
    all.push_back(Parameter::integer("p" + std::to_string(p), 1, values + static_cast<std::int64_t>(p % 3)));
  }
  return DesignSpace(all);
}

NetworkSpec spec_of(NetworkKind kind, std::vector<std::int64_t> hidden, std::int64_t embedding = 16,
                    std::int64_t heads = 2, std::int64_t feed_forward = 32, std::int64_t layers = 2) {
  NetworkSpec spec;
  spec.kind = kind;
  spec.hidden = std::move(hidden);
  spec.embedding = embedding;
  spec.heads = heads;
  spec.feed_forward = feed_forward;
  spec.layers = layers;
  return spec;
}

struct Case {
  std::string name;
  DesignSpace space;
  NetworkSpec spec;
};

std::vector<Case> cases() {
  using enum NetworkKind;
  std::vector<Case> all = {
      {"PublishedAttention", DesignSpace::edge(), spec_of(attention, {256, 256}, 64, 8, 256)},
      {"AttentionOfOddWidths", mixed_space(), spec_of(attention, {19, 7}, 12, 3, 17)},
      {"AttentionOfOneHead", space_of(3, 5), spec_of(attention, {1}, 24, 1, 40, 1)},
      {"AttentionOfTwentyTokens", space_of(20, 4), spec_of(attention, {300, 16}, 32, 4, 64, 3)},
      {"AttentionOfSmallHeads", space_of(7, 5), spec_of(attention, {40}, 32, 8, 64)},
      {"AttentionOfManyValues", space_of(4, 200), spec_of(attention, {64}, 32, 2, 32)},
      {"AttentionWithoutLayers", mixed_space(), spec_of(attention, {32}, 32, 2, 32, 0)},
      {"AttentionOfTablesTooLarge", space_of(5, 1000), spec_of(attention, {64}, 96, 2, 32)},
      {"DefaultMlp", DesignSpace::edge(), spec_of(mlp, {256, 256})},
      {"MlpOfOneLayer", mixed_space(), spec_of(mlp, {300})},
      {"MlpOfWidthOne", space_of(3, 3), spec_of(mlp, {1, 1, 1})},
      {"DeepMlp", space_of(12, 20), spec_of(mlp, {64, 32, 300, 48})},
      {"Lstm", DesignSpace::edge(), spec_of(lstm, {64}, 64)},
      {"LstmOfOddWidths", mixed_space(), spec_of(lstm, {19, 7}, 13)},
  };
  // Of each kind also with experts, a gate, every activation and several metrics.
  const std::size_t plain = all.size();
  for (std::size_t i = 0; i < plain; ++i) {
    Case more = all[i];
    more.name += "OfExperts";
    more.spec.experts = 3;
    more.spec.activation = i % 2 ? Activation::relu : Activation::silu;
    more.spec.context_size = 2;
    more.spec.metrics = 3;
    more.spec.feasibility = i % 3 != 0;
    all.push_back(std::move(more));
  }
  return all;
}

// Metrics as the network's outputs themselves.
Model model_of(const Case& its, std::int64_t members = 1) {
  const std::vector<MetricTransform> transforms(static_cast<std::size_t>(its.spec.metrics));
  return Model::from_tensors(test::metadata_for(its.space, its.spec, members, transforms),
                             test::random_tensors(its.space, its.spec, members, 11));
}

std::vector<float> context_of(const Case& its) {
  return its.spec.context_size > 0 ? std::vector<float>{3, -2} : std::vector<float>{};
}

// Root mean square of a difference, relative to that of what is expected, over all designs' first metric.
double relative_error(const Predictions& found, const Predictions& expected) {
  const std::size_t n = expected.feasibility.size(), metrics = expected.metrics.size() / n;
  double squares = 0, differences = 0;
  for (std::size_t i = 0; i < n; ++i) {
    squares += std::pow(expected.metrics[i * metrics], 2);
    differences += std::pow(found.metrics[i * metrics] - expected.metrics[i * metrics], 2);
  }
  return std::sqrt(differences / squares);
}

class EveryNetworkByKernel : public testing::TestWithParam<Case> {};

TEST_P(EveryNetworkByKernel, AgreesWithThePortableOneInBatchesOfEverySize) {
  const Model model = model_of(GetParam());
  const std::vector<float> context = context_of(GetParam());
  const Model portable = model.with_kernel("portable");
  for (const std::size_t n : {0, 1, 31, 33, 300}) {
    const std::vector<Design> designs = random_designs(GetParam().space, n, 21 + n);
    const Predictions expected = portable.predict(designs, context);
    for (const ScorerKernel& kernel : scorer_kernels()) {
      if (kernel.arithmetic != Arithmetic::exact) continue;
      const Predictions found = model.with_kernel(kernel.name).predict(designs, context);
      ASSERT_EQ(found.metrics.size(), expected.metrics.size());
      for (std::size_t i = 0; i < expected.metrics.size(); ++i) {
        ASSERT_NEAR(found.metrics[i], expected.metrics[i], 1e-4 * (1 + std::abs(expected.metrics[i]))) << kernel.name;
      }
      for (std::size_t i = 0; i < n; ++i) ASSERT_NEAR(found.feasibility[i], expected.feasibility[i], 1e-4);
    }
  }
}

TEST_P(EveryNetworkByKernel, PredictsARangeAsTheSameDesignsOneByOne) {
  const Model model = model_of(GetParam());
  const std::vector<float> context = context_of(GetParam());
  const DesignSpace& space = GetParam().space;
  for (const ScorerKernel& kernel : scorer_kernels()) {
    if (kernel.arithmetic != Arithmetic::exact) continue;
    const Model its = model.with_kernel(kernel.name);
    for (const std::size_t n : {1, 33, 400}) {
      const DesignId first = (space.size() - std::min<DesignId>(n, space.size())) / 2;
      std::vector<Design> designs;
      for (std::size_t i = 0; i < n; ++i) designs.push_back(space.design((first + i) % space.size()));
      const Predictions range = its.predict_range(first, n, context), batch = its.predict(designs, context);
      EXPECT_EQ(range.metrics, batch.metrics) << kernel.name << " " << n;
      EXPECT_EQ(range.feasibility, batch.feasibility) << kernel.name << " " << n;
    }
  }
}

TEST_P(EveryNetworkByKernel, ComesNearThePortableOneInFastArithmetic) {
  const Model model = model_of(GetParam());
  const std::vector<float> context = context_of(GetParam());
  const Model portable = model.with_kernel("portable");
  const DesignSpace& space = GetParam().space;
  for (const std::size_t n : {1, 15, 17, 31, 33, 129, 400}) {
    const std::vector<Design> designs = random_designs(space, n, 31 + n);
    const Predictions expected = portable.predict(designs, context);
    EXPECT_LT(relative_error(model.predict(designs, context, Arithmetic::fast), expected), 0.02) << n;
    const DesignId first = (space.size() - std::min<DesignId>(n, space.size())) / 2;
    EXPECT_LT(relative_error(model.predict_range(first, n, context, Arithmetic::fast),
                             portable.predict_range(first, n, context)),
              0.02)
        << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Scorer, EveryNetworkByKernel, testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

// Weights as before training: each layer's outputs as large as its inputs, norms without effect.
Model untrained(NetworkKind kind) {
  NetworkSpec spec;
  spec.kind = kind;
  const DesignSpace space = DesignSpace::edge();
  TensorMap tensors = test::random_tensors(space, spec, 1, 17);
  for (auto& [name, tensor] : tensors) {
    const bool is_norm = name.find("norm") != std::string::npos, is_bias = name.ends_with(".bias");
    for (float& value : tensor.values) {
      if (is_norm) value = is_bias ? 0.0F : 1.0F;
      if (!is_norm && is_bias && name.find("input") == std::string::npos) value *= 0.1F;
    }
  }
  return Model::from_tensors(test::metadata_for(space, spec, 1, std::vector<MetricTransform>(1)), std::move(tensors));
}

TEST(FastArithmetic, RanksRandomDesignsAndNeighboursAsExactArithmeticDoes) {
  for (const NetworkKind kind : {NetworkKind::mlp, NetworkKind::attention}) {
    const Model model = untrained(kind);
    if (model.kernel(Arithmetic::fast) == model.kernel(Arithmetic::exact)) {
      GTEST_SKIP() << "this machine has no kernel that is faster than exact ones";
    }
    const std::vector<Design> designs = random_designs(model.space(), 4096, 18);
    const Predictions exact = model.predict(designs), fast = model.predict(designs, {}, Arithmetic::fast);
    double mean = 0, variance = 0, squares = 0;
    for (const double value : exact.metrics) mean += value / 4096;
    for (std::size_t i = 0; i < 4096; ++i) {
      variance += std::pow(exact.metrics[i] - mean, 2);
      squares += std::pow(fast.metrics[i] - exact.metrics[i], 2);
    }
    EXPECT_LT(std::sqrt(squares / variance), 0.015);
    EXPECT_GT(squares, 0) << "bf16 is not exact";
    EXPECT_GT(rank_correlation(fast.metrics, exact.metrics), 0.9995);
    const DesignId first = model.space().size() / 3;
    EXPECT_GT(rank_correlation(model.predict_range(first, 4096, {}, Arithmetic::fast).metrics,
                               model.predict_range(first, 4096).metrics),
              0.999);
  }
}

// Queries and keys beyond what half precision holds.
TEST(FastArithmetic, RanksWhereAttentionIsSharp) {
  NetworkSpec spec;
  spec.kind = NetworkKind::attention;
  const DesignSpace space = DesignSpace::edge();
  TensorMap tensors = test::random_tensors(space, spec, 1, 19);
  for (auto& [name, tensor] : tensors) {
    if (name.find("attention.in") == std::string::npos) continue;
    for (float& value : tensor.values) value *= 1000;
  }
  const Model model =
      Model::from_tensors(test::metadata_for(space, spec, 1, std::vector<MetricTransform>(1)), std::move(tensors));
  const std::vector<Design> designs = random_designs(space, 512, 20);
  const Predictions exact = model.predict(designs), fast = model.predict(designs, {}, Arithmetic::fast);
  EXPECT_GT(rank_correlation(fast.metrics, exact.metrics), 0.99);
}

TEST(ScorerKernels, EndWithThePortableOneThatCoversEverything) {
  const auto kernels = scorer_kernels();
  ASSERT_FALSE(kernels.empty());
  EXPECT_STREQ(kernels.back().name, "portable");
  EXPECT_EQ(kernels.back().arithmetic, Arithmetic::exact);
  for (const Case& each : cases()) EXPECT_TRUE(kernels.back().covers(each.spec, each.space));
}

TEST(ScorerKernels, OfExactArithmeticAreExact) {
  for (const Case& each : cases()) {
    const ScorerKernel& exact = fastest_kernel(each.spec, each.space, Arithmetic::exact);
    EXPECT_EQ(exact.arithmetic, Arithmetic::exact);
    EXPECT_TRUE(fastest_kernel(each.spec, each.space, Arithmetic::fast).covers(each.spec, each.space));
    EXPECT_EQ(model_of(each).kernel(Arithmetic::exact), exact.name);
  }
}

TEST(ScorerKernels, AreChosenByName) {
  const Model model = model_of(cases().front());
  EXPECT_EQ(model.with_kernel("portable").kernel(Arithmetic::fast), "portable");
  expect_error([&] { model.with_kernel("abacus"); }, ErrorCode::invalid_input, "no scorer kernel `abacus`");
}

}  // namespace
}  // namespace corbel
