#include "corbel/search/direction.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace corbel {
namespace {

TEST(Direction, CostsAreLowerForBetterValues) {
  EXPECT_EQ(cost_of(Direction::minimise, 7), 7);
  EXPECT_EQ(cost_of(Direction::maximise, 7), -7);
  for (const Direction direction : {Direction::minimise, Direction::maximise}) {
    EXPECT_EQ(value_of(direction, cost_of(direction, 0.3)), 0.3);
    EXPECT_FALSE(is_better(direction, 2, 2));
    EXPECT_FALSE(is_better(direction, std::nan(""), 2));
  }
  EXPECT_TRUE(is_better(Direction::minimise, 1, 2));
  EXPECT_TRUE(is_better(Direction::maximise, 2, 1));
}

TEST(Direction, RatiosAreAboveOneForWorseValues) {
  EXPECT_EQ(times_worse(Direction::minimise, 30, 20), 1.5);
  EXPECT_EQ(times_worse(Direction::maximise, 20, 30), 1.5);
  // Nothing found is minus infinity, and no throughput at all is infinitely worse than some.
  EXPECT_EQ(times_worse(Direction::maximise, -INFINITY, 30), INFINITY);
  EXPECT_EQ(times_worse(Direction::maximise, 0, 30), INFINITY);
}

TEST(Goal, IsReadFromText) {
  const auto is = [](const char* text, const char* metric, Direction direction) {
    const Goal goal = Goal::parse(text);
    return goal.metric == metric && goal.direction == direction;
  };
  EXPECT_TRUE(is("fps", "fps", Direction::minimise));
  EXPECT_TRUE(is("minimise:fps", "fps", Direction::minimise));
  EXPECT_TRUE(is("maximise:fps", "fps", Direction::maximise));
  EXPECT_TRUE(is("minimise:maximise:fps", "maximise:fps", Direction::minimise));
  EXPECT_TRUE(is("maximised", "maximised", Direction::minimise));
  EXPECT_TRUE(is("maximise:", "", Direction::maximise));
}

}  // namespace
}  // namespace corbel
