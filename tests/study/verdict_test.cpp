#include "corbel/study/verdict.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/surrogate/selection.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(KendallChance, CountsPermutations) {
  // Of 3 values 1 order of 6 is perfect, 2 more have one pair wrong.
  EXPECT_NEAR(kendall_chance(1, 3), 1 / 6.0, 1e-12);
  EXPECT_NEAR(kendall_chance(1 / 3.0, 3), 3 / 6.0, 1e-12);
  EXPECT_NEAR(kendall_chance(-1, 3), 1, 1e-12);
  // Of 4: 1, 3, 5, 6, 5, 3, 1 orders have 0 … 6 pairs wrong.
  EXPECT_NEAR(kendall_chance(1 - 2 * 2 / 6.0, 4), 9 / 24.0, 1e-12);
  EXPECT_EQ(kendall_chance(1, 1), 1);
  // Beyond 60 values by the normal distribution: both sides of the border agree.
  for (const double tau : {0.0, 0.1, 0.2}) EXPECT_NEAR(kendall_chance(tau, 60), kendall_chance(tau, 61), 0.01) << tau;
  EXPECT_NEAR(kendall_chance(0, 1000), 0.5, 1e-12);
  EXPECT_LT(kendall_chance(0.1, 1000), 1e-5);
}

/// 10 × 10 designs in steps of the first parameter; those with b = 9 did not run, and a = 5 was never tried.
Dataset log_of_a_hundred() {
  const DesignSpace space({Parameter::integer("a", 0, 9), Parameter::integer("b", 0, 9)});
  Dataset log{{space, "s", "s", "", "", {"latency_ms"}}, {}, {}, {}, {""}, {}};
  for (DesignId id = 0; id < space.size(); ++id) {
    const Design x = space.design(id);
    if (x[0] == 5) continue;
    log.designs.push_back(id);
    log.states.push_back(x[1] == 9 ? TrialState::infeasible : TrialState::complete);
    log.reasons.push_back(0);
    log.metrics.push_back(x[1] == 9 ? std::nan("") : 10.0 + x[0] + x[1]);
  }
  return log;
}

TEST(LogSupport, DoubtsWhatGoesBeyondTheLog) {
  const Dataset log = log_of_a_hundred();
  const LogSupport support(log, "latency_ms", 0.02, {});
  const auto said = [](double value, double spread) {
    Assessment assessment;
    assessment.metrics = {value};
    assessment.spread = spread;
    return assessment;
  };
  EXPECT_THAT(support.doubts({3, 4}, said(17, 0.01), 0), IsEmpty());
  EXPECT_THAT(support.doubts({5, 4}, said(17, 0.01), 0.05), ElementsAre("no logged design with a = 5 ran"));
  EXPECT_THAT(support.doubts({3, 9}, said(17, 0.01), 0), ElementsAre("no logged design with b = 9 ran"));
  EXPECT_THAT(support.doubts({3, 4}, said(9.5, 0.01), 0),
              ElementsAre("latency_ms 9.5 is predicted, below everything logged (least 10)"));
  EXPECT_THAT(support.doubts({3, 4}, said(17, 0.07), 0), ElementsAre(HasSubstr("disagrees by 7 %")));
  EXPECT_THAT(support.doubts({3, 4}, said(17, 0.01), 0.5), ElementsAre(HasSubstr("at a distance of 0.5")));
  // Logged are 10 to 27: where the most is wanted, it is above that that nothing is known.
  const LogSupport most(log, "latency_ms", 0.02, {}, Direction::maximise);
  EXPECT_THAT(most.doubts({3, 4}, said(9.5, 0.01), 0), IsEmpty());
  EXPECT_THAT(most.doubts({3, 4}, said(28, 0.01), 0),
              ElementsAre("latency_ms 28 is predicted, above everything logged (most 27)"));
  Dataset nothing_ran = log;
  nothing_ran.states.assign(nothing_ran.rows(), TrialState::infeasible);
  EXPECT_THAT(LogSupport(nothing_ran, "latency_ms", 0.02, {}).doubts({3, 4}, said(17, 9), 1),
              ElementsAre(HasSubstr("no logged design of this network ran")));
  // With no known error there is nothing to hold a spread against.
  EXPECT_THAT(LogSupport(log, "latency_ms", std::nan(""), {}).doubts({3, 4}, said(17, 9), 0), IsEmpty());
}

TEST(LogSupport, FindsTheNearestDesignThatRan) {
  const Dataset log = log_of_a_hundred();
  const std::vector<Design> asked = {{3, 4}, {5, 4}, {9, 9}};
  const LogSupport support(log, "latency_ms", 0.02, asked);
  const DesignSpace& space = log.group.space;
  EXPECT_EQ(support.nearest(0)->design, space.id({3, 4}));
  EXPECT_EQ(support.nearest(0)->distance, 0);
  EXPECT_EQ(support.nearest(0)->metrics, std::vector<double>{17});
  // Of two at the same distance the one with the lower id; one step of nine in one of two parameters.
  EXPECT_EQ(support.nearest(1)->design, space.id({4, 4}));
  EXPECT_EQ(support.nearest(1)->distance, 1 / 18.0);
  EXPECT_EQ(support.nearest(2)->design, space.id({9, 8}));
  Dataset nothing_ran = log;
  nothing_ran.states.assign(nothing_ran.rows(), TrialState::infeasible);
  EXPECT_EQ(LogSupport(nothing_ran, "latency_ms", 0.02, asked).nearest(0), nullptr);
}

