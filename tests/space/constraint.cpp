#include "corbel/space/constraint.hpp"

#include <cmath>
#include <limits>

#include "base/expect_error.hpp"
#include "corbel/base/random.hpp"

namespace corbel {
namespace {

const std::vector<std::string> metrics = {"latency_ms", "area_mm2", "energy_mj", "utilisation"};

DesignSpace space() {
  return DesignSpace({
      Parameter::ordinal("pes_x", {1, 2, 4, 8}),
      Parameter::ordinal("pes_y", {1, 2, 4, 8}),
      Parameter::ordinal("pe_memory", {262144, 524288, 1048576}, "bytes"),
      Parameter::ordinal("entries", {256, 512}, "entries"),
      Parameter::integer("banks", 3, 30, 3),
      Parameter::categorical("dataflow", {"kcp_ws", "rs", "row-stationary", "2"}),
      Parameter::boolean("sparsity"),
  });
}
const Design design = {2, 3, 1, 1, 4, 1, 1};  // 4, 8, 512 KiB, 512, 15, rs, true
const std::vector<double> values = {0.4, 28, 2, 0.5};

BoundConstraint bound(std::string_view text) {
  return BoundConstraint(Constraint::parse(text, "s.yaml:7:5"), space(), metrics);
}
bool holds(std::string_view text) {
  return bound(text).satisfied(design, values);
}
double left(std::string_view text) {
  return bound(text).left(design, values);
}

void expect_refused(std::string_view text, const std::string& message, const std::string& hint = "") {
  expect_error([&] { bound(text); }, ErrorCode::invalid_input, message, hint);
}

TEST(Constraint, KeepsItsTextAndNames) {
  const Constraint constraint = Constraint::parse(" \n pes_x * pes_y <= max(area_mm2, pes_x) ");
  EXPECT_EQ(constraint.text(), "pes_x * pes_y <= max(area_mm2, pes_x)");
  EXPECT_EQ(constraint.names(), (std::vector<std::string>{"pes_x", "pes_y", "area_mm2"}));
  EXPECT_EQ(Constraint::parse("dataflow == rs").names(), (std::vector<std::string>{"dataflow", "rs"}));
}

TEST(Constraint, NamesTheMetricsOfSeveralNetworksWithADot) {
  const Constraint constraint = Constraint::parse("net_v2.latency_ms + 2*b.share<=max(net_v2.latency_ms, pes_x)");
  EXPECT_EQ(constraint.names(), (std::vector<std::string>{"net_v2.latency_ms", "b.share", "pes_x"}));
  const std::vector<std::string> dotted = {"latency_ms", "net_v2.latency_ms"};
  const BoundConstraint limit(Constraint::parse("net_v2.latency_ms <= 500 us"), space(), dotted);
  EXPECT_EQ(limit.metrics_used(), std::vector<std::size_t>{1});
  EXPECT_DOUBLE_EQ(limit.margin(design, std::vector<double>{9, 0.4}), 0.2);
  expect_error([&] { BoundConstraint(Constraint::parse("net_v1.latency_ms <= 1"), space(), dotted); },
               ErrorCode::invalid_input, "unknown parameter or metric `net_v1.latency_ms`", "`net_v2.latency_ms`");
  for (const char* text :
       {"net. latency_ms <= 1", "net .latency_ms <= 1", "net..x <= 1", ".x <= 1", "a.b.c <= 1", "net.2 <= 1", "net."}) {
    expect_error([&] { Constraint::parse(text); }, ErrorCode::invalid_input, "unexpected");
  }
}

TEST(Constraint, ComputesWithTheUsualPrecedence) {
  EXPECT_EQ(left("pes_x * pes_y <= 256"), 32);
  EXPECT_EQ(left("pes_x + pes_y * 2 - 1 <= 1"), 19);
  EXPECT_EQ(left("(pes_x + pes_y) * 2 <= 1"), 24);
  EXPECT_EQ(left("pes_x - pes_y - 1 <= 1"), -5);
  EXPECT_EQ(left("pes_y / pes_x / 2 <= 1"), 1);
  EXPECT_EQ(left("-pes_x * -2 <= 1"), 8);
  EXPECT_EQ(left("--pes_x<=1"), 4);
  EXPECT_EQ(left("min(pes_x, pes_y, 3) + max(pes_x, 2) <= 1"), 7);
  EXPECT_EQ(left("banks <= 100"), 15);
  EXPECT_EQ(left("sparsity * 3 <= 100"), 3);
  EXPECT_EQ(left("latency_ms * 1e1 <= 1"), 4);
  EXPECT_EQ(left("pes_x * (1 + 2 * 3) <= 1"), 28);
  EXPECT_EQ(bound("1 <= pes_x").right(design, values), 4);
}

TEST(Constraint, Compares) {
  EXPECT_TRUE(holds("area_mm2 <= 28"));
  EXPECT_FALSE(holds("area_mm2 < 28"));
  EXPECT_TRUE(holds("area_mm2 >= 28"));
  EXPECT_FALSE(holds("area_mm2 > 28"));
  EXPECT_TRUE(holds("pes_x == 4"));
  EXPECT_FALSE(holds("pes_x != 4"));
  EXPECT_TRUE(holds("29 >= area_mm2"));
  EXPECT_TRUE(holds("pes_y >= pes_x"));
  EXPECT_TRUE(holds("sparsity == true"));
  EXPECT_FALSE(holds("sparsity == false"));
}

TEST(Constraint, ConvertsUnitsToThoseOfTheVariables) {
  EXPECT_TRUE(holds("pe_memory >= 512 KiB"));
  EXPECT_FALSE(holds("pe_memory > 512KiB"));
  EXPECT_EQ(bound("latency_ms <= 500 us").right(design, values), 0.5);
  EXPECT_EQ(bound("500 us >= latency_ms").left(design, values), 0.5);
  EXPECT_EQ(bound("area_mm2 <= 29e6 um²").right(design, values), 29);
  EXPECT_EQ(bound("pe_memory * pes_x * pes_y <= 8 MiB").right(design, values), 8388608);
  EXPECT_EQ(bound("2 * (256 KiB + 1 MiB) >= pe_memory").left(design, values), 2 * 1310720);
  EXPECT_EQ(bound("max(pe_memory, 1 MiB) <= 1").left(design, values), 1048576);
  EXPECT_EQ(bound("min(1 MiB, pe_memory) <= 1").left(design, values), 524288);
  EXPECT_EQ(left("pe_memory / 256 KiB <= 4"), 2);
  EXPECT_EQ(left("1 MiB / pe_memory <= 4"), 2);
  EXPECT_EQ(bound("entries <= 512 entries").right(design, values), 512);
  EXPECT_EQ(bound("pe_memory - 1 KiB <= 1").left(design, values), 523264);
}

TEST(Constraint, ConvertsBetweenVariablesOfOneDimension) {
  const std::vector<std::string> two = {"deadline_us", "latency_ms"};
  const BoundConstraint constraint(Constraint::parse("latency_ms <= deadline_us"), space(), two);
  EXPECT_TRUE(constraint.satisfied(design, std::vector<double>{500, 0.5}));
  EXPECT_FALSE(constraint.satisfied(design, std::vector<double>{499, 0.5}));
}

TEST(Constraint, RefusesUnitsThatDoNotFit) {
  expect_refused("area_mm2 <= 29 GB",
                 "s.yaml:7:5: constraint `area_mm2 <= 29 GB`, column 10: cannot compare `mm2` with");
  expect_refused("pe_memory <= 1e308 GiB",
                 "s.yaml:7:5: constraint `pe_memory <= 1e308 GiB`: `1e+308 GiB` is out of range in `bytes`");
  expect_refused("latency_ms <= 5 furlongs", "`furlongs`", "is no known unit");
  expect_refused("pes_x <= 3 ms", "cannot compare a value without a unit with `ms`");
  expect_refused("3 pes_x <= 12", "column 1: `pes_x` is no known unit", "to multiply, write *");
  expect_refused("3 pes_x <= banks", "column 9: cannot compare `pes_x` with", "to multiply, write *");
  expect_refused("entries <= 4 KiB", "cannot compare `entries` with `KiB`");
  expect_refused("latency_ms + energy_mj <= 3", "column 12: cannot combine `ms` with `mJ`");
  expect_refused("latency_ms * energy_mj <= 3 ms", "cannot compare a product of units with `ms`");
  expect_refused("utilisation <= 5 ms", "a value without a unit");
  EXPECT_EQ(left("latency_ms * energy_mj <= 3"), 0.8);
  EXPECT_EQ(left("pe_memory + entries <= 3"), 524800);
}

TEST(Constraint, ComparesCategories) {
  EXPECT_TRUE(holds("dataflow == rs"));
  EXPECT_FALSE(holds("dataflow == kcp_ws"));
  EXPECT_TRUE(holds("kcp_ws != dataflow"));
  EXPECT_TRUE(holds("dataflow != 'row-stationary'"));
  EXPECT_TRUE(holds("dataflow == \"rs\""));
  EXPECT_FALSE(holds("dataflow == 2"));
  EXPECT_TRUE(bound("dataflow == rs").needs_only_parameters());
  expect_refused("dataflow == kcp_sw", "unknown label `kcp_sw` of `dataflow`", "did you mean `kcp_ws`?");
  expect_refused("dataflow <= rs", "the values of `dataflow` have no order", "== or !=");
  expect_refused("dataflow == 1 + 2", "can only be compared with one of its labels");
  expect_refused("dataflow + 1 <= 2", "`dataflow` is a word, not a number");
  expect_refused("pes_x == 'rs'", "has nothing to be compared with");
  expect_refused("pes_x == rs", "unknown parameter or metric `rs`");
}

TEST(Constraint, MarginsAreRelativeToTheLimit) {
  const auto margin = [&](std::string_view text) { return bound(text).margin(design, values); };
  EXPECT_DOUBLE_EQ(margin("area_mm2 <= 35"), 0.2);
  EXPECT_DOUBLE_EQ(margin("area_mm2 <= 20"), -0.4);
  EXPECT_DOUBLE_EQ(margin("35 >= area_mm2"), 0.2);
  EXPECT_DOUBLE_EQ(margin("area_mm2 >= 20"), 0.4);
  EXPECT_DOUBLE_EQ(margin("area_mm2 >= 35"), -0.2);
  EXPECT_DOUBLE_EQ(margin("pes_x <= pes_y"), 0.5);
  EXPECT_EQ(margin("area_mm2 <= 28"), 0);
  EXPECT_EQ(margin("area_mm2 - 30 <= 0"), 2);  // no size to be relative to
  EXPECT_EQ(margin("-area_mm2 <= -20"), 0.4);
  EXPECT_EQ(margin("pes_x == 4"), 0);
  EXPECT_EQ(margin("pes_x == 5"), -1);
  EXPECT_EQ(margin("dataflow != rs"), -1);
  // At a strict limit the constraint is broken, if only just.
  EXPECT_LT(margin("area_mm2 < 28"), 0);
  EXPECT_GT(margin("area_mm2 < 28"), -1e-9);
}

TEST(Constraint, MissingMetricsMakeTheMarginNan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> missing = {nan, 28, nan, nan};
  for (const char* text :
       {"latency_ms <= 1", "latency_ms > 1", "latency_ms == 1", "latency_ms != 1", "min(latency_ms, 1) <= 2",
        "min(1, latency_ms) <= 2", "max(1, latency_ms) >= 0", "max(latency_ms, 1) >= 0"}) {
    const BoundConstraint constraint = bound(text);
    EXPECT_TRUE(std::isnan(constraint.margin(design, missing))) << text;
    EXPECT_FALSE(constraint.satisfied(design, missing)) << text;
  }
  EXPECT_TRUE(bound("area_mm2 <= 28").satisfied(design, missing));
}

TEST(Constraint, DivisionByZeroIsNeverAccepted) {
  const Design first = {0, 0, 0, 0, 0, 0, 0};
  const BoundConstraint infinite = bound("1 / (pes_x - 1) <= 5");
  EXPECT_FALSE(infinite.satisfied(first, values));
  EXPECT_EQ(infinite.margin(first, values), -std::numeric_limits<double>::infinity());
  const BoundConstraint undefined = bound("(pes_x - 1) / (pes_x - 1) <= 5");
  EXPECT_FALSE(undefined.satisfied(first, values));
  EXPECT_TRUE(std::isnan(undefined.margin(first, values)));
}

TEST(Constraint, KnowsWhatItReads) {
  EXPECT_TRUE(bound("pes_x * pes_y <= 256").needs_only_parameters());
  EXPECT_TRUE(bound("pes_x * pes_y <= 256").satisfied(design, {}));
  const BoundConstraint constraint = bound("energy_mj + 2 * energy_mj <= area_mm2 / area_mm2");
  EXPECT_FALSE(constraint.needs_only_parameters());
  EXPECT_EQ(constraint.metrics_used(), (std::vector<std::size_t>{1, 2}));
  EXPECT_EQ(constraint.text(), "energy_mj + 2 * energy_mj <= area_mm2 / area_mm2");
}

TEST(Constraint, NamesTheColumnOfTheFault) {
  const auto expect = [](std::string_view text, const std::string& message, const std::string& hint = "") {
    expect_error([&] { Constraint::parse(text, "s.yaml:7:5"); }, ErrorCode::invalid_input, message, hint);
  };
  expect("area_mm2 << 29", "s.yaml:7:5: constraint `area_mm2 << 29`, column 11: unexpected `<`");
  expect("area_mm2 = 29", "column 10: unexpected `=`", "write ==");
  expect("area_mm2", "column 9: a comparison is missing", "area_mm2 <= 29");
  expect("area_mm2 <=", "column 12: it ends too early");
  expect("", "column 1: it ends too early");
  expect("1 <= a <= 2", "column 8: a second comparison", "two constraints");
  expect("(a <= 2", "column 4: unexpected `<`");
  expect("(a + 1", "column 7: `)` is missing");
  expect("a <= 2)", "column 7: unexpected `)`");
  expect("min(a <= 2", "column 7: unexpected `<`");
  expect("sqrt(a) <= 2", "column 1: unknown function `sqrt`", "min and max");
  expect("a <= 'x", "column 6: a quote opens here");
  expect("a ≤ 2", "column 3: unexpected `≤`");
  expect("a <= 1e999", "column 6: the number is out of range");
  expect("3 <= 4", "it names no parameter and no metric");
  expect("a <= 2 3", "unexpected `3`");
  expect(std::string_view("a <= \0", 6), "not UTF-8 text");
  expect_refused("aera_mm2 <= 29", "column 1: unknown parameter or metric `aera_mm2`", "did you mean `area_mm2`?");
  expect_refused("true <= 1", "it reads no parameter and no metric");
}

TEST(Constraint, LimitsNestingAndLength) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '(') + "pes_x" + std::string(depth, ')') + " <= 9";
  };
  EXPECT_EQ(left(nested(63)), 4);
  expect_refused(nested(64), "column 65: nesting deeper than 64 levels");
  expect_refused(std::string(9000, '-') + "pes_x <= 1", "nesting deeper");
  expect_refused("pes_x <= 1" + std::string(10'000, '0'), "longer than 10000 bytes");
  std::string sum = "pes_x";
  for (int i = 0; i < 1200; ++i) sum += " + banks";
  EXPECT_EQ(left(sum + " <= 1"), 4 + 1200 * 15);
  // The deepest pending sums that the nesting allows.
  std::string deep;
  for (int i = 0; i < 63; ++i) deep += "pes_x + pes_y * max(pes_x, ";
  EXPECT_DOUBLE_EQ(left(deep + "0" + std::string(63, ')') + " <= 1"), 4 * (std::pow(8.0, 64) - 1) / 7);
}

TEST(Constraint, SurvivesRandomText) {
  const std::vector<std::string> pieces = {
      "pes_x", "pe_memory", "dataflow", "rs",  "area_mm2", "latency_ms", "1",    "2.5",  "KiB",     "ms", "GB/s", "+",
      "-",     "*",         "/",        "(",   ")",        ",",          "min(", "max(", "<=",      "==", ">",    "!=",
      "'",     " ",         "'rs'",     "1e9", ".",        "²",          "\xB5", "true", "entries", "\"", "&"};
  Rng rng(40);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::uint64_t i = rng.below(10); i-- > 0;) text += pieces[rng.below(pieces.size())];
    if (rng.chance(0.5)) text = "pes_x" + text + "<=9";
    try {
      const BoundConstraint constraint = bound(text);
      const double margin = constraint.margin(design, values);
      ASSERT_EQ(constraint.satisfied(design, values), margin >= 0) << text;
      ++accepted;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_input);
    }
  }
  EXPECT_GT(accepted, 300);
}

TEST(Constraint, SurvivesRandomBytes) {
  Rng rng(41);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(rng.below(40), ' ');
    for (char& c : text) c = static_cast<char>(rng.below(256));
    EXPECT_THROW(bound(text), Error);
  }
}

}  // namespace
}  // namespace corbel
