#include "corbel/search/unseen.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "corbel/base/random.hpp"

namespace corbel {
namespace {

DesignSpace line(std::int64_t count) {
  return DesignSpace({Parameter::integer("x", 0, count - 1)});
}

TEST(UnseenDesigns, DrawsEveryDesignOnceWhateverTheSize) {
  for (const std::int64_t size : {1, 2, 3, 4, 5, 15, 16, 17, 255, 256, 257, 1000, 4097}) {
    Rng rng(7);
    UnseenDesigns unseen({line(size), {}}, rng);
    std::set<Design> drawn;
    while (const std::optional<Design> design = unseen.draw()) EXPECT_TRUE(drawn.insert(*design).second);
    EXPECT_EQ(drawn.size(), static_cast<std::size_t>(size));
    EXPECT_TRUE(unseen.exhausted());
  }
}

TEST(UnseenDesigns, DrawsAreUniformAndPairsOfThemToo) {
  // 12 designs, ordered pairs of the first two draws: 132 cells, 200 expected in each. With 131 degrees of freedom
  // chi-square exceeds 194 with probability 0.0003.
  constexpr std::size_t size = 12, trials = 26400;
  std::array<std::array<double, size>, size> counts{};
  for (std::uint64_t seed = 0; seed < trials; ++seed) {
    Rng rng(seed);
    UnseenDesigns unseen({line(size), {}}, rng);
    const Design first = unseen.draw().value(), second = unseen.draw().value();
    ++counts[first[0]][second[0]];
  }
  double chi_square = 0;
  for (std::size_t i = 0; i < size; ++i) {
    EXPECT_EQ(counts[i][i], 0);
    for (std::size_t j = 0; j < size; ++j)
      if (i != j) chi_square += (counts[i][j] - 200) * (counts[i][j] - 200) / 200;
  }
  EXPECT_LT(chi_square, 194);
}

TEST(UnseenDesigns, ClaimTakesOnlyNewAdmittedDesignsOfTheSpace) {
  Rng rng(1);
  UnseenDesigns unseen({line(10), [](const Design& design) { return design[0] != 3; }}, rng);
  EXPECT_TRUE(unseen.claim({5}));
  EXPECT_FALSE(unseen.claim({5}));
  EXPECT_FALSE(unseen.claim({3}));
  EXPECT_FALSE(unseen.claim({10}));
  EXPECT_FALSE(unseen.claim({1, 1}));
  EXPECT_EQ(unseen.count(), 1u);
  std::set<std::uint32_t> rest;
  while (const std::optional<Design> design = unseen.draw()) rest.insert((*design)[0]);
  EXPECT_EQ(rest, (std::set<std::uint32_t>{0, 1, 2, 4, 6, 7, 8, 9}));
}

TEST(UnseenDesigns, AFruitlessDrawGoesOnWhereTheLastOneGaveUp) {
  // Twice the effort of one draw, and one admitted design: some draw among the first three must find it.
  const std::int64_t size = static_cast<std::int64_t>(2 * UnseenDesigns::draw_effort);
  Rng rng(3);
  UnseenDesigns unseen({line(size), [](const Design& design) { return design[0] == 12345; }}, rng);
  int found = 0;
  for (int i = 0; i < 3; ++i) found += unseen.draw().has_value();
  EXPECT_EQ(found, 1);
  EXPECT_TRUE(unseen.exhausted());
}

}  // namespace
}  // namespace corbel
