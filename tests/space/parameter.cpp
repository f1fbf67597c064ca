#include "corbel/space/parameter.hpp"

#include <limits>

#include "base/expect_error.hpp"

namespace corbel {
namespace {

TEST(Parameter, OrdinalListsItsValues) {
  const Parameter parameter = Parameter::ordinal("pe_memory", {0.5, 600, 262144}, "bytes");
  EXPECT_EQ(parameter.kind(), ParameterKind::ordinal);
  EXPECT_EQ(parameter.unit(), "bytes");
  EXPECT_EQ(parameter.count(), 3u);
  EXPECT_TRUE(parameter.is_ordered());
  EXPECT_EQ(parameter.number(2), 262144);
  EXPECT_EQ(parameter.label(0), "0.5");
  EXPECT_EQ(parameter.value(2), Value(262144.0));
  EXPECT_EQ(parameter.find("6e2"), 1u);
  EXPECT_EQ(parameter.find(" 600.0 "), 1u);
  EXPECT_EQ(parameter.find(Value(0.5)), 0u);
  EXPECT_EQ(parameter.find("601"), std::nullopt);
  EXPECT_EQ(parameter.find(""), std::nullopt);
  EXPECT_EQ(parameter.find("nan"), std::nullopt);
  EXPECT_EQ(parameter.find(Value(std::numeric_limits<double>::quiet_NaN())), std::nullopt);
}

TEST(Parameter, CategoricalListsItsLabels) {
  const Parameter parameter = Parameter::categorical("dataflow", {"kcp_ws", "rs", "2"});
  EXPECT_FALSE(parameter.is_ordered());
  EXPECT_EQ(parameter.number(1), 1);
  EXPECT_EQ(parameter.label(1), "rs");
  EXPECT_EQ(parameter.value(0), Value(std::string("kcp_ws")));
  EXPECT_EQ(parameter.find("rs"), 1u);
  EXPECT_EQ(parameter.find("RS"), std::nullopt);
  EXPECT_EQ(parameter.find(Value(2.0)), 2u);
}

TEST(Parameter, IntegerRangesNeedNoMemory) {
  // Four billion values: were they listed, this would take 32 GB.
  const Parameter parameter = Parameter::integer("seed", -10, 4'294'967'284, 1);
  EXPECT_EQ(parameter.count(), 4'294'967'295u);
  EXPECT_EQ(parameter.number(0), -10);
  EXPECT_EQ(parameter.number(4'294'967'294), 4'294'967'284.0);
  EXPECT_EQ(parameter.find("4294967284"), 4'294'967'294u);
  EXPECT_EQ(parameter.find("4294967285"), std::nullopt);
  EXPECT_EQ(parameter.find("-11"), std::nullopt);
  EXPECT_EQ(parameter.find("0.5"), std::nullopt);
  EXPECT_EQ(parameter.find("1e300"), std::nullopt);
}

TEST(Parameter, IntegerRangesStep) {
  const Parameter parameter = Parameter::integer("banks", 4, 21, 8, "banks");
  EXPECT_EQ(parameter.count(), 3u);  // 4, 12, 20
  EXPECT_EQ(parameter.label(2), "20");
  EXPECT_EQ(parameter.find("12"), 1u);
  EXPECT_EQ(parameter.find("13"), std::nullopt);
  EXPECT_EQ(parameter.find("28"), std::nullopt);
  EXPECT_EQ(Parameter::integer("one", 7, 7, 5).count(), 1u);
  EXPECT_EQ(Parameter::integer("one", 7, 7, 5), Parameter::integer("one", 7, 7));
}

TEST(Parameter, BooleanIsFalseThenTrue) {
  const Parameter parameter = Parameter::boolean("sparsity");
  EXPECT_EQ(parameter.count(), 2u);
  EXPECT_EQ(parameter.label(0), "false");
  EXPECT_EQ(parameter.label(1), "true");
  EXPECT_EQ(parameter.value(1), Value(1.0));
  EXPECT_EQ(parameter.find("true"), 1u);
  EXPECT_EQ(parameter.find("False"), 0u);
  EXPECT_EQ(parameter.find("1"), 1u);
  EXPECT_EQ(parameter.find("2"), std::nullopt);
  EXPECT_EQ(parameter.find("yes"), std::nullopt);
}

void expect_refused(auto make, const std::string& message) {
  expect_error(make, ErrorCode::invalid_input, message);
}

TEST(Parameter, RefusesBadNames) {
  for (const char* name : {"", "1a", "a b", "a-b", "µ", "a\n"}) {
    expect_refused([&] { Parameter::boolean(name); }, "cannot name a parameter");
  }
  EXPECT_EQ(Parameter::boolean("_a1").name(), "_a1");
}

TEST(Parameter, RefusesBadValues) {
  expect_refused([] { Parameter::ordinal("p", {}); }, "parameter `p` has no values");
  expect_refused([] { Parameter::ordinal("p", {1, 3, 2}); }, "has 2 after 3");
  expect_refused([] { Parameter::ordinal("p", {1, 1}); }, "has 1 after 1");
  expect_refused([] { Parameter::ordinal("p", {-0.0, 0.0}); }, "has 0 after 0");
  expect_refused([] { Parameter::ordinal("p", {std::numeric_limits<double>::infinity()}); }, "has the value inf");
  expect_refused([] { Parameter::ordinal("p", {1}, "a\nb"); }, "has the unit `a\\nb`");
  expect_refused([] { Parameter::categorical("p", {}); }, "has no values");
  expect_refused([] { Parameter::categorical("p", {"a", ""}); }, "has an empty label");
  expect_refused([] { Parameter::categorical("p", {"a", "b", "a"}); }, "has the label `a` twice");
  expect_refused([] { Parameter::categorical("p", {"a\xFF"}); }, "has the label `a\\xff`");
  expect_refused([] { Parameter::integer("p", 2, 1); }, "has the range 2 to 1");
  expect_refused([] { Parameter::integer("p", 1, 2, 0); }, "has the step 0");
  expect_refused([] { Parameter::integer("p", 0, 4'294'967'295); }, "has 4294967296 values");
  expect_refused([] { Parameter::integer("p", 0, std::numeric_limits<std::int64_t>::max(), 1 << 30); }, "2^53");
  expect_refused([] { Parameter::integer("p", std::numeric_limits<std::int64_t>::min(), 0); }, "2^53");
}

TEST(Value, IsWrittenAsInFiles) {
  EXPECT_EQ(to_string(Value(256.0)), "256");
  EXPECT_EQ(to_string(Value(std::string("kcp_ws"))), "kcp_ws");
}

}  // namespace
}  // namespace corbel
