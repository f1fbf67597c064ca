#include "corbel/regression/target_scale.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace corbel {
namespace {

TEST(TargetScale, TakesLogarithmsOfPositiveValues) {
  // Logarithms 0, 1, 2: mean 1, deviation √(2/3).
  const std::vector<double> values = {1, std::exp(1), std::exp(2)};
  const TargetScale scale(values);
  EXPECT_NEAR(scale.to_target(std::exp(1)), 0, 1e-12);
  EXPECT_NEAR(scale.to_target(std::exp(2)), std::sqrt(1.5), 1e-12);
  EXPECT_NEAR(scale.to_value(scale.to_target(5)), 5, 1e-12);
  EXPECT_EQ(scale.to_target(-3), scale.to_target(1));
}

TEST(TargetScale, KeepsValuesThatAreNotAllPositive) {
  const std::vector<double> values = {-2, 0, 2};
  const TargetScale scale(values);
  EXPECT_NEAR(scale.to_target(4), 4 / std::sqrt(8.0 / 3), 1e-12);
  EXPECT_NEAR(scale.to_value(scale.to_target(-7)), -7, 1e-12);
}

TEST(TargetScale, ConstantAndMissingValuesAreHarmless) {
  const std::vector<double> same = {3, 3, 3};
  EXPECT_NEAR(TargetScale(same).to_target(3), 0, 1e-12);
  EXPECT_EQ(TargetScale().to_target(3), 3);
  EXPECT_EQ(TargetScale(std::vector<double>{}).to_value(3), 3);
}

TEST(TargetScale, NumbersAtTheEndsOfTheRangeStayApart) {
  // Mean 0 and deviation √(2/3) of the unit, whose sum or square would be beyond or below all numbers.
  for (const double unit : {1.7e308, 1e300, 1e-200, 5e-324}) {
    const std::vector<double> values = {-unit, 0, unit};
    const TargetScale scale(values);
    EXPECT_NEAR(scale.to_target(unit), std::sqrt(1.5), 1e-12) << unit;
    EXPECT_NEAR(scale.to_target(-unit), -std::sqrt(1.5), 1e-12) << unit;
    EXPECT_EQ(scale.to_value(scale.to_target(0)), 0) << unit;
  }
  const std::vector<double> greatest = {1.7e308, 1.7e308, 1.6e308, -1};
  EXPECT_TRUE(std::isfinite(TargetScale(greatest).to_target(1.6e308)));
}

TEST(TargetScale, EqualValuesDifferByRoundingAlone) {
  const std::vector<double> same(10, 0.1);
  EXPECT_NEAR(TargetScale(same).to_target(0.1), 0, 1e-12);
  EXPECT_NEAR(TargetScale(same).to_target(0.2), std::log(2), 1e-12);
}

TEST(TargetScale, APenaltyLeavesTheOthersApart) {
  // Quartiles 0 and 2, so that what lies beyond 2 + 3 · 2 = 8 counts as 8: mean 2, deviation √10.
  const std::vector<double> values = {-1, 0, 1, 2, 1e300};
  const TargetScale scale(values);
  EXPECT_NEAR(scale.to_target(2), 0, 1e-12);
  EXPECT_NEAR(scale.to_target(-1), -3 / std::sqrt(10), 1e-12);
  EXPECT_GT(scale.to_target(1e300), 1e200);
}

}  // namespace
}  // namespace corbel
