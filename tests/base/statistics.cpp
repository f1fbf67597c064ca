#include "corbel/base/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace corbel {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Statistics, MedianIsTheMiddle) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(median({infinity, 1, infinity}), infinity);
  EXPECT_TRUE(std::isnan(median({})));
}

TEST(Statistics, QuantileInterpolates) {
  EXPECT_EQ(quantile({5, 1, 3, 2, 4}, 0), 1);
  EXPECT_EQ(quantile({5, 1, 3, 2, 4}, 0.25), 2);
  EXPECT_EQ(quantile({5, 1, 3, 2, 4}, 1), 5);
  EXPECT_DOUBLE_EQ(quantile({1, 2}, 0.75), 1.75);
  EXPECT_EQ(quantile({7}, 0.3), 7);
  EXPECT_TRUE(std::isnan(quantile({}, 0.5)));
}

TEST(Statistics, QuantileTakesInfinities) {
  EXPECT_EQ(quantile({1, 2, infinity, infinity}, 0.25), 1.75);
  EXPECT_EQ(quantile({1, 2, infinity, infinity}, 0.5), infinity);
  EXPECT_EQ(quantile({1, 2, infinity, infinity}, 0.9), infinity);
}

}  // namespace
}  // namespace corbel
