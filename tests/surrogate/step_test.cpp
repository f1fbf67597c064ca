// The functions of a training step: every instruction set, any number of threads, dropout.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "corbel/base/random.hpp"
#include "corbel/surrogate/internal/aligned_floats.hpp"
#include "corbel/surrogate/internal/dense_stack.hpp"
#include "corbel/surrogate/internal/encoder.hpp"
#include "corbel/surrogate/learner.hpp"
#include "scorer/scorer_testing.hpp"

namespace corbel {
namespace {

std::vector<float> random_numbers(std::size_t n, std::uint64_t seed, double scale = 1) {
  Rng rng(seed);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(scale * rng.normal());
  return values;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += std::pow(static_cast<double>(a[i]) - b[i], 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(error / size);
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// An encoder with weights, and what it makes of tokens.
struct Encoding {
  static constexpr EncoderShape shape{3, 12, 2, 21, 2};
  static constexpr std::size_t rows = 45, size = rows * shape.tokens * shape.embedding;

  std::vector<std::vector<float>> weights;
  std::vector<float> tokens = random_numbers(size, 1);

  Encoding() {
    constexpr std::size_t e = shape.embedding, f = shape.feed_forward;
    for (std::size_t l = 0; l < shape.layers; ++l) {
      for (const std::size_t count : {3 * e * e, 3 * e, e * e, e, e, e, f * e, f, e * f, e, e, e}) {
        weights.push_back(random_numbers(count, weights.size() + 2, 0.4));
      }
    }
  }

  std::vector<float> forward(Encoder& encoder, const Encoder::Dropping& dropping, bool for_gradients = true) const {
    std::vector<const float*> pointers;
    for (const auto& weight : weights) pointers.push_back(weight.data());
    std::vector<float> out(size);
    encoder.forward(pointers, tokens.data(), rows, dropping, for_gradients, out.data());
    return out;
  }

  // Of the tokens, then of the weights.
  std::vector<std::vector<float>> backward(Encoder& encoder, const std::vector<float>& gradient) const {
    std::vector<std::vector<float>> gradients = {std::vector<float>(size)};
    for (const auto& weight : weights) gradients.emplace_back(weight.size());
    std::vector<float*> pointers;
    for (std::size_t w = 1; w < gradients.size(); ++w) pointers.push_back(gradients[w].data());
    encoder.backward(gradient.data(), gradients[0].data(), pointers);
    return gradients;
  }
};

TEST(Encoder, IsTheSameOnEveryInstructionSet) {
  const Encoding encoding;
  const std::vector<float> gradient = random_numbers(Encoding::size, 9);
  Encoder portable(Encoding::shape, std::make_shared<Team>(1), portable_training_operations());
  const std::vector<float> expected = encoding.forward(portable, {0.3, 5});
  const auto gradients = encoding.backward(portable, gradient);
  for (const TrainingOperations& operations : training_operations()) {
    Encoder encoder(Encoding::shape, std::make_shared<Team>(1), operations);
    EXPECT_LT(distance(encoding.forward(encoder, {0.3, 5}), expected), 1e-5) << operations.name;
    const auto found = encoding.backward(encoder, gradient);
    for (std::size_t g = 0; g < found.size(); ++g) {
      EXPECT_LT(distance(found[g], gradients[g]), 1e-5) << operations.name << " " << g;
    }
  }
}

TEST(Encoder, IsTheSameOnAnyNumberOfThreads) {
  const Encoding encoding;
  const std::vector<float> gradient = random_numbers(Encoding::size, 9);
  Encoder alone(Encoding::shape, std::make_shared<Team>(1)), helped(Encoding::shape, std::make_shared<Team>(4));
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(encoding.forward(alone, {0.3, 5}), encoding.forward(helped, {0.3, 5}));
    EXPECT_EQ(encoding.backward(alone, gradient), encoding.backward(helped, gradient));
  }
}

// The slope along the gradient is the gradient's length; central differences, with what is dropped held still.
TEST(Encoder, GradientsAreSlopesUnderDropout) {
  Encoding encoding;
  const std::vector<float> gradient = random_numbers(Encoding::size, 9);
  Encoder encoder(Encoding::shape, std::make_shared<Team>(1));
  const Encoder::Dropping dropping{0.3, 5};
  encoding.forward(encoder, dropping);
  const auto gradients = encoding.backward(encoder, gradient);
  for (std::size_t g = 0; g < gradients.size(); ++g) {
    std::vector<float>& values = g == 0 ? encoding.tokens : encoding.weights[g - 1];
    const std::vector<float> before = values;
    const double length = std::sqrt(dot(gradients[g], gradients[g])), step = 2e-3;
    double slope = 0;
    for (const double sign : {1.0, -1.0}) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = before[i] + static_cast<float>(sign * step / length * gradients[g][i]);
      }
      slope += sign * dot(encoding.forward(encoder, dropping, false), gradient) / (2 * step);
    }
    values = before;
    // Adding to all keys alike changes nothing: a third of attention.in's bias has no gradient but rounding.
    EXPECT_NEAR(slope, length, 0.02 * length + 0.05) << g;
  }
}

TEST(Encoder, DropsTheShareItIsToldAndKeepsTheMean) {
  constexpr std::size_t features = 64, blocks = 20, size = blocks_size(blocks, features);
  const std::vector<float> ones(features, 1), zeros(size, 0), gradient = random_numbers(size, 3);
  const auto dropped = [&](std::uint32_t key) {
    Dropout dropout;
    dropout.keys[0] = key;
    dropout.threshold = static_cast<std::int32_t>(-2147483648.0 + 0.1 * 4294967296.0);
    dropout.scale = 1 / 0.9F;
    std::vector<float> x(size), change(size), of_weight(features), of_bias(features);
    const std::vector<float> factors(blocks * training_lanes, 1);
    training_operations().front().norm_backward(ones.data(), features, blocks, zeros.data(), factors.data(),
                                                gradient.data(), dropout, x.data(), change.data(), of_weight.data(),
                                                of_bias.data());
    std::vector<bool> is_zero;
    for (std::size_t block = 0; block < blocks; ++block) {
      for (std::size_t i = 0; i < features * training_lanes; ++i) {
        const std::size_t at = blocks_size(block, features) + i;
        is_zero.push_back(change[at] == 0);
        if (!is_zero.back()) {
          EXPECT_FLOAT_EQ(change[at], x[at] / 0.9F);
        }
      }
    }
    return is_zero;
  };
  const std::vector<bool> one = dropped(1), other = dropped(2);
  const auto n = static_cast<double>(one.size());
  std::size_t count = 0, both = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    count += one[i] ? 1 : 0;
    both += one[i] && other[i] ? 1 : 0;
  }
  // Five standard deviations of 40,960 draws.
  EXPECT_NEAR(static_cast<double>(count) / n, 0.1, 5 * std::sqrt(0.09 / n));
  EXPECT_NEAR(static_cast<double>(both) / n, 0.01, 5 * std::sqrt(0.0099 / n));
}

