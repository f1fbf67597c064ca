#include "corbel/report/report.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>

#include "report/html_check.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json fixture(const std::string& name) {
  std::ifstream file(std::string(CORBEL_SOURCE_DIR) + "/tests/report/" + name);
  return json::parse(file);
}
json edge_results() {
  return fixture("results_fixture.json");
}
json log_results() {
  return fixture("results_logs_fixture.json");
}

/// The same study on two networks, with latencies of its own for each that are easy to find.
json suite_results() {
  json results = edge_results();
  results["study"]["workload"] = nullptr;
  results["study"]["combine"] = "geometric_mean";
  results["study"]["workloads"] = {
      {{"label", "small"}, {"name", "small"}, {"title", "Small & <Net>"}, {"batch", 1}, {"weight", 1}, {"macs", 7000}},
      {{"label", "big"}, {"name", "big"}, {"title", "Big Net"}, {"batch", 4}, {"weight", 2.5}, {"parameters", 9000}}};
  results["study"]["constraints"] = {"big.latency_ms <= 1"};
  results["training"]["errors"] = {{"latency_ms", 0.5}, {"big.latency_ms", 0.25}};
  results["dataset"]["workloads"] = {{{"label", "small"}, {"feasible", 1234}}, {{"label", "big"}, {"feasible", 321}}};
  for (const char* metric : {"small.latency_ms", "big.latency_ms", "small.power_w", "big.power_w"}) {
    results["dataset"]["metrics"].push_back({{"name", metric}, {"unit", ""}});
  }
  json& proposals = results["proposals"];
  for (json& proposal : proposals) proposal["predicted_metrics"]["big.latency_ms"] = 0.0777;
  proposals[0]["metrics"]["small.latency_ms"] = 0.0123;
  results["best"]["metrics"]["small.latency_ms"] = 0.0456;
  results["best"]["metrics"]["big.latency_ms"] = 0.0789;
  results["best"]["margins"] = {
      {{"constraint", "big.latency_ms <= 1"}, {"left", 0.08}, {"right", 1}, {"margin", 0.92}, {"basis", "predicted"}}};
  return results;
}

/// With a search on the simulator, whose best is the design to build.
json searched_results() {
  json results = edge_results();
  json top = json::array();
  for (int rank = 1; rank <= 20; ++rank) {
    json design = results["best"]["design"];
    design["pes_x"] = rank;
    top.push_back({{"rank", rank},
                   {"id", rank},
                   {"design", design},
                   {"objective", 0.0111 * rank},
                   {"metrics", {{"latency_ms", 0.0111 * rank}, {"area_mm2", 27}}},
                   {"margins",
                    {{{"constraint", "area_mm2 <= 29"},
                      {"left", 27},
                      {"right", 29},
                      {"margin", 0.069},
                      {"met", true},
                      {"basis", "formula"}}}}});
  }
  results["online"] = {{"method", "firefly"}, {"queries", 2345},  {"simulated", 2222},
                       {"failed", 3},         {"feasible", 1111}, {"within_limits", 999},
                       {"exhaustive", false}, {"seconds", 7.5},   {"history", {{1, 0.5}, {40, 0.02}, {77, 0.0111}}},
                       {"top", top},          {"best", top[0]}};
  json best = top[0];
  best["source"] = "searched";
  best["rank"] = nullptr;
  best["gain"] = 1.25;
  best["predicted"] = nullptr;
  results["best"] = best;
  return results;
}

