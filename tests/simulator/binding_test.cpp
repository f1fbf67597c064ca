#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "edge_fixtures.hpp"

namespace corbel {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

Values v1_values() {
  return {{"pes_x", "4"},
          {"pes_y", "4"},
          {"compute_lanes", "64"},
          {"cores", "4"},
          {"pe_memory", "2 MiB"},
          {"core_memory", "32 KiB"},
          {"activation_memory", "1024"},
          {"instruction_memory", "16384"},
          {"parameter_memory", "16384"},
          {"dram_bandwidth", "17 GB/s"}};
}

template <class Act>
void expect_error(ErrorCode code, const std::string& part, Act act) {
  try {
    act();
    FAIL() << "no error with " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_THAT(std::string(error.what()) + " / " + error.hint(), testing::HasSubstr(part));
  }
}

TEST(ParseHardware, ReadsUnitsInAnyOrder) {
  const auto simulator = make_edge_simulator();
  Values values = v1_values();
  std::swap(values[0], values[9]);
  const Hardware hardware = parse_hardware(*simulator, values);
  EXPECT_EQ(std::get<double>(hardware[pes_x]), 4);
  EXPECT_EQ(std::get<double>(hardware[pe_memory]), 2097152);
  EXPECT_EQ(std::get<double>(hardware[dram_bandwidth]), 17);
}

TEST(ParseHardware, NamesWhatIsWrong) {
  const auto simulator = make_edge_simulator();
  const auto parse = [&](std::size_t index, const char* name, const char* value) {
    Values values = v1_values();
    values[index] = {name, value};
    parse_hardware(*simulator, values, "--design");
  };
  using enum ErrorCode;
  expect_error(invalid_input, "did you mean `pes_x`", [&] { parse(0, "pe_x", "4"); });
  expect_error(invalid_input, "pes_y is given twice", [&] { parse(0, "pes_y", "4"); });
  expect_error(invalid_input, "--design: pes_x is four", [&] { parse(0, "pes_x", "four"); });
  expect_error(invalid_input, "--design: pes_x is 2.5", [&] { parse(0, "pes_x", "2.5"); });
  expect_error(invalid_input, "`ms`", [&] { parse(4, "pe_memory", "2 ms"); });
  expect_error(invalid_input, "--design: no value for cores, dram_bandwidth", [&] {
    Values values = v1_values();
    values.erase(values.begin() + 3);
    values.pop_back();
    parse_hardware(*simulator, values, "--design");
  });
}

TEST(HardwareBinding, TurnsDesignsOfTheEdgeSpaceIntoHardware) {
  const auto simulator = make_edge_simulator();
  const DesignSpace space = DesignSpace::edge();
  const HardwareBinding binding(*simulator, space);
  const Hardware hardware = binding.hardware(space.design(0));
  ASSERT_EQ(hardware.size(), 10u);
  EXPECT_EQ(hardware, (Hardware{1.0, 1.0, 4.0, 1.0, 262144.0, 4096.0, 256.0, 8192.0, 2048.0, 5.0}));
}

std::vector<Parameter> parameters_without(const std::string& name) {
  std::vector<Parameter> parameters;
  const DesignSpace space = DesignSpace::edge();
  for (const Parameter& parameter : space.parameters()) {
    if (parameter.name() != name) parameters.push_back(parameter);
  }
  return parameters;
}

TEST(HardwareBinding, TakesFixedValuesAndOtherUnits) {
  const auto simulator = make_edge_simulator();
  auto parameters = parameters_without("pe_memory");
  parameters.push_back(Parameter::ordinal("pe_memory", {384, 512}, "KiB"));
  const DesignSpace space(parameters);
  const Hardware hardware = HardwareBinding(*simulator, space).hardware(space.design(0));
  EXPECT_EQ(std::get<double>(hardware[pe_memory]), 384 * 1024);

  const DesignSpace fewer(parameters_without("dram_bandwidth"));
  const HardwareBinding fixed(*simulator, fewer, {{"dram_bandwidth", "32"}});
  EXPECT_EQ(std::get<double>(fixed.hardware(fewer.design(0))[dram_bandwidth]), 32);
}

TEST(HardwareBinding, RefusesWhatDoesNotBelongTogether) {
  const auto simulator = make_edge_simulator();
  const auto bind = [&](std::vector<Parameter> parameters, const Values& fixed = {}) {
    HardwareBinding(*simulator, DesignSpace(std::move(parameters)), fixed);
  };
  const auto with = [](const std::string& without, Parameter parameter) {
    auto parameters = parameters_without(without);
    parameters.push_back(std::move(parameter));
    return parameters;
  };
  using enum ErrorCode;
  expect_error(mismatch, "also needs cores", [&] { bind(parameters_without("cores")); });
  expect_error(mismatch, "did you mean `cores`", [&] { bind(with("cores", Parameter::integer("core", 1, 4))); });
  expect_error(mismatch, "pe_memory of the space is in ms", [&] {
    bind(with("pe_memory", Parameter::ordinal("pe_memory", {1, 2}, "ms")));
  });
  expect_error(mismatch, "cores of the space is in KiB", [&] {
    bind(with("cores", Parameter::ordinal("cores", {1, 2}, "KiB")));
  });
  expect_error(mismatch, "activation_memory of the space is in bytes", [&] {
    bind(with("activation_memory", Parameter::ordinal("activation_memory", {1, 2}, "bytes")));
  });
  expect_error(mismatch, "unknown hardware parameter `dram`", [&] { bind(parameters_without(""), {{"dram", "3"}}); });
  expect_error(mismatch, "also a parameter of the space", [&] { bind(parameters_without(""), {{"cores", "3"}}); });
  expect_error(mismatch, "given twice", [&] { bind(parameters_without("cores"), {{"cores", "3"}, {"cores", "3"}}); });
}

TEST(MakeSimulator, ReadsSettings) {
  const DesignSpace space = DesignSpace::edge();
  const auto make = [&](const char* yaml) { return make_simulator(Config::parse(yaml, "study.yaml"), space); };
  EXPECT_EQ(make("edge")->fingerprint(), make_edge_simulator()->fingerprint());
  EXPECT_EQ(make("{name: edge}")->fingerprint(), make_edge_simulator()->fingerprint());
  EXPECT_EQ(make("{name: edge, clock_mhz: 1066, technology: 16nm, host_latency_us: 0}")->fingerprint(),
            make_edge_simulator({1066, "16nm", 0})->fingerprint());
}

TEST(MakeSimulator, NamesWhatIsWrong) {
  const DesignSpace space = DesignSpace::edge();
  const auto make = [&](const char* yaml) { make_simulator(Config::parse(yaml, "study.yaml"), space); };
  using enum ErrorCode;
  expect_error(invalid_input, "did you mean `edge`", [&] { make("egde"); });
  expect_error(invalid_input, "clock_mhz", [&] { make("{name: edge, clock_mz: 800}"); });
  expect_error(invalid_input, "study.yaml:1:", [&] { make("{name: edge, clock_mhz: 0}"); });
  expect_error(invalid_input, "study.yaml:1:", [&] { make("{name: edge, host_latency_us: -1}"); });
  expect_error(invalid_input, "7nm", [&] { make("{name: edge, technology: 7n}"); });
  expect_error(invalid_input, "needs a file", [&] { make("table"); });
  expect_error(invalid_input, "file", [&] { make("{name: table}"); });
  expect_error(invalid_input, "study.yaml:1:1", [&] { make("[edge]"); });
}

TEST(Simulators, AllHaveNamesSummariesAndSources) {
  ASSERT_FALSE(simulators().empty());
  for (const SimulatorInfo& info : simulators()) {
    EXPECT_FALSE(info.id.empty());
    EXPECT_FALSE(info.summary.empty());
    EXPECT_FALSE(info.source.empty());
  }
}

}  // namespace
}  // namespace corbel