TEST(DenseStack, IsTheSameOnEveryInstructionSetAndAnyNumberOfThreads) {
  constexpr std::size_t rows = 77;
  const std::vector<float> x = random_numbers(rows * 19, 1), gradient = random_numbers(rows * 3, 2);
  const std::vector<std::vector<float>> weights = {random_numbers(70 * 19, 3, 0.2), random_numbers(70, 4),
                                                   random_numbers(5 * 70, 5, 0.2),  random_numbers(5, 6),
                                                   random_numbers(3 * 5, 7, 0.4),   random_numbers(3, 8)};
  for (const Activation activation : {Activation::leaky_relu, Activation::relu, Activation::silu}) {
    const auto run = [&](const TrainingOperations& operations, std::size_t threads) {
      DenseStack stack(std::make_shared<Team>(threads), operations);
      const std::vector<DenseStack::Layer> layers = {{19, 70, weights[0].data(), weights[1].data()},
                                                     {70, 5, weights[2].data(), weights[3].data()},
                                                     {5, 3, weights[4].data(), weights[5].data()}};
      std::vector<std::vector<float>> results = {std::vector<float>(rows * 3), std::vector<float>(rows * 19)};
      for (const auto& weight : weights) results.emplace_back(weight.size());
      std::vector<float*> pointers;
      for (std::size_t r = 2; r < results.size(); ++r) pointers.push_back(results[r].data());
      stack.forward(layers, activation, x.data(), rows, true, results[0].data());
      stack.backward(gradient.data(), results[1].data(), pointers);
      return results;
    };
    const auto expected = run(portable_training_operations(), 1);
    for (const TrainingOperations& operations : training_operations()) {
      const auto found = run(operations, 1);
      for (std::size_t r = 0; r < found.size(); ++r) {
        EXPECT_LT(distance(found[r], expected[r]), 1e-5) << operations.name << " " << r;
      }
      EXPECT_EQ(run(operations, 3), found);
    }
  }
}

TEST(Learner, IsTheSameOnAnyNumberOfThreads) {
  const DesignSpace space = test::mixed_space();
  Batch batch;
  batch.feasible = test::random_designs(space, 150, 1);
  batch.infeasible = test::random_designs(space, 100, 2);
  batch.negatives = test::random_designs(space, 50, 3);
  batch.feasible_targets = random_numbers(150, 4);
  batch.infeasible_targets.assign(100, std::numeric_limits<float>::quiet_NaN());
  const LossOptions loss{{0.3, 0.5}, 2.0, 0.0};
  for (const auto& [name, kind] : network_kinds) {
    NetworkSpec spec;
    spec.kind = kind;
    spec.experts = 2;
    std::vector<std::vector<float>> parameters;
    for (const std::size_t threads : {1, 2, 5}) {
      Learner learner(space, spec, 0.1, {}, 3, {"adam", std::make_shared<Team>(threads)});
      const std::vector<float> before = learner.parameters();
      for (int step = 0; step < 3; ++step) learner.step(batch, loss, 1e-3);
      parameters.push_back(learner.parameters());
      EXPECT_NE(parameters.back(), before);
      EXPECT_EQ(parameters.back(), parameters.front()) << name << ", threads " << threads;
    }
  }
}

}  // namespace
}  // namespace corbel
