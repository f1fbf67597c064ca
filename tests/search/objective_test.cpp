#include "corbel/search/objective.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace corbel {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Better, OrdersFeasibleByObjectiveThenInfeasibleByViolationWithNanLast) {
  // Each class of equals, from the best.
  const std::vector<std::vector<Score>> classes = {{{-infinity, 0}}, {{1, 0}, {1, -3}},     {{2, 0}},
                                                   {{infinity, 0}},  {{nan, 0}, {nan, -1}}, {{9, 0.5}, {nan, 0.5}},
                                                   {{1, 0.7}},       {{1, infinity}},       {{1, nan}, {nan, nan}}};
  for (std::size_t i = 0; i < classes.size(); ++i)
    for (std::size_t j = 0; j < classes.size(); ++j)
      for (const Score& a : classes[i])
        for (const Score& b : classes[j]) EXPECT_EQ(better(a, b), i < j) << i << ' ' << j;
}

TEST(Objective, ScoreRangeFollowsTheEnumerationAcrossBatches) {
  // 7 · 11 · 13 = 1001 designs, which is no multiple of the batch of 256.
  const auto objective = make_objective(
      DesignSpace({Parameter::integer("a", 0, 6), Parameter::integer("b", 0, 10), Parameter::integer("c", 0, 12)}),
      [](const Design& d) {
        return Score{d[0] * 10000.0 + d[1] * 100.0 + d[2], 0};
      });
  std::vector<Score> scores(1001);
  objective->score_range(0, scores);
  for (DesignId id = 0; id < scores.size(); ++id)
    EXPECT_EQ(scores[id].objective, id / 143 * 10000 + id / 13 % 11 * 100 + id % 13);
  std::vector<Score> tail(3);
  objective->score_range(998, tail);
  EXPECT_EQ(tail[0].objective, 61010);
  EXPECT_EQ(tail[2].objective, 61012);
  objective->score_range(1000, {});
}

}  // namespace
}  // namespace corbel
