#include "comparisons.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "corbel/base/error.hpp"
#include "corbel/simulator/edge.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using ::testing::HasSubstr;

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Statistics, MedianIsTheMiddleOrTheMeanOfTheTwoInTheMiddle) {
  EXPECT_EQ(median({5, 1, 3}), 3);
  EXPECT_EQ(median({4, 1, 3, 2}), 2.5);
  EXPECT_TRUE(std::isnan(median({})));
  EXPECT_TRUE(std::isnan(mean({})));
}

TEST(Statistics, SpearmanFollowsItsDefinition) {
  // Without ties 1 − 6 Σd² / (n (n² − 1)): one exchanged pair of neighbours among four, Σd² = 2.
  EXPECT_NEAR(spearman({1, 2, 3, 4}, {10, 20, 40, 30}), 0.8, 1e-15);
  EXPECT_NEAR(spearman({1, 2, 3}, {9, 4, 1}), -1, 1e-15);
  // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: 4.5 / sqrt(4.5 · 5).
  EXPECT_NEAR(spearman({1, 2, 2, 3}, {1, 2, 3, 4}), 4.5 / std::sqrt(22.5), 1e-15);
}

TEST(Targets, IncludeTheirEndsAndRefuseWhatIsUnknown) {
  EXPECT_TRUE((Target{"", 10, 10, 31}.met()));
  EXPECT_TRUE((Target{"", 31, 10, 31}.met()));
  EXPECT_FALSE((Target{"", 31.1, 10, 31}.met()));
  EXPECT_FALSE((Target{"", std::nan(""), -infinity, infinity}.met()));
}

TEST(Sections, ArePrintedAsMarkdownAndJson) {
  const Section section{"coral",
                        "Coral",
                        "a page",
                        {{"networks",
                          "Times:",
                          {{"workload", "network"}, {"ms", "ms", 1}},
                          {{{"workload", "a"}, {"ms", 2.55}}, {{"workload", "b"}}}}},
                        {{"error %", 20, -infinity, 15}},
                        {"A note."}};
  EXPECT_EQ(to_markdown(section),
            "## Coral\n\nPublished: a page\n\nTimes:\n\n| network | ms |\n|---|--:|\n| a | 2.5 |\n| b | – |\n\n"
            "| target | found | wanted | |\n|---|--:|---|---|\n| error % | 20 | at most 15 | **not met** |\n\n"
            "A note.\n\n");
  const nlohmann::json json = to_json(section);
  EXPECT_EQ(json.at("networks").at(0).at("ms"), 2.55);
  EXPECT_EQ(json.at("targets").at(0).at("met"), false);
  EXPECT_TRUE(json.at("targets").at(0).at("min").is_null());
  EXPECT_FALSE(all_met(section));
}

TEST(Samples, DoNotDependOnTheNumberOfThreads) {
  const auto simulator = make_edge_simulator();
  const Network network = load_network("mobilenet_v2");
  ValidationOptions options;
  options.designs = 700;
  options.threads = 1;
  const Sample one = simulate_sample(*simulator, network, options);
  options.threads = 3;
  const Sample three = simulate_sample(*simulator, network, options);
  ASSERT_EQ(one.outcomes.size(), 700u);
  EXPECT_EQ(one.designs, three.designs);
  for (std::size_t i = 0; i < 700; ++i) {
    EXPECT_EQ(one.outcomes[i].state, three.outcomes[i].state);
    EXPECT_EQ(one.outcomes[i].reason, three.outcomes[i].reason);
    EXPECT_EQ(one.outcomes[i].metrics[3], three.outcomes[i].metrics[3]);
  }
  options.seed = 2;
  EXPECT_NE(simulate_sample(*simulator, network, options).designs, one.designs);
}

