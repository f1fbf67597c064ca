#include "base/expect_error.hpp"
#include "corbel/base/config.hpp"
#include "corbel/base/file.hpp"
#include "corbel/space/design_space.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

DesignSpace read(std::string_view text) {
  return DesignSpace::from_config(Config::parse(text, "s.yaml"));
}

void expect_refused(std::string_view text, const std::string& message, const std::string& hint = "") {
  expect_error([&] { read(text); }, ErrorCode::invalid_input, message, hint);
}

TEST(SpaceFile, ReadsEveryKind) {
  const DesignSpace space = read(R"(
parameters:
  memory: {values: [256 KiB, 1 MiB, 2097152], unit: bytes}
  lanes: {values: [4, 8, 16]}
  dataflow: {values: [kcp_ws, rs]}
  banks: {range: [2, 12], step: 5}
  buffer: {range: [1 KiB, 4 KiB], step: 1 KiB, unit: bytes}
  sparsity: boolean
)");
  EXPECT_EQ(space, DesignSpace({
                       Parameter::ordinal("memory", {262144, 1048576, 2097152}, "bytes"),
                       Parameter::ordinal("lanes", {4, 8, 16}),
                       Parameter::categorical("dataflow", {"kcp_ws", "rs"}),
                       Parameter::integer("banks", 2, 12, 5),
                       Parameter::integer("buffer", 1024, 4096, 1024, "bytes"),
                       Parameter::boolean("sparsity"),
                   }));
}

TEST(SpaceFile, KnowsTheBuiltInSpace) {
  EXPECT_EQ(read("edge"), DesignSpace::edge());
  expect_refused("egde", "s.yaml:1:1: unknown design space `egde`", "did you mean `edge`?");
}

TEST(SpaceFile, FollowsAPathFromItsOwnFile) {
  const test::TemporaryFolder folder;
  write_file(folder / "spaces/tiny.yaml", "parameters: {a: boolean}");
  write_file(folder / "study.yaml", "spaces/tiny.yaml");
  EXPECT_EQ(DesignSpace::from_config(Config::load(folder / "study.yaml")), DesignSpace({Parameter::boolean("a")}));
  write_file(folder / "study.yaml", "spaces/none.yaml");
  expect_error([&] { DesignSpace::from_config(Config::load(folder / "study.yaml")); }, ErrorCode::not_found,
               "study.yaml:1:1: no such file");
  // A file that names itself must not be followed forever.
  write_file(folder / "study.yaml", "study.yaml");
  expect_error([&] { DesignSpace::from_config(Config::load(folder / "study.yaml")); }, ErrorCode::invalid_input,
               "a design space file is a map");
}

TEST(SpaceFile, RefusesUnitsOfAnotherDimension) {
  expect_refused("parameters:\n  memory:\n    unit: bytes\n    values: [256 KiB, 5 GB/s]\n",
                 "s.yaml:4:23: cannot convert `GB/s` to `bytes`");
  expect_refused("parameters: {memory: {values: [256 KiB, 512 KiB]}}",
                 "s.yaml:1:32: `256 KiB` has a unit, but `memory` has none", "such as `unit: KiB`");
  expect_refused("parameters: {n: {range: [1 KiB, 2.5 B], unit: bytes}}", "a range needs whole numbers");
}

TEST(SpaceFile, RefusesTypos) {
  expect_refused("parameters: {a: {valeus: [1]}}", "unknown key `valeus`", "did you mean `values`?");
  expect_refused("parameter: {a: boolean}", "unknown key `parameter`", "did you mean `parameters`?");
  expect_refused("parameters: {a: bolean}", "s.yaml:1:17: unknown value `bolean`", "did you mean `boolean`?");
  expect_refused("parameters: {a: {values: [4, 8, 1o]}}", "s.yaml:1:33: the values of `a` mix numbers and words");
  expect_refused("parameters: {a: {values: [none, 2]}}", "mix numbers and words");
  expect_refused("parameters: {a: {unit: bytes}}", "s.yaml:1:17: `values` is missing");
  expect_refused("parameters: {a: {values: [1], range: [1, 2]}}", "both `values` and `range`");
  expect_refused("parameters: {a: {values: [1], step: 2}}", "`step` goes with `range`");
  expect_refused("parameters: {a: {range: [1, 2, 3]}}", "a range is written as [first, last]");
  expect_refused("parameters: {a: {range: [1, x]}}", "s.yaml:1:29: wanted a number, found `x`");
  expect_refused("parameters: {a: {range: [1, 1e300]}}", "up to 2^53");
  expect_refused("parameters: [a]", "s.yaml:1:13: wanted a map, found a list");
  expect_refused("parameters: {a: {values: 3}}", "wanted a list, found `3`");
  expect_refused("parameters: {a: {values: [[1]]}}", "wanted a single value, found a list");
  expect_refused("[edge]", "wanted a single value");
  expect_refused("", "wanted a single value");
}

TEST(SpaceFile, NamesThePlaceOfWhatTheParametersRefuse) {
  expect_refused("parameters:\n  a: {values: [8, 4]}\n", "s.yaml:2:6: parameter `a` has 4 after 8");
  expect_refused("parameters:\n  a: {values: []}\n", "s.yaml:2:6: parameter `a` has no values");
  expect_refused("parameters:\n  a b: boolean\n", "s.yaml:2:8: `a b` cannot name a parameter");
  expect_refused("parameters: {}\n", "s.yaml:1:13: a design space needs at least one parameter");
  expect_refused("parameters: {a: {range: [0, 4294967294]}, b: {range: [0, 4294967294]}}", "more than 2^63 designs");
}

TEST(SpaceFile, TakesBillionsOfValues) {
  EXPECT_EQ(read("parameters: {a: {range: [1, 4e9]}}").size(), 4'000'000'000u);
}

}  // namespace
}  // namespace corbel
