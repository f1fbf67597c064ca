// Studies of several workloads: the study file, the keys of its steps, and what becomes of the trials.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/expect_error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/study/pipeline.hpp"
#include "corbel/study/study_file.hpp"
#include "corbel/study/study_keys.hpp"
#include "corbel/study/study_trials.hpp"
#include "support/borrowed.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

/// A workload file of one fully connected layer.
std::string tiny(const std::string& name, int width) {
  return "name: " + name + "\ninput: [" + std::to_string(width) + "]\nlayers:\n  - fully_connected: {out: 64}\n";
}

/// The text of a study on small spaces and files of its own.
std::string study_text(const std::string& workloads, const std::string& objective = "latency_ms") {
  return R"(space:
  parameters:
    pes_x: {values: [1, 2, 4, 8]}
    compute_lanes: {values: [4, 8, 16, 32]}
    dram_bandwidth: {values: [5, 10, 20], unit: GB/s}
fixed: {pes_y: 2, cores: 2, pe_memory: 1 MiB, core_memory: 64 KiB, activation_memory: 1024, instruction_memory: 65536,
        parameter_memory: 16384}
simulator: edge
sweep: {designs: 20}
threads: 1
objective: )" +
         objective + "\n" + workloads;
}

class Workloads : public testing::Test {
 protected:
  Workloads() {
    folder.write("a.yaml", tiny("a", 1024));
    folder.write("b.yaml", tiny("b", 2048));
    folder.write("c.yaml", tiny("c", 4096));
    folder.write("copy.yaml", tiny("copy", 1024));
    folder.write("namesake.yaml", tiny("a", 512));
    folder.write("spaced.yaml", tiny("my net", 256));
  }
  StudyFile load(const std::string& workloads, const std::string& objective = "latency_ms") {
    return StudyFile::load(folder.write("study.yaml", study_text(workloads, objective)));
  }
  void refused(const std::string& workloads, const std::string& part, const std::string& hint,
               const std::string& objective = "latency_ms") {
    expect_error([&] { load(workloads, objective); }, ErrorCode::invalid_input, part, hint);
  }
  test::TemporaryFolder folder;
};

/// An ONNX file: y = Tanh(x), x [N, length].
constexpr std::string_view open_onnx =
    "\010\010:/"
    "\012\014\012\001x\022\001y\042\004TanhZ\032\012\001x\022\025\012\023\010\001\022\017\012\003\022\001N\012\010\022"
    "\006length"
    "b\003\012\001yB\002\020\015";

TEST_F(Workloads, MayBeOnnxFilesWithOpenDimensions) {
  folder.write("open.onnx", std::string(open_onnx));
  const StudyFile one = load("workload: {name: open.onnx, batch: 3, dimensions: {length: 40}}\n");
  EXPECT_EQ(one.workloads.members().at(0).network.total_vector_operations(), 120U);
  const StudyFile two = load("workloads: [a.yaml, {name: open.onnx, dimensions: {x.1: 50}, weight: 2}]\n");
  EXPECT_EQ(two.workloads.members().at(1).network.total_vector_operations(), 50U);
  refused("workload: open.onnx\n", "input `x` leaves dimension 1 open: `length`", "`dimensions: {length: SIZE}`");
  refused("workload: {name: open.onnx, dimensions: {lenght: 40}}\n", "unknown dimension `lenght`", "`length`");
  refused("workload: {name: open.onnx, dimensions: {length: 0}}\n", "study.yaml:", "");
  refused("workload: {name: a.yaml, dimensions: {length: 40}}\n", "only ONNX files have open dimensions", ".onnx");
}

