#include <numeric>

#include "corbel/base/error.hpp"
#include "corbel/surrogate/learner.hpp"
#include "scorer/scorer_testing.hpp"

namespace corbel {
namespace {

using test::mixed_space;
using test::random_designs;

constexpr float missing = std::numeric_limits<float>::quiet_NaN();

NetworkSpec smooth_spec(NetworkKind kind, std::int64_t experts = 1) {
  NetworkSpec spec;
  spec.kind = kind;
  spec.experts = experts;
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
  const std::vector<float> context = {3, 500, 0};
  for (NetworkSpec spec :
       {smooth_spec(NetworkKind::mlp), smooth_spec(NetworkKind::attention), smooth_spec(NetworkKind::lstm),
        smooth_spec(NetworkKind::mlp, 3), smooth_spec(NetworkKind::lstm, 2)}) {
    for (const auto& [name, penalty] : penalties) {
      // With experts also through the gate.
      if (spec.experts > 1) spec.context_size = 3;
      const std::vector<float> its_context(context.begin(), context.begin() + spec.context_size);
      Learner learner(mixed_space(), spec, 0.1, {{its_context}}, 7);
      // Levels far above every prediction: each hinge is active throughout. The softplus bends near its level.
      const bool bends = penalty == Penalty::softplus;
      const LossOptions options{{0.3, 0.7}, bends ? 0.5 : 50.0, bends ? 0.2 : 40.0, penalty, true, 0.6};
      const Batch batch = some_batch();
      std::vector<float> gradient;
      learner.losses(batch, options, &gradient);
      const double length = std::sqrt(std::inner_product(gradient.begin(), gradient.end(), gradient.begin(), 0.0));
      ASSERT_GT(length, 0.1) << name;
      std::vector<float> along = gradient;
      for (float& value : along) value /= static_cast<float>(length);
      EXPECT_NEAR(directional(learner, batch, options, along), length, 0.01 * length) << name;
      Rng rng(8);
      std::vector<float> random(gradient.size());
      for (float& value : random) value = static_cast<float>(0.1 * rng.normal());
      const double expected = std::inner_product(gradient.begin(), gradient.end(), random.begin(), 0.0);
      EXPECT_NEAR(directional(learner, batch, options, random), expected, 0.02 * length) << name;
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
  const Losses losses = learner.losses(batch, {{0.3, 0.7}, infeasible_level, negative_level});
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
  const LossOptions options{{1, 1}, 2.0, 0.5};
  train_penalties(learner, batch, options, 1500, 1e-3);
  EXPECT_GT(mean_prediction(learner, batch.infeasible), 1.9);
  EXPECT_GT(mean_prediction(learner, batch.negatives), 0.4);
  const Losses losses = learner.losses(batch, options);
  EXPECT_LT(losses.infeasible, 0.1);
  EXPECT_LT(losses.negatives, 0.1);
  // Where every prediction is beyond its level there is no force left.
  std::vector<float> gradient;
  const Losses beyond = learner.losses(batch, {{1, 1}, -100, -100}, &gradient);
  EXPECT_EQ(beyond.infeasible, 0);
  EXPECT_EQ(beyond.negatives, 0);
  std::vector<float> without;
  learner.losses(batch, {{0, 0}, 2, 0.5}, &without);
  EXPECT_EQ(gradient, without);
}

TEST(Loss, PublishedPenaltiesRunAwayButStopAtTheClip) {
  Learner learner(mixed_space(), smooth_spec(NetworkKind::mlp), 0, {}, 7);
  Batch batch;
  batch.infeasible = random_designs(mixed_space(), 20, 2);
  batch.infeasible_targets.assign(40, missing);
  const LossOptions options{{0, 1}, 0, 0, Penalty::published};
  train_penalties(learner, batch, options, 300, 1e-2);
  EXPECT_GT(mean_prediction(learner, batch.infeasible), 100);
  train_penalties(learner, batch, options, 600, 5e-2);
  std::vector<float> gradient;
  const Losses losses = learner.losses(batch, options, &gradient);
  EXPECT_NEAR(losses.infeasible, -published_clip, 1);
  EXPECT_TRUE(learner.is_finite());
}

TEST(Loss, SoftplusIsWorkedOutByHandAndHasNoForceFarBeyondItsLevel) {
  Learner learner(mixed_space(), smooth_spec(NetworkKind::mlp), 0, {}, 7);
  const Batch batch = some_batch();
  const std::vector<float> g = learner.outputs(batch.infeasible), h = learner.outputs(batch.negatives);
  double infeasible = 0, negatives = 0;
  for (std::size_t i = 0; i < 9; ++i) infeasible += std::log1p(std::exp(0.4 - g[3 * i])) / 9;
  for (std::size_t i = 0; i < 7; ++i) negatives += std::log1p(std::exp(0.1 - h[3 * i])) / 7;
  const Losses losses = learner.losses(batch, {{0.3, 0.7}, 0.4, 0.1, Penalty::softplus});
  EXPECT_NEAR(losses.infeasible, infeasible, 1e-5);
  EXPECT_NEAR(losses.negatives, negatives, 1e-5);
  const Losses beyond = learner.losses(batch, {{0.3, 0.7}, -100, -100, Penalty::softplus});
  EXPECT_LT(beyond.infeasible, 1e-6);
  EXPECT_GE(beyond.infeasible, 0);
}

TEST(Loss, RankingIsTheMeanOverOrderedPairs) {
  Learner learner(mixed_space(), smooth_spec(NetworkKind::mlp), 0, {}, 7);
  Batch batch = some_batch();
  batch.feasible_targets[2 * 3] = missing;                        // in no pair
  batch.feasible_targets[2 * 5] = batch.feasible_targets[2 * 4];  // nor these two with each other
  const std::vector<float> f = learner.outputs(batch.feasible);
  double sum = 0, pairs = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    for (std::size_t j = 0; j < 12; ++j) {
      if (!(batch.feasible_targets[2 * i] < batch.feasible_targets[2 * j])) continue;
      sum += std::log1p(std::exp(f[3 * i] - f[3 * j]));
      ++pairs;
    }
  }
  ASSERT_EQ(pairs, 11 * 10 / 2 - 1);
  const Losses with = learner.losses(batch, {{0, 0}, 2, 0, Penalty::hinge, true, 0.5});
  const Losses without = learner.losses(batch, {{0, 0}, 2, 0, Penalty::hinge, true, 0});
  EXPECT_NEAR(with.ranking, sum / pairs, 1e-5);
  EXPECT_NEAR(with.total - without.total, 0.5 * sum / pairs, 1e-5);
  const Losses alone = learner.losses(batch, {{0, 0}, 2, 0, Penalty::hinge, false, 0.5});
  EXPECT_NEAR(alone.total, with.total - with.feasible, 1e-5);
}

TEST(Loss, ARankingAloneLearnsTheOrderAndPenaltiesCannotBeEvadedByAShift) {
  Learner learner(mixed_space(), smooth_spec(NetworkKind::mlp), 0, {}, 7);
  Batch batch = some_batch();
  for (std::size_t i = 0; i < 12; ++i) batch.feasible_targets[2 * i] = 0.3F * static_cast<float>(i) - 1.65F;
  const LossOptions options{{1, 1}, 2.0, 0.0, Penalty::hinge, false, 1};
  train_penalties(learner, batch, options, 1500, 1e-2);
  const std::vector<float> outputs = learner.outputs(batch.feasible);
  std::vector<float> f, targets;
  for (std::size_t i = 0; i < 12; ++i) {
    f.push_back(outputs[3 * i]);
    targets.push_back(batch.feasible_targets[2 * i]);
    EXPECT_TRUE(i == 0 || f[i] > f[i - 1]) << i;
  }
  const AffineMap map = fit_affine(f, targets);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_NEAR(f[i] * map.slope + map.offset, targets[i], 0.6);
  EXPECT_GT(mean_prediction(learner, batch.infeasible) * map.slope + map.offset, 1);
  EXPECT_GT(mean_prediction(learner, batch.negatives) * map.slope + map.offset, -0.3);
}

TEST(Loss, TheGapIsHeldAtWhatIsAllowed) {
  Learner learner(mixed_space(), smooth_spec(NetworkKind::mlp), 0, {}, 7);
  Batch batch = some_batch();
  const LossOptions options{{1, 0}, 2, 0, Penalty::gap};
  double logged = mean_prediction(learner, batch.feasible), negative = mean_prediction(learner, batch.negatives);
  EXPECT_NEAR(learner.losses(batch, options).negatives, logged - negative, 1e-5) << "lower is better";
  // Negatives that squared error draws two below the logged designs.
  batch.negatives = batch.feasible;
  for (std::size_t i = 0; i < 6; ++i) batch.feasible_targets[2 * i] = 2;
  for (std::size_t i = 6; i < 12; ++i) batch.feasible_targets[2 * i] = -2;
  batch.negatives.erase(batch.negatives.begin(), batch.negatives.begin() + 6);
  EXPECT_EQ(learner.dual().value(), 1);
  train_penalties(learner, batch, {{0, 0}, 2, 0, Penalty::gap}, 400, 1e-2);
  EXPECT_EQ(learner.dual().value(), 1) << "without a weight there is no such term";
  EXPECT_GT(learner.losses(batch, options).negatives, 1.5);
  train_penalties(learner, batch, options, 3000, 1e-2);
  EXPECT_NEAR(learner.losses(batch, options).negatives, DualVariable::allowed_gap, 0.1);
  EXPECT_GT(learner.dual().value(), 0);
  // The dual variable goes on where it was.
  Learner other(mixed_space(), smooth_spec(NetworkKind::mlp), 0, {}, 8);
  other.load(learner.save(), learner.steps_done());
  EXPECT_EQ(other.dual().value(), learner.dual().value());
  learner.step(batch, options, 1e-2);
  other.step(batch, options, 1e-2);
  EXPECT_EQ(other.dual().value(), learner.dual().value());
  EXPECT_EQ(other.parameters(), learner.parameters());
}

TEST(DualVariable, RisesAndFallsByItsRateAndNotBelowZero) {
  DualVariable dual;
  dual.ascend(2);  // the first step of Adam is the rate, whatever the slope
  EXPECT_NEAR(dual.value(), 1.01, 1e-6);
  DualVariable falling;
  for (int i = 0; i < 500; ++i) falling.ascend(-1e300);
  EXPECT_EQ(falling.value(), 0);
  const float before = static_cast<float>(dual.value());
  dual.ascend(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(dual.value(), before);
  EXPECT_THROW(dual.load(std::vector<float>{1, 0, -1, 2}), Error);
  EXPECT_THROW(dual.load(std::vector<float>{1}), Error);
}

TEST(AffineMap, IsTheLeastSquaresLineButNeverTurnsTheOrder) {
  const AffineMap line = fit_affine(std::vector<float>{0, 1, 2, 7}, std::vector<float>{1, 3, 5, missing});
  EXPECT_NEAR(line.slope, 2, 1e-6);
  EXPECT_NEAR(line.offset, 1, 1e-6);
  // Deviations 1 and 2 where the order is reversed: a twentieth of 2, through the means.
  const AffineMap reversed = fit_affine(std::vector<float>{-1, 1}, std::vector<float>{6, 2});
  EXPECT_NEAR(reversed.slope, 0.1, 1e-6);
  EXPECT_NEAR(reversed.offset, 4, 1e-6);
  const AffineMap constant = fit_affine(std::vector<float>{5, 5}, std::vector<float>{1, 3});
  EXPECT_NEAR(constant.slope * 5 + constant.offset, 2, 1e-6);
  EXPECT_EQ(fit_affine({}, {}).slope, 1);
}

TEST(Loss, NoRowsOfAKindIsNoTerm) {
  Learner learner(mixed_space(), smooth_spec(NetworkKind::mlp), 0, {}, 7);
  Batch batch = some_batch();
  batch.infeasible.clear();
  batch.infeasible_targets.clear();
  batch.negatives.clear();
  const Losses losses = learner.losses(batch, {{1, 1}, 2, 0});
  EXPECT_EQ(losses.infeasible, 0);
  EXPECT_EQ(losses.negatives, 0);
  EXPECT_TRUE(std::isfinite(losses.total));
}

}  // namespace
}  // namespace corbel
