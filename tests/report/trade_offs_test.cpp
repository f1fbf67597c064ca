#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "corbel/report/report.hpp"
#include "report/html_check.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

/// Five designs of a front and a cloud beside it, in a study whose results are whole.
json results() {
  std::ifstream file(std::string(CORBEL_SOURCE_DIR) + "/tests/report/results_fixture.json");
  json all = json::parse(file);
  const json design = all["best"]["design"];
  json front = json::array(), cloud = json::array();
  for (int i = 0; i < 5; ++i) {
    front.push_back({{"id", i},
                     {"design", design},
                     {"objectives", {0.101 + i * 0.1, 0.9 - i * 0.1, 11.5 + (i % 2)}},
                     {"metrics", json::object()},
                     {"margins", json::array()}});
    for (int k = 0; k < 20; ++k) cloud.push_back({0.3 + i * 0.1 + k * 0.01, 1.0 - i * 0.05 + k * 0.02, 14 + i});
  }
  all["pareto"] = {{"basis", "simulated"},
                   {"metrics", {"latency_ms", "energy_mj", "area_mm2"}},
                   {"method", "decomposition"},
                   {"strategy", "fire<fly>"},
                   {"queries", 2345},
                   {"within_limits", 105},
                   {"failed", 3},
                   {"exhaustive", false},
                   {"reference", {0.99, 1.88, 18.77}},
                   {"reference_source", "worst"},
                   {"hypervolume", 4.321},
                   {"history", {{10, 1.0}, {100, 4.0}, {2000, 4.321}}},
                   {"front", front},
                   {"designs", cloud}};
  return all;
}

std::string section_of(const json& all) {
  const std::string page = html_report(all);
  EXPECT_EQ(html_fault(page), "");
  const std::size_t first = page.find("<h2>Trade-offs</h2>");
  if (first == std::string::npos) return "";
  return page.substr(first, page.find("</section>", first) - first);
}

TEST(TradeOffs, ShowsTheFrontPerPairOfMetricsAndItsHypervolume) {
  const std::string section = section_of(results());
  for (const char* id : {"trade-off-0-1", "trade-off-0-2", "trade-off-1-2", "hypervolume"})
    EXPECT_THAT(section, HasSubstr(std::string("id=\"") + id));
  EXPECT_THAT(section, HasSubstr("decomposition by fire&lt;fly&gt;; 2,345 queries of the simulator; 105 within every "
                                 "limit; 3 set aside since their runs failed; 5 in the front."));
  EXPECT_THAT(section, HasSubstr("Hypervolume <b>4.321 ms·mJ·mm²</b>, up to the reference point latency 0.9900 ms, "
                                 "energy 1.880 mJ, area 18.77 mm² (the worst of the designs found within the limits)"));
  EXPECT_THAT(section, HasSubstr("front of these two alone"));
  EXPECT_THAT(section, HasSubstr("0.1010 ms"));
  EXPECT_THAT(section, HasSubstr("11.50 mm²"));
  EXPECT_THAT(section, Not(HasSubstr("Predicted")));
}

TEST(TradeOffs, OfTwoMetricsAreOneFigureWithTheFrontAsALine) {
  json all = results();
  all["pareto"]["metrics"].erase(2);
  all["pareto"]["reference_source"] = "given";
  const std::string section = section_of(all);
  EXPECT_THAT(section, HasSubstr("id=\"trade-off-0-1"));
  EXPECT_THAT(section, Not(HasSubstr("trade-off-0-2")));
  EXPECT_THAT(section, Not(HasSubstr("these two alone")));
  EXPECT_THAT(section, HasSubstr("(as given)"));
}

TEST(TradeOffs, SayWhichWayIsBetter) {
  json all = results();
  all["pareto"]["directions"] = {"minimise", "maximise", "maximise"};
  const std::string section = section_of(all);
  EXPECT_THAT(section, HasSubstr("Better is lower latency and higher energy."));
  EXPECT_THAT(section, HasSubstr("Higher is better."));
  EXPECT_THAT(section_of(results()), testing::Not(HasSubstr("igher")));
}

TEST(TradeOffs, SayThatPredictionsAreThat) {
  json all = results();
  all["pareto"]["basis"] = "predicted";
  const std::string section = section_of(all);
  EXPECT_THAT(section, HasSubstr("Predicted, not simulated."));
  EXPECT_THAT(section, HasSubstr("2,345 designs scored on the surrogate"));
  EXPECT_THAT(section, HasSubstr("Pareto front, predicted"));
}

TEST(TradeOffs, TellWhereTheFrontIsEmptyAndAreAbsentWithoutASearch) {
  json all = results();
  all["pareto"]["front"] = json::array();
  EXPECT_THAT(section_of(all), HasSubstr("No design was found within every limit."));
  all.erase("pareto");
  EXPECT_EQ(section_of(all), "");
}

TEST(TradeOffs, AFrontThatFoundTheBestDesignIsNamedWithItsQueries) {
  json all = results();
  all["best"]["source"] = "searched";
  all["best"]["found_by"] = "pareto";
  EXPECT_THAT(html_report(all), HasSubstr("found in 2,345 queries"));
}

TEST(TradeOffs, NeverFailOverWhatIsMissingOrOfAnotherType) {
  const std::function<void(json&, const std::function<void()>&)> damage = [&](json& node,
                                                                              const std::function<void()>& check) {
    for (const json& other :
         {json(nullptr), json("<x>"), json(-1e308), json::array(), json::object(), json({1, {2}})}) {
      const json kept = node;
      node = other;
      check();
      node = kept;
    }
    if (!node.is_structured()) return;
    // Of alike items the first tells enough.
    std::size_t visited = 0;
    for (json& child : node) {
      if (node.is_array() && ++visited > 2) break;
      damage(child, check);
    }
  };
  json all = results();
  json& section = all["pareto"];
  // The rest of the page is not what is tested here.
  for (const char* key : {"dataset", "training", "search", "proposals", "validation", "best", "plots"}) all.erase(key);
  damage(section, [&] { EXPECT_EQ(html_fault(html_report(all)), ""); });
}

}  // namespace
}  // namespace corbel
