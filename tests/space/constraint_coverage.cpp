// What BoundConstraint::coverage() says of boxes, against every design in them.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "corbel/base/random.hpp"
#include "corbel/space/constraint.hpp"

namespace corbel {
namespace {

const std::vector<std::string> metrics = {"share"};

/// 4 · 3 · 3 · 4 · 2 · 5 = 1,440 designs, with zeros, signs, and products that overflow and vanish.
const DesignSpace& space() {
  static const DesignSpace made({
      Parameter::ordinal("signed", {-2, -0.5, 0, 3}),
      Parameter::ordinal("tiny", {1e-300, 1, 1e300}),
      Parameter::integer("zero", 0, 2),
      Parameter::categorical("flow", {"os", "ws", "rs", "2"}),
      Parameter::boolean("sparse"),
      Parameter::ordinal("pes", {1, 2, 3.5, 8, 64}),
  });
  return made;
}

BoundConstraint bound(const std::string& text) {
  return BoundConstraint(Constraint::parse(text), space(), metrics);
}

void for_each(const DesignBox& box, const std::function<void(const Design&)>& visit) {
  Design design = box.first;
  for (;;) {
    visit(design);
    std::size_t i = design.size();
    while (i > 0 && design[i - 1] == box.last[i - 1]) --i, design[i] = box.first[i];
    if (i == 0) return;
    ++design[i - 1];
  }
}

/// With all values that the metric may have.
Coverage brute_force(const BoundConstraint& constraint, const DesignBox& box) {
  bool some = false, all = true;
  for_each(box, [&](const Design& design) {
    for (const double metric : {-1.0, 0.0, 2.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
      const bool met = constraint.satisfied(design, std::span(&metric, 1));
      some = some || met;
      all = all && met;
    }
  });
  return all ? Coverage::all : some ? Coverage::some : Coverage::none;
}

DesignBox whole() {
  DesignBox box;
  for (const Parameter& parameter : space().parameters()) {
    box.first.push_back(0);
    box.last.push_back(parameter.count() - 1);
  }
  return box;
}

DesignBox random_box(Rng& rng) {
  DesignBox box{space().random(rng), space().random(rng)};
  const bool narrow = rng.chance(0.5);
  for (std::size_t i = 0; i < box.first.size(); ++i) {
    if (box.first[i] > box.last[i]) std::swap(box.first[i], box.last[i]);
    if (narrow && rng.chance(0.6)) box.last[i] = box.first[i];
  }
  return box;
}

std::string random_expression(Rng& rng, int depth) {
  static const std::vector<std::string> leaves = {"signed", "tiny", "zero", "sparse", "pes",  "pes",
                                                  "0",      "1",    "2.5",  "1e308",  "1e-9", "share"};
  if (depth == 0 || rng.chance(0.2)) return leaves[rng.below(rng.chance(0.05) ? leaves.size() : leaves.size() - 1)];
  const std::string a = random_expression(rng, depth - 1), b = random_expression(rng, depth - 1);
  switch (rng.below(7)) {
    case 0:
      return "(" + a + " + " + b + ")";
    case 1:
      return "(" + a + " - " + b + ")";
    case 2:
      return a + " * " + b;
    case 3:
      return "(" + a + ") / (" + b + ")";
    case 4:
      return "min(" + a + ", " + b + ")";
    case 5:
      return "max(" + a + ", " + b + ")";
    default:
      return "-(" + a + ")";
  }
}

TEST(ConstraintCoverage, IsNeverWrongOnRandomExpressions) {
  const std::vector<std::string> comparisons = {"<=", "<", ">=", ">", "==", "!="};
  Rng rng(7);
  std::map<Coverage, int> found, exact;
  for (int round = 0; round < 6000; ++round) {
    std::string text = random_expression(rng, 3) + comparisons[rng.below(6)] + random_expression(rng, 2);
    if (rng.chance(0.1))
      text = std::string(rng.chance(0.5) ? "flow == " : "rs != ") + (rng.chance(0.5) ? "flow" : "ws");
    try {
      Constraint::parse(text);
      bound(text);
    } catch (const std::exception&) {
      continue;  // reads no parameter, or compares a label with a label
    }
    const BoundConstraint constraint = bound(text);
    const DesignBox box = random_box(rng);
    const Coverage truth = brute_force(constraint, box), said = constraint.coverage(box);
    ++found[truth];
    if (said == truth) ++exact[truth];
    if (said == Coverage::some) continue;
    ASSERT_EQ(said, truth) << text << "\n" << space().design_text(box.first) << "\n" << space().design_text(box.last);
  }
  // It may not know, but not mostly.
  EXPECT_GT(found[Coverage::none], 1000);
  EXPECT_GT(found[Coverage::all], 1000);
  EXPECT_GT(exact[Coverage::none], 0.7 * found[Coverage::none]);
  EXPECT_GT(exact[Coverage::all], 0.7 * found[Coverage::all]);
}

TEST(ConstraintCoverage, TakesMetricsInRanges) {
  Rng rng(9);
  std::map<Coverage, int> found;
  for (const char* text :
       {"share <= 2", "share * pes < 6", "share >= signed", "share * share <= 1", "3 < pes - share",
        "share / pes >= 0.5", "min(share, 1) * tiny > 0.5", "share == 2", "share != pes", "pes <= share * zero"}) {
    const BoundConstraint constraint = bound(text);
    for (int round = 0; round < 300; ++round) {
      const DesignBox box = random_box(rng);
      const double low = rng.uniform() * 4 - 1, high = rng.chance(0.3) ? low : low + rng.uniform() * 3;
      const MetricRange range{low, high};
      const Coverage said = constraint.coverage(box, std::span(&range, 1));
      ++found[said];
      for_each(box, [&](const Design& design) {
        const double most = constraint.most_margin(design, std::span(&range, 1));
        for (const double part : {0.0, 0.3, 0.5, 1.0}) {
          const double metric = std::min(high, low + part * (high - low));
          const bool met = constraint.satisfied(design, std::span(&metric, 1));
          if (said != Coverage::some) {
            ASSERT_EQ(met, said == Coverage::all) << text << " " << metric;
          }
          const double margin = constraint.margin(design, std::span(&metric, 1));
          if (!std::isnan(margin)) {
            ASSERT_LE(margin, most) << text << " " << metric;
          }
        }
      });
    }
  }
  EXPECT_GT(found[Coverage::none], 300);
  EXPECT_GT(found[Coverage::all], 300);
  // And no wider than that: of a product with a parameter that is known, under a limit that is.
  const Design design = space().parse("signed=3 tiny=1 zero=2 flow=os sparse=true pes=8");
  const MetricRange range{0.5, 2};
  EXPECT_EQ(bound("share * pes <= 5").most_margin(design, std::span(&range, 1)), 0.2);
  EXPECT_EQ(bound("share * pes <= 2").most_margin(design, std::span(&range, 1)), -1);
  EXPECT_EQ(bound("20 <= pes * share").most_margin(design, std::span(&range, 1)), -0.2);
}

TEST(ConstraintCoverage, IsExactWhereParametersPullInOneDirection) {
  Rng rng(8);
  for (const char* text : {"pes * tiny <= 3.5", "pes * zero + pes * 2 >= 7", "signed * pes < -1",
                           "signed - pes * zero > -2", "flow == ws", "flow != os", "'2' != flow", "sparse == true",
                           "pes / (zero + 1) <= 2", "min(pes, zero + 1, 3) >= 2", "max(signed, zero) < 1",
                           "2 <= pes + sparse", "-pes * (zero + 1) >= -3.5", "tiny * tiny <= 1", "zero / tiny > 1"}) {
    const BoundConstraint constraint = bound(text);
    for (int round = 0; round < 200; ++round) {
      const DesignBox box = random_box(rng);
      ASSERT_EQ(constraint.coverage(box), brute_force(constraint, box)) << text;
    }
  }
}

TEST(ConstraintCoverage, EqualitiesAreExactForOneDesign) {
  Rng rng(9);
  for (const char* text : {"pes * signed == 3", "pes != zero", "signed + pes == zero", "pes - pes == 0"}) {
    const BoundConstraint constraint = bound(text);
    for (int round = 0; round < 300; ++round) {
      const Design design = space().random(rng);
      EXPECT_EQ(constraint.coverage({design, design}), brute_force(constraint, {design, design})) << text;
    }
  }
}

TEST(ConstraintCoverage, KnowsNothingOfUndefinedValuesAndMetrics) {
  // 0/0 at zero = 0: not met there, and met elsewhere.
  EXPECT_EQ(bound("zero / zero <= 1").coverage(whole()), Coverage::some);
  EXPECT_EQ(bound("1 / zero <= 1").coverage(whole()), Coverage::some);
  EXPECT_EQ(bound("1 / signed > 100").coverage(whole()), Coverage::some) << "an infinity at signed = 0";
  // ∞ − ∞, 0 · ∞ and ∞ / ∞ are in these boxes, so not every design can be promised.
  EXPECT_EQ(bound("tiny * tiny - tiny * tiny <= 1e308").coverage(whole()), Coverage::some);
  EXPECT_EQ(bound("zero * (tiny * tiny) >= 0").coverage(whole()), Coverage::some);
  EXPECT_EQ(bound("(tiny * tiny) / (tiny * tiny) >= 0").coverage(whole()), Coverage::some);
  EXPECT_EQ(bound("share * zero <= 5").coverage(whole()), Coverage::some);
  EXPECT_EQ(bound("share <= pes").coverage(whole()), Coverage::some);
  EXPECT_EQ(bound("share != pes").coverage(whole()), Coverage::some);
  // Whatever the metric is, the other side decides; a metric that is missing still meets nothing.
  EXPECT_EQ(bound("max(share, pes) <= 0").coverage(whole()), Coverage::none);
  EXPECT_EQ(bound("max(share, pes) >= 1").coverage(whole()), Coverage::some);
}

}  // namespace
}  // namespace corbel
