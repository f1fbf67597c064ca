#include "corbel/report/figure_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/html_check.hpp"

namespace corbel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A square frame: x from 27.4 to 486 for two-digit labels, y from 28 to 454.
Chart square(std::vector<ChartSeries> series) {
  Chart chart;
  chart.id = "t";
  chart.width = 500;
  chart.height = 500;
  chart.x = {.title = "x", .low = 0, .high = 10};
  chart.y = {.title = "y", .low = 0, .high = 10};
  chart.series = std::move(series);
  return chart;
}

TEST(ChartSvg, WritesNamesBesideTheirMarks) {
  const std::string svg = chart_svg(square({{ChartSeries::Kind::circles, "true", "", {{5, 5, "", "a & b"}}}}));
  // The mark stands at (256.7, 241); the name's baseline is 4 px below its middle.
  EXPECT_THAT(svg, HasSubstr("text-anchor=\"start\" x=\"265.7\" y=\"245\">a &amp; b</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("\"tie\"")));
}

TEST(ChartSvg, MovesANameThatMeetsAMark) {
  const std::string svg =
      chart_svg(square({{ChartSeries::Kind::circles, "true", "", {{5, 5, "", "left"}, {5.3, 5, "", "right"}}}}));
  EXPECT_THAT(svg, HasSubstr("text-anchor=\"end\" x=\"247.7\" y=\"245\">left</text>"));
  EXPECT_THAT(svg, HasSubstr("text-anchor=\"start\" x=\"279.5\" y=\"245\">right</text>"));
}

TEST(ChartSvg, NamesCoverDotsOnlyWhereNothingElseIsFree) {
  std::vector<ChartPoint> dots;
  for (int i = 0; i <= 100; ++i) dots.push_back({i / 10.0, 5, ""});
  const std::string svg = chart_svg(square({{ChartSeries::Kind::cloud, "logged", "", dots},
                                            {ChartSeries::Kind::stars, "chosen", "", {{5, 5, "", "best"}}}}));
  EXPECT_THAT(svg, HasSubstr("y=\"262\">best</text>"));
  EXPECT_THAT(svg, HasSubstr("class=\"tie\""));
}

TEST(ChartSvg, LeavesANameWithoutRoomToTheTip) {
  const std::string svg =
      chart_svg(square({{ChartSeries::Kind::circles, "true", "", {{5, 5, "tip", std::string(90, 'w')}}}}));
  EXPECT_THAT(svg, Not(HasSubstr("www")));
  EXPECT_THAT(svg, HasSubstr("<title>tip</title>"));
}

TEST(ChartSvg, FixedRangesCanBeLogarithmic) {
  Chart chart = square({{ChartSeries::Kind::circles, "true", "", {{10, 5, "here"}}}});
  chart.x = {.title = "time", .unit = "ms", .logarithmic = true, .low = 1, .high = 100};
  const std::string svg = chart_svg(chart);
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"256.7\" cy=\"241\""));
  EXPECT_THAT(svg, HasSubstr(">time (ms), log</text>"));
}

TEST(ChartSvg, AreasDoNotWidenTheAxes) {
  Chart chart;
  chart.id = "t";
  chart.series = {{ChartSeries::Kind::circles, "true", "", {{1, 1, ""}, {2, 2, ""}}}};
  const std::string without = chart_svg(chart);
  chart.series.push_back({ChartSeries::Kind::area, "band", "", {{-50, -50, ""}, {50, 50, ""}, {50, -50, ""}}});
  const std::string with = chart_svg(chart);
  EXPECT_EQ(with.substr(0, with.find("<g class=\"s ")), without.substr(0, without.find("<g class=\"s ")));
}

TEST(StackedBarsSvg, PartsFollowEachOtherAndTheReferenceIsMarked) {
  StackedBars bars;
  bars.width = 430;
  bars.parts = {"good", "bad"};
  bars.reference_label = "wanted";
  bars.bars = {{"1234", {0.25, 0.75}, 0.5}, {"", {0.1, 0}}};
  const std::string svg = stacked_bars_svg(bars);
  // The label takes 4 · 7.7 + 10 px, so that 369.2 px are 100 %.
  EXPECT_THAT(svg, HasSubstr("<rect class=\"part p0\" x=\"40.8\" y=\"12\" width=\"92.3\""));
  EXPECT_THAT(svg, HasSubstr("<rect class=\"part p1\" x=\"133.1\" y=\"12\" width=\"276.9\""));
  EXPECT_THAT(svg, HasSubstr("<title>wanted: 50.0 %</title>"));
  EXPECT_EQ(legend_items(bars).size(), 3u);
  bars.bars[0].reference = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(legend_items(bars).size(), 2u);
  EXPECT_THAT(stacked_bars_svg(bars), Not(HasSubstr("wanted")));
}

TEST(SvgFile, IsAWellFormedFileThatNamesNothingOutside) {
  const Chart chart = square({{ChartSeries::Kind::circles, "true", "a < b", {{5, 5, "tip"}}}});
  FigureFile figure;
  figure.title = "R&D";
  figure.legend = legend_items(chart);
  figure.panels = {chart_panel(chart, "one"), chart_panel(chart, "two"), chart_panel(chart, "three")};
  figure.columns = 2;
  figure.note = "Many words. ";
  for (int i = 0; i < 8; ++i) figure.note += figure.note;
  const std::string svg = svg_file(figure);
  EXPECT_EQ(xml_fault(svg), "");
  EXPECT_THAT(svg, HasSubstr("R&amp;D"));
  EXPECT_THAT(svg, HasSubstr("a &lt; b"));
  // Two panels of 500 px with a gap of 26, between margins of 22.
  EXPECT_THAT(svg, HasSubstr("width=\"1070\""));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_EQ(svg.find("http", svg.find("xmlns=\"http") + 8), std::string::npos);
  EXPECT_EQ(xml_fault(svg_file({})), "");
}

TEST(XmlFault, WantsEveryTagClosed) {
  EXPECT_EQ(xml_fault("<a b=\"1\">x<br/></a>"), "");
  EXPECT_NE(xml_fault("<a>x<br></a>"), "");
  EXPECT_NE(xml_fault("<style>a < b</style>"), "");
  EXPECT_NE(xml_fault("text"), "");
}

}  // namespace
}  // namespace corbel