/// Two rounds of three designs beside it: the last of them is the best.
json rounds_results() {
  json results = searched_results();
  const json design = results["online"]["top"][0];
  results.erase("online");
  json rounds = json::array();
  for (int round = 1; round <= 2; ++round) {
    json designs = json::array();
    for (int i = 0; i < 3; ++i) {
      designs.push_back({{"id", 3 * round + i},
                         {"predicted", 0.02},
                         {"feasibility", 0.9},
                         {"state", i == 0 ? "infeasible" : "complete"},
                         {"objective", i == 0 ? json(nullptr) : json(0.04 / (round + i))},
                         {"within_limits", i != 0}});
    }
    rounds.push_back({{"round", round},
                      {"rows", 1000 + 3 * round - 3},
                      {"kendall", round == 1 ? json(nullptr) : json(0.375)},
                      {"training_seconds", 12.5},
                      {"simulated", 3},
                      {"failed", 0},
                      {"feasible", 2},
                      {"within_limits", 2},
                      {"predicted_within_limits", 3},
                      {"best", 0.04 / (round + 2)},
                      {"median_error", 0.125},
                      {"kendall_simulated", -1},
                      {"designs", designs}});
  }
  results["rounds"] = {{"simulate", 3},
                       {"budget", 9},
                       {"seed", 1},
                       {"queries", 6},
                       {"failed", 0},
                       {"feasible", 4},
                       {"within_limits", 4},
                       {"exhausted", true},
                       {"start", {{"rows", 1000}, {"within_limits", 90}, {"best", 0.0321}}},
                       {"rounds", rounds},
                       {"history", {{0, 0.0321}, {2, 0.02}, {3, 0.0133}, {6, 0.01}}},
                       {"top", {design}},
                       {"best", design},
                       {"seconds", 40}};
  results["best"]["found_by"] = "rounds";
  return results;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// Calls `visit` on every value inside, the containers included.
void for_each_value(json& node, const std::function<void(json&)>& visit) {
  visit(node);
  if (!node.is_structured()) return;
  for (json& child : node) for_each_value(child, visit);
}

TEST(HtmlReport, IsWellFormedAndSmall) {
  for (const json& results : {edge_results(), log_results(), suite_results()}) {
    const std::string page = html_report(results);
    EXPECT_EQ(html_fault(page), "");
    EXPECT_LT(page.size(), 1'000'000u);
  }
}

TEST(HtmlReport, SaysWhenTheSearchSawEverything) {
  json results = log_results();
  EXPECT_THAT(html_report(results), HasSubstr("Proposal #1 is the model’s exact optimum within the limits"));
  EXPECT_THAT(html_report(results), HasSubstr("13,000 others are in the log or break a limit that is known exactly"));
  EXPECT_THAT(html_report(edge_results()), Not(HasSubstr("exact optimum")));
  results["proposals"] = json::array();
  EXPECT_THAT(html_report(results), HasSubstr("By the model none of them is feasible and within the limits"));
  results["best"] = nullptr;
  EXPECT_THAT(html_report(results), HasSubstr("By the model there is none: every design"));
}

TEST(HtmlReport, IsDeterministic) {
  EXPECT_EQ(html_report(edge_results()), html_report(edge_results()));
}

TEST(HtmlReport, AsksForNothingFromOutside) {
  const std::string page = html_report(edge_results());
  for (const char* reference : {"http://", "https://", "src=", "@import", "<link", "<img", "<iframe", "fetch("}) {
    EXPECT_THAT(page, Not(HasSubstr(reference)));
  }
  // Clip paths refer to this page; nothing else may refer to anything.
  const std::regex url("url\\(([^)]*)\\)");
  for (std::sregex_iterator it(page.begin(), page.end(), url), end; it != end; ++it) {
    EXPECT_TRUE((*it)[1].str().starts_with('#')) << it->str();
  }
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
}

TEST(HtmlReport, SaysWhatToBuildWhenValidated) {
  const json results = edge_results();
  const std::string page = html_report(results);
  EXPECT_THAT(page, HasSubstr("validated by simulation"));
  EXPECT_THAT(page, HasSubstr("Build proposal #" + results["best"]["rank"].dump()));
  EXPECT_THAT(page, HasSubstr("<code>area_mm2 &lt;= 29</code>"));
  EXPECT_THAT(page, HasSubstr("452,760,000"));
  EXPECT_THAT(page, HasSubstr("core_memory_overflow"));
  EXPECT_THAT(page, HasSubstr("layer 17 needs 20,480 instructions"));
  EXPECT_THAT(page, HasSubstr("corbel run examples/mobilenet_edge/study.yaml --seed 1"));
  EXPECT_THAT(page, HasSubstr("How 1 proposal would have done"));
  EXPECT_EQ(count(page, "<tr class=\"has-note chosen\">"), 1u);
  EXPECT_EQ(count(page, "<b>chosen</b>"), 1u);
  EXPECT_EQ(count(page, "lost by"), results["training"]["candidates"].size() - 1);
}

TEST(HtmlReport, SaysThatAPredictionIsOne) {
  const std::string page = html_report(log_results());
  EXPECT_THAT(page, HasSubstr("predicted only, not simulated"));
  EXPECT_THAT(page, HasSubstr("Try proposal #1"));
  EXPECT_THAT(page, HasSubstr("no simulation of this design was run"));
  EXPECT_THAT(page, HasSubstr("it was judged on a prediction"));
  EXPECT_THAT(page, HasSubstr("also predicted"));
  EXPECT_THAT(page, HasSubstr("Every design that could be proposed was scored"));
  EXPECT_THAT(page, Not(HasSubstr("What the search did not look at")));
  EXPECT_THAT(page, Not(HasSubstr("confirmed by")));
}

/// Results whose chosen design was only predicted: 3,090 cycles, for the figures given of the best logged design.
json predicted_results(double logged, const json& logged_prediction, double gain) {
  json results = log_results();
  results["proposals"][0]["predicted"] = 3090;
  results["best"]["predicted"] = 3090;
  results["best"]["gain"] = gain;
  results["dataset"]["best_logged"]["objective"] = logged;
  results["dataset"]["best_logged"]["predicted"] = logged_prediction;
  return results;
}

/// The page up to the plots.
std::string headline_of(const json& results) {
  const std::string page = html_report(results);
  EXPECT_EQ(html_fault(page), "");
  return page.substr(page.find("<main>"), page.find("Why to believe it") - page.find("<main>"));
}

TEST(HtmlReport, ClaimsNoGainWhereTheLogMeasuredBetterThanThePrediction) {
  // 4,769 / 3,050 = 1.5636: the gain of 1.54 is over the model's own prediction of the logged design.
  const std::string headline = headline_of(predicted_results(3050, 4769, 1.5433));
  EXPECT_THAT(headline, HasSubstr("Simulate proposal #1 before you build: runtime <b>3,090 cycles</b> is only "
                                  "predicted, and the best logged design measured <b>3,050 cycles</b>. The model "
                                  "predicts 4,769 cycles for that design and is off by 56 % there"));
  EXPECT_THAT(headline, HasSubstr("predicted only, simulate it first"));
  EXPECT_THAT(headline, HasSubstr("<b>56 %</b><span>error of the model at the best logged design"));
  for (const char* claim : {"1.54×", "better than the best logged", "Try proposal", "Build proposal"}) {
    EXPECT_THAT(headline, Not(HasSubstr(claim)));
  }
  // A prediction equal to what was measured is no gain either, and an unknown prediction of the logged design no error.
  const std::string equal = headline_of(predicted_results(3090, nullptr, 1.5433));
  EXPECT_THAT(equal, HasSubstr("Simulate proposal #1 before you build"));
  EXPECT_THAT(equal, HasSubstr("Only a simulation can tell which is better."));
  EXPECT_THAT(equal, Not(HasSubstr("off by")));
}

TEST(HtmlReport, SaysWhatAPredictedGainIsComparedWith) {
  const std::string headline = headline_of(predicted_results(4000, 4635, 1.5));
  EXPECT_THAT(headline, HasSubstr("Try proposal #1: runtime <b>3,090 cycles</b> by the model’s prediction, against "
                                  "4,000 cycles measured for the best logged design; <b>1.50×</b> better by the "
                                  "model’s predictions of both. Simulate it before you build it."));
  EXPECT_THAT(headline, HasSubstr("predicted gain over the best logged design (4,635 cycles, also predicted)"));

  json results = predicted_results(4000, 4635, 1.5);
  results["dataset"]["best_logged"] = nullptr;
  EXPECT_THAT(headline_of(results), HasSubstr("by the model’s prediction. Simulate it before you build it."));
}

TEST(HtmlReport, TellsTheModelsErrorsWherePredictionsWereTrusted) {
  json results = log_results();
  results["best"]["margins"] = {
      {{"constraint", "area_um2 + 2 * power_mw <= 6e6"}, {"left", 5e6}, {"margin", 0.17}, {"basis", "predicted"}}};
  results["training"]["errors"] = {
      {"runtime_cycles", 0.084}, {"area_um2", 0.127}, {"power", 0.5}, {"power_mw", nullptr}};
  std::string headline = headline_of(results);
  EXPECT_THAT(headline, HasSubstr("what the model believes, off by 8.4 % on the withheld designs"));
  EXPECT_THAT(headline, HasSubstr("it was judged on a prediction; area is off by 13 % on the withheld designs"));
  EXPECT_THAT(headline, Not(HasSubstr("50 %")));

  results = edge_results();
  EXPECT_THAT(headline_of(results), Not(HasSubstr("off by")));
  results["training"]["errors"] = {{"latency_ms", 0.031}};
  EXPECT_THAT(headline_of(results),
              HasSubstr("Whether another design is better: the model judged that, and its latency is off by 3.1 %"));
}

TEST(HtmlReport, SaysWhatOtherNetworksHaveTaught) {
  json results = predicted_results(4000, 4635, 1.5);
  results["dataset"]["best_logged"] = nullptr;
  results["dataset"]["rows"] = 0;
  results["dataset"]["infeasible"] = 0;
  results["training"]["errors"] = {{"runtime_cycles", 0.084}};
  results["training"]["rows"]["withheld_feasible"] = 0;
  const std::string no_failures = "the log holds no infeasible design", never = "it was never logged";
  EXPECT_THAT(headline_of(results), HasSubstr(no_failures));
  results["training"]["workloads"] = {{{"name", "own"}}, {{"name", "m4"}, {"feasible", 1200}}, {{"name", "m<5>"}}};
  const std::string headline = headline_of(results);
  EXPECT_THAT(headline, HasSubstr("off by 8.4 % on the withheld designs of the other networks, the best of each"));
  EXPECT_THAT(headline, HasSubstr("no design of this network was logged. Which designs are better was learnt on m4, "
                                  "m&lt;5&gt;; the value is a guess."));
  EXPECT_THAT(headline, Not(HasSubstr(no_failures)));
  EXPECT_THAT(headline, Not(HasSubstr(never)));
  const std::string page = html_report(results);
  EXPECT_EQ(html_fault(page), "");
  EXPECT_THAT(page, HasSubstr("Rows of m4"));
  EXPECT_THAT(page, HasSubstr("feasible 1,200"));
}

TEST(HtmlReport, SaysThatTheMostIsWanted) {
  json all = edge_results();
  all["study"]["objective"]["direction"] = "maximise";
  const std::string page = html_report(all);
  EXPECT_EQ(html_fault(page), "");
  EXPECT_THAT(page, HasSubstr("Most latency"));
  EXPECT_THAT(page, HasSubstr("maximise <code>latency_ms</code>"));
  EXPECT_THAT(page, HasSubstr("Higher is better for latency"));
  EXPECT_THAT(page, HasSubstr("Above the line the prediction promises too much."));
  EXPECT_THAT(page, Not(HasSubstr("Least latency")));
}

TEST(HtmlReport, NamesTheLimitThatBlocksMost) {
  json results = edge_results();
  results["best"] = nullptr;
  results["proposals"] = json::array();
  EXPECT_THAT(headline_of(results), Not(HasSubstr("blocks most")));
  results["search"]["blocked"] = {{{"constraint", "power_w <= 5"}, {"share", 0.125}},
                                  {{"constraint", "latency_ms <= 1"}, {"share", 0}},
                                  {{"constraint", "area_mm2 <= 29"}, {"share", 0.99996}}};
  EXPECT_THAT(headline_of(results), HasSubstr("<code>area_mm2 &lt;= 29</code> blocks most: more than 99.9 % of the "
                                              "designs scored break it; <code>power_w &lt;= 5</code> 12.5 %."));
  results["search"]["blocked"] = {{{"constraint", "area_mm2 <= 29"}, {"share", 1}}};
  EXPECT_THAT(headline_of(results), HasSubstr("blocks most: all of the designs scored break it."));
}

TEST(HtmlReport, DrawsNoRankCorrelationWhereThereIsNone) {
  const std::string title = "aria-label=\"Rank correlation on withheld rows over training steps\"";
  json results = edge_results();
  ASSERT_EQ(count(html_report(results), title), 1u);
  for (json& candidate : results["training"]["candidates"]) {
    candidate["kendall"] = nullptr;
    for (json& record : candidate["history"]) record["kendall"] = 0.0;
  }
  const std::string page = html_report(results);
  EXPECT_EQ(count(page, title), 0u);
  EXPECT_EQ(count(page, "Selection: up and right is better"), 0u);
  EXPECT_EQ(count(page, "aria-label=\"Loss, total over training steps\""), 1u);
}

TEST(HtmlReport, TellsASingleCheckpointInATable) {
  json results = edge_results();
  EXPECT_THAT(html_report(results), Not(HasSubstr("one checkpoint only")));
  for (json& candidate : results["training"]["candidates"]) {
    candidate["history"] = {{{"step", 100}, {"loss", 0.4125}, {"loss_feasible", 0.25}, {"kendall", 0.5}}};
  }
  results["training"]["candidates"][0]["kendall"] = nullptr;
  const std::string page = html_report(results);
  EXPECT_EQ(html_fault(page), "");
  EXPECT_THAT(page, HasSubstr("one checkpoint only"));
  EXPECT_EQ(count(page, "over training steps"), 0u);
  const std::string shared =
      "<td class=\"n\">100</td><td class=\"n\">0.4125</td><td class=\"n\">0.2500</td>"
      "<td class=\"n\">–</td><td class=\"n\">–</td>";
  EXPECT_EQ(count(page, shared + "<td class=\"n\">–</td>"), 1u);
  EXPECT_EQ(count(page, shared + "<td class=\"n\">0.5000</td>"), results["training"]["candidates"].size() - 1);
}

TEST(HtmlReport, MarksANearestLoggedDesignThatBreaksALimit) {
  json results = edge_results();
  for (json& proposal : results["proposals"]) proposal["nearest"]["within_limits"] = true;
  EXPECT_EQ(count(html_report(results), ", over a limit</small>"), 0u);
  results["proposals"][1]["nearest"]["within_limits"] = false;
  EXPECT_EQ(count(html_report(results), ", over a limit</small>"), 1u);
}

TEST(HtmlReport, TellsHowFarTheTableSaysItIsFromTheOptimum) {
  json results = log_results();
  json& first = results["proposals"][0];
  first["simulated"] = {{"state", "complete"}, {"metrics", {{"runtime_cycles", 4400000}}}};
  results["best"]["source"] = "validated";
  results["best"]["objective"] = 4400000;
  results["validation"] = {{"simulated", 16},
                           {"table",
                            {{"file", "all.csv.gz"},
                             {"optimum", 4000000},
                             {"first_over_optimum", 1.2},
                             {"best_over_optimum", 1.1},
                             {"best_logged_over_optimum", 1.5}}}};
  results["best"]["nearest"]["within_limits"] = false;
  const std::string page = html_report(results);
  EXPECT_THAT(page, HasSubstr("validated in a recorded table"));
  EXPECT_THAT(page, HasSubstr("confirmed by the recorded table all.csv.gz"));
  EXPECT_THAT(page,
              HasSubstr("the first proposal, chosen without the table, 1.20×; the best of the 16 looked up 1.10×; "
                        "the best logged design 1.50×"));
  EXPECT_THAT(page, HasSubstr("but breaks a limit"));
  EXPECT_THAT(page, HasSubstr("<b>1.10×</b><span>of the table’s true optimum (4,000,000 cycles)"));
}

TEST(HtmlReport, DrawsEveryFigureOnceWithATitle) {
  const std::string page = html_report(edge_results());
  for (const char* title :
       {"latency against area of the logged designs and the proposals",
        "latency against area of the logged designs and the proposals, near the proposals",
        "Predicted against true objective", "Loss, total over training steps",
        "Loss on feasible rows over training steps", "Loss on infeasible rows over training steps",
        "Loss on negatives over training steps", "Rank correlation on withheld rows over training steps",
        "Candidates: rank correlation against how well infeasible designs are kept out",
        "Share of infeasible rows per value of pes_x", "Share of infeasible rows per value of dram_bandwidth",
        "Best predicted objective over the designs scored"}) {
    EXPECT_EQ(count(page, fmt::format("aria-label=\"{0}\"><title>{0}</title>", title)), 1u) << title;
  }
}

TEST(HtmlReport, TellsWhatADesignDoesOnEachNetwork) {
  const std::string page = html_report(suite_results());
  EXPECT_THAT(page, HasSubstr("Least latency of Small &amp; &lt;Net&gt; and Big Net, batch 4 (geometric mean)"));
  EXPECT_THAT(page, HasSubstr("<h3>On each network, combined by geometric mean</h3>"));
  const std::size_t table = page.find("<h3>On each network");
  const std::string rows = page.substr(table, page.find("</table>", table) - table);
  EXPECT_THAT(rows, HasSubstr("Small &amp; &lt;Net&gt;"));
  EXPECT_THAT(rows, HasSubstr("Big Net, batch 4 <small class=\"mono\">big</small>"));
  EXPECT_THAT(rows, HasSubstr("0.04560 ms"));
  EXPECT_THAT(rows, HasSubstr("0.07890 ms"));
  EXPECT_THAT(rows, HasSubstr("2.5"));
  EXPECT_LT(rows.find("latency"), rows.find("power")) << "the objective comes first";
  // In the ranked table: simulated where it was, else predicted.
  EXPECT_THAT(page, HasSubstr("small 0.01230 ms · big 0.07770 ms <small>pred.</small><br>"));
  // Own metrics stand there and nowhere among the combined ones.
  EXPECT_EQ(count(page, "latency of small"), 0u);
  EXPECT_THAT(page, HasSubstr("latency of big is off by 25 %"));
  EXPECT_THAT(page, Not(HasSubstr("latency is off by 50 %,")));
  EXPECT_THAT(page, HasSubstr("Feasible on each network"));
  EXPECT_THAT(page, HasSubstr("1,234"));
  EXPECT_THAT(page, HasSubstr("Big Net, batch 4, weight 2.5, 9,000 parameters"));
  EXPECT_THAT(html_report(edge_results()), Not(HasSubstr("each network")));
}

TEST(HtmlReport, EscapesEveryStringAndKey) {
  constexpr const char* evil = "<script>alert('x')</script>\"&";
  json results = suite_results();
  // States and the names that tie the parts together keep their meaning; everything else turns hostile.
  for_each_value(results, [&](json& value) {
    if (value.is_string() && value != "complete" && value != "validated" && value != "failed" &&
        value != "infeasible") {
      value = evil + value.get<std::string>();
    }
  });
  json design = json::object();
  for (const auto& [name, value] : results["best"]["design"].items()) design[evil + name] = value;
  results["best"]["design"] = design;
  results["best"]["metrics"][evil] = 1;
  const std::string page = html_report(results);
  EXPECT_EQ(html_fault(page), "");
  EXPECT_EQ(count(page, "<script>"), 1u);
  EXPECT_THAT(page, Not(HasSubstr("alert('x')")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)"));
}

TEST(HtmlReport, QuotesTheStudyFileForTheShell) {
  EXPECT_THAT(html_report({{"study", {{"file", "my study's.yaml"}, {"seed", 3}}}}),
              HasSubstr("corbel run &#39;my study&#39;\\&#39;&#39;s.yaml&#39; --seed 3"));
}

TEST(HtmlReport, MakesAPageOfNothing) {
  for (const json& results : {json(), json::object(), json::array({1, 2}), json(3), json("text"),
                              json{{"study", nullptr}, {"best", nullptr}, {"proposals", nullptr}}}) {
    const std::string page = html_report(results);
    EXPECT_EQ(html_fault(page), "");
    EXPECT_THAT(page, HasSubstr("There is no design to build yet"));
    EXPECT_THAT(page, HasSubstr("No data were collected yet"));
    EXPECT_THAT(page, HasSubstr("No model was trained yet"));
    EXPECT_THAT(page, HasSubstr("The search has not run yet"));
    EXPECT_THAT(page, HasSubstr("There is nothing to plot yet"));
  }
}

TEST(HtmlReport, SaysWhatIsMissingAfterEachStep) {
  json results = edge_results();
  for (const char* later : {"search", "proposals", "validation", "best"}) results.erase(later);
  EXPECT_THAT(html_report(results), HasSubstr("<code>corbel search</code>"));
  results.erase("training");
  EXPECT_THAT(html_report(results), HasSubstr("<code>corbel train</code>"));
  results["dataset"]["feasible"] = 0;
  EXPECT_THAT(html_report(results), HasSubstr("The log holds no feasible design"));
}

TEST(HtmlReport, SaysThatNoProposalWasFound) {
  json results = edge_results();
  results["proposals"] = json::array();
  results["best"] = nullptr;
  results["dataset"]["within_limits"] = 0;
  const std::string page = html_report(results);
  EXPECT_THAT(page, HasSubstr("Loosen a constraint"));
  EXPECT_THAT(page, HasSubstr("No logged design meets every constraint"));
  EXPECT_EQ(html_fault(page), "");
}

TEST(HtmlReport, KeepsTheLoggedDesignWhenNothingBeatsIt) {
  json results = edge_results();
  const json logged = results["dataset"]["best_logged"];
  results["best"] = {{"source", "logged"},
                     {"design", logged["design"]},
                     {"metrics", logged["metrics"]},
                     {"objective", logged["objective"]},
                     {"rank", nullptr},
                     {"gain", 1.0}};
  const std::string page = html_report(results);
  EXPECT_THAT(page, HasSubstr("Keep the best logged design"));
  EXPECT_THAT(page, Not(HasSubstr("gain over the best logged")));
  EXPECT_THAT(page, Not(HasSubstr("Margins")));
  results["best"]["margins"] = {
      {{"constraint", "area_mm2 <= 29"}, {"left", 26.1}, {"right", 29}, {"margin", 0.1}, {"basis", "logged"}}};
  EXPECT_THAT(html_report(results), HasSubstr("Margins to the constraints"));
}

TEST(HtmlReport, TellsOfASearchOnTheSimulator) {
  const std::string page = html_report(searched_results());
  EXPECT_EQ(html_fault(page), "");
  for (const char* part :
       {"<h2>Search on the simulator</h2>", "found by simulation",
        "Build the best design that the search on the simulator found in 2,345 queries", "1.25×",
        "2,345 queries; 2,222 of them simulated for this search; 1,111 feasible; 999 within every limit; 3 set aside",
        "8 more are in results.json", "it queried 2,345 of 452,760,000 designs", "queries of the simulator"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  EXPECT_THAT(page, Not(HasSubstr("no simulation of this design was run")));
  json results = searched_results();
  results["online"]["exhaustive"] = true;
  EXPECT_THAT(html_report(results), HasSubstr("there is no better one"));
  results["online"]["top"] = json::array();
  EXPECT_THAT(html_report(results), HasSubstr("No design that was simulated is within every limit"));
  EXPECT_THAT(html_report(edge_results()), Not(HasSubstr("Search on the simulator")));
  EXPECT_THAT(design_yaml(searched_results()), HasSubstr("source: searched"));
}

TEST(HtmlReport, TellsOfRoundsOfLearningAndSimulating) {
  const std::string page = html_report(rounds_results());
  EXPECT_EQ(html_fault(page), "");
  for (const char* part :
       {"<h2>Rounds of learning and simulating</h2>", "6 simulations of the 9 that were allowed",
        "They began with 1,000 rows, whose best is 0.03210 ms", "No further design is within the limits that are known",
        "Build the best design that the rounds found in 6 simulations", "better than the best before them",
        "What the rounds did not simulate: they queried 6 of 452,760,000 designs", "simulations of the rounds",
        "best so far", "0.01333 ms", "0.38"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  EXPECT_THAT(page, Not(HasSubstr("Search on the simulator")));
  json none = rounds_results();
  none["rounds"]["rounds"] = json::array();
  none["rounds"]["history"] = json::array();
  EXPECT_THAT(html_report(none), HasSubstr("No round has been simulated"));
  EXPECT_EQ(html_fault(html_report(none)), "");
  EXPECT_THAT(html_report(edge_results()), Not(HasSubstr("Rounds of learning")));
}

TEST(HtmlReport, SurvivesAnyPartGoneOrOfAnotherType) {
  json original = suite_results();
  original["online"] = searched_results()["online"];
  original["rounds"] = rounds_results()["rounds"];
  // Long arrays of alike rows would only make this slow.
  for (const char* rows :
       {"/plots/logged", "/training/withheld", "/search/history", "/proposals", "/dataset/parameters"}) {
    json& array = original[json::json_pointer(rows)];
    array.erase(array.begin() + 3, array.end());
  }
  std::vector<json::json_pointer> places;
  const std::function<void(const json&, const json::json_pointer&)> walk = [&](const json& node,
                                                                               const json::json_pointer& place) {
    places.push_back(place);
    // Two elements stand for a whole array.
    if (node.is_array()) {
      for (std::size_t i = 0; i < std::min<std::size_t>(node.size(), 2); ++i) walk(node[i], place / i);
    } else if (node.is_object()) {
      for (const auto& [key, value] : node.items()) walk(value, place / key);
    }
  };
  walk(original, json::json_pointer());
  ASSERT_GT(places.size(), 300u);
  const json replacements[] = {nullptr, -1e308, "text", json::array(), json::object(), true};
  std::size_t i = 0;
  for (const json::json_pointer& place : places) {
    json results = original;
    results[place] = replacements[i++ % std::size(replacements)];
    ASSERT_EQ(html_fault(html_report(results)), "") << place.to_string();
    design_yaml(results);
  }
}

TEST(HtmlReport, ShowsNumbersThatAreNoneAsNotKnown) {
  json results = edge_results();
  for_each_value(results, [](json& value) {
    if (value.is_number_float()) value = std::numeric_limits<double>::quiet_NaN();
  });
  const std::string page = html_report(results);
  EXPECT_EQ(html_fault(page), "");
  EXPECT_FALSE(std::regex_search(page, std::regex("[^a-zA-Z](nan|inf)[^a-zA-Z]")));
}

TEST(HtmlReport, StaysSmallForLargeResults) {
  json results = edge_results();
  const json proposal = results["proposals"][0], row = results["plots"]["logged"][0];
  for (int i = 0; i < 2000; ++i) results["proposals"].push_back(proposal);
  for (int i = 0; i < 20000; ++i) results["plots"]["logged"].push_back({0.1 + i, 5 + i % 40, 1});
  for (int i = 0; i < 3000; ++i) {
    results["dataset"]["parameters"][0]["values"].push_back(
        {{"label", std::to_string(i)}, {"rows", 2}, {"infeasible", 1}});
  }
  const std::string page = html_report(results);
  EXPECT_LT(page.size(), 1'000'000u);
  EXPECT_THAT(page, HasSubstr("more are in results.json"));
}

TEST(DesignExport, HoldsValuesUnitsMetricsAndProvenance) {
  const json results = edge_results();
  const json exported = json::parse(design_json(results));
  EXPECT_EQ(exported["design"], results["best"]["design"]);
  EXPECT_EQ(exported["units"]["core_memory"], "bytes");
  EXPECT_EQ(exported["objective"]["metric"], "latency_ms");
  EXPECT_EQ(exported["objective"]["unit"], "ms");
  EXPECT_EQ(exported["objective"]["true"], results["best"]["objective"]);
  EXPECT_EQ(exported["objective"]["predicted"], results["best"]["predicted"]);
  EXPECT_EQ(exported["metrics"]["area_mm2"], results["best"]["metrics"]["area_mm2"]);
  EXPECT_EQ(exported["source"], "validated");
  EXPECT_EQ(exported["margins"][0]["constraint"], "area_mm2 <= 29");
  EXPECT_EQ(exported["provenance"]["seed"], 1);
  EXPECT_EQ(exported["provenance"]["space_fingerprint"], "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(exported["provenance"]["model"], "model.safetensors");
}

TEST(DesignExport, NamesTheNetworksAndHowTheyAreCombined) {
  const json exported = json::parse(design_json(suite_results()));
  EXPECT_EQ(exported["metrics"]["big.latency_ms"], 0.0789);
  EXPECT_FALSE(exported["provenance"].contains("workload"));
  EXPECT_EQ(exported["provenance"]["combine"], "geometric_mean");
  EXPECT_EQ(exported["provenance"]["workloads"],
            json::parse(R"([{"name": "small", "label": "small", "batch": 1, "weight": 1},
                            {"name": "big", "label": "big", "batch": 4, "weight": 2.5}])"));
}

TEST(DesignExport, LeavesOutWhatIsNotKnown) {
  const json exported = json::parse(design_json(log_results()));
  EXPECT_FALSE(exported["objective"].contains("true"));
  EXPECT_FALSE(exported.contains("metrics"));
  EXPECT_FALSE(exported["provenance"].contains("simulator"));
  EXPECT_EQ(design_json(json()), "{}\n");
  EXPECT_EQ(design_yaml(json()), "{}\n");
}

TEST(DesignExport, WritesYamlWithTheParametersInOrderAndStringsQuoted) {
  const json results = {
      {"study", {{"name", "yes"}, {"seed", 7}, {"objective", {{"metric", "runtime_cycles"}, {"unit", "cycles"}}}}},
      {"dataset", {{"parameters", {{{"name", "zeta"}, {"unit", "bytes"}}, {{"name", "alpha"}}, {{"name", "flow"}}}}}},
      {"best",
       {{"design", {{"alpha", 0.5}, {"flow", "kcp: \"ws\"\n"}, {"zeta", 262144}}},
        {"predicted", 29e6},
        {"objective", nullptr}}}};
  EXPECT_EQ(design_yaml(results),
            "design:\n"
            "  zeta: 262144\n"
            "  alpha: 0.5\n"
            "  flow: \"kcp: \\\"ws\\\"\\n\"\n"
            "units:\n"
            "  zeta: bytes\n"
            "objective:\n"
            "  metric: runtime_cycles\n"
            "  unit: cycles\n"
            "  predicted: 29000000.0\n"
            "provenance:\n"
            "  study: \"yes\"\n"
            "  seed: 7\n");
}

}  // namespace
}  // namespace corbel
