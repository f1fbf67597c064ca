#include "corbel/report/experiment_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/html_check.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json row(const char* method, int budget, double median) {
  return {{"method", method},
          {"budget", budget},
          {"seeds", 10},
          {"best_median", median},
          {"best_min", median / 2},
          {"best_q25", median - 1},
          {"best_q75", median + 1},
          {"best_max", 2 * median},
          {"exact", 3},
          {"queries_median", 250},
          {"queries_to_optimum_median", nullptr},
          {"seconds", 2.5},
          {"strategy_seconds", 0.5}};
}

json experiment() {
  return {{"corbel", "9.9"},
          {"question",
           {{"name", "table <1>"},
            {"source", "table"},
            {"designs", 384000},
            {"parameters", 9},
            {"objective", {{"metric", "runtime_cycles"}, {"unit", "cycles"}}},
            {"constraints", {"area_um2 <= 6e6"}}}},
          {"optimum", {{"value", 100}, {"basis", "every design of the space is recorded"}, {"known", true}}},
          {"seeds", 10},
          {"first_seed", 1},
          {"batch", 1},
          {"budgets", {250, 1000}},
          {"queries", {{"all", 20000}, {"within_limits", 700}, {"failed", 0}}},
          {"results", {row("slow", 250, 240), row("fast", 250, 123), row("slow", 1000, 150), row("fast", 1000, 100)}},
          {"curves",
           {{{"method", "slow"},
             {"points", {{1, nullptr, nullptr, nullptr}, {10, 300, 290, nullptr}, {250, 240, 239, 241}}}},
            {{"method", "fast"},
             {"points", {{1, nullptr, nullptr, nullptr}, {10, 200, 190, 210}, {250, 123, 122, 124}}}}}}};
}

TEST(ExperimentReport, ShowsEveryMethodOverTheOptimum) {
  const std::string page = experiment_report(experiment());
  EXPECT_EQ(html_fault(page), "");
  EXPECT_THAT(page, HasSubstr("table &lt;1&gt;"));
  EXPECT_THAT(page, HasSubstr("1.2300"));
  EXPECT_THAT(page, HasSubstr("over the optimum of 100 cycles"));
  EXPECT_THAT(page, HasSubstr(">2 ms<"));  // 0.5 s of strategy for 250 queries
  // The better method of a budget stands first, and smaller budgets before larger ones.
  EXPECT_LT(page.find("1.2300"), page.find("2.4000"));
  EXPECT_LT(page.find("2.4000"), page.find(">1.0000<"));
  EXPECT_THAT(page, HasSubstr("id=\"comparison"));
  EXPECT_THAT(page, HasSubstr("id=\"method-1"));
}

TEST(ExperimentReport, OfAMaximisedMetricShowsTheOptimumOverEach) {
  json all = experiment();
  all["question"]["objective"] = {{"metric", "throughput_fps"}, {"unit", "fps"}, {"direction", "maximise"}};
  all["optimum"]["value"] = 300;
  const std::string page = experiment_report(all);
  EXPECT_EQ(html_fault(page), "");
  EXPECT_THAT(page, HasSubstr("Most throughput_fps"));
  EXPECT_THAT(page, HasSubstr("by how many times it is below the optimum of 300 fps"));
  // 240 and 123 of 300 at 250 queries, the better first; the best run has twice the median, the worst half of it.
  const auto slow = page.find("1.2500"), fast = page.find("2.4390");
  ASSERT_NE(slow, std::string::npos);
  ASSERT_NE(fast, std::string::npos);
  EXPECT_LT(slow, fast);
  EXPECT_THAT(page, HasSubstr("0.6250</td><td class=\"n\">2.5000"));
  EXPECT_THAT(page, HasSubstr("Lower is better"));
}

TEST(ExperimentReport, WithoutAPositiveOptimumTheNumbersAreTheMetrics) {
  json all = experiment();
  all["optimum"] = {{"value", nullptr}, {"basis", "best found in this experiment"}, {"known", false}};
  const std::string page = experiment_report(all);
  EXPECT_EQ(html_fault(page), "");
  EXPECT_THAT(page, HasSubstr("123 cycles"));
  EXPECT_THAT(page, Not(HasSubstr("1.2300")));
  EXPECT_THAT(page, HasSubstr("not known"));
}

TEST(ExperimentReport, SaysSoWhenNothingWasFound) {
  json all = experiment();
  for (json& curve : all["curves"]) curve["points"] = json::array({{1, nullptr, nullptr, nullptr}});
  const std::string page = experiment_report(all);
  EXPECT_EQ(html_fault(page), "");
  EXPECT_THAT(page, HasSubstr("No run found a design within the limits."));
}

json offline() {
  json all = experiment();
  all["experiment"] = "offline";
  all["log_sizes"] = {1000, 4000};
  all["worst"] = 0;
  all["results"] = json::array();
  all["curves"] = json::array();
  for (const int size : {1000, 4000}) {
    for (const char* method : {"prime", "boosted <trees>"}) {
      json result = {{"method", method},
                     {"log_size", size},
                     {"rows_within_limits_median", 37},
                     {"kendall_heldout_median", 0.41},
                     {"seconds", 12.5}};
      for (const char* name : {"top1", "top16", "top256"}) {
        result[std::string(name) + "_median"] = 150;
        result[std::string(name) + "_max"] = nullptr;
      }
      result["infeasible_share_top256_median"] = 0.025;
      result["infeasible_share_top256_max"] = 0.1;
      all["results"].push_back(result);
      all["curves"].push_back(
          {{"method", method}, {"log_size", size}, {"points", {{1, 150, 120, nullptr}, {256, 110, 100, 130}}}});
    }
  }
  return all;
}

TEST(ExperimentReport, ShowsWhatOfflineProposalsAreWorthForEachSizeOfLog) {
  const std::string page = experiment_report(offline());
  EXPECT_EQ(html_fault(page), "");
  EXPECT_THAT(page, HasSubstr("1.5000 (–)"));
  EXPECT_THAT(page, HasSubstr("2.5 % (10.0 %)"));
  EXPECT_THAT(page, HasSubstr("boosted &lt;trees&gt;"));
  for (const char* id : {"rows-1000-comparison", "rows-4000-comparison", "rows-4000-method-1"}) {
    EXPECT_THAT(page, HasSubstr(std::string("id=\"") + id));
  }
  EXPECT_THAT(page, HasSubstr("over the optimum of 100 cycles"));
  EXPECT_THAT(page, Not(HasSubstr("queries in all")));
}

TEST(ExperimentReport, TakesAnyJson) {
  for (const json& whole : {experiment(), offline()})
    for (const json& bad : {json(), json(1), json("x"), json::array({1, "a", nullptr}), json::object()}) {
      EXPECT_EQ(html_fault(experiment_report(bad)), "");
      for (const auto& [key, value] : whole.items()) {
        json damaged = whole;
        damaged[key] = bad;
        EXPECT_EQ(html_fault(experiment_report(damaged)), "") << key;
      }
      const json flat = whole.flatten();
      for (const auto& [pointer, value] : flat.items()) {
        json damaged = whole;
        damaged[json::json_pointer(pointer)] = bad;
        EXPECT_EQ(html_fault(experiment_report(damaged)), "") << pointer;
      }
    }
}

}  // namespace
}  // namespace corbel
