#include "corbel/dataset/distribution.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "corbel/base/random.hpp"

namespace corbel::test {
namespace {

double median_by_sorting(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : values[n / 2 - 1] / 2 + values[n / 2] / 2;
}

/// @return the median, and how often the values had to be shown
std::pair<double, int> median_of(const std::vector<double>& values) {
  Distribution distribution;
  for (const double value : values) distribution.add(value);
  MedianSearch search(distribution);
  int showings = 0;
  for (; !search.is_done(); ++showings) {
    for (const double value : values) search.add(value);
    search.narrow();
  }
  return {search.median(), showings};
}

TEST(Distribution, MediansAreExact) {
  Rng rng(2);
  for (const std::size_t n : {1, 2, 3, 10, 999, 10'000}) {
    std::vector<double> values;
    for (std::size_t i = 0; i < n; ++i) values.push_back(std::exp(30 * rng.normal()) * (rng.below(2) == 0 ? 1 : -1));
    const auto [median, showings] = median_of(values);
    EXPECT_EQ(median, median_by_sorting(values)) << n;
    EXPECT_LE(showings, 1);
  }
  EXPECT_EQ(median_of(std::vector<double>(1000, 0.1)), std::pair(0.1, 0)) << "a constant needs no second look";
  EXPECT_TRUE(std::isnan(median_of({}).first));
}

TEST(Distribution, FindsAMedianAmongMoreValuesThanAreKept) {
  // All within 0.1 %: one bin, of more values than are kept; negative ones and 0 too.
  Rng rng(4);
  for (const double scale : {1.0, -1.0}) {
    std::vector<double> values;
    for (int i = 0; i < 600'000; ++i) values.push_back(scale * (1.5 + 1e-3 * rng.uniform()));
    const auto [median, showings] = median_of(values);
    EXPECT_EQ(median, median_by_sorting(values));
    EXPECT_EQ(showings, 2);
  }
}

TEST(Distribution, FindsJumpsWithEnoughOnBothSides) {
  const auto gap_of = [](const std::vector<double>& values) {
    Distribution distribution;
    for (const double value : values) distribution.add(value);
    return distribution.find_gap(300);
  };
  EXPECT_EQ(gap_of({1, 2, 3, 900, 1000}), std::pair(3.0, 900.0));
  EXPECT_EQ(gap_of({1, 2, 3, 899, 1000}), std::nullopt);
  EXPECT_EQ(gap_of({1, 2, 3, 1000}), std::nullopt) << "one value is no other unit";
  EXPECT_EQ(gap_of({-1, 0, 3, 1000, 2000}), std::pair(3.0, 1000.0));
  EXPECT_EQ(gap_of({0, 0, 1, 2}), std::nullopt);
}

TEST(Distribution, KeepsExtremes) {
  Distribution distribution;
  const double large = std::numeric_limits<double>::max();
  for (const double value : {-large, 5e-324, large}) distribution.add(value);
  EXPECT_EQ(distribution.min(), -large);
  EXPECT_EQ(distribution.max(), large);
  EXPECT_EQ(distribution.centre(), 0);
  EXPECT_EQ(distribution.range_of(1).min, 5e-324);
  EXPECT_EQ(distribution.range_of(1).below, 1U);
}

}  // namespace
}  // namespace corbel::test
