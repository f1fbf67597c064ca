#include "corbel/dataset/job.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "corbel/base/config.hpp"
#include "corbel/dataset/trial_group.hpp"
#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;

/// As a coordinator and a worker: the spec goes through text.
struct Written {
  TrialGroup group;
  std::string text;
};
Written write(const std::string& settings, const std::filesystem::path& study, const DesignSpace& space,
              const std::optional<Network>& network, std::vector<std::pair<std::string, std::string>> fixed = {}) {
  const Config config = Config::parse(settings, "study.yaml", study);
  const auto simulator = make_simulator(config, space);
  const Network* of = network ? &*network : nullptr;
  return {trial_group(space, *simulator, of, fixed), JobSpec{config.dump(), study, fixed, network}.to_text()};
}

TEST(Job, AnEdgeSimulatorAndItsNetworkGoThroughText) {
  const DesignSpace space = DesignSpace::edge();
  for (const char* name : {"mobilenet_v2", "mobilebert"}) {
    const Network network = load_network(name);
    const Written written =
        write("{name: edge, clock_mhz: 1066 MHz, technology: 16nm}", "/somewhere/study.yaml", space, network);
    const Job job(written.group, JobSpec::from_text(written.text), {});
    const DesignId designs[] = {12'345, 777'777};
    const auto simulator = make_simulator(Config::parse("{name: edge, clock_mhz: 1066, technology: 16nm}", "x"), space);
    const GroupSimulator direct(written.group, *simulator, HardwareBinding(*simulator, space), &network);
    const auto here = direct.simulate(designs, silent_monitor()).trials;
    const auto there = job.simulator().simulate(designs, silent_monitor()).trials;
    for (std::size_t i = 0; i < here.size(); ++i) {
      EXPECT_EQ(there[i].state, here[i].state);
      EXPECT_TRUE(std::ranges::equal(there[i].metrics, here[i].metrics,
                                     [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }));
    }
  }
}

TEST(Job, AProgramFindsItsStudyWhereTheWorkerSaysItIs) {
  const TemporaryFolder here, there;
  const std::string settings =
      "{name: process, command: [/bin/sh, '{study_dir}/sim.sh', '{width}'], templates: {in.txt: in.tmpl}, metrics: "
      "[latency_ms, area_mm2], workload: false, parameters: [volts]}";
  for (const TemporaryFolder* folder : {&here, &there}) {
    folder->write("in.tmpl", "w={width}\n");
    folder->write("sim.sh", "echo '{\"latency_ms\": '$1', \"area_mm2\": 2}'\n");
  }
  const Written written = write(settings, here / "study.yaml", small_space(), std::nullopt, {{"volts", "0.9"}});
  const DesignId designs[] = {60};  // width 2
  std::filesystem::remove_all(here.path());
  EXPECT_EQ(error_of([&] { Job(written.group, JobSpec::from_text(written.text), {}); }).code(), ErrorCode::not_found);
  const Job job(written.group, JobSpec::from_text(written.text), there.path());
  const Trial trial = job.simulator().simulate(designs, silent_monitor()).trials.at(0);
  EXPECT_EQ(trial.state, TrialState::complete) << trial.reason;
  EXPECT_EQ(trial.metrics, (std::vector<double>{2, 2}));

  // Another template makes other results: those trials are not these.
  there.write("in.tmpl", "w={width};\n");
  EXPECT_ERROR(Job(written.group, JobSpec::from_text(written.text), there.path()), ErrorCode::mismatch,
               written.group.simulator_fingerprint);
}

TEST(Job, ANetworkThatIsNotThatOfTheTrialsIsRefused) {
  const Written written = write("edge", "/x/study.yaml", DesignSpace::edge(), load_network("mobilenet_v2"));
  json text = json::parse(written.text);
  text["network"]["layers"][0]["out_channels"] = 33;
  EXPECT_ERROR(Job(written.group, JobSpec::from_text(text.dump()), {}), ErrorCode::mismatch,
               written.group.workload_fingerprint);
}

TEST(Job, ADamagedSpecIsAnError) {
  const std::string good = write("edge", "/x/study.yaml", DesignSpace::edge(), load_network("mobilenet_v2")).text;
  const auto error_with = [&](const std::function<void(json&)>& change) {
    json text = json::parse(good);
    change(text);
    return error_of([&] { JobSpec::from_text(text.dump()); });
  };
  EXPECT_EQ(error_with([](json& text) { text.erase("simulator"); }).code(), ErrorCode::corrupt);
  EXPECT_EQ(error_with([](json& text) { text["fixed"] = 3; }).code(), ErrorCode::corrupt);
  EXPECT_EQ(error_of([&] { JobSpec::from_text(good.substr(0, good.size() / 2)); }).code(), ErrorCode::corrupt);
  const auto layer = [](json& text) -> json& { return text["network"]["layers"][3]; };
  for (const auto& [field, value] : std::map<std::string, json>{{"kind", "magic"},
                                                                {"in_channels", 0},
                                                                {"batch", -1},
                                                                {"stride_width", 1.5},
                                                                {"out_height", std::int64_t{1} << 62},
                                                                {"inputs", {3}},
                                                                {"inputs_", {1, 0}},
                                                                {"bias", "yes"}}) {
    const std::string key = field == "inputs_" ? "inputs" : field;
    const Error error = error_with([&](json& text) { layer(text)[key] = value; });
    EXPECT_EQ(error.code(), ErrorCode::invalid_input) << field;
  }
}

}  // namespace
}  // namespace corbel::test