TEST_F(Workloads, AreReadWithWeightsBatchesAndNames) {
  const StudyFile study = load(
      "workloads: [a.yaml, {name: b.yaml, weight: 2.5, batch: 4}, {name: a.yaml, batch: 8, as: a8}]\ncombine: sum\n");
  const auto& members = study.workloads.members();
  ASSERT_EQ(members.size(), 3U);
  EXPECT_EQ(study.workloads.rule(), CombineRule::sum);
  EXPECT_EQ(members[0].label, "a");
  EXPECT_EQ(members[0].weight, 1);
  EXPECT_EQ(members[1].weight, 2.5);
  EXPECT_EQ(members[1].network.batch, 4);
  EXPECT_EQ(members[2].label, "a8");
  EXPECT_EQ(members[2].network.name, "a");
  EXPECT_EQ(load("workloads: [a.yaml, b.yaml]\n").workloads.rule(), CombineRule::geometric_mean);
  EXPECT_EQ(load("workloads: [a.yaml, b.yaml]\ncombine: maximum\n").workloads.rule(), CombineRule::maximum);
  // Each network's own metrics can be limited and minimised.
  const StudyFile own =
      load("workloads: [a.yaml, b.yaml]\nconstraints: [b.latency_ms <= 2 * a.latency_ms, b.power_w <= 900 mW]\n",
           "a.energy_mj");
  EXPECT_EQ(own.constraints.size(), 2U);
}

TEST_F(Workloads, AreRefusedWithPlaceAndRemedy) {
  refused("workload: a.yaml\nworkloads: [a.yaml, b.yaml]\n", "study.yaml:13:12: `workload` and `workloads` exclude",
          "keep one");
  refused("workloads: []\n", "study.yaml:12:12: `workloads` is empty", "mobilenet_v2");
  refused("workloads: a.yaml\n", "study.yaml:12:12: `workloads` is a list", "such as [");
  refused("workloads: {a.yaml: 1}\n", "study.yaml:12:12: `workloads` is a list", "such as [");
  refused("workload: [a.yaml, b.yaml]\n", "study.yaml:12:11: `workload` names one", "`workloads:`");
  refused("workload: a.yaml\ncombine: sum\n", "study.yaml:13:10: `combine` needs several", "remove");
  refused("workloads: [a.yaml, b.yaml]\ncombine: geometric\n", "study.yaml:13:10", "geometric_mean");
  refused("workloads: [a.yaml, {name: b.yaml, wieght: 2}]\n", "study.yaml:12:36", "weight");
  refused("workloads: [a.yaml, {name: b.yaml, weight: 0}]\n", "study.yaml:12:21: the weight of b is 0",
          "leave the network out");
  refused("workloads: [a.yaml, {name: b.yaml, weight: -1}]\n", "the weight of b is -1", "leave the network out");
  refused("workloads: [a.yaml, {name: b.yaml, weight: 1e308}]\n", "the weight of b is 1e+308", "leave the network out");
  refused("workloads: [a.yaml, {name: b.yaml, weight: .inf}]\n", "study.yaml:12:44", "");
  refused("workloads: [a.yaml, {name: b.yaml, weight: much}]\n", "study.yaml:12:44", "");
  refused("workloads: [a.yaml, b.yaml, a.yaml]\n", "study.yaml:12:29: a is named twice", "once");
  refused("workloads: [a.yaml, copy.yaml]\n", "a and copy are the same network", "once");
  refused("workloads: [a.yaml, namesake.yaml]\n", "two networks are called a", "`as: WORD`");
  refused("workloads: [a.yaml, {name: b.yaml, as: a}]\n", "two networks are called a", "`as: WORD`");
  refused("workloads: [a.yaml, spaced.yaml]\n", "study.yaml:12:21: `my net` cannot stand", "as: ours");
  refused("workloads: [spaced.yaml, a.yaml]\n", "study.yaml:12:13: `my net` cannot stand", "as: ours");
  refused("workloads: [a.yaml, {name: b.yaml, as: 2d}]\n", "study.yaml:12:21: `2d` cannot stand", "as: ours");
  refused("workloads: [a.yaml, b.yaml]\n", "unknown metric of simulator edge `a.latncy_ms`", "`a.latency_ms`",
          "a.latncy_ms");
  refused("workloads: [a.yaml, b.yaml]\nconstraints: [c.latency_ms <= 1]\n", "`c.latency_ms`", "`a.latency_ms`");
  refused("workload: a.yaml\n", "`a.latency_ms`", "", "a.latency_ms");
  refused("workloads: [a.yaml, {name: b.yaml, weight: 2}]\ncombine: maximum\n", "the weights have no effect on power_w",
          "sum", "power_w");
  EXPECT_EQ(load("workloads: [a.yaml, b.yaml]\ncombine: maximum\n", "power_w").workloads.members().size(), 2U);
  expect_error([&] { load("workloads: [a.yaml, mobilenet_v9]\n"); }, ErrorCode::not_found,
               "study.yaml:12:21: unknown workload `mobilenet_v9`", "mobilenet_v");
  expect_error([&] { load("workloads: [a.yaml, {weight: 2, name: none.yaml}]\n"); }, ErrorCode::not_found,
               "study.yaml:12:39: no such file: ", "");
  expect_error([&] { load("workload: {batch: 2, name: none.yaml}\n"); }, ErrorCode::not_found,
               "study.yaml:12:28: no such file: ", "");
}

