#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/random.hpp"
#include "corbel/regression/boosted_trees.hpp"
#include "corbel/regression/cross_validation.hpp"
#include "corbel/regression/ensemble.hpp"
#include "corbel/regression/nearest_neighbours.hpp"
#include "corbel/regression/ridge.hpp"

namespace corbel {
namespace {

/// 20 × 20 points of the unit square.
Matrix grid() {
  Matrix points(2);
  for (int i = 0; i < 20; ++i)
    for (int k = 0; k < 20; ++k) points.append(std::vector<double>{i / 19.0, k / 19.0});
  return points;
}

template <class Function>
std::vector<double> targets_of(const Matrix& points, Function function) {
  std::vector<double> targets;
  for (std::size_t i = 0; i < points.rows(); ++i) targets.push_back(function(points.row(i)[0], points.row(i)[1]));
  return targets;
}

std::vector<double> predictions(const Regressor& regressor, const Matrix& points) {
  std::vector<double> out(points.rows());
  regressor.predict(points, out);
  return out;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

class EveryRegressor : public ::testing::TestWithParam<const RegressorInfo*> {};

TEST_P(EveryRegressor, IsDeterministicAndItsCopyPredictsTheSame) {
  const Matrix points = grid();
  const std::vector<double> targets = targets_of(points, [](double x, double y) { return 1000 * x + 300 * y * y; });
  const auto a = GetParam()->make(3), b = GetParam()->make(3);
  a->fit(points, targets);
  b->fit(points, targets);
  const std::vector<double> out = predictions(*a, points);
  EXPECT_EQ(out, predictions(*b, points));
  EXPECT_EQ(out, predictions(*a->clone(), points));
  EXPECT_GT(rank_correlation(out, targets), 0.9);
}

TEST_P(EveryRegressor, TakesAnyUnitAndConstantTargets) {
  const Matrix points = grid();
  for (const double unit : {1e-12, 1e12}) {
    const std::vector<double> targets = targets_of(points, [unit](double x, double y) { return unit * (x + y + 1); });
    const auto regressor = GetParam()->make(1);
    regressor->fit(points, targets);
    EXPECT_GT(rank_correlation(predictions(*regressor, points), targets), 0.9) << unit;
  }
  const auto regressor = GetParam()->make(1);
  regressor->fit(points, std::vector<double>(points.rows(), 7));
  for (const double value : predictions(*regressor, points)) EXPECT_NEAR(value, 7, 1e-4);
}

TEST_P(EveryRegressor, RefusesWhatTeachesNothing) {
  const auto regressor = GetParam()->make(1);
  EXPECT_THROW(regressor->fit(Matrix(2), {}), Error);
  Matrix one(2);
  one.append(std::vector<double>{0.5, 0.5});
  EXPECT_THROW(regressor->fit(one, std::vector<double>{std::nan("")}), Error);
  regressor->fit(one, std::vector<double>{4});
  EXPECT_NEAR(predictions(*regressor, one)[0], 4, 1e-6);
}

std::vector<const RegressorInfo*> rows() {
  std::vector<const RegressorInfo*> all;
  for (const RegressorInfo& info : regressors()) all.push_back(&info);
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, EveryRegressor, ::testing::ValuesIn(rows()),
                         [](const auto& row) { return std::string(row.param->id); });

TEST(BoostedTrees, LearnsASteepStepThatALineCannot) {
  const Matrix points = grid();
  const std::vector<double> steps = targets_of(points, [](double x, double y) { return x > 0.5 && y > 0.5 ? 10 : 0; });
  BoostedTrees trees;
  Ridge line;
  trees.fit(points, steps);
  line.fit(points, steps);
  EXPECT_LT(largest_difference(predictions(trees, points), steps), 0.2);
  EXPECT_GT(largest_difference(predictions(line, points), steps), 2);
}

TEST(BoostedTrees, LearnsProbabilities) {
  const Matrix points = grid();
  const std::vector<double> labels = targets_of(points, [](double x, double) { return x > 0.5; });
  BoostedTrees trees({.probability = true});
  trees.fit(points, labels);
  const std::vector<double> out = predictions(trees, points);
  for (std::size_t i = 0; i < out.size(); ++i) {
    EXPECT_GE(out[i], 0);
    EXPECT_LE(out[i], 1);
    EXPECT_EQ(out[i] > 0.5, labels[i] == 1);
  }
  EXPECT_THROW(trees.fit(points, targets_of(points, [](double x, double) { return x; })), Error);
}

TEST(Ridge, RecoversALineAndAQuadraticForm) {
  const Matrix points = grid();
  const std::vector<double> line = targets_of(points, [](double x, double y) { return 3 - 2 * x + 5 * y; });
  const std::vector<double> form = targets_of(points, [](double x, double y) { return x * x - 3 * x * y + 2; });
  Ridge linear, quadratic({.quadratic = true});
  linear.fit(points, line);
  EXPECT_LT(largest_difference(predictions(linear, points), line), 0.05);
  quadratic.fit(points, form);
  EXPECT_LT(largest_difference(predictions(quadratic, points), form), 0.05);
  linear.fit(points, form);
  EXPECT_GT(largest_difference(predictions(linear, points), form), 0.3);
}

TEST(RankCorrelation, IsSpearmans) {
  EXPECT_DOUBLE_EQ(rank_correlation(std::vector<double>{1, 2, 3}, std::vector<double>{10, 20, 90}), 1);
  EXPECT_DOUBLE_EQ(rank_correlation(std::vector<double>{1, 2, 3}, std::vector<double>{9, 2, 1}), -1);
  // Ranks 1 2 3 4 against 2 1 4 3: 1 − 6 · 4 / (4 · 15).
  EXPECT_DOUBLE_EQ(rank_correlation(std::vector<double>{1, 2, 3, 4}, std::vector<double>{5, 4, 9, 7}), 0.6);
  EXPECT_EQ(rank_correlation(std::vector<double>{1, 1, 1}, std::vector<double>{1, 2, 3}), 0);
}

TEST(CrossValidation, ScoresRowsThatWereNotFitted) {
  const Matrix points = grid();
  Rng random(5);
  const std::vector<double> line = targets_of(points, [](double x, double y) { return x + y; });
  std::vector<double> noise(points.rows());
  for (double& each : noise) each = random.normal();
  EXPECT_GT(cross_validate(Ridge(), points, line, 5, 1).r_squared, 0.99);
  // Trees can learn noise by heart, but not foretell it.
  const CrossValidation guessed = cross_validate(BoostedTrees(), points, noise, 5, 1);
  EXPECT_LT(guessed.r_squared, 0.1);
  EXPECT_LT(std::abs(guessed.rank_correlation), 0.2);
}

TEST(Ensemble, KeepsWhatPredictsWellAndTellsWhereItsMembersDisagree) {
  const Matrix points = grid();
  const std::vector<double> form = targets_of(points, [](double x, double y) { return x * x - 3 * x * y + 2; });
  Ensemble ensemble(points, form, 1);
  ASSERT_FALSE(ensemble.members().empty());
  EXPECT_FALSE(ensemble.fitted());
  double sum = 0;
  for (const Ensemble::Member& member : ensemble.members()) {
    sum += member.weight;
    EXPECT_NE(member.info->id, "ridge") << "a plane does not predict a saddle";
  }
  EXPECT_NEAR(sum, 1, 1e-12);
  ensemble.fit(points, form, 1);
  std::vector<double> mean(points.rows()), spread(points.rows());
  ensemble.predict(points, mean, spread);
  EXPECT_LT(largest_difference(mean, form), 0.2);
  for (const double each : spread) EXPECT_GE(each, 0);
}

}  // namespace
}  // namespace corbel
