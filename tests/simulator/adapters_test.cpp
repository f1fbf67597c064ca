// The studies in adapters/ on recorded outputs of the programs; recorded/PROVENANCE.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>

#include "corbel/base/config.hpp"
#include "corbel/simulator/simulator.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using testing::HasSubstr;
using Values = std::vector<std::pair<std::string, std::string>>;

const std::string source = CORBEL_SOURCE_DIR;
const std::string recorded = source + "/tests/simulator/recorded";

class AdapterTest : public testing::Test {
 protected:
  /// A simulator as the study file says, with its folders of runs in the test's.
  void load(const std::string& adapter) {
    const Config study = Config::load(source + "/adapters/" + adapter + "/study.yaml");
    setenv("TMPDIR", folder_.path().c_str(), 1);
    simulator_ = make_simulator(study.at("simulator"), DesignSpace::from_config(study.at("space")));
  }
  ~AdapterTest() override { unsetenv("TMPDIR"); }

  /// A program that does what the script says.
  std::string player(const std::string& name, const std::string& script) const {
    const auto file = folder_.write(name, "#!/bin/sh\n" + script);
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    return file.string();
  }
  Outcome run(const Values& design) const {
    const Network network = load_network(source + "/adapters/scalesim/tiny.yaml");
    const Hardware hardware = parse_hardware(*simulator_, design);
    return simulator_->simulate(std::span(&hardware, 1), &network).front();
  }
  std::string written(const std::string& name) const { return read_text(folder_ / name); }

  TemporaryFolder folder_;
  std::unique_ptr<Simulator> simulator_;
};

const Values maestro_design = {{"dataflow", "kcp_ws"}, {"tile_p", "8"},     {"tile_t", "1"},
                               {"num_pes", "64"},      {"simd", "1"},       {"noc_bw", "64"},
                               {"offchip_bw", "64"},   {"l1_bytes", "512"}, {"l2_bytes", "16384"}};

TEST_F(AdapterTest, MaestroSumsItsLayers) {
  setenv("MAESTRO",
         player("maestro", "cp network.m " + (folder_ / "given.m").string() + "; echo \"$@\" > " +
                               (folder_ / "arguments").string() + "; cp " + recorded +
                               "/maestro_tiny.csv network.csv; cat " + recorded + "/maestro_tiny.txt")
             .c_str(),
         1);
  load("maestro");
  const Outcome outcome = run(maestro_design);
  ASSERT_EQ(outcome.state, OutcomeState::complete) << outcome.reason << ": " << outcome.detail;
  EXPECT_EQ(outcome.metrics[0], 645 + 129 + 257);
  EXPECT_DOUBLE_EQ(outcome.metrics[1], 10.4782 + 40.9898 + 119.358);
  EXPECT_EQ(outcome.metrics[2], 8.53931e6);
  EXPECT_EQ(outcome.metrics[3], 143.873);
  const std::string network = written("given.m");
  // 8×8 outputs of a 3×3 kernel need 10×10 inputs with their padding.
  EXPECT_THAT(network, HasSubstr("Dimensions { K: 8, C: 4, R: 3, S: 3, Y: 10, X: 10 }"));
  EXPECT_THAT(network, HasSubstr("Dimensions { K: 16, C: 8, R: 1, S: 1, Y: 8, X: 8 }"));
  EXPECT_THAT(network, HasSubstr("Dimensions { K: 10, C: 1024, R: 1, S: 1, Y: 1, X: 1 }"));
  EXPECT_THAT(network, HasSubstr("TemporalMap(8,8) C;"));
  EXPECT_THAT(written("arguments"),
              HasSubstr("--num_pes=64 --num_simd_lanes=1 --noc_bw=64 --offchip_bw=64 --l1_size=512 "
                        "--l2_size=16384"));
}

TEST_F(AdapterTest, MaestroTellsWhatDoesNotFit) {
  setenv(
      "MAESTRO",
      player("maestro", "cp " + recorded + "/maestro_tiny.csv network.csv; cat " + recorded + "/maestro_overflow.txt")
          .c_str(),
      1);
  load("maestro");
  const Outcome overflow = run(maestro_design);
  EXPECT_EQ(overflow.state, OutcomeState::infeasible) << overflow.detail;
  EXPECT_EQ(overflow.reason, "l1_overflow");

  setenv("MAESTRO", player("maestro", "kill -FPE $$").c_str(), 1);
  const Outcome cluster = run(maestro_design);
  EXPECT_EQ(cluster.state, OutcomeState::infeasible) << cluster.detail;
  EXPECT_EQ(cluster.reason, "cluster_exceeds_pes");
}

TEST_F(AdapterTest, MaestroFailsWhereItSaysNothing) {
  load("maestro");
  const auto failure = [&](const std::string& script) {
    setenv("MAESTRO", player("maestro", script).c_str(), 1);
    const Outcome outcome = run(maestro_design);
    EXPECT_EQ(to_string(outcome.state), "failed") << script;
    EXPECT_EQ(outcome.reason, "adapter") << script;
    return outcome.detail;
  };
  EXPECT_THAT(failure("exit 0"), HasSubstr("MAESTRO wrote no results"));
  EXPECT_THAT(failure(": > network.csv"), HasSubstr("MAESTRO wrote no results"));
  EXPECT_THAT(failure("head -n 3 " + recorded + "/maestro_tiny.csv > network.csv"), HasSubstr("2 layers of 3"));
  EXPECT_THAT(failure("exit 4"), HasSubstr("ended with 4"));
  unsetenv("MAESTRO");
  EXPECT_THAT(run(maestro_design).detail, HasSubstr("$MAESTRO, which is not set"));
}