TEST_F(Workloads, MayBeWeighedForALimitAlone) {
  // Each network within its own deadline, at the least power: the weights are 1 / deadline.
  const std::string weighed = "workloads: [a.yaml, {name: b.yaml, weight: 2}]\ncombine: maximum\nconstraints: ";
  EXPECT_EQ(load(weighed + "[latency_ms <= 1]\n", "power_w").constraints.size(), 1U);
  refused(weighed + "[utilisation >= 0.1, area_mm2 <= 29, b.latency_ms <= 1]\n",
          "study.yaml:11:12: the weights have no effect on power_w", "sum", "power_w");
  EXPECT_EQ(load(weighed + "[]\n", "area_mm2").objective, "area_mm2") << "no network plays a part in it";
}

TEST_F(Workloads, NeedASimulatorThatRunsThem) {
  folder.write("log.csv", "pes,feasible,latency_ms\n1,1,9\n2,1,8\n");
  const auto refused_alone = [&](const std::string& text, const std::string& part, const std::string& hint) {
    expect_error([&] { StudyFile::load(folder.write("study.yaml", text)); }, ErrorCode::invalid_input, part, hint);
  };
  refused_alone("import: {file: log.csv}\nworkloads: [a.yaml, b.yaml]\nobjective: latency_ms\n",
                "study.yaml:2:12: several `workloads:` need a simulator's own trials", "`workload:`");
  refused_alone(
      "space: {parameters: {pes: {values: [1, 2]}}}\nsimulator: {name: table, file: log.csv}\n"
      "workloads: [a.yaml, b.yaml]\nobjective: latency_ms\n",
      "study.yaml:3:12: simulator table runs no network", "edge");
}

TEST_F(Workloads, OfOneAreThatWorkload) {
  const StudyFile one = load("workload: a.yaml\n");
  const StudyFile list = load("workloads: [{name: a.yaml, weight: 3}]\ncombine: maximum\n");
  EXPECT_EQ(StudyKeys(one).search("m"), StudyKeys(list).search("m"));
  EXPECT_EQ(list.simulated_metrics().size(), list.simulator->metrics().size());
  const nlohmann::json section = study_section(list, *list.space);
  EXPECT_EQ(section["workload"]["name"], "a");
  EXPECT_FALSE(section.contains("workloads"));
  // A network alone is never named in a metric.
  EXPECT_EQ(load("workload: spaced.yaml\n").workloads.members().front().label, "my net");
}

TEST_F(Workloads, MoveTheKeysOfEveryStep) {
  const StudyFile base = load("workloads: [a.yaml, b.yaml]\n");
  for (const char* other : {"workloads: [a.yaml, {name: b.yaml, weight: 2}]\n", "workloads: [a.yaml, b.yaml, c.yaml]\n",
                            "workloads: [a.yaml, b.yaml]\ncombine: sum\n", "workload: a.yaml\n",
                            "workloads: [a.yaml, {name: b.yaml, batch: 2}]\n"}) {
    const StudyFile changed = load(other);
    EXPECT_NE(StudyKeys(changed).question(), StudyKeys(base).question()) << other;
    EXPECT_NE(StudyKeys(changed).model(), StudyKeys(base).model()) << other;
  }
  const StudyFile same = load("workloads: [a.yaml, b.yaml]\ncombine: geometric_mean\n");
  EXPECT_EQ(StudyKeys(same).search("m"), StudyKeys(base).search("m"));
}

