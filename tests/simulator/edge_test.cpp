#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "corbel/base/error.hpp"
#include "corbel/simulator/edge_mapper.hpp"
#include "edge_fixtures.hpp"

namespace corbel {
namespace {

// arXiv 2102.10423, table of the three configurations.
const Hardware v2 = {4.0, 4.0, 64.0, 1.0, 384 * kibi, 32 * kibi, 1024.0, 16384.0, 8192.0, 32.0};
const Hardware v3 = {4.0, 1.0, 32.0, 8.0, 2048 * kibi, 8 * kibi, 1024.0, 16384.0, 8192.0, 32.0};

const Hardware tiny = {1.0, 1.0, 4.0, 1.0, 256 * kibi, 4 * kibi, 256.0, 8192.0, 2048.0, 5.0};

TEST(EdgePeak, IsThePublishedOne) {
  EdgeHardware hardware{};
  hardware.pes_x = hardware.pes_y = 4;
  hardware.compute_lanes = 64;
  hardware.cores = 4;
  EXPECT_NEAR(peak_tops(hardware, {.clock_mhz = 800}), 26.2, 0.05);
  hardware.cores = 1;
  EXPECT_NEAR(peak_tops(hardware, {.clock_mhz = 1066}), 8.73, 0.005);
  hardware.pes_y = 1;
  hardware.compute_lanes = 32;
  hardware.cores = 8;
  EXPECT_NEAR(peak_tops(hardware, {.clock_mhz = 1066}), 8.73, 0.005);
}

// 16 pixels, 8 -> 8 channels on one core of 4 lanes, counted by hand:
//   compute  2 tiles of channels x 16 pixels x (2 words + 2 to drain), 2 runs x 48    224 cycles
//   PE port  128 in + 2 x 128 read + 64 weights + 128 out = 576 bytes / 64              9 cycles
//   network  64 weights / 32; the inputs are where they are needed                      2 cycles
//   dispatch (45 set-up + 2 tiles x (1 in + 1 weights + 1 run + 1 out)) / 2          26.5 cycles
//   start    2 x 2 hops + 2 words x 4 bytes x 4 lanes / 32                              5 cycles
// and 224 + 5 cycles at 800 MHz; 256 bytes of DRAM traffic take 40.96, behind them.
TEST(Edge, CountsAPointwiseConvolutionAsByHand) {
  const auto simulator = make_edge_simulator();
  const Outcome outcome = simulate_one(*simulator, tiny, chain({conv("only", 8, 8, 4)}));
  ASSERT_EQ(outcome.state, OutcomeState::complete) << outcome.detail;
  EXPECT_NEAR(outcome.metrics[latency_ms], 0.120 + 229 / 800e3, 1e-12);
  EXPECT_NEAR(outcome.metrics[utilisation], 1024 / (16 * 229.0), 1e-12);
  EXPECT_EQ(outcome.metrics[resident_share], 1);
  EXPECT_DOUBLE_EQ(outcome.metrics[dram_mb], 256e-6);  // the weights stay

  // pJ: MACs with their weights; requantising; activation memory 1 KiB; core 4 KiB; PE 256 KiB; network; 53
  // instructions from 128 KiB; DRAM.
  const double scale = 0.094, kib8 = 1.25 * scale;
  const double dynamic_pj = 1024 * (0.3 * scale + kib8 * 0.25) + 128 * 3.2 * scale + 256 * kib8 * std::sqrt(0.125) +
                            128 * kib8 * std::sqrt(0.5) + 576 * kib8 * std::sqrt(32.0) + 64 * 1.53 * scale +
                            53 * 16 * kib8 * 4 + 256 * 64.0;
  const double leakage_mj = 9.8e-3 * outcome.metrics[area_mm2] * outcome.metrics[latency_ms];
  EXPECT_NEAR(outcome.metrics[energy_mj], dynamic_pj * 1e-9 + leakage_mj, 1e-12);
  EXPECT_NEAR(outcome.metrics[power_w], outcome.metrics[energy_mj] / outcome.metrics[latency_ms], 1e-15);
}

TEST(Edge, ShowsWhereTheTimeOfALayerGoes) {
  const auto simulator = make_edge_simulator();
  const auto costs = simulator->layer_costs(tiny, chain({conv("only", 8, 8, 4)}));
  ASSERT_EQ(costs.size(), 2u);
  EXPECT_EQ(costs[1].name, "host");
  EXPECT_DOUBLE_EQ(costs[1].latency_ms, 0.120);
  EXPECT_EQ(costs[0].name, "only");
  EXPECT_EQ(costs[0].kind, "conv");
  EXPECT_EQ(costs[0].bound, "compute");
  EXPECT_NEAR(costs[0].compute_ms, 224 / 800e3, 1e-15);
  EXPECT_NEAR(costs[0].on_chip_ms, 26.5 / 800e3, 1e-15);
  EXPECT_NEAR(costs[0].dram_ms, 256 / 6.25 / 800e3, 1e-15);
  EXPECT_EQ(costs[0].weight_bytes, 64);
  EXPECT_EQ(costs[0].resident_weight_bytes, 64);
  EXPECT_THAT(costs[0].mapping, testing::HasSubstr("1 PEs x 1 cores, 16 pixels x 8 channels each"));
}

TEST(Edge, LayerCostsAddUpToTheInference) {
  const auto simulator = make_edge_simulator();
  const Network network = mobile_network();
  for (const Hardware& hardware : {v1, v2, v3}) {
    const Outcome outcome = simulate_one(*simulator, hardware, network);
    ASSERT_EQ(outcome.state, OutcomeState::complete) << outcome.detail;
    double latency = 0, dram = 0, weights = 0, resident = 0;
    for (const LayerCost& cost : simulator->layer_costs(hardware, network)) {
      latency += cost.latency_ms;
      dram += cost.dram_bytes * 1e-6;
      weights += cost.weight_bytes;
      resident += cost.resident_weight_bytes;
    }
    EXPECT_NEAR(latency, outcome.metrics[latency_ms], 1e-9);
    EXPECT_NEAR(dram, outcome.metrics[dram_mb], 1e-9);
    EXPECT_NEAR(resident / weights, outcome.metrics[resident_share], 1e-9);
  }
}

// One PE with one core of 4 lanes, in mm² at 7 nm. MAC 336.7 µm² x 0.059 / 0.3536 = 56.1796 µm², requantiser
// 3632 µm² x 0.059 = 214.288 µm²; a port bit (0.0092771 - 0.0036864) / 512 = 10.9193 nm² x 1000.
TEST(EdgeArea, IsTheSumOfItsParts) {
  const double bit = (0.0556 * 0.059 / 0.3536 - 0.0036864) / 512;
  const double core = 4096 * 0.45e-6 + 512 * bit +  // core memory
                      2048 * 0.45e-6 + 128 * bit +  // parameter memory, 4 lanes x 32 bits
                      1024 * 0.45e-6 + 128 * bit +  // activation memory, 256 entries of 4 bytes
                      4 * (4 * 336.7e-6 * 0.059 / 0.3536 + 214.288e-6) + 0.001;
  const double pe = 262144 * 0.45e-6 + 512 * bit + core + 0.005;
  const double controller = 0.5 + 131072 * 0.45e-6 + 128 * bit;
  const auto simulator = make_edge_simulator();
  EXPECT_NEAR(simulator->static_metrics(tiny)[area_mm2], pe + controller + 0.5, 1e-9);
  // The logic scales with the node, the DRAM interface does not.
  const auto older = make_edge_simulator({.technology = "28nm"});
  EXPECT_NEAR(older->static_metrics(tiny)[area_mm2], (pe + controller) * 0.3536 / 0.059 + 0.5, 1e-8);
}

TEST(EdgeArea, OfV1IsUnderTheLimitOfThePaper) {
  const double area = make_edge_simulator()->static_metrics(v1)[area_mm2];
  EXPECT_LT(area, 29);
  EXPECT_GT(area, 15);
}

TEST(EdgeArea, NeedsNoWorkloadAndIsTheOnlyMetricThatDoesNot) {
  const auto simulator = make_edge_simulator();
  for (std::size_t i = 0; i < simulator->metrics().size(); ++i) {
    EXPECT_EQ(simulator->metrics()[i].needs_workload, i != area_mm2);
    EXPECT_EQ(std::isnan(simulator->static_metrics(v1)[i]), i != area_mm2);
  }
}

struct Overflow {
  const char* reason;
  std::size_t parameter;
  double value;
  Layer layer;
  const char* detail;
};

class EdgeOverflow : public testing::TestWithParam<Overflow> {};

TEST_P(EdgeOverflow, NamesLayerNeedAndCapacity) {
  const Overflow& overflow = GetParam();
  const auto simulator = make_edge_simulator();
  const Hardware roomy = {2.0, 2.0, 256.0, 2.0, 16384 * kibi, 4096 * kibi, 16384.0, 65536.0, 32768.0, 30.0};
  const Network network = chain({overflow.layer});
  ASSERT_EQ(simulate_one(*simulator, roomy, network).state, OutcomeState::complete);
  Hardware hardware = roomy;
  hardware[overflow.parameter] = overflow.value;
  const Outcome outcome = simulate_one(*simulator, hardware, network);
  EXPECT_EQ(outcome.state, OutcomeState::infeasible);
  EXPECT_EQ(outcome.reason, overflow.reason);
  EXPECT_EQ(outcome.detail, overflow.detail);
  EXPECT_FALSE(std::isnan(outcome.metrics[area_mm2]));
  EXPECT_TRUE(std::isnan(outcome.metrics[latency_ms]));
  EXPECT_TRUE(simulator->layer_costs(hardware, network).empty());
}

INSTANTIATE_TEST_SUITE_P(Reasons, EdgeOverflow,
                         testing::Values(
                             // Both buffers of a line of 64 bytes, the least that a lane gets: 2 x 64 x 256 lanes.
                             Overflow{"parameter_memory_overflow", parameter_memory, 2048, conv("a", 64, 64, 14, 3),
                                      "layer 0 (a) needs 32,768 entries of parameter memory, there are 2,048"},
                             Overflow{"core_memory_overflow", core_memory, 4096, conv("b", 64, 64, 14, 3),
                                      "layer 0 (b) needs 32 KiB of core memory, there are 4 KiB"},
                             // Both buffers of a sum per lane and of the word they share: 2 x (256 + 1).
                             Overflow{"activation_memory_overflow", activation_memory, 256, conv("c", 64, 64, 14),
                                      "layer 0 (c) needs 514 entries of activation memory, there are 256"},
                             // A quarter of 512 x 512 pixels x (16 in + 16 out) and 2 x 64 x 256 bytes of weights on
                             // their way.
                             Overflow{"pe_memory_overflow", pe_memory, 256 * 1024, conv("d", 16, 16, 512),
                                      "layer 0 (d) needs 2.031 MiB of PE memory, there are 256 KiB"},
                             // 8 cores x 45, and 4 for the single tile of each.
                             Overflow{"instruction_memory_overflow", instruction_memory, 512, conv("e", 4, 8, 8),
                                      "layer 0 (e) needs 364 instructions, half of the memory holds 256"}));

// Squeeze-and-excite: the gate drains just before, but the tensor that it scales is long gone to PE memory.
TEST(Edge, ScalingByAGateReadsTheWholeTensor) {
  Layer gate = product("gate", 1, 64, 64);
  gate.inputs = {0};
  Layer scale = conv("scale", 64, 64, 56);
  scale.kind = LayerKind::elementwise;
  scale.inputs = {0, 1};
  Layer add = conv("add", 64, 64, 56);
  add.kind = LayerKind::elementwise;
  add.operands = 2;
  add.inputs = {0, 2};
  const auto costs = make_edge_simulator()->layer_costs(v1, chain({conv("tensor", 64, 64, 56), gate, scale, add}));
  ASSERT_EQ(costs.size(), 5u);
  // 64 x 56 x 56 bytes in and out of 16 PEs through ports of 64 bytes.
  EXPECT_GE(costs[2].latency_ms, 2 * 64 * 56 * 56 / (16.0 * 64) / 800e3);
  EXPECT_LT(costs[3].on_chip_ms, costs[2].on_chip_ms);  // its first operand does drain just before
}

// 8 groups of 10 channels over 10 PEs: a slice of 8 channels touches two groups, wherever the groups begin.
TEST(Edge, SlicesThatTouchTwoGroupsRunThemOneAfterTheOther) {
  const EdgeNetworkFacts facts = edge_network_facts(chain({conv("grouped", 80, 80, 8, 1, 8)}));
  EdgeHardware hardware{10, 1, 16, 1, 1 << 20, 1 << 16, 1024, 16384, 16384, 10};
  const EdgeMapping mapping = map_edge_layer(facts.layers[0], make_edge_chip(hardware, 800),
                                             {4, EdgeOrder::weights_in_core});  // x divides channels
  EXPECT_EQ(mapping.channels_per_core, 8);
  EXPECT_EQ(mapping.channel_tiles, 2);
  EXPECT_EQ(mapping.product_cycles, 2 * 64 * 3);  // 64 pixels, 10 inputs in 3 words
}

// 2 x 2 with stride 2: an output sums one word of the kernel, and all four are weights.
TEST(Edge, TransposedConvolutionsStageTheWholeKernel) {
  Layer up = conv("up", 4, 4, 8, 2);
  up.kind = LayerKind::transposed_conv;
  up.stride_height = up.stride_width = 2;
  up.out_height = up.out_width = 16;
  const EdgeNetworkFacts facts = edge_network_facts(chain({up}));
  EXPECT_EQ(facts.layers[0].words, 1);
  EXPECT_EQ(facts.layers[0].weight_words, 4);
  EXPECT_EQ(facts.layers[0].macs, 8 * 8 * 4 * 4 * 4);
}

TEST(Edge, ExplainsALayerWithoutWeightsByAMemoryThatIsShort) {
  Layer pool = conv("pool", 64, 64, 16, 2);
  pool.kind = LayerKind::pool;
  const auto simulator = make_edge_simulator();
  for (double entries = 1; entries < 400; entries += 7) {
    Hardware hardware = v1;
    hardware[activation_memory] = entries;
    const Outcome outcome = simulate_one(*simulator, hardware, chain({pool}));
    if (outcome.state == OutcomeState::complete) break;
    double need = 0, have = 0;
    ASSERT_EQ(std::sscanf(outcome.detail.c_str(),
                          "layer 0 (pool) needs %lf entries of activation memory, there are %lf", &need, &have),
              2)
        << outcome.detail;
    EXPECT_GT(need, have);
  }
}

TEST(Edge, EveryParameterMattersBeyondArea) {
  const auto simulator = make_edge_simulator();
  const Network network = mobile_network();
  const double base_area = simulator->static_metrics(v1)[area_mm2];
  for (std::size_t parameter = 0; parameter < edge_values().size(); ++parameter) {
    const Outcome base = simulate_one(*simulator, v1, network);
    bool matters = false, area_differs = true;
    for (const double value : edge_values()[parameter]) {
      Hardware hardware = v1;
      if (std::get<double>(hardware[parameter]) == value) continue;
      hardware[parameter] = value;
      const Outcome outcome = simulate_one(*simulator, hardware, network);
      area_differs &= outcome.metrics[area_mm2] != base_area;
      matters |= outcome.state != base.state || outcome.metrics[latency_ms] != base.metrics[latency_ms] ||
                 outcome.metrics[energy_mj] != base.metrics[energy_mj];
    }
    EXPECT_TRUE(matters && area_differs) << simulator->hardware_parameters()[parameter].name;
  }
}

// Eight layers each, so that the network's own input and output do not decide.
TEST(Edge, DepthwiseAndSingleRowsLeaveMostMultipliersIdle) {
  const auto simulator = make_edge_simulator();
  const auto utilisation_of = [&](const Layer& layer) {
    return simulate_one(*simulator, v1, chain(std::vector<Layer>(8, layer))).metrics[utilisation];
  };
  EXPECT_GT(utilisation_of(conv("dense", 256, 256, 56, 3)), 0.5);
  EXPECT_LT(utilisation_of(conv("depthwise", 256, 256, 56, 3, 256)), 0.25);  // one of four ways at best
  EXPECT_LT(utilisation_of(product("row", 1, 1024, 1024)), 0.15);
}

// 18 MiB of weights for single rows: streamed at 17 GB/s they take 1.1 ms, resident a fraction of that.
TEST(Edge, HasTheParameterCachingCliff) {
  std::vector<Layer> layers;
  for (int i = 0; i < 18; ++i) layers.push_back(product("gate", 1, 1024, 1024));
  const Network network = chain(std::move(layers));
  const auto simulator = make_edge_simulator();
  Hardware hardware = v1;
  const Outcome resident = simulate_one(*simulator, hardware, network);
  hardware[pe_memory] = 256 * kibi;
  const Outcome streamed = simulate_one(*simulator, hardware, network);
  EXPECT_EQ(resident.metrics[resident_share], 1);
  EXPECT_LT(streamed.metrics[resident_share], 0.25);
  EXPECT_GT(streamed.metrics[latency_ms], 4 * resident.metrics[latency_ms]);
}

TEST(Edge, SettingsArePartOfTheFingerprint) {
  const std::string base = make_edge_simulator()->fingerprint();
  EXPECT_EQ(make_edge_simulator()->fingerprint(), base);
  EXPECT_NE(make_edge_simulator({.clock_mhz = 801})->fingerprint(), base);
  EXPECT_NE(make_edge_simulator({.technology = "16nm"})->fingerprint(), base);
  EXPECT_NE(make_edge_simulator({.host_latency_us = 0})->fingerprint(), base);
}

TEST(Edge, RefusesSettingsOutOfRange) {
  EXPECT_THROW(make_edge_simulator({.clock_mhz = 0}), Error);
  EXPECT_THROW(make_edge_simulator({.clock_mhz = std::nan("")}), Error);
  EXPECT_THROW(make_edge_simulator({.technology = "7 nm"}), Error);
  EXPECT_THROW(make_edge_simulator({.host_latency_us = -1}), Error);
}

TEST(Edge, RefusesHardwareThatCannotBe) {
  const auto simulator = make_edge_simulator();
  const Network network = chain({conv("a", 8, 8, 4)});
  for (std::size_t i = 0; i < v1.size(); ++i) {
    for (const Value& bad : {Value(0.0), Value(-1.0), Value(1e300), Value(std::nan("")), Value("four")}) {
      Hardware hardware = v1;
      hardware[i] = bad;
      try {
        simulate_one(*simulator, hardware, network);
        FAIL() << simulator->hardware_parameters()[i].name;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_input);
        EXPECT_THAT(error.what(), testing::HasSubstr(simulator->hardware_parameters()[i].name));
      }
    }
  }
  Hardware fraction = v1;
  fraction[cores] = 1.5;
  EXPECT_THROW(simulate_one(*simulator, fraction, network), Error);
  EXPECT_THROW(simulator->static_metrics({1.0, 2.0}), Error);
}

TEST(Edge, RefusesNetworksThatCannotBe) {
  const auto simulator = make_edge_simulator();
  const std::span<const Hardware> hardware(&v1, 1);
  EXPECT_THROW(simulator->simulate(hardware, nullptr), Error);
  const Network empty;
  EXPECT_THROW(simulator->simulate(hardware, &empty), Error);
  Network zero = chain({conv("a", 8, 0, 4)});
  EXPECT_THROW(simulator->simulate(hardware, &zero), Error);
  Network groups = chain({conv("a", 8, 8, 4, 1, 3)});
  EXPECT_THROW(simulator->simulate(hardware, &groups), Error);
  Network depthwise = chain({conv("a", 8, 8, 4)});
  depthwise.layers[0].kind = LayerKind::depthwise;
  EXPECT_THROW(simulator->simulate(hardware, &depthwise), Error);
  Network wide = chain({product("a", 8, 8, 4)});
  wide.layers[0].out_width = 3;
  EXPECT_THROW(simulator->simulate(hardware, &wide), Error);
  Network huge = chain({conv("a", 2'000'000'000, 2'000'000'000, 4)});
  EXPECT_THROW(simulator->simulate(hardware, &huge), Error);
  Network future = chain({conv("a", 8, 8, 4)});
  future.layers[0].inputs = {0};
  EXPECT_THROW(simulator->simulate(hardware, &future), Error);
}

}  // namespace
}  // namespace corbel