TEST(LogSupport, FindsTheNearestAmongMoreThanItComparesAtOnce) {
  const DesignSpace space({Parameter::integer("n", 0, 29'999), Parameter::categorical("c", {"x", "y"})});
  Dataset log{{space, "s", "s", "", "", {"latency_ms"}}, {}, {}, {}, {""}, {}};
  for (DesignId id = 0; id < space.size(); id += 3) {
    log.designs.push_back(id);
    log.states.push_back(TrialState::complete);
    log.reasons.push_back(0);
    log.metrics.push_back(static_cast<double>(id));
  }
  std::vector<Design> asked;
  for (DesignId id = 1; id < space.size(); id += 1'999) asked.push_back(space.design(id));
  const LogSupport support(log, "latency_ms", 0.02, asked);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    double least = 2;
    DesignId nearest = 0;
    for (const DesignId id : log.designs) {
      const double distance = space.distance(asked[i], space.design(id));
      if (distance < least) nearest = id;
      least = std::min(least, distance);
    }
    EXPECT_EQ(support.nearest(i)->distance, least) << i;
    EXPECT_EQ(support.nearest(i)->metrics[0], static_cast<double>(support.nearest(i)->design));
    EXPECT_EQ(support.nearest(i)->design, nearest) << i;
  }
  // Of the logged ones, too, the next is three ids away: one or two steps.
  Assessment said;
  said.metrics = {3'000};
  EXPECT_THAT(support.doubts({100, 0}, said, 2 / 59'998.0), IsEmpty());
  EXPECT_THAT(support.doubts({100, 0}, said, 0.1), ElementsAre(HasSubstr("is within 5")));
}

json results(double tau, int withheld, int within) {
  return {{"dataset", {{"within_limits", within}}},
          {"training",
           {{"chosen", 1},
            {"rows", {{"withheld_feasible", withheld}}},
            {"candidates", {{{"kendall", 0.9}}, {{"kendall", tau}}}}}},
          {"best", {{"source", "predicted"}, {"verdict", "extrapolated"}, {"reasons", {"far away"}}}}};
}

TEST(Answer, IsRefusedWhereTheLogCannotGiveIt) {
  EXPECT_THAT(refusals(results(0.5, 30, 150)), IsEmpty());
  EXPECT_THAT(refusals(results(0.43, 7, 35)), ElementsAre(HasSubstr("7 withheld designs, 0.43")));
  EXPECT_THAT(refusals(results(0.05, 30, 150)), ElementsAre(HasSubstr("cannot be told from none")));
  EXPECT_THAT(refusals(results(-0.6, 200, 1000)), ElementsAre(HasSubstr("cannot be told from none")));
  EXPECT_THAT(refusals(results(1, 0, 9)), ElementsAre(HasSubstr("too few"), HasSubstr("withheld")));
  const json refused = answer_section(results(0.05, 30, 150));
  EXPECT_EQ(refused["verdict"], "not answerable");
  EXPECT_EQ(refused["reasons"].size(), 1U);
}

TEST(Answer, MayRestOnOtherNetworks) {
  const auto taught = [](double tau, int own, int first, int second, int within) {
    json all = results(tau, own, within);
    all["training"]["workloads"] = {
        {{"withheld_feasible", own}}, {{"withheld_feasible", first}}, {{"withheld_feasible", second}}};
    return all;
  };
  EXPECT_THAT(refusals(taught(0.5, 0, 30, 200, 0)), IsEmpty());
  EXPECT_THAT(refusals(taught(0.5, 0, 0, 0, 0)), ElementsAre(HasSubstr("no logged design could be withheld")));
  // As certain as the network of the fewest rows makes it.
  EXPECT_THAT(refusals(taught(0.43, 0, 7, 200, 0)), ElementsAre(HasSubstr("7 withheld designs, 0.43")));
  json all = taught(0.5, 0, 30, 200, 0);
  EXPECT_EQ(answer_section(all)["verdict"], "extrapolated");
  all = taught(0.5, 0, 30, 200, 9);
  all["best"]["verdict"] = "supported";
  all["best"]["reasons"] = json::array();
  EXPECT_EQ(answer_section(all)["verdict"], "extrapolated") << "of nine designs nothing is known";
  EXPECT_THAT(answer_section(all)["reasons"], ElementsAre(HasSubstr("only 9 logged designs")));
  all["dataset"]["within_limits"] = 10;
  EXPECT_EQ(answer_section(all)["verdict"], "supported");
}

TEST(Answer, IsThatOfTheDesignWhereTheLogCanGiveIt) {
  json all = results(0.5, 30, 150);
  EXPECT_EQ(answer_section(all), json({{"verdict", "extrapolated"}, {"reasons", {"far away"}}}));
  for (const char* source : {"validated", "searched", "logged"}) {
    all = results(0.05, 30, 150);
    all["best"]["source"] = source;
    EXPECT_EQ(answer_section(all)["verdict"], "supported") << source;
  }
  all["best"] = nullptr;
  EXPECT_EQ(answer_section(all)["verdict"], "not answerable");
}

}  // namespace
}  // namespace corbel
