#include "corbel/report/html.hpp"

#include <gtest/gtest.h>

#include "corbel/report/plot.hpp"
#include "report/html_check.hpp"

namespace corbel {
namespace {

TEST(HtmlEscape, LeavesNothingThatHtmlReads) {
  EXPECT_EQ(html_escape("<script>alert(\"x\" & 'y')</script>"),
            "&lt;script&gt;alert(&quot;x&quot; &amp; &#39;y&#39;)&lt;/script&gt;");
  EXPECT_EQ(html_escape("29 mm² · µs"), "29 mm² · µs");
}

TEST(HtmlEscape, ReplacesControlCharactersAndBrokenUtf8) {
  EXPECT_EQ(html_escape(std::string("a\0b\x1b\x7f", 5)), "a\uFFFDb\uFFFD\uFFFD");
  EXPECT_EQ(html_escape("line\nand\ttab"), "line\nand\ttab");
  EXPECT_EQ(html_escape("\xff\xc3("), "\uFFFD\uFFFD(");
  EXPECT_EQ(html_escape("\xc0\xaf"), "\uFFFD\uFFFD");            // an overlong slash
  EXPECT_EQ(html_escape("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate
  EXPECT_EQ(html_escape("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
}

TEST(Shorten, CountsCharactersNotBytes) {
  EXPECT_EQ(shorten("µµµ", 3), "µµµ");
  EXPECT_EQ(shorten("µµµµ", 3), "µµ…");
}

TEST(HtmlTableTest, WritesRowsAndNotes) {
  HtmlTable table({{"name"}, {"value", HtmlTable::Align::number}});
  EXPECT_TRUE(table.empty());
  table.row({"a", "1"}, "chosen");
  table.note("more");
  EXPECT_NE(table.html().find("<tr class=\"chosen\"><td>a</td><td class=\"n\">1</td></tr>"), std::string::npos);
  EXPECT_NE(table.html().find("<td colspan=\"1\">more</td>"), std::string::npos);
  EXPECT_EQ(html_fault("<!DOCTYPE html>" + table.html()), "");
}

TEST(HtmlFault, FindsWhatIsWrong) {
  EXPECT_EQ(html_fault("<!DOCTYPE html><p a=\"1\">x<br>y &amp; z</p><script>if (1 < 2) {}</script>"), "");
  EXPECT_NE(html_fault("<!DOCTYPE html><p>"), "");
  EXPECT_NE(html_fault("<!DOCTYPE html><b><i></b></i>"), "");
  EXPECT_NE(html_fault("<!DOCTYPE html><p a=1></p>"), "");
  EXPECT_NE(html_fault("<!DOCTYPE html>1 < 2"), "");
  EXPECT_NE(html_fault("<!DOCTYPE html>this & that"), "");
}

TEST(ChartSvg, PutsPointsWhereTheAxesSay) {
  Chart chart;
  chart.id = "t";
  chart.width = 100;
  chart.height = 100;
  chart.x.low = 0;
  chart.x.high = 10;
  chart.y.low = 0;
  chart.y.high = 10;
  chart.series = {{ChartSeries::Kind::circles, "true", "seen", {{5, 5, "middle"}, {11, 5, "outside"}}}};
  const std::string svg = chart_svg(chart);
  // The frame spans x from 7.7·2 + 12 (the label "10") to 86 and y from 28 to 54.
  EXPECT_NE(svg.find("<circle cx=\"56.7\" cy=\"41\" r=\"4.5\"/><title>middle</title>"), std::string::npos) << svg;
  EXPECT_EQ(svg.find("outside"), std::string::npos);
  EXPECT_NE(chart_legend(chart).find("seen"), std::string::npos);
}

TEST(ChartSvg, NamesALoneLimitAboveItAndSeveralInTheLegend) {
  Chart chart;
  chart.id = "t";
  chart.series = {{ChartSeries::Kind::cloud, "logged", "", {{1, 1, ""}, {2, 2, ""}}}};
  chart.guides = {{true, 1.5, "area <= 1.5", 1}};
  EXPECT_NE(chart_svg(chart).find(">area &lt;= 1.5</text>"), std::string::npos);
  EXPECT_EQ(chart_legend(chart), "");
  chart.guides.push_back({true, 1.2, "area >= 1.2", -1});
  EXPECT_EQ(chart_svg(chart).find(">area"), std::string::npos);
  EXPECT_NE(chart_legend(chart).find("area &gt;= 1.2"), std::string::npos);
}

TEST(ThinnedPoints, KeepsTheEnds) {
  std::vector<ChartPoint> points;
  for (int i = 0; i < 1000; ++i) points.push_back({static_cast<double>(i), 0, ""});
  const std::vector<ChartPoint> few = thinned_points(points, 100);
  EXPECT_EQ(few.size(), 101u);
  EXPECT_EQ(few.front().x, 0);
  EXPECT_EQ(few.back().x, 999);
  EXPECT_EQ(thinned_points(points, 1000).size(), 1000u);
}

}  // namespace
}  // namespace corbel