/// Passes everything on and counts what is simulated.
class CountingSimulator : public Simulator {
 public:
  explicit CountingSimulator(std::shared_ptr<const Simulator> inner) : inner_(std::move(inner)) {}
  const std::string& name() const override { return inner_->name(); }
  const std::string& fingerprint() const override { return inner_->fingerprint(); }
  std::span<const HardwareParameter> hardware_parameters() const override { return inner_->hardware_parameters(); }
  std::span<const MetricInfo> metrics() const override { return inner_->metrics(); }
  std::vector<double> static_metrics(const Hardware& hardware) const override {
    return inner_->static_metrics(hardware);
  }
  std::vector<Outcome> simulate(std::span<const Hardware> hardware, const Network* network) const override {
    count_ += hardware.size();
    return inner_->simulate(hardware, network);
  }
  /// Since the last call.
  std::size_t count() const { return count_.exchange(0); }

 private:
  std::shared_ptr<const Simulator> inner_;
  mutable std::atomic<std::size_t> count_ = 0;
};

TEST_F(Workloads, ShareTheTrialsOfEachNetwork) {
  Store store(folder / "trials.db", Store::Mode::read_write);
  const auto sweep = [&](const std::string& workloads) {
    StudyFile study = load(workloads);
    const auto counting = std::make_shared<CountingSimulator>(study.simulator);
    study.simulator = counting;
    StudyTrials trials(study);
    trials.sweep(store, silent_monitor());
    return std::pair(trials.log(test::borrowed(store))->read(), counting->count());
  };
  const auto [both, simulated] = sweep("workloads: [a.yaml, b.yaml]\n");
  EXPECT_EQ(simulated, 40U);
  EXPECT_EQ(both.rows(), 20U);
  const auto [weighted, again] = sweep("workloads: [a.yaml, {name: b.yaml, weight: 3}]\n");
  EXPECT_EQ(again, 0U) << "other weights are other numbers, not other simulations";
  const auto [summed, still] = sweep("workloads: [a.yaml, b.yaml]\ncombine: sum\n");
  EXPECT_EQ(still, 0U);
  const auto [all, added] = sweep("workloads: [a.yaml, b.yaml, c.yaml]\n");
  EXPECT_EQ(added, 20U) << "only the new network is simulated";
  EXPECT_EQ(all.designs, both.designs);
  const auto [alone, none] = sweep("workload: b.yaml\n");
  EXPECT_EQ(none, 0U);
  EXPECT_EQ(store.groups().size(), 3U);

  std::size_t complete = 0;
  for (std::size_t row = 0; row < both.rows(); ++row) {
    if (both.states[row] != TrialState::complete) continue;
    ++complete;
    const auto value = [&](const Dataset& data, const char* metric) {
      return data.metric(row, data.metric_index(metric));
    };
    const double a = value(both, "a.latency_ms"), b = value(both, "b.latency_ms");
    EXPECT_EQ(value(alone, "latency_ms"), b);
    EXPECT_DOUBLE_EQ(value(both, "latency_ms"), std::sqrt(a * b));
    EXPECT_NEAR(value(weighted, "latency_ms"), std::pow(a * b * b * b, 0.25), 1e-12);
    EXPECT_DOUBLE_EQ(value(summed, "latency_ms"), a + b);
    EXPECT_NEAR(value(both, "power_w"), value(both, "energy_mj") / value(both, "latency_ms"), 1e-12);
    EXPECT_NEAR(value(summed, "power_w"), value(summed, "energy_mj") / value(summed, "latency_ms"), 1e-12);
    EXPECT_EQ(value(both, "area_mm2"), value(alone, "area_mm2"));
  }
  EXPECT_GT(complete, 10U);
}

