#include "corbel/space/design_space.hpp"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/expect_error.hpp"
#include "corbel/base/random.hpp"

namespace corbel {
namespace {

/// 3 × 2 × 4 designs, one parameter of each kind but the range.
DesignSpace small() {
  return DesignSpace({Parameter::categorical("dataflow", {"ws", "os", "rs"}), Parameter::boolean("sparsity"),
                      Parameter::ordinal("memory", {1024, 2048, 4096, 8192}, "bytes")});
}

TEST(DesignSpace, EdgeHasTheSizeOfThePaper) {
  const DesignSpace space = DesignSpace::edge();
  EXPECT_EQ(space.size(), 452'760'000u);
  EXPECT_EQ(space.dimensions(), 10u);
  std::uint32_t one_hot_width = 0;
  std::string names;
  for (const Parameter& parameter : space.parameters()) {
    one_hot_width += parameter.count();
    names += parameter.name() + " ";
  }
  EXPECT_EQ(one_hot_width, 77u);
  EXPECT_EQ(names,
            "pes_x pes_y compute_lanes cores pe_memory core_memory activation_memory instruction_memory "
            "parameter_memory dram_bandwidth ");
  // First and last design, by the table of the paper.
  EXPECT_EQ(space.design_text(space.design(0)),
            "pes_x=1 pes_y=1 compute_lanes=4 cores=1 pe_memory=262144 core_memory=4096 activation_memory=256 "
            "instruction_memory=8192 parameter_memory=2048 dram_bandwidth=5");
  EXPECT_EQ(space.design_text(space.design(space.size() - 1)),
            "pes_x=32 pes_y=32 compute_lanes=256 cores=32 pe_memory=16777216 core_memory=4194304 "
            "activation_memory=16384 instruction_memory=65536 parameter_memory=32768 dram_bandwidth=30");
}

TEST(DesignSpace, IdsAreMixedRadix) {
  const DesignSpace space = small();
  EXPECT_EQ(space.size(), 24u);
  EXPECT_EQ(space.id({0, 0, 0}), 0u);
  EXPECT_EQ(space.id({0, 0, 3}), 3u);
  EXPECT_EQ(space.id({0, 1, 0}), 4u);
  EXPECT_EQ(space.id({1, 0, 0}), 8u);
  EXPECT_EQ(space.id({2, 1, 3}), 23u);
  EXPECT_EQ(space.design(13), (Design{1, 1, 1}));
  // ((((((((1·10+2)·7+3)·10+4)·7+5)·11+6)·7+1)·4+2)·5+3)·6+4
  EXPECT_EQ(DesignSpace::edge().id({1, 2, 3, 4, 5, 6, 1, 2, 3, 4}), 56'581'762u);
}

TEST(DesignSpace, EnumeratesInTheOrderOfTheIds) {
  const DesignSpace space = small();
  Design design = space.design(0);
  for (DesignId id = 0; id < space.size(); ++id) {
    EXPECT_EQ(space.id(design), id);
    EXPECT_EQ(space.design(id), design);
    EXPECT_TRUE(space.contains(design));
    EXPECT_EQ(space.advance(design), id + 1 < space.size());
  }
  EXPECT_EQ(design, space.design(0));
}

TEST(DesignSpace, RoundTripsRandomIdsOfHugeSpaces) {
  // 2^63 exactly: the largest space there may be.
  std::vector<Parameter> parameters;
  for (int i = 0; i < 3; ++i) {
    parameters.push_back(Parameter::integer("p" + std::to_string(i), 0, (1 << 21) - 1));
  }
  const DesignSpace space(parameters);
  EXPECT_EQ(space.size(), std::uint64_t{1} << 63);
  EXPECT_EQ(space.design(space.size() - 1), Design(3, (1 << 21) - 1));
  Rng rng(1);
  for (int i = 0; i < 1000; ++i) {
    const DesignId id = rng.below(space.size());
    ASSERT_EQ(space.id(space.design(id)), id);
  }
  parameters.push_back(Parameter::boolean("one_more"));
  expect_error([&] { DesignSpace{parameters}; }, ErrorCode::invalid_input, "more than 2^63 designs");
}

TEST(DesignSpace, RefusesNothingAndRepetition) {
  expect_error([] { DesignSpace({}); }, ErrorCode::invalid_input, "at least one parameter");
  expect_error(
      [] {
        DesignSpace({Parameter::boolean("a"), Parameter::boolean("a")});
      },
      ErrorCode::invalid_input, "parameter `a` is given twice");
}

TEST(DesignSpace, FindsParametersByName) {
  const DesignSpace space = DesignSpace::edge();
  EXPECT_EQ(space.index_of("cores"), 3u);
  EXPECT_EQ(space.find("core"), std::nullopt);
  expect_error([&] { space.index_of("pe_x"); }, ErrorCode::invalid_input, "unknown parameter `pe_x`",
               "did you mean `pes_x`?");
}

TEST(DesignSpace, ContainsItsDesignsOnly) {
  const DesignSpace space = small();
  EXPECT_TRUE(space.contains({2, 1, 3}));
  EXPECT_FALSE(space.contains({3, 1, 3}));
  EXPECT_FALSE(space.contains({2, 1}));
  EXPECT_FALSE(space.contains({}));
}

TEST(DesignSpace, DrawsUniformly) {
  const DesignSpace space = small();
  Rng rng(3);
  std::map<DesignId, int> counts;
  constexpr int draws = 24'000;
  for (int i = 0; i < draws; ++i) ++counts[space.id(space.random(rng))];
  ASSERT_EQ(counts.size(), 24u);
  double chi_square = 0;
  for (const auto& [id, count] : counts) chi_square += (count - 1000.0) * (count - 1000.0) / 1000;
  EXPECT_LT(chi_square, 49.7);  // 99.9 % quantile for 23 degrees of freedom
}

TEST(DesignSpace, NeighboursDifferInOneParameter) {
  const DesignSpace space = small();
  const std::vector<Design> expected = {{1, 0, 0}, {2, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  EXPECT_EQ(space.neighbours({0, 0, 0}), expected);
  const std::vector<Design> middle = {{0, 1, 2}, {2, 1, 2}, {1, 0, 2}, {1, 1, 1}, {1, 1, 3}};
  EXPECT_EQ(space.neighbours({1, 1, 2}), middle);
}

TEST(DesignSpace, DistanceIsTheMeanOverParameters) {
  const DesignSpace space = small();
  EXPECT_EQ(space.distance({0, 0, 0}, {0, 0, 0}), 0);
  EXPECT_EQ(space.distance({0, 0, 0}, {2, 1, 3}), 1);
  EXPECT_DOUBLE_EQ(space.distance({0, 0, 0}, {1, 0, 0}), 1.0 / 3);
  EXPECT_DOUBLE_EQ(space.distance({0, 0, 3}, {0, 0, 1}), 2.0 / 9);
  const DesignSpace constant({Parameter::ordinal("p", {5}), Parameter::boolean("q")});
  EXPECT_EQ(constant.distance({0, 0}, {0, 1}), 0.5);
}

TEST(DesignSpace, ParsesDesigns) {
  const DesignSpace space = small();
  EXPECT_EQ(space.parse("dataflow=os,sparsity=true,memory=4096"), (Design{1, 1, 2}));
  EXPECT_EQ(space.parse(" memory = 4 KiB , sparsity=0, dataflow=rs,"), (Design{2, 0, 2}));
  EXPECT_EQ(space.parse("memory=2 KiB sparsity=0 dataflow=rs"), (Design{2, 0, 1}));
  for (DesignId id = 0; id < space.size(); ++id) {
    EXPECT_EQ(space.id(space.parse(space.design_text(space.design(id)))), id);
  }
}

TEST(DesignSpace, SaysWhatIsWrongWithADesign) {
  const DesignSpace space = small();
  const auto expect = [&](std::string_view text, const std::string& message, const std::string& hint = "") {
    expect_error([&] { space.parse(text); }, ErrorCode::invalid_input, message, hint);
  };
  expect("dataflow=os,sparsity=true", "the design has no value for `memory`");
  expect("", "no value for `dataflow`, `sparsity`, `memory`");
  expect("dataflw=os", "unknown parameter `dataflw`", "did you mean `dataflow`?");
  expect("dataflow=os,dataflow=os", "parameter `dataflow` is given twice");
  expect("dataflow=oss", "`oss` is not a value of `dataflow`", "did you mean `os`?");
  expect("memory=3000", "`3000` is not a value of `memory`", "one of 1024, 2048, 4096, 8192");
  expect("memory=4 GB/s", "`memory`: cannot convert `GB/s` to `bytes`");
  expect("memory", "`memory` is not of the form name=value");
  expect_error(
      [&] {
        space.parse({{"memory", "1"}}, "d.yaml:3:4");
      },
      ErrorCode::invalid_input, "d.yaml:3:4: `1` is not a value");
  const DesignSpace range({Parameter::integer("n", 0, 100, 10)});
  expect_error([&] { range.parse("n=5"); }, ErrorCode::invalid_input, "`5` is not", "from 0 to 100 in steps of 10");
}

TEST(DesignSpace, WritesDesigns) {
  const DesignSpace space = small();
  EXPECT_EQ(space.design_text({1, 1, 2}), "dataflow=os sparsity=true memory=4096");
  EXPECT_EQ(space.design_json({1, 1, 2}).dump(), R"({"dataflow":"os","memory":4096,"sparsity":true})");
  const DesignSpace fractions({Parameter::ordinal("volts", {0.75, 1})});
  EXPECT_EQ(fractions.design_json({0}).dump(), R"({"volts":0.75})");
  EXPECT_EQ(fractions.design_json({1}).dump(), R"({"volts":1})");
}

TEST(DesignSpace, FingerprintsTellSpacesApart) {
  using P = Parameter;
  const std::vector<DesignSpace> spaces = {
      small(),
      DesignSpace::edge(),
      DesignSpace({P::ordinal("a", {1, 2})}),
      DesignSpace({P::ordinal("a", {1, 3})}),
      DesignSpace({P::ordinal("b", {1, 2})}),
      DesignSpace({P::ordinal("a", {1, 2}, "ms")}),
      DesignSpace({P::categorical("a", {"1", "2"})}),
      DesignSpace({P::categorical("a", {"2", "1"})}),
      DesignSpace({P::categorical("a", {"1\u00B52"})}),
      DesignSpace({P::integer("a", 1, 2)}),
      DesignSpace({P::integer("a", 1, 3, 2)}),
      DesignSpace({P::boolean("a")}),
      DesignSpace({P::boolean("a"), P::boolean("b")}),
      DesignSpace({P::boolean("b"), P::boolean("a")}),
  };
  std::set<std::string> fingerprints;
  for (std::size_t i = 0; i < spaces.size(); ++i) {
    fingerprints.insert(spaces[i].fingerprint());
    for (std::size_t j = 0; j < spaces.size(); ++j) EXPECT_EQ(spaces[i] == spaces[j], i == j);
  }
  EXPECT_EQ(fingerprints.size(), spaces.size());
  EXPECT_EQ(small().fingerprint(), small().fingerprint());
  EXPECT_EQ(DesignSpace({P::integer("a", 4, 21, 8)}).fingerprint(),
            DesignSpace({P::integer("a", 4, 20, 8)}).fingerprint());
}

TEST(DesignSpace, RoundTripsThroughJson) {
  std::vector<Parameter> parameters = small().parameters();
  parameters.push_back(Parameter::integer("banks", -4, 21, 8, "banks"));
  parameters.push_back(Parameter::integer("one", 7, 7));
  parameters.push_back(Parameter::ordinal("volts", {0.1, 0.30000000000000004}, "V"));
  for (const DesignSpace& space : {DesignSpace(parameters), DesignSpace::edge()}) {
    const DesignSpace copy = DesignSpace::from_json(nlohmann::json::parse(space.to_json().dump()));
    EXPECT_EQ(copy, space);
    EXPECT_EQ(copy.fingerprint(), space.fingerprint());
  }
}

TEST(DesignSpace, RefusesHostileJson) {
  for (const char* text :
       {"null", "3", "[]", "{}", R"({"parameters":3})", R"({"parameters":[3]})", R"({"parameters":[{}]})",
        R"({"parameters":[{"name":3,"kind":"boolean"}]})", R"({"parameters":[{"name":"a","kind":"complex"}]})",
        R"({"parameters":[{"name":"a","kind":"ordinal","values":["x"]}]})",
        R"({"parameters":[{"name":"a","kind":"ordinal","values":null}]})",
        R"({"parameters":[{"name":"a","kind":"integer","range":[1],"step":1}]})",
        R"({"parameters":[{"name":"a","kind":"integer","range":{},"step":1}]})",
        R"({"parameters":[{"name":"a","kind":"integer","range":[1,9],"step":1.5}]})",
        R"({"parameters":[{"name":"a","kind":"integer","range":[1,1e300],"step":1}]})",
        R"({"parameters":[{"name":"a","kind":"integer","range":[-5,18446744073709551615],"step":1}]})"}) {
    expect_error([&] { DesignSpace::from_json(nlohmann::json::parse(text)); }, ErrorCode::corrupt, "design space");
  }
  expect_error(
      [] { DesignSpace::from_json(nlohmann::json::parse(R"({"parameters":[{"name":"a b","kind":"boolean"}]})")); },
      ErrorCode::invalid_input, "cannot name a parameter");
  expect_error([] { DesignSpace::from_json(nlohmann::json::parse(R"({"parameters":[]})")); }, ErrorCode::invalid_input,
               "at least one parameter");
}

}  // namespace
}  // namespace corbel
