#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "corbel/base/parallel.hpp"
#include "corbel/simulator/edge_constants.hpp"
#include "corbel/simulator/edge_cost.hpp"
#include "corbel/simulator/edge_mapper.hpp"
#include "edge_fixtures.hpp"

namespace corbel {
namespace {

bool same(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

void expect_same(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.state, b.state);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_EQ(a.detail, b.detail);
  ASSERT_EQ(a.metrics.size(), b.metrics.size());
  for (std::size_t i = 0; i < a.metrics.size(); ++i) EXPECT_TRUE(same(a.metrics[i], b.metrics[i])) << i;
}

/// Calls check(network, hardware) for random pairs: whole networks and chains of any layers.
template <class Check>
void for_random_pairs(std::uint64_t seed, int pairs, Check check) {
  Rng rng(seed);
  const Network mobile = mobile_network();
  for (int i = 0; i < pairs; ++i) {
    const Network network = rng.chance(0.2) ? mobile : random_network(rng);
    check(network, random_hardware(rng), rng);
    if (testing::Test::HasFailure()) return;
  }
}

std::string text(const Hardware& hardware) {
  std::string line;
  for (const Value& value : hardware) line += to_string(value) + " ";
  return line;
}

// The mapper takes the fastest of what fits, so that more room only adds candidates.
TEST(EdgeProperties, MoreMemoryOrBandwidthIsNeverSlower) {
  const auto simulator = make_edge_simulator();
  int compared = 0;
  for_random_pairs(1, 9000, [&](const Network& network, const Hardware& hardware, Rng& rng) {
    const Outcome before = simulate_one(*simulator, hardware, network);
    for (const std::size_t parameter :
         {pe_memory, core_memory, activation_memory, instruction_memory, parameter_memory, dram_bandwidth}) {
      Hardware larger = hardware;
      larger[parameter] = std::floor(std::get<double>(larger[parameter]) * (1 + 3 * rng.uniform())) + 1;
      const Outcome after = simulate_one(*simulator, larger, network);
      if (before.state != OutcomeState::complete) continue;
      ASSERT_EQ(after.state, OutcomeState::complete) << after.detail;
      ASSERT_LE(after.metrics[latency_ms], before.metrics[latency_ms] * (1 + 1e-12))
          << simulator->hardware_parameters()[parameter].name << " " << text(hardware);
      ++compared;
    }
  });
  EXPECT_GT(compared, 10000);
}

TEST(EdgeProperties, LatencyIsNeverUnderTheRoofline) {
  const auto simulator = make_edge_simulator({.host_latency_us = 0});
  int compared = 0;
  for_random_pairs(2, 12000, [&](const Network& network, const Hardware& hardware, Rng&) {
    const Outcome outcome = simulate_one(*simulator, hardware, network);
    if (outcome.state != OutcomeState::complete) return;
    const auto at = [&](std::size_t i) { return std::get<double>(hardware[i]); };
    const double macs_per_ms = at(pes_x) * at(pes_y) * at(cores) * at(compute_lanes) * 4 * 800e3;
    const double seconds = outcome.metrics[latency_ms] * 1e-3;
    ASSERT_GE(outcome.metrics[latency_ms] * (1 + 1e-9), static_cast<double>(network.total_macs()) / macs_per_ms);
    ASSERT_GE(seconds * at(dram_bandwidth) * 1e9 * (1 + 1e-9), outcome.metrics[dram_mb] * 1e6);
    ASSERT_LE(outcome.metrics[utilisation], 1 + 1e-9);
    ASSERT_GE(outcome.metrics[resident_share], 0);
    ASSERT_LE(outcome.metrics[resident_share], 1);
    ++compared;
  });
  EXPECT_GT(compared, 2000);
}

TEST(EdgeProperties, EnergyIsNeverUnderThatOfMacsAndDram) {
  const auto simulator = make_edge_simulator();
  for_random_pairs(3, 3000, [&](const Network& network, const Hardware& hardware, Rng&) {
    const Outcome outcome = simulate_one(*simulator, hardware, network);
    if (outcome.state != OutcomeState::complete) return;
    const double macs_mj = static_cast<double>(network.total_macs()) * 0.3 * 0.094 * 1e-9;
    ASSERT_GT(outcome.metrics[energy_mj], macs_mj + outcome.metrics[dram_mb] * 1e6 * 64e-9);
  });
}

TEST(EdgeProperties, MappingsCoverEveryOutputAndMac) {
  for_random_pairs(4, 1500, [&](const Network& network, const Hardware& hardware, Rng&) {
    const EdgeNetworkFacts facts = edge_network_facts(network);
    EdgeHardware sizes{};
    std::int64_t* const fields[] = {
        &sizes.pes_x,           &sizes.pes_y,       &sizes.compute_lanes,     &sizes.cores,
        &sizes.pe_memory,       &sizes.core_memory, &sizes.activation_memory, &sizes.instruction_memory,
        &sizes.parameter_memory};
    for (std::size_t i = 0; i < 9; ++i) *fields[i] = static_cast<std::int64_t>(std::get<double>(hardware[i]));
    sizes.dram_bandwidth = 10;
    const EdgeChip chip = make_edge_chip(sizes, 800);
    double macs = 0;
    for (std::size_t i = 0; i < facts.layers.size(); ++i) {
      const EdgeLayerFacts& layer = facts.layers[i];
      macs += facts.counts[i] * layer.macs;
      for (std::uint8_t division = 0; division < edge_divisions.size(); ++division) {
        for (std::uint8_t order = 0; order < edge_order_count; ++order) {
          const EdgeMapping mapping = map_edge_layer(layer, chip, {division, static_cast<EdgeOrder>(order)});
          const double units = mapping.active_pes * mapping.active_cores;
          ASSERT_LE(mapping.active_pes, chip.pes);
          ASSERT_LE(mapping.active_cores, chip.cores);
          ASSERT_GE(units * mapping.pixels_per_core * mapping.channels_per_core,
                    layer.rows * layer.columns * layer.channels);
          ASSERT_GE(mapping.compute_cycles * units * chip.lanes * edge_lane_ways, layer.macs);
          ASSERT_GE(mapping.cycles, mapping.compute_cycles);
        }
      }
    }
    ASSERT_EQ(macs, static_cast<double>(network.total_macs()));
  });
}

TEST(EdgeProperties, AreaGrowsWithEveryResource) {
  const auto simulator = make_edge_simulator();
  Rng rng(5);
  for (int i = 0; i < 2000; ++i) {
    const Hardware hardware = random_hardware(rng);
    const double area = simulator->static_metrics(hardware)[area_mm2];
    for (std::size_t parameter = 0; parameter < hardware.size(); ++parameter) {
      Hardware larger = hardware;
      larger[parameter] = std::get<double>(larger[parameter]) + 1;
      ASSERT_GT(simulator->static_metrics(larger)[area_mm2], area);
    }
  }
}

TEST(EdgeProperties, ResultsDoNotDependOnThreadsOrBatches) {
  const auto simulator = make_edge_simulator();
  const Network network = mobile_network();
  Rng rng(6);
  std::vector<Hardware> designs;
  for (int i = 0; i < 2000; ++i) designs.push_back(random_hardware(rng));
  const std::vector<Outcome> together = simulator->simulate(designs, &network);
  std::vector<Outcome> apart(designs.size());
  parallel_for(designs.size(), 4, 7, [&](std::size_t begin, std::size_t end) {
    const auto part = simulator->simulate(std::span(designs).subspan(begin, end - begin), &network);
    std::copy(part.begin(), part.end(), apart.begin() + static_cast<std::ptrdiff_t>(begin));
  });
  for (std::size_t i = 0; i < designs.size(); ++i) expect_same(together[i], apart[i]);
}

// The share that compiles lies in the range of the data set published with PRIME, and for several reasons.
TEST(EdgeProperties, RandomDesignsFailToCompileAsOftenAsPublished) {
  const auto simulator = make_edge_simulator();
  const Network network = mobile_network();
  Rng rng(7);
  std::vector<Hardware> designs;
  for (int i = 0; i < 4000; ++i) designs.push_back(random_hardware(rng));
  double feasible = 0, sum = 0, best = 1e300;
  std::vector<std::string> reasons;
  for (const Outcome& outcome : simulator->simulate(designs, &network)) {
    if (outcome.state != OutcomeState::complete) {
      if (std::find(reasons.begin(), reasons.end(), outcome.reason) == reasons.end()) reasons.push_back(outcome.reason);
      continue;
    }
    feasible += 1;
    sum += outcome.metrics[latency_ms];
    best = std::min(best, outcome.metrics[latency_ms]);
  }
  EXPECT_GT(feasible / 4000, 0.10);
  EXPECT_LT(feasible / 4000, 0.31);
  EXPECT_EQ(reasons.size(), 5u);
  EXPECT_GT(sum / feasible / best, 1.5);
  EXPECT_LT(sum / feasible / best, 7);
}

}  // namespace
}  // namespace corbel
