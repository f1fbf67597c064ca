#include "corbel/search/hypervolume.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "corbel/base/error.hpp"
#include "corbel/base/random.hpp"

namespace corbel {
namespace {

using Points = std::vector<std::vector<double>>;

double volume(const Points& points, const std::vector<double>& reference) {
  return hypervolume(points, reference);
}

TEST(Hypervolume, OfTwoObjectivesByHand) {
  EXPECT_EQ(volume({}, {4, 4}), 0);
  EXPECT_EQ(volume({{1, 2}}, {4, 4}), 6);
  // Steps at x = 1, 2, 3 of heights 4 − 3, 4 − 2, 4 − 1.
  EXPECT_EQ(volume({{1, 3}, {2, 2}, {3, 1}}, {4, 4}), 1 + 2 + 3);
  EXPECT_EQ(volume({{3, 1}, {2, 2}, {1, 3}, {2, 2}, {2, 3}, {3, 3}}, {4, 4}), 6) << "order, copies, dominated points";
  EXPECT_EQ(volume({{-3, 5}, {-1, -2}}, {0, 6}), 2 * 1 + 1 * 8);
}

TEST(Hypervolume, OfThreeObjectivesByHand) {
  EXPECT_EQ(volume({{1, 2, 3}}, {4, 4, 4}), 3 * 2 * 1);
  // Three bars of 3 · 1 · 1 that share the unit cube at the reference: 3 + 3 + 3 − 2.
  EXPECT_EQ(volume({{0, 2, 2}, {2, 0, 2}, {2, 2, 0}}, {3, 3, 3}), 7);
  // Cubes of 8 and of 3 · 3 · 1 that share 2 · 2 · 1.
  EXPECT_EQ(volume({{1, 1, 1}, {0, 0, 2}}, {3, 3, 3}), 8 + 9 - 4);
}

TEST(Hypervolume, PointsBesideOrAtTheReferenceAddNothing) {
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(volume({{4, 0}, {0, 4}, {5, 5}, {nan, 0}, {0, nan}, {infinity, 0}}, {4, 4}), 0);
  EXPECT_EQ(volume({{0, 0, 4}, {0, 9, 0}, {0, 0, nan}, {3, 3, 3}}, {4, 4, 4}), 1);
}

TEST(Hypervolume, RefusesWhatHasNoVolume) {
  EXPECT_THROW(volume({}, {1}), Error);
  EXPECT_THROW(volume({}, {1, 1, 1, 1}), Error);
  EXPECT_THROW(volume({}, {1, std::nan("")}), Error);
  EXPECT_THROW(volume({}, {1, std::numeric_limits<double>::infinity()}), Error);
  EXPECT_THROW(volume({{1, 1, 1}}, {2, 2}), Error);
}

class OnAGrid : public ::testing::TestWithParam<std::size_t> {};

// With whole coordinates, the volume is the number of unit cells that some point dominates.
TEST_P(OnAGrid, EqualsTheNumberOfDominatedCells) {
  const std::size_t objectives = GetParam();
  constexpr std::uint32_t side = 8;
  Rng rng(7);
  for (int round = 0; round < 300; ++round) {
    Points points(rng.below(30));
    for (std::vector<double>& point : points)
      for (std::size_t k = 0; k < objectives; ++k) point.push_back(static_cast<double>(rng.below(side + 1)));
    double cells = 0;
    for (std::uint32_t cell = 0; cell < (objectives == 3 ? side * side * side : side * side); ++cell) {
      const std::array<std::uint32_t, 3> corner = {cell % side, cell / side % side, cell / side / side};
      cells += std::any_of(points.begin(), points.end(), [&](const std::vector<double>& point) {
        for (std::size_t k = 0; k < objectives; ++k)
          if (point[k] > corner[k]) return false;
        return true;
      });
    }
    ASSERT_EQ(volume(points, std::vector<double>(objectives, side)), cells) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Objectives, OnAGrid, ::testing::Values(2, 3));

TEST(Hypervolume, EqualsAMonteCarloEstimate) {
  Rng rng(11);
  for (const std::size_t objectives : {2, 3}) {
    Points points(40);
    for (std::vector<double>& point : points)
      for (std::size_t k = 0; k < objectives; ++k) point.push_back(rng.uniform());
    constexpr int samples = 100000;
    int inside = 0;
    for (int i = 0; i < samples; ++i) {
      std::array<double, 3> at{};
      for (std::size_t k = 0; k < objectives; ++k) at[k] = rng.uniform();
      inside += std::any_of(points.begin(), points.end(), [&](const std::vector<double>& point) {
        return std::equal(point.begin(), point.end(), at.begin(), std::less_equal<>());
      });
    }
    // Four standard errors of a share are at most 4 · 0.5 / √100000 = 0.0063.
    EXPECT_NEAR(volume(points, std::vector<double>(objectives, 1)), inside / double{samples}, 0.0063);
  }
}

TEST(Hypervolume, DoesNotDependOnTheOrderOfPoints) {
  Rng rng(3);
  Points points(200);
  // Multiples of 1/16 keep all sums exact.
  for (std::vector<double>& point : points)
    for (int k = 0; k < 3; ++k) point.push_back(static_cast<double>(rng.below(64)) / 16);
  const double expected = volume(points, {5, 5, 5});
  for (int round = 0; round < 20; ++round) {
    rng.shuffle(points);
    for (std::vector<double>& point : points) std::rotate(point.begin(), point.begin() + 1, point.end());
    EXPECT_EQ(volume(points, {5, 5, 5}), expected);
  }
}

}  // namespace
}  // namespace corbel
