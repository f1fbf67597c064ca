#include "corbel/base/permutation.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace corbel {
namespace {

TEST(Permutation, VisitsEveryNumberOnce) {
  for (const std::uint64_t size : {1, 2, 3, 4, 5, 16, 17, 255, 256, 257, 600, 65537}) {
    const Permutation order(size, 42);
    std::vector<char> seen(size, 0);
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::uint64_t value = order.at(i);
      ASSERT_LT(value, size);
      ASSERT_EQ(seen[value]++, 0) << "size " << size << ", position " << i;
      ASSERT_EQ(order.position_of(value), i) << "size " << size;
    }
  }
}

TEST(Permutation, ReachesBothHalvesOfTheLargestSpace) {
  const std::uint64_t size = std::uint64_t{1} << 63;
  const Permutation order(size, 1);
  int upper = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t value = order.at(i);
    ASSERT_LT(value, size);
    EXPECT_EQ(order.position_of(value), i);
    upper += value >= size / 2 ? 1 : 0;
  }
  EXPECT_NEAR(upper, 500, 80);  // 5 standard deviations
}

TEST(Permutation, IsUniformOverSeedsAtEveryPosition) {
  constexpr int seeds = 20000;
  constexpr std::uint64_t size = 10;
  for (const std::uint64_t position : {0, 4, 9}) {
    std::array<int, size> counts{};
    for (std::uint64_t seed = 0; seed < seeds; ++seed) ++counts[Permutation(size, seed).at(position)];
    double chi_square = 0;
    for (const int count : counts) chi_square += (count - 2000.0) * (count - 2000.0) / 2000.0;
    EXPECT_LT(chi_square, 27.88) << "position " << position;  // 99.9 % of chi-square with 9 degrees of freedom
  }
}

TEST(Permutation, FollowsTheSeedAlone) {
  const Permutation order(600, 5);
  EXPECT_EQ(order.at(7), Permutation(600, 5).at(7));
  std::set<std::uint64_t> first;
  for (std::uint64_t seed = 0; seed < 50; ++seed) first.insert(Permutation(600, seed).at(0));
  EXPECT_GT(first.size(), 40U);
}

}  // namespace
}  // namespace corbel