const Values scalesim_design = {{"rows", "8"},      {"cols", "8"},     {"dataflow", "ws"}, {"ifmap_kb", "4"},
                                {"filter_kb", "4"}, {"ofmap_kb", "4"}, {"bandwidth", "4"}};

/// A package that leaves these files in the place of SCALE-Sim.
std::string scalesim_player(const TemporaryFolder& folder, const std::string& script) {
  folder.write("scale/scalesim/__init__.py", "");
  folder.write("scale/scalesim/scale.py", "import os, shutil, sys\n" + script);
  setenv("SCALESIM", (folder / "scale").c_str(), 1);
  return (folder / "scale").string();
}

TEST_F(AdapterTest, ScaleSimSumsItsLayers) {
  scalesim_player(folder_, "os.makedirs('out/corbel')\nshutil.copy('" + recorded +
                               "/scalesim_compute_report.csv', 'out/corbel/COMPUTE_REPORT.csv')\nshutil.copy('" +
                               recorded +
                               "/scalesim_detailed_access_report.csv', 'out/corbel/DETAILED_ACCESS_REPORT.csv')\n"
                               "shutil.copy('topology.csv', '" +
                               (folder_ / "topology.csv").string() + "')\nshutil.copy('scale.cfg', '" +
                               (folder_ / "scale.cfg").string() + "')\n");
  load("scalesim");
  const Outcome outcome = run(scalesim_design);
  ASSERT_EQ(outcome.state, OutcomeState::complete) << outcome.reason << ": " << outcome.detail;
  EXPECT_EQ(outcome.metrics[0], 1075 + 478 + 8405);
  EXPECT_EQ(outcome.metrics[1], 1994);
  EXPECT_NEAR(outcome.metrics[2], (0.6713286713 + 0.7485380117 + 0.0203019921) / 3, 1e-9);
  EXPECT_EQ(outcome.metrics[3], 4100 + 520 + 1030);
  EXPECT_EQ(outcome.metrics[4], 290 + 130 + 51250);
  EXPECT_EQ(outcome.metrics[5], 2563 + 1024 + 1280);
  EXPECT_THAT(written("topology.csv"), HasSubstr("L0, 10, 10, 3, 3, 4, 8, 1, 1:1,\nL1, 8, 8, 1, 1, 8, 16, 1, 1:1,\n"
                                                 "L2, 1, 1, 1, 1, 1024, 10, 1, 1:1,\n"));
  EXPECT_THAT(written("scale.cfg"), HasSubstr("ArrayHeight: 8\nArrayWidth: 8\nIfmapSramSzkB: 4\n"));
}

TEST_F(AdapterTest, ScaleSimFailsThoughItExitsWithZero) {
  load("scalesim");
  scalesim_player(folder_, "print('ERROR: scalesim.scale.py: Topology file not found\\nInput file:x\\nExiting')\n");
  const Outcome outcome = run(scalesim_design);
  EXPECT_EQ(outcome.state, OutcomeState::failed);
  EXPECT_EQ(outcome.reason, "adapter");
  EXPECT_THAT(outcome.detail, HasSubstr("SCALE-Sim wrote no report"));
  EXPECT_THAT(outcome.detail, HasSubstr("Topology file not found"));
}

const Values timeloop_design = {{"num_pes", "64"},
                                {"mesh_x", "8"},
                                {"register_entries", "4"},
                                {"buffer_kb", "32"},
                                {"accumulator_entries", "64"},
                                {"dram_bandwidth", "8"},
                                {"mapper_samples", "100"}};

TEST_F(AdapterTest, TimeloopSumsLayersAndTellsWhereNothingFits) {
  // Written after the summary that its sources print; not recorded.
  const std::string statistics =
      "Summary Stats\\n-------------\\nGFLOPs (@1GHz): 1\\nUtilization: 50.00%%\\nCycles: 300\\n"
      "Energy: 1.25 uJ\\nEDP(J*cycle): 1e-04\\nArea: 0.50 mm^2\\n";
  setenv("TIMELOOP_MAPPER",
         player("mapper", "cp \"$3\" " + (folder_ / "problem.yaml").string() + "\nprintf '" + statistics +
                              "' > \"$5/timeloop-mapper.stats.txt\"\n")
             .c_str(),
         1);
  load("timeloop");
  const Outcome outcome = run(timeloop_design);
  ASSERT_EQ(outcome.state, OutcomeState::complete) << outcome.reason << ": " << outcome.detail;
  EXPECT_EQ(outcome.metrics, (std::vector{900.0, 0.00375, 0.5}));
  EXPECT_THAT(written("problem.yaml"), HasSubstr("{C: 1024, K: 10, R: 1, S: 1, N: 1, P: 1, Q: 1"));

  setenv("TIMELOOP_MAPPER",
         player("mapper",
                ": > \"$5/timeloop-mapper.stats.txt\"; echo 'MESSAGE: no valid mappings found within search "
                "criteria. Some suggestions:'")
             .c_str(),
         1);
  const Outcome none = run(timeloop_design);
  EXPECT_EQ(none.state, OutcomeState::infeasible) << none.detail;
  EXPECT_EQ(none.reason, "no_mapping");
  setenv("TIMELOOP_MAPPER", player("mapper", "echo oops").c_str(), 1);
  EXPECT_EQ(run(timeloop_design).state, OutcomeState::failed);
}

}  // namespace
}  // namespace corbel::test
