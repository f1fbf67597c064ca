#include "figures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comparisons.hpp"
#include "corbel/base/file.hpp"
#include "report/html_check.hpp"

namespace corbel::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<Figure> all_figures(std::size_t threads) {
  ValidationOptions options;
  options.data = CORBEL_VALIDATION_DATA;
  options.designs = 300;
  options.threads = threads;
  std::vector<Figure> figures;
  for (const auto run : {validate_coral, validate_space, validate_cliff}) {
    const Section section = run(options);
    figures.insert(figures.end(), section.figures.begin(), section.figures.end());
  }
  return figures;
}

TEST(Figures, AreWellFormedAndTheSameBytesTwice) {
  const std::vector<Figure> once = all_figures(1), twice = all_figures(3);
  ASSERT_EQ(once.size(), 4u);
  for (std::size_t i = 0; i < once.size(); ++i) {
    EXPECT_EQ(xml_fault(once[i].svg), "") << once[i].file;
    EXPECT_EQ(once[i].file, twice[i].file);
    EXPECT_TRUE(once[i].svg == twice[i].svg) << once[i].file;
    EXPECT_THAT(once[i].svg, Not(HasSubstr("nan"))) << once[i].file;
  }
}

TEST(Figures, ThoseOfTheManualAreWellFormed) {
  for (const char* name : {"coral", "space", "failures", "cliff", "template"}) {
    const std::string file = std::string(CORBEL_SOURCE_DIR "/docs/images/edge_") + name + ".svg";
    EXPECT_EQ(xml_fault(read_file(file)), "") << file;
  }
}

TEST(Figures, CoralShowsEachNetworkThatCompilesOnce) {
  const ResultTable fitted{
      "networks", "", {}, {{{"workload", "a<b"}, {"measured_ms", 2.0}, {"modelled_ms", 3.0}, {"error_percent", 50.0}}}};
  const ResultTable held_out{
      "held_out",
      "",
      {},
      {{{"workload", "too_large"}, {"measured_ms", 100.0}, {"infeasible", "pe_memory_overflow"}},
       {{"workload", "c"}, {"measured_ms", 100.0}, {"modelled_ms", 90.0}, {"error_percent", -10.0}}}};
  const std::string svg = coral_figure(fitted, held_out, {}, 15).svg;
  EXPECT_EQ(xml_fault(svg), "");
  EXPECT_THAT(svg, HasSubstr("<title>a&lt;b\nmeasured 2.0 ms\nmodelled 3.0 ms\nerror +50.0 %</title>"));
  EXPECT_THAT(svg, HasSubstr(">c</text>"));
  EXPECT_THAT(svg, HasSubstr("±15 %"));
  EXPECT_THAT(svg, Not(HasSubstr("too_large")));
}

TEST(Figures, FailuresStandInTheOrderOfTheirFrequency) {
  const ResultTable shares{"applications",
                           "",
                           {},
                           {{{"workload", "net"}, {"compiles_percent", 20.0}, {"published_compiles_percent", 25.5}}}};
  const ResultTable reasons{"reasons",
                            "",
                            {{"workload", ""}, {"rare", ""}, {"frequent", ""}},
                            {{{"workload", "net"}, {"rare", 10.0}, {"frequent", 70.0}}}};
  const std::string svg = failures_figure(shares, reasons, 1000).svg;
  EXPECT_EQ(xml_fault(svg), "");
  const std::size_t compiles = svg.find("<title>compiles: 20.0 %"), frequent = svg.find("<title>frequent: 70.0 %"),
                    rare = svg.find("<title>rare: 10.0 %");
  EXPECT_LT(compiles, frequent);
  EXPECT_LT(frequent, rare);
  EXPECT_NE(rare, std::string::npos);
  EXPECT_THAT(svg, HasSubstr("<title>compiles, published: 25.5 %"));
}

TEST(Figures, OfNoDesignsAreStillFigures) {
  EXPECT_EQ(xml_fault(coral_figure({}, {}, {}, 15).svg), "");
  EXPECT_EQ(xml_fault(space_figure({{"net", {}, {100, 200, 300}}}, 10).svg), "");
  EXPECT_EQ(xml_fault(space_figure({}, 10).svg), "");
  EXPECT_EQ(xml_fault(failures_figure({}, {}, 10).svg), "");
  EXPECT_EQ(xml_fault(cliff_figure({{"net", {}, {}}}, 29, 10).svg), "");
}

}  // namespace
}  // namespace corbel::test
