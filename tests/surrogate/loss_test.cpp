#include <numeric>

#include "corbel/surrogate/learner.hpp"
#include "scorer/scorer_testing.hpp"

namespace corbel {
namespace {

using test::mixed_space;
using test::random_designs;

constexpr float missing = std::numeric_limits<float>::quiet_NaN();

NetworkSpec smooth_spec(NetworkKind kind) {
  NetworkSpec spec;
  spec.kind = kind;
  spec.activation = Activation::silu;  // no kinks for the finite differences to stumble over
  spec.hidden = {10, 6};
  spec.embedding = 8;
  spec.heads = 2;
  spec.feed_forward = 12;
  spec.metrics = 2;
  return spec;
}

Batch some_batch() {
  Batch batch;
  batch.feasible = random_designs(mixed_space(), 12, 1);
  batch.infeasible = random_designs(mixed_space(), 9, 2);
  batch.negatives = random_designs(mixed_space(), 7, 3);
  Rng rng(4);
  for (std::size_t i = 0; i < batch.feasible.size(); ++i) {
    batch.feasible_targets.push_back(static_cast<float>(rng.normal()));
    batch.feasible_targets.push_back(i % 3 == 0 ? missing : static_cast<float>(rng.normal()));
  }
  for (std::size_t i = 0; i < batch.infeasible.size(); ++i) {
    batch.infeasible_targets.push_back(missing);
    batch.infeasible_targets.push_back(static_cast<float>(rng.normal()));
  }
  return batch;
}

double directional(Learner& learner, const Batch& batch, const LossOptions& options,
                   const std::vector<float>& direction) {
  const std::vector<float> at = learner.parameters();
  const auto loss_at = [&](double distance) {
    std::vector<float> moved = at;
    for (std::size_t i = 0; i < at.size(); ++i) moved[i] += static_cast<float>(distance * direction[i]);
    learner.set_parameters(moved);
    return learner.losses(batch, options).total;
  };
  const double step = 1e-2;
  const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
  learner.set_parameters(at);
  return slope;
}

TEST(Loss, GradientIsThatOfFiniteDifferences) {
  for (const NetworkKind kind : {NetworkKind::mlp, NetworkKind::attention}) {
    for (const bool published : {false, true}) {
      Learner learner(mixed_space(), smooth_spec(kind), 0.1, {}, 7);
      // Levels far above every prediction: each hinge is active throughout.
      const LossOptions options{{0.3, 0.7}, 50.0, 40.0, published};
      const Batch batch = some_batch();
      std::vector<float> gradient;
      learner.losses(batch, options, &gradient);
      const double length = std::sqrt(std::inner_product(gradient.begin(), gradient.end(), gradient.begin(), 0.0));
      ASSERT_GT(length, 0.1);
      std::vector<float> along = gradient;
      for (float& value : along) value /= static_cast<float>(length);
      EXPECT_NEAR(directional(learner, batch, options, along), length, 0.01 * length);
      Rng rng(8);
      std::vector<float> random(gradient.size());
      for (float& value : random) value = static_cast<float>(0.1 * rng.normal());
      const double expected = std::inner_product(gradient.begin(), gradient.end(), random.begin(), 0.0);
      EXPECT_NEAR(directional(learner, batch, options, random), expected, 0.02 * length);
    }
  }
}

TEST(Loss, IsTheSumOfItsTermsWorkedOutByHand) {
  Learner learner(mixed_space(), smooth_spec(NetworkKind::mlp), 0, {}, 7);
  const Batch batch = some_batch();
  const auto outputs = [&](const std::vector<Design>& designs) { return learner.outputs(designs); };
  const std::vector<float> f = outputs(batch.feasible), g = outputs(batch.infeasible), h = outputs(batch.negatives);
  double feasible = 0, metrics = 0, known = 0, infeasible = 0, negatives = 0, good = 0, bad = 0;
  const double infeasible_level = 0.1, negative_level = 0.05;
  for (std::size_t i = 0; i < 12; ++i) {
    feasible += std::pow(f[3 * i] - batch.feasible_targets[2 * i], 2) / 12;
    good += std::log1p(std::exp(-f[3 * i + 2])) / 12;
    if (std::isnan(batch.feasible_targets[2 * i + 1])) continue;
    metrics += std::pow(f[3 * i + 1] - batch.feasible_targets[2 * i + 1], 2);
    ++known;
  }
  for (std::size_t i = 0; i < 9; ++i) {
    metrics += std::pow(g[3 * i + 1] - batch.infeasible_targets[2 * i + 1], 2);
    ++known;
    bad += std::log1p(std::exp(g[3 * i + 2])) / 9;
    infeasible += std::max(0.0, infeasible_level - g[3 * i]) / 9;
  }
  for (std::size_t i = 0; i < 7; ++i) negatives += std::max(0.0, negative_level - h[3 * i]) / 7;
  const Losses losses = learner.losses(batch, {{0.3, 0.7}, infeasible_level, negative_level, false});
  EXPECT_NEAR(losses.feasible, feasible, 1e-5);
  EXPECT_NEAR(losses.metrics, metrics / known, 1e-5);
  EXPECT_NEAR(losses.feasibility, (good + bad) / 2, 1e-5);
  EXPECT_NEAR(losses.infeasible, infeasible, 1e-5);
  EXPECT_NEAR(losses.negatives, negatives, 1e-5);
  EXPECT_NEAR(losses.total, feasible + metrics / known + (good + bad) / 2 + 0.3 * negatives + 0.7 * infeasible, 1e-5);
}

double mean_prediction(Learner& learner, const std::vector<Design>& designs) {
  const std::vector<float> outputs = learner.outputs(designs);
  double sum = 0;
  for (std::size_t i = 0; i < designs.size(); ++i) sum += outputs[3 * i];
  return sum / static_cast<double>(designs.size());
}

// Only penalties: what is left to learn is where they push to.
void train_penalties(Learner& learner, const Batch& batch, const LossOptions& options, int steps, double rate) {
  for (int step = 0; step < steps; ++step) learner.step(batch, options, rate);
}

TEST(Loss, HingesPushUpToTheirLevelsAndNoFurther) {
  Learner learner(mixed_space(), smooth_spec(NetworkKind::mlp), 0, {}, 7);
  Batch batch;
  batch.infeasible = random_designs(mixed_space(), 20, 2);
  batch.infeasible_targets.assign(40, missing);
  batch.negatives = random_designs(mixed_space(), 20, 3);
  const LossOptions options{{1, 1}, 2.0, 0.5, false};
  train_penalties(learner, batch, options, 1500, 1e-3);
  EXPECT_GT(mean_prediction(learner, batch.infeasible), 1.9);
  EXPECT_GT(mean_prediction(learner, batch.negatives), 0.4);
  const Losses losses = learner.losses(batch, options);
  EXPECT_LT(losses.infeasible, 0.1);
  EXPECT_LT(losses.negatives, 0.1);
  // Where every prediction is beyond its level there is no force left.
  std::vector<float> gradient;
  const Losses beyond = learner.losses(batch, {{1, 1}, -100, -100, false}, &gradient);
  EXPECT_EQ(beyond.infeasible, 0);
  EXPECT_EQ(beyond.negatives, 0);
  std::vector<float> without;
  learner.losses(batch, {{0, 0}, 2, 0.5, false}, &without);
  EXPECT_EQ(gradient, without);
}

TEST(Loss, PublishedPenaltiesRunAwayButStopAtTheClip) {
  Learner learner(mixed_space(), smooth_spec(NetworkKind::mlp), 0, {}, 7);
  Batch batch;
  batch.infeasible = random_designs(mixed_space(), 20, 2);
  batch.infeasible_targets.assign(40, missing);
  const LossOptions options{{0, 1}, 0, 0, true};
  train_penalties(learner, batch, options, 300, 1e-2);
  EXPECT_GT(mean_prediction(learner, batch.infeasible), 100);
  train_penalties(learner, batch, options, 600, 5e-2);
  std::vector<float> gradient;
  const Losses losses = learner.losses(batch, options, &gradient);
  EXPECT_NEAR(losses.infeasible, -published_clip, 1);
  EXPECT_TRUE(learner.is_finite());
}

TEST(Loss, NoRowsOfAKindIsNoTerm) {
  Learner learner(mixed_space(), smooth_spec(NetworkKind::mlp), 0, {}, 7);
  Batch batch = some_batch();
  batch.infeasible.clear();
  batch.infeasible_targets.clear();
  batch.negatives.clear();
  const Losses losses = learner.losses(batch, {{1, 1}, 2, 0, false});
  EXPECT_EQ(losses.infeasible, 0);
  EXPECT_EQ(losses.negatives, 0);
  EXPECT_TRUE(std::isfinite(losses.total));
}

}  // namespace
}  // namespace corbel
