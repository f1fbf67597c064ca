#include "corbel/report/axis.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace corbel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Values = std::vector<double>;

TEST(LinearTicks, AreRoundAndExactDecimals) {
  EXPECT_THAT(linear_ticks(0, 10, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(linear_ticks(0, 0.5, 5), ElementsAre(0, 0.1, 0.2, 0.3, 0.4, 0.5));
  EXPECT_THAT(linear_ticks(-1.2, 1.3, 5), ElementsAre(-1, -0.5, 0, 0.5, 1));
  EXPECT_THAT(linear_ticks(3.1e6, 7.9e6, 5), ElementsAre(4e6, 5e6, 6e6, 7e6));
  EXPECT_THAT(linear_ticks(1e-9, 3e-9, 2), ElementsAre(1e-9, 2e-9, 3e-9));
}

TEST(LinearTicks, NeverSayMinusZero) {
  for (const double tick : linear_ticks(-1, 1, 2)) EXPECT_FALSE(tick == 0 && std::signbit(tick));
}

TEST(LinearTicks, AreNoneForNoRange) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(linear_ticks(1, 1, 5), IsEmpty());
  EXPECT_THAT(linear_ticks(2, 1, 5), IsEmpty());
  EXPECT_THAT(linear_ticks(0, infinity, 5), IsEmpty());
  EXPECT_THAT(linear_ticks(std::nan(""), 1, 5), IsEmpty());
  // Neighbouring doubles: no round number fits between them.
  EXPECT_THAT(linear_ticks(1e15, std::nextafter(1e15, 2e15), 5), IsEmpty());
}

TEST(LogTicks, HaveTwosAndFivesOnlyWhereDecadesAreFew) {
  EXPECT_THAT(log_ticks(0.9, 60), ElementsAre(1, 2, 5, 10, 20, 50));
  EXPECT_THAT(log_ticks(0.5, 20000), ElementsAre(1, 10, 100, 1000, 10000));
  EXPECT_THAT(log_ticks(1e-10, 1e11), ElementsAre(1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9));
  EXPECT_THAT(log_ticks(0, 10), IsEmpty());
}

TEST(AxisScaleTest, IsLogarithmicBeyondOneAndAHalfDecades) {
  EXPECT_FALSE(AxisScale::around(Values{1, 31}).logarithmic());
  EXPECT_TRUE(AxisScale::around(Values{1, 32}).logarithmic());
  EXPECT_FALSE(AxisScale::around(Values{1, 32}, true).logarithmic());
  EXPECT_FALSE(AxisScale::around(Values{0, 1000}).logarithmic());
  EXPECT_FALSE(AxisScale::around(Values{-1, 1000}).logarithmic());
}

TEST(AxisScaleTest, StartsAtZeroWhenTheLeastIsNearIt) {
  EXPECT_EQ(AxisScale::around(Values{2, 10}).low(), 0);
  EXPECT_EQ(AxisScale::around(Values{8, 10}).low(), 7.9);
  EXPECT_EQ(AxisScale::around(Values{8, 10}).high(), 10.1);
}

TEST(AxisScaleTest, MapsItsEndsToZeroAndOne) {
  const AxisScale linear = AxisScale::linear(-5, 15);
  EXPECT_EQ(linear.at(-5), 0);
  EXPECT_EQ(linear.at(5), 0.5);
  EXPECT_EQ(linear.at(15), 1);
  const AxisScale logarithmic = AxisScale::around(Values{1, 10000});
  EXPECT_NEAR(logarithmic.at(100), 0.5, 1e-12);
  EXPECT_EQ(logarithmic.at(0), -std::numeric_limits<double>::infinity());
}

TEST(AxisScaleTest, SurvivesWhatItCannotShow) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const Values& values : {Values{}, Values{std::nan("")}, Values{infinity, -infinity}, Values{0}, Values{1e-320},
                               Values{-1e299, 1e299}, Values{1.7e308}, Values{3, 3, 3}, Values{1e-300, 1e300}}) {
    const AxisScale scale = AxisScale::around(values);
    EXPECT_LT(scale.low(), scale.high());
    EXPECT_TRUE(std::isfinite(scale.low()) && std::isfinite(scale.high()));
    EXPECT_LT(scale.ticks(6).size(), 50u);
    EXPECT_EQ(label_ticks(scale.ticks(6)).labels.size(), scale.ticks(6).size());
  }
}

TEST(TickLabelsTest, ShareDecimalsAndScale) {
  EXPECT_THAT(label_ticks(Values{0, 0.05, 0.1}).labels, ElementsAre("0.00", "0.05", "0.10"));
  EXPECT_THAT(label_ticks(Values{0, 50, 100}).labels, ElementsAre("0", "50", "100"));
  const TickLabels cycles = label_ticks(Values{20e6, 25e6, 30e6});
  EXPECT_EQ(cycles.exponent, 6);
  EXPECT_THAT(cycles.labels, ElementsAre("20", "25", "30"));
  const TickLabels small = label_ticks(Values{0.001, 0.002, 0.003});
  EXPECT_EQ(small.exponent, -3);
  EXPECT_THAT(small.labels, ElementsAre("1", "2", "3"));
  EXPECT_THAT(label_ticks(Values{0}).labels, ElementsAre("0"));
  EXPECT_THAT(label_ticks(Values{}).labels, IsEmpty());
}

TEST(TickLabelsTest, WritePowersWhereTicksSpanManyDecades) {
  const TickLabels wide = label_ticks(Values{0.1, 1, 10, 100, 1000, 10000, 100000});
  EXPECT_EQ(wide.exponent, 0);
  EXPECT_THAT(wide.labels, ElementsAre("0.1", "1", "10", "100", "1000", "10⁴", "10⁵"));
}

TEST(ScaledUnit, NamesThePower) {
  EXPECT_EQ(scaled_unit(0, "ms"), "ms");
  EXPECT_EQ(scaled_unit(6, "µm²"), "10⁶ µm²");
  EXPECT_EQ(scaled_unit(-3, ""), "10⁻³");
}

}  // namespace
}  // namespace corbel
