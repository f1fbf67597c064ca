#include "corbel/base/random.hpp"

#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "base/expect_error.hpp"

namespace corbel {
namespace {

TEST(Rng, IsXoshiro256StarStarSeededBySplitmix64) {
  // Computed from the published definitions with arbitrary-precision integers; the state for seed 0 is the
  // well-known start of splitmix64.
  Rng rng(0);
  EXPECT_EQ(rng.save(), "e220a8397b1dcdaf6e789e6aa1b965f406c45d188009454ff88bb8a8724c81ec");
  EXPECT_EQ(rng.next(), 0x99ec5f36cb75f2b4u);
  EXPECT_EQ(rng.next(), 0xbf6e1f784956452au);
  EXPECT_EQ(rng.next(), 0x1a5f849d4933e6e0u);
  EXPECT_EQ(rng.next(), 0x6aa594f1262d2d2cu);
  EXPECT_EQ(rng.next(), 0xbba5ad4a1f842e59u);
  Rng other(42);
  EXPECT_EQ(other.next(), 0x15780b2e0c2ec716u);
  EXPECT_EQ(other.next(), 0x6104d9866d113a7eu);
}

TEST(Rng, DerivesUniformAndBelowFromTheHighBits) {
  Rng rng(0);
  EXPECT_EQ(rng.uniform(), 5415695640260286 * 0x1p-53);
  EXPECT_EQ(rng.uniform(), 6735350249106120 * 0x1p-53);
  Rng ten(0);
  const std::vector<std::uint64_t> wanted = {6, 7, 1, 4, 7};
  for (const std::uint64_t value : wanted) EXPECT_EQ(ten.below(10), value);
}

TEST(Rng, BelowIsUnbiasedForTheWorstBound) {
  // With a bound of 3/4 of 2^64 a plain modulus would give the lower third twice as often.
  Rng rng(1);
  const std::uint64_t bound = std::uint64_t{3} << 62;
  int lower = 0;
  constexpr int draws = 30'000;
  for (int i = 0; i < draws; ++i) {
    const std::uint64_t value = rng.below(bound);
    ASSERT_LT(value, bound);
    lower += value < (std::uint64_t{1} << 62);
  }
  EXPECT_NEAR(lower, draws / 3, 350);  // 4 standard deviations are 327
  EXPECT_EQ(rng.below(1), 0u);
}

TEST(Rng, NormalAndLaplaceHaveTheirMoments) {
  Rng rng(7);
  constexpr int draws = 200'000;
  double sum = 0, squares = 0, laplace_sum = 0, laplace_absolute = 0;
  for (int i = 0; i < draws; ++i) {
    const double x = rng.normal();
    sum += x;
    squares += x * x;
    const double y = rng.laplace(2);
    ASSERT_TRUE(std::isfinite(x) && std::isfinite(y));
    laplace_sum += y;
    laplace_absolute += std::abs(y);
  }
  EXPECT_NEAR(sum / draws, 0, 0.01);
  EXPECT_NEAR(squares / draws, 1, 0.015);
  EXPECT_NEAR(laplace_sum / draws, 0, 0.03);
  EXPECT_NEAR(laplace_absolute / draws, 2, 0.02);  // E|y| is the scale
}

TEST(Rng, StreamsOfNeighbouringSeedsDiffer) {
  std::set<std::uint64_t> firsts;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    for (std::uint64_t stream = 0; stream < 50; ++stream) firsts.insert(Rng(seed, stream).next());
  }
  EXPECT_EQ(firsts.size(), 2500u);
  EXPECT_EQ(Rng(3, 4), Rng(3, 4));
}

TEST(Rng, ShuffleIsAPermutation) {
  std::vector<int> values(100);
  std::iota(values.begin(), values.end(), 0);
  Rng rng(5);
  rng.shuffle(values);
  EXPECT_FALSE(std::is_sorted(values.begin(), values.end()));
  EXPECT_EQ(std::set<int>(values.begin(), values.end()).size(), 100u);
}

TEST(Rng, GoesOnFromItsSavedState) {
  Rng rng(9);
  for (int i = 0; i < 10; ++i) rng.next();
  Rng copy(1);
  copy.load(rng.save());
  EXPECT_EQ(copy, rng);
  EXPECT_EQ(copy.normal(), rng.normal());
}

TEST(Rng, RefusesWhatIsNoState) {
  Rng rng(9);
  const Rng before = rng;
  const std::string good = rng.save();
  for (const std::string& bad : {std::string(), std::string("x"), good + "0", good.substr(1), "g" + good.substr(1),
                                 "-" + good.substr(1), std::string(64, '0'), std::string(64, '\0')}) {
    expect_error([&] { rng.load(bad); }, ErrorCode::corrupt, "not a saved state");
  }
  EXPECT_EQ(rng, before);
}

}  // namespace
}  // namespace corbel
