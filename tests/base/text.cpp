#include "corbel/base/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corbel {
namespace {

using testing::ElementsAre;

TEST(Text, SplitsAtSeparatorsThatStandOutsideBrackets) {
  EXPECT_THAT(split("a,b,,c", ','), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(split("", ','), ElementsAre(""));
  EXPECT_THAT(split("a,", ','), ElementsAre("a", ""));
  EXPECT_THAT(split("grid=[{a: 1, b: 2}, {a: 3}],steps=4,(x,y)", ','),
              ElementsAre("grid=[{a: 1, b: 2}, {a: 3}]", "steps=4", "(x,y)"));
  EXPECT_THAT(split("a],b", ','), ElementsAre("a]", "b")) << "a bracket that closes nothing";
  EXPECT_THAT(split("a[,b", ','), ElementsAre("a[,b"));
}

TEST(Text, TrimsBlanksAtBothEnds) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
}

}  // namespace
}  // namespace corbel
