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

}  // namespace
}  // namespace corbel