/// A coral.yaml whose measured times are what the model gives for these two constants, times `factor`.
std::string coral_file(double latency_us, double bandwidth_gbs, double written_latency_us, double written_bandwidth_gbs,
                       double factor = 1) {
  const std::string chip =
      "{pes_x: 4, pes_y: 4, compute_lanes: 64, cores: 4, pe_memory: 512 KiB, core_memory: 32 KiB, "
      "activation_memory: 1024, instruction_memory: 65536, parameter_memory: 16384, dram_bandwidth: ";
  EdgeSettings settings;
  settings.clock_mhz = 500;
  settings.host_latency_us = latency_us;
  const auto simulator = make_edge_simulator(settings);
  const Hardware hardware = parse_hardware(*simulator, {{"pes_x", "4"},
                                                        {"pes_y", "4"},
                                                        {"compute_lanes", "64"},
                                                        {"cores", "4"},
                                                        {"pe_memory", "512 KiB"},
                                                        {"core_memory", "32 KiB"},
                                                        {"activation_memory", "1024"},
                                                        {"instruction_memory", "65536"},
                                                        {"parameter_memory", "16384"},
                                                        {"dram_bandwidth", fmt::format("{} GB/s", bandwidth_gbs)}});
  std::string networks;
  for (const char* name : {"mobilenet_v2", "mobilenet_edgetpu", "resnet50"}) {
    const Network network = load_network(name);
    const Outcome outcome = simulator->simulate(std::span(&hardware, 1), &network).front();
    EXPECT_EQ(outcome.state, OutcomeState::complete) << outcome.detail;
    networks += fmt::format("  - {{workload: {}, measured_ms: {}}}\n", name,
                            factor * outcome.metrics[metric_index(*simulator, "latency_ms")]);
  }
  return fmt::format(
      "source: the model\nhardware: {}{}}}\nclock_mhz: 500\nhost_latency_us: {}\nnetworks:\n{}held_out: []\nvariants: "
      "[]\n"
      "targets: {{median_error_percent: {{max: 15}}, spearman: {{min: 0.95}}}}\n",
      chip, written_bandwidth_gbs, written_latency_us, networks);
}

TEST(Coral, FitFindsTheConstantsThatMadeTheTimes) {
  const TemporaryFolder folder;
  folder.write("coral.yaml", coral_file(800, 0.7, 1500, 0.4));
  ValidationOptions options;
  options.data = folder.path();
  const auto largest_error = [](const Section& section) {
    double largest = 0;
    for (const nlohmann::json& row : section.tables.at(0).rows) {
      largest = std::max(largest, std::abs(row.at("error_percent").get<double>()));
    }
    return largest;
  };
  EXPECT_GT(largest_error(validate_coral(options)), 20);
  options.fit = true;
  EXPECT_LT(largest_error(validate_coral(options)), 0.5);
}

TEST(Coral, AModelThatIsOffDoesNotMeetItsTarget) {
  const TemporaryFolder folder;
  ValidationOptions options;
  options.data = folder.path();
  folder.write("coral.yaml", coral_file(800, 0.7, 800, 0.7));
  EXPECT_TRUE(all_met(validate_coral(options)));
  folder.write("coral.yaml", coral_file(800, 0.7, 800, 0.7, 1.3));
  EXPECT_FALSE(all_met(validate_coral(options)));
}

TEST(Files, FaultsAreNamedWithTheirPlace) {
  const TemporaryFolder folder;
  ValidationOptions options;
  options.data = folder.path();
  const auto message = [&](Section (*run)(const ValidationOptions&)) -> std::string {
    try {
      run(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was refused";
  };
  folder.write("space.yaml",
               "source: s\napplications:\n"
               "  - {workload: mobilenet_v2, infeasible: 1, feasible: 1, runtime_us: [1, 2]}\ntargets: {}\n");
  EXPECT_THAT(message(validate_space), HasSubstr("space.yaml:3:"));
  folder.write("cliff.yaml", "source: s\nworkload: [trnn_decoder]\n");
  EXPECT_THAT(message(validate_cliff), HasSubstr("cliff.yaml:2:1"));
  folder.write("configurations.yaml",
               "source: s\nconfigurations:\n  - {name: V1, clock_mhz: 800, peak_tops: 1, hardware: {pes_z: 4}}\n"
               "targets: {}\n");
  EXPECT_THAT(message(validate_configurations), HasSubstr("pes_z"));
}

}  // namespace
}  // namespace corbel::test