TEST_F(Workloads, AreAllSimulatedInAValidation) {
  Store store(folder / "trials.db", Store::Mode::read_write);
  StudyFile study = load("workloads: [a.yaml, b.yaml]\ncombine: maximum\n");
  const auto counting = std::make_shared<CountingSimulator>(study.simulator);
  study.simulator = counting;
  StudyTrials trials(study);
  EXPECT_FALSE(trials.log(test::borrowed(store)).has_value());
  const std::vector<Design> designs = {{3, 3, 2}, {1, 2, 0}};
  const std::vector<Outcome> outcomes = trials.simulate(store, designs, silent_monitor());
  EXPECT_EQ(counting->count(), 4U);
  ASSERT_EQ(outcomes.size(), 2U);
  for (const Outcome& outcome : outcomes) {
    ASSERT_EQ(outcome.state, OutcomeState::complete);
    ASSERT_EQ(outcome.metrics.size(), study.simulated_metrics().size());
    const std::size_t own = study.simulator->metrics().size();
    const std::size_t width = (outcome.metrics.size() - own) / 2;
    EXPECT_EQ(outcome.metrics[0], std::max(outcome.metrics[own], outcome.metrics[own + width]));
  }
  trials.simulate(store, designs, silent_monitor());
  EXPECT_EQ(counting->count(), 0U);
  EXPECT_EQ(trials.log(test::borrowed(store))->rows(), 2U);
}

TEST_F(Workloads, CountTheFeasibleRowsOfEach) {
  const StudyFile study = load("workloads: [a.yaml, b.yaml]\n");
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const Dataset log{{*study.space, "edge", "f", "a + b", "w", {"latency_ms", "a.latency_ms", "b.latency_ms"}},
                    {0, 1, 2},
                    {TrialState::complete, TrialState::infeasible, TrialState::infeasible},
                    {0, 1, 1},
                    {"", "memory"},
                    {2, 1, 4, nan, 1, nan, nan, nan, nan},
                    0};
  const nlohmann::json section = dataset_section(study, log, "sweep");
  EXPECT_EQ(section["feasible"], 1);
  EXPECT_EQ(section["workloads"],
            nlohmann::json::parse(R"([{"label": "a", "feasible": 2}, {"label": "b", "feasible": 1}])"));
  const nlohmann::json about = study_section(study, *study.space);
  EXPECT_TRUE(about["workload"].is_null());
  EXPECT_EQ(about["combine"], "geometric_mean");
  EXPECT_EQ(about["workloads"][1]["label"], "b");
  EXPECT_EQ(about["workloads"][1]["parameters"], 2048 * 64 + 64);
}

TEST_F(Workloads, NoneOfWhichAllDesignsMeetAreTold) {
  const StudyFile study = load("workloads: [a.yaml, b.yaml]\n");
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  Dataset log{{*study.space, "edge", "f", "a + b", "w", {"latency_ms", "a.latency_ms", "b.latency_ms"}},
              {0, 1, 2},
              {TrialState::infeasible, TrialState::infeasible, TrialState::infeasible},
              {1, 2, 2},
              {"", "memory", "instructions"},
              {nan, 1, nan, nan, nan, nan, nan, 1, nan},
              0};
  const auto fail = [&] { throw no_feasible_row(study, log); };
  expect_error(fail, ErrorCode::too_little_data,
               "none of the 3 designs is feasible on every network: 2 of them on a, 0 of them on b; most often "
               "instructions",
               "sweep");
  log.group.metrics = {"latency_ms", "energy_mj", "power_w"};
  const StudyFile one = load("workload: a.yaml\n");
  expect_error([&] { throw no_feasible_row(one, log); }, ErrorCode::too_little_data,
               "none of the 3 designs is feasible; most often instructions", "");
}

TEST_F(Workloads, CannotBeLookedUpInOneTable) {
  Pipeline pipeline(load("workloads: [a.yaml, b.yaml]\n"), silent_monitor());
  expect_error([&] { pipeline.validate_with_table("table.csv"); }, ErrorCode::unsupported,
               "table.csv: a recorded table does not say which", "simulator");
}

}  // namespace
}  // namespace corbel
