#include "corbel/regression/gaussian_process.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "corbel/base/random.hpp"

namespace corbel {
namespace {

using Kind = GaussianProcessTarget::Kind;

const std::vector<std::size_t> two_groups = {0, 1};

// (1 + √5 + 5/3) e^(−√5): the Matérn-5/2 kernel one length scale away.
constexpr double one_length_away = 0.52399410883182030;

GaussianProcess::Prediction predict(GaussianProcess& process, std::vector<double> row) {
  process.follow(row);
  std::vector<GaussianProcess::Prediction> all(process.followed());
  process.predict_followed(all);
  process.unfollow(all.size() - 1);
  return all.back();
}

Matrix random_rows(std::size_t count, std::size_t columns, Rng& rng) {
  Matrix rows(count, columns);
  for (std::size_t i = 0; i < count; ++i)
    for (double& value : rows.row(i)) value = rng.uniform();
  return rows;
}

TEST(GaussianProcess, BeforeAnyRowThePriorIsPredicted) {
  GaussianProcess process(two_groups, {{1, 1}, 4, 0.01, 3});
  const auto [mean, variance] = predict(process, {0, 0});
  EXPECT_DOUBLE_EQ(mean, 3);
  EXPECT_DOUBLE_EQ(variance, 4);
}

TEST(GaussianProcess, OneRowPullsItsSurroundings) {
  // Correlation c = k / (1 + noise) of what was learnt; lengths 0.5 and 2 make (0.5, 0) and (0, 2) one length away.
  GaussianProcess process(two_groups, {{0.5, 2}, 4, 0.25, 3});
  process.append(std::vector<double>{0, 0}, {5});
  for (const auto& [row, k] :
       {std::pair<std::vector<double>, double>{{0, 0}, 1}, {{0.5, 0}, one_length_away}, {{0, 2}, one_length_away}}) {
    const auto [mean, variance] = predict(process, row);
    EXPECT_NEAR(mean, 3 + 2 * k / 1.25, 1e-6);
    EXPECT_NEAR(variance, 4 * (1 - k * k / 1.25), 1e-6);
  }
}

TEST(GaussianProcess, ColumnsOfAGroupShareALength) {
  const std::vector<std::size_t> one_group = {0, 0};
  GaussianProcess process(one_group, {{1}, 1, 1e-4, 0});
  process.append(std::vector<double>{1, 0}, {1});
  EXPECT_NEAR(predict(process, {1 - std::sqrt(0.5), std::sqrt(0.5)}).mean, one_length_away, 1e-3);
}

TEST(GaussianProcess, TwoRowsSolveTheirSystem) {
  // K = [1.01 k; k 1.01] with k one length apart; the point lies on the second row.
  const double k = one_length_away, d = 1.01 * 1.01 - k * k;
  GaussianProcess process(two_groups, {{1, 1}, 1, 0.01, 0});
  process.append(std::vector<double>{0, 0}, {2});
  process.append(std::vector<double>{1, 0}, {-1});
  const double weight_a = (1.01 * 2 + k) / d, weight_b = (-1.01 - 2 * k) / d;
  const auto [mean, variance] = predict(process, {1, 0});
  EXPECT_NEAR(mean, k * weight_a + weight_b, 1e-5);
  EXPECT_NEAR(variance, 1 - (1.01 * k * k - 2 * k * k + 1.01) / d, 1e-5);
  std::vector<double> means(1);
  Matrix rows(2);
  rows.append(std::vector<double>{1, 0});
  process.predict_means(rows, means);
  EXPECT_NEAR(means[0], mean, 1e-5);
}

TEST(GaussianProcess, BoundsActOnlyWhereThePredictionBreaksThem) {
  // At a row's own place, k = 1 and without noise the prediction is what was learnt there.
  const auto learnt = [](GaussianProcessTarget target) {
    GaussianProcess process(two_groups, {{1, 1}, 1, 1e-4, 0});
    process.append(std::vector<double>{0, 0}, {2});
    process.append(std::vector<double>{0, 0}, target);
    return process.learnt_target(1);
  };
  EXPECT_NEAR(learnt({1, Kind::exact}), 1, 1e-5);
  EXPECT_NEAR(learnt({1, Kind::at_most}), 1, 1e-5);
  EXPECT_NEAR(learnt({3, Kind::at_most}), 2, 1e-3);
}

TEST(GaussianProcess, UnknownTargetsKeepTheMeanAndTakeTheVariance) {
  GaussianProcess process(two_groups, {{1, 1}, 1, 1e-3, 0});
  process.append(std::vector<double>{0, 0}, {2});
  const auto before = predict(process, {0.8, 0.1});
  process.append(std::vector<double>{0.8, 0}, {77, Kind::unknown});
  const auto after = predict(process, {0.8, 0.1});
  EXPECT_DOUBLE_EQ(after.mean, before.mean);
  EXPECT_LT(after.variance, 0.1 * before.variance);
  process.set_target(1, {5});
  EXPECT_NEAR(predict(process, {0.8, 0}).mean, 5, 0.05);
}

TEST(GaussianProcess, TheSameBitsWhenRowsPointsAndTargetsComeInAnyOrder) {
  Rng rng(3);
  const Matrix rows = random_rows(61, 3, rng), points = random_rows(29, 3, rng);
  const std::vector<std::size_t> groups = {0, 0, 1};
  const GaussianProcessParameters parameters{{0.4, 0.7}, 2, 1e-3, 0.5};
  const auto target = [&](std::size_t i) { return std::sin(5 * rows.row(i)[0]) + rows.row(i)[2]; };
  GaussianProcess early(groups, parameters), late(groups, parameters);
  for (std::size_t p = 0; p < points.rows(); ++p) early.follow(points.row(p));
  std::vector<GaussianProcess::Prediction> a(points.rows()), b(points.rows());
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    early.append(rows.row(i), {0, Kind::unknown});
    if (i % 7 == 0) early.predict_followed(a);
    if (i == 20) {  // leaves and comes back as the last
      early.unfollow(5);
      early.follow(points.row(5));
    }
  }
  for (std::size_t i = rows.rows(); i-- > 0;) early.set_target(i, {target(i)});
  for (std::size_t i = 0; i < rows.rows(); ++i) late.append(rows.row(i), {target(i)});
  for (std::size_t p = 0; p < points.rows(); ++p) late.follow(points.row(p == 5 ? 28 : p == 28 ? 5 : p));
  early.predict_followed(a);
  late.predict_followed(b);
  for (std::size_t p = 0; p < points.rows(); ++p) {
    EXPECT_EQ(a[p].mean, b[p].mean) << p;
    EXPECT_EQ(a[p].variance, b[p].variance) << p;
  }
}

TEST(GaussianProcess, RepeatedRowsAreHarmless) {
  GaussianProcess process(two_groups, {{100, 100}, 1, 1e-5, 0});
  for (int i = 0; i < 300; ++i) process.append(std::vector<double>{0.5, 0.5}, {i % 2 ? 1.0 : 3.0});
  const auto [mean, variance] = predict(process, {0.5, 0.5});
  EXPECT_NEAR(mean, 2, 0.02);
  EXPECT_GE(variance, 0);
  EXPECT_LT(variance, 1e-4);
}

TEST(FitGaussianProcess, FindsWhichColumnsMatterAndPredictsWithheldRows) {
  Rng rng(1);
  const auto truth = [](std::span<const double> x) { return std::sin(6 * x[0]) + x[1]; };
  const Matrix rows = random_rows(80, 3, rng), withheld = random_rows(50, 3, rng);
  std::vector<double> targets;
  for (std::size_t i = 0; i < rows.rows(); ++i) targets.push_back(truth(rows.row(i)));
  const std::vector<std::size_t> groups = {0, 1, 2};
  const GaussianProcessParameters fitted = fit_gaussian_process(rows, targets, groups, {}, 50);
  EXPECT_TRUE(fitted.are_valid(3));
  EXPECT_LT(fitted.lengths[0], 1.5);
  EXPECT_GT(fitted.lengths[1], 2 * fitted.lengths[0]);
  EXPECT_GT(fitted.lengths[2], 10 * fitted.lengths[0]) << "a column that the targets do not depend on";
  EXPECT_LT(fitted.noise, 1e-3);
  GaussianProcess process(groups, fitted);
  for (std::size_t i = 0; i < rows.rows(); ++i) process.append(rows.row(i), {targets[i]});
  std::vector<double> means(withheld.rows());
  process.predict_means(withheld, means);
  for (std::size_t i = 0; i < means.size(); ++i) EXPECT_NEAR(means[i], truth(withheld.row(i)), 0.05);
}

TEST(FitGaussianProcess, MeasuresNoise) {
  Rng rng(2);
  const Matrix rows = random_rows(200, 1, rng);
  std::vector<double> targets;
  for (std::size_t i = 0; i < rows.rows(); ++i)
    targets.push_back(10 + 3 * std::sin(3 * rows.row(i)[0]) + 0.2 * rng.normal());
  const std::vector<std::size_t> groups = {0};
  const GaussianProcessParameters fitted = fit_gaussian_process(rows, targets, groups, {}, 50);
  EXPECT_NEAR(std::sqrt(fitted.noise * fitted.amplitude), 0.2, 0.03);
}

TEST(FitGaussianProcess, ConstantTargetsAndSingleRowsAreHarmless) {
  const std::vector<std::size_t> groups = {0, 1};
  for (const std::size_t count : {1, 2, 9}) {
    Rng rng(count);
    const Matrix rows = random_rows(count, 2, rng);
    const GaussianProcessParameters fitted =
        fit_gaussian_process(rows, std::vector<double>(count, 7.0), groups, {}, 20);
    EXPECT_TRUE(fitted.are_valid(2));
    EXPECT_NEAR(fitted.mean, 7, 1e-9);
  }
}

TEST(GaussianProcessParameters, KnowWhatCannotBe) {
  const GaussianProcessParameters good{{1, 2}, 1, 1e-3, 0};
  EXPECT_TRUE(good.are_valid(2));
  EXPECT_FALSE(good.are_valid(3));
  for (const double bad : {-1.0, 0.0, 1e300, std::nan("")}) {
    GaussianProcessParameters length = good, noise = good;
    length.lengths[1] = bad;
    noise.noise = bad;
    EXPECT_FALSE(length.are_valid(2)) << bad;
    EXPECT_FALSE(noise.are_valid(2)) << bad;
  }
  GaussianProcessParameters amplitude = good, mean = good;
  amplitude.amplitude = 0;
  mean.mean = std::nan("");
  EXPECT_FALSE(amplitude.are_valid(2));
  EXPECT_FALSE(mean.are_valid(2));
}

}  // namespace
}  // namespace corbel
