#include "corbel/simulator/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

const std::string fake = CORBEL_SOURCE_DIR "/tests/simulator/fake_simulator.sh";

DesignSpace space() {
  return DesignSpace({Parameter::ordinal("pes", {1, 10, 20, 3000000}), Parameter::categorical("flow", {"ws", "o s'"}),
                      Parameter::boolean("banked"), Parameter::ordinal("memory", {0.5, 1024}, "bytes")});
}

Hardware design(double pes = 10, const std::string& flow = "ws") {
  return {pes, flow, 1.0, 1024.0};
}

/// Process simulators whose folders of runs are in a folder of the test's.
class ProcessTest : public testing::Test {
 protected:
  std::unique_ptr<Simulator> make(const std::string& settings) const {
    const std::string text = "{name: process, run_dir: " + (folder_ / "runs").string() + ", " + settings + "}";
    folder_.write("study.yaml", text);
    return make_process_simulator(Config::load(folder_ / "study.yaml"), space());
  }
  /// The fake in one of its moods, by default read as JSON from its standard output.
  std::unique_ptr<Simulator> behaving(const std::string& how, const std::string& more = "",
                                      const std::string& metrics = "[latency_ms, energy_mj]") const {
    return make("command: [" + fake + ", " + how + ", '{pes}'], metrics: " + metrics +
                (more.empty() ? "" : ", " + more));
  }
  static Outcome run(const Simulator& simulator, const Hardware& hardware = design()) {
    return simulator.simulate(std::span(&hardware, 1), nullptr).front();
  }
  Outcome outcome(const std::string& how, const std::string& more = "",
                  const std::string& metrics = "[latency_ms, energy_mj]") const {
    return run(*behaving(how, more, metrics));
  }
  /// A run that is to fail; its detail.
  std::string failure(const std::string& reason, const std::string& how, const std::string& more = "",
                      const std::string& metrics = "[latency_ms, energy_mj]") const {
    const Outcome failed = outcome(how, more, metrics);
    EXPECT_EQ(to_string(failed.state), "failed") << how;
    EXPECT_EQ(failed.reason, reason) << how << ": " << failed.detail;
    EXPECT_EQ(failed.metrics.size(), metrics == cycles ? 1U : 2U);
    for (const double metric : failed.metrics) EXPECT_TRUE(std::isnan(metric)) << how;
    return failed.detail;
  }
  void expect_refused(const std::string& settings, const std::string& part) const {
    try {
      make(settings);
      ADD_FAILURE() << settings << " was taken";
    } catch (const Error& error) {
      EXPECT_THAT(std::string(error.what()) + " / " + error.hint(), HasSubstr(part)) << settings;
      EXPECT_THAT(error.what(), HasSubstr("study.yaml:1:")) << settings;
    }
  }
  std::vector<std::filesystem::path> folders(const std::string& beginning = "") const {
    std::vector<std::filesystem::path> found;
    if (!std::filesystem::exists(folder_ / "runs")) return found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "runs")) {
      if (entry.path().filename().string().starts_with(beginning)) found.push_back(entry.path());
    }
    return found;
  }

  static inline const std::string cycles = "{cycles: {column: cycles, file: result.csv, take: sum}}";
  TemporaryFolder folder_;
};

TEST_F(ProcessTest, ReadsMetricsFromAGoodRun) {
  const auto simulator = behaving("good");
  const std::vector<Hardware> designs = {design(10), design(20), design(1)};
  const std::vector<Outcome> outcomes = simulator->simulate(designs, nullptr);
  ASSERT_EQ(outcomes.size(), 3U);
  EXPECT_EQ(outcomes[0].state, OutcomeState::complete);
  EXPECT_EQ(outcomes[0].metrics, (std::vector{100.0, 2.5}));
  EXPECT_EQ(outcomes[1].metrics, (std::vector{50.0, 2.5}));
  EXPECT_EQ(outcomes[2].metrics, (std::vector{1000.0, 2.5}));
  EXPECT_EQ(outcome("talkative").metrics, (std::vector{100.0, 2.5})) << "the last line is the answer";
}

TEST_F(ProcessTest, DecidesByTheOutputNotTheExitCode) {
  EXPECT_EQ(outcome("nonzero").state, OutcomeState::complete);
  EXPECT_EQ(outcome("nonzero", "failed_if: {exit_code: nonzero}").state, OutcomeState::failed);
  EXPECT_EQ(outcome("nonzero", "failed_if: {exit_code: 7, reason: odd}").reason, "odd");
  EXPECT_EQ(outcome("nonzero", "failed_if: {exit_code: [6, 8]}").state, OutcomeState::complete);
  EXPECT_THAT(failure("unreadable_output", "error_exit_0"),
              HasSubstr("its last words: ERROR: topology file not found / Exiting"));
}

TEST_F(ProcessTest, TellsEveryWayToFail) {
  const std::string crash = failure("crashed", "crash");
  EXPECT_THAT(crash, HasSubstr("ended by SIGSEGV; its last words: bad pointer; before them: at layer 3"));
  EXPECT_THAT(failure("unreadable_output", "half"), HasSubstr("no"));
  EXPECT_THAT(failure("no_output", "empty"), HasSubstr("standard output is empty"));
  EXPECT_THAT(failure("no_output", "empty_file", "", cycles), HasSubstr("result.csv is empty"));
  EXPECT_THAT(failure("no_output", "good", "", cycles), HasSubstr("it wrote no result.csv"));
  EXPECT_THAT(failure("unreadable_output", "half_file", "", cycles),
              HasSubstr("result.csv:3: the file ends in the middle"));
  EXPECT_THAT(failure("not_finite", "nan"), HasSubstr("latency_ms is nan"));
  EXPECT_THAT(failure("missing_metric", "'null'"), HasSubstr("/latency_ms"));
  EXPECT_THAT(failure("missing_metric", "lacks"), HasSubstr("/latency_ms"));
  EXPECT_THAT(failure("unreadable_output", "binary"), HasSubstr("JSON"));
  EXPECT_THAT(failure("output_limit", "log", "limits: {output: 64 KiB}"), HasSubstr("more than 64 KiB"));
  EXPECT_THAT(failure("no_output", "unknown"), HasSubstr("exit code 2"));
}

TEST_F(ProcessTest, StopsRunsThatHang) {
  const std::string limits = "limits: {time: 200 ms, grace: 100 ms}";
  EXPECT_THAT(failure("timeout", "hang", limits),
              HasSubstr("stopped after 0.2 s; its last words: waiting for a licence"));
  failure("timeout", "hang_group", limits);
  failure("timeout", "stubborn", limits);
  EXPECT_EQ(outcome("forks").state, OutcomeState::complete) << "what is left in the background is not waited for";
}

TEST_F(ProcessTest, RulesSayWhatIsInfeasible) {
  const std::string rule =
      "infeasible_if: [{pattern: 'WARNING:Buffer. Per-layer (L[12]) size', reason: '{1} overflow'}]";
  const Outcome infeasible = outcome("warns", rule);
  EXPECT_EQ(infeasible.state, OutcomeState::infeasible);
  EXPECT_EQ(infeasible.reason, "l1_overflow");
  EXPECT_THAT(infeasible.detail, HasSubstr("Per-layer L1 size"));
  EXPECT_TRUE(std::isnan(infeasible.metrics.at(0)));
  EXPECT_EQ(outcome("good", rule).state, OutcomeState::complete);

  EXPECT_EQ(outcome("'null'", "infeasible_if: {missing: latency_ms, reason: unmappable}").reason, "unmappable");
  EXPECT_EQ(outcome("nan", "infeasible_if: {missing: any}").state, OutcomeState::infeasible);
  EXPECT_EQ(outcome("good", "infeasible_if: {metric: latency_ms >= 100, reason: slow}").reason, "slow");
  EXPECT_EQ(outcome("good", "infeasible_if: {metric: latency_ms > 100}").state, OutcomeState::complete);
  EXPECT_EQ(outcome("nonzero", "infeasible_if: {exit_code: 7, metric: energy_mj < 2}").state, OutcomeState::complete)
      << "all signs of a rule must be there";
}

TEST_F(ProcessTest, WhatBrokeIsNoInfeasibleDesign) {
  const std::string pattern = "infeasible_if: {pattern: WARNING}";
  EXPECT_EQ(outcome("warns_and_crashes", pattern).state, OutcomeState::failed);
  EXPECT_EQ(outcome("crash", "infeasible_if: {missing: any}").state, OutcomeState::failed);
  EXPECT_EQ(outcome("empty", "infeasible_if: {missing: any}").state, OutcomeState::failed);
  EXPECT_EQ(outcome("half", "infeasible_if: {missing: any}").state, OutcomeState::failed);
  const Outcome meant = outcome("divides", "infeasible_if: {signal: SIGFPE, reason: cluster_over_pes}");
  EXPECT_EQ(meant.state, OutcomeState::infeasible) << "the rule names the signal";
  EXPECT_EQ(meant.reason, "cluster_over_pes");
  EXPECT_EQ(outcome("divides", "infeasible_if: {signal: SIGSEGV}").state, OutcomeState::failed);
}

TEST_F(ProcessTest, RulesSayWhatIsGivenUp) {
  const Outcome abandoned =
      outcome("hang", "limits: {time: 200 ms, grace: 100 ms}, abandoned_if: {timeout: true, reason: too slow}");
  EXPECT_EQ(abandoned.state, OutcomeState::abandoned);
  EXPECT_EQ(abandoned.reason, "too_slow");
  const std::string both = "failed_if: {pattern: licence}, infeasible_if: {exit_code: 1}, abandoned_if: {exit_code: 1}";
  EXPECT_EQ(run(*make("shell: true, command: 'echo no licence; exit 1', metrics: [latency_ms], " + both)).state,
            OutcomeState::failed)
      << "failed before abandoned before infeasible";
  EXPECT_EQ(run(*make("shell: true, command: 'exit 1', metrics: [latency_ms], " + both)).state,
            OutcomeState::abandoned);
}

TEST_F(ProcessTest, TriesFailedRunsAgain) {
  // Fails twice, then works; each folder counts anew.
  const auto tried = [&](const std::string& folder, const std::string& retries) {
    std::filesystem::create_directory(folder_ / folder);
    return run(*make("command: [" + fake + ", flaky, 10, " + (folder_ / folder).string() + "], metrics: [latency_ms]" +
                     retries));
  };
  EXPECT_EQ(tried("a", "").state, OutcomeState::failed);
  EXPECT_EQ(tried("b", ", retries: {times: 1, wait: 1 ms}").state, OutcomeState::failed);
  EXPECT_EQ(read_text(folder_ / "b/runs"), "run\nrun\n");
  EXPECT_EQ(tried("c", ", retries: {times: 2, wait: 1 ms}").metrics, std::vector{5.0});
}

TEST_F(ProcessTest, ReadsPatterns) {
  const auto cycles_of = [&](const std::string& take) {
    return outcome("twice", "", "{cycles: {pattern: '^cycles: ([0-9.]+)$'" + take + "}}");
  };
  EXPECT_EQ(cycles_of(", take: sum").metrics.at(0), 400);
  EXPECT_EQ(cycles_of(", take: first").metrics.at(0), 100);
  EXPECT_EQ(cycles_of(", take: last").metrics.at(0), 300);
  EXPECT_EQ(cycles_of(", take: min").metrics.at(0), 100);
  EXPECT_EQ(cycles_of(", take: max").metrics.at(0), 300);
  EXPECT_EQ(cycles_of(", take: mean").metrics.at(0), 200);
  EXPECT_EQ(cycles_of(", take: sum, count: 2").metrics.at(0), 400);
  EXPECT_THAT(cycles_of("").detail, HasSubstr("2 values of cycles, and no `take:` says which"));
  EXPECT_THAT(cycles_of(", take: sum, count: 3").detail, HasSubstr("2 values of cycles, not 3"));
  const Outcome none = outcome("good", "", "{cycles: {pattern: 'cycles: ([0-9]+)'}}");
  EXPECT_EQ(none.reason, "missing_metric");
}

TEST_F(ProcessTest, ReadsColumnsAsProgramsWriteThem) {
  const Outcome sum = outcome("file", "", cycles);
  EXPECT_EQ(sum.state, OutcomeState::complete) << sum.detail;
  EXPECT_EQ(sum.metrics, std::vector{400.0});
  EXPECT_EQ(outcome("file", "", "{cycles: {column: cycles, file: result.csv, take: last, count: 3}}").metrics.at(0),
            50);
  EXPECT_THAT(failure("unreadable_output", "short_file", "",
                      "{cycles: {column: cycles, file: result.csv, take: sum, count: 3}, other: {column: a}}"),
              HasSubstr("1 values of cycles, not 3"));
  const Outcome misspelt = outcome("file", "", "{cycles: {column: cycle, file: result.csv, take: sum}}");
  EXPECT_EQ(misspelt.state, OutcomeState::failed);
  EXPECT_THAT(misspelt.detail, HasSubstr("is it `cycles`?"));
}

TEST_F(ProcessTest, ConvertsUnits) {
  const Outcome outcome =
      this->outcome("units", "", "{latency_ms: {json: latency_ms}, energy_mj: {json: energy_mj, unit: uJ}}");
  EXPECT_EQ(outcome.metrics, (std::vector{0.25, 2.5}));
  EXPECT_EQ(this->outcome("good", "", "{latency_ms: {json: latency_ms, scale: 0.001}}").metrics.at(0), 0.1);
  expect_refused("command: [x], metrics: {latency_ms: {json: a, unit: mJ}}", "latency_ms is not in `mJ`");
  expect_refused("command: [x], metrics: {score: {json: a, unit: ms}}", "end the metric's name with a unit");
}

TEST_F(ProcessTest, GivesDesignAndWorkloadAsJson) {
  const std::string metrics = "metrics: {a: {json: design.pes}}";
  const auto simulator =
      make("command: [" + fake + ", echo_input], stdin: json, keep: 5, " + metrics + ", failed_if: {exit_code: 0}");
  const Network network = load_network("mobilenet_v2");
  const Hardware hardware = design(3000000, "o s'");
  EXPECT_TRUE(simulator->needs_workload());
  EXPECT_THROW(simulator->simulate(std::span(&hardware, 1), nullptr), Error);
  simulator->simulate(std::span(&hardware, 1), &network);
  ASSERT_EQ(folders("failed-").size(), 1U);
  const json input = json::parse(read_text(folders("failed-").front() / "input.copy"));
  EXPECT_EQ(input.at("design").dump(), R"({"banked":true,"flow":"o s'","memory":1024,"pes":3000000})");
  EXPECT_EQ(input.at("units"), (json{{"memory", "bytes"}}));
  EXPECT_EQ(input.at("workload").at("name"), "mobilenet_v2");
  EXPECT_EQ(input.at("workload").at("layers").size(), network.layers.size());
  EXPECT_EQ(input.at("workload").at("layers").at(0).at("out_channels"), 32);
}

TEST_F(ProcessTest, FillsArgumentsTemplatesAndEnvironment) {
  folder_.write("arch.in", "array {\n  {pes} x {flow} {{pes}} { pes } \"{memory}\" in {run_dir};\n}\n");
  const auto simulator = make(
      "command: [sh, -c, 'cat sub/arch.cfg; echo \"$VARIABLE\"; pwd', '{pes}'], templates: {sub/arch.cfg: arch.in}, "
      "environment: {VARIABLE: 'n={pes}'}, metrics: {a: {pattern: '(nothing)'}}, keep: 1");
  EXPECT_FALSE(simulator->needs_workload());
  run(*simulator, design(3000000, "o s'"));
  ASSERT_EQ(folders("failed-").size(), 1U);
  EXPECT_THAT(
      read_text(folders("failed-").front() / "stdout.txt"),
      MatchesRegex(
          "array \\{\n  3000000 x o s' \\{pes\\} \\{ pes \\} \"1024\" in (/[^\n]+);\n\\}\nn=3000000\n/[^\n]+\n"));
}

TEST_F(ProcessTest, UsesAShellOnlyWhenAsked) {
  const std::string metrics = "metrics: {a: {pattern: 'is (.*) and'}}, keep: 1";
  const auto plain = make("command: [echo, 'it is {pes} and $HOME; true'], " + metrics);
  EXPECT_EQ(run(*plain).metrics.at(0), 10);
  const auto shell = make("shell: true, command: 'echo {flow} | tr a-z A-Z', " + metrics);
  run(*shell, design(10, "o s'"));
  EXPECT_EQ(read_text(folders("failed-").front() / "stdout.txt"), "O S'\n");
  expect_refused("command: echo it, " + metrics, "list of a program");
}

TEST_F(ProcessTest, KeepsFoldersOfFailuresUpToANumber) {
  const auto good = behaving("good");
  run(*good);
  EXPECT_TRUE(folders("failed-").empty());
  ASSERT_EQ(folders("running-").size(), 1U);
  const auto crashing = behaving("crash", "keep: 3");
  std::string last;
  for (int i = 0; i < 5; ++i) last = run(*crashing).detail;
  EXPECT_EQ(folders("failed-").size(), 3U);
  const std::size_t at = last.find("kept in ");
  ASSERT_NE(at, std::string::npos) << last;
  EXPECT_EQ(read_text(last.substr(at + 8) + "/stdout.txt"), "at layer 3\n");
  EXPECT_EQ(read_text(last.substr(at + 8) + "/stderr.txt"), "bad pointer\n");
  EXPECT_THAT(run(*behaving("crash", "keep: 0")).detail, Not(HasSubstr("kept in")));
}

TEST_F(ProcessTest, RemovesItsFoldersWithItself) {
  {
    const auto simulator = behaving("good");
    run(*simulator);
    const auto session = folders("running-").at(0);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(session), {}), 1) << "the lock";
  }
  EXPECT_TRUE(folders().empty());
}

TEST_F(ProcessTest, RemovesWhatAKilledProcessLeft) {
  const auto left = folder_.write("runs/running-aaaaaa/run-1/trace", "x").parent_path().parent_path();
  std::filesystem::last_write_time(left, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  run(*behaving("good"));
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST_F(ProcessTest, EndsRunsWhenAskedTo) {
  class Stopping final : public Monitor {
   public:
    void progress(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
    void message(std::string_view) override {}
    bool stop_requested() const override { return ++asked_ > 2; }

   private:
    mutable std::atomic<int> asked_ = 0;
  };
  const auto simulator = behaving("hang");
  const Hardware hardware = design();
  try {
    simulator->simulate_until_stopped(std::span(&hardware, 1), nullptr, Stopping());
    ADD_FAILURE() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::interrupted);
  }
  EXPECT_TRUE(folders("failed-").empty());
}

TEST_F(ProcessTest, FingerprintIsOfWhatDecidesResults) {
  folder_.write("arch.in", "{pes}");
  folder_.write("script.py", "1");
  const std::string base =
      "command: [x, '{pes}'], metrics: [latency_ms], templates: {arch: arch.in}, depends_on: [script.py]";
  const std::string same = make(base)->fingerprint();
  for (const char* other :
       {"jobs: 7", "keep: 1", "retries: {times: 2}", "limits: {time: 3 s, memory: 1 GiB, output: 1 MiB}"}) {
    EXPECT_EQ(make(base + ", " + other)->fingerprint(), same) << other;
  }
  std::set<std::string> all = {same};
  for (const char* other :
       {"version: 2", "program: y", "stdin: json", "environment: {A: b}", "parameters: [bandwidth]",
        "failed_if: {exit_code: 1}", "infeasible_if: {exit_code: 1}", "infeasible_if: {exit_code: 2}",
        "limits: {time: 3 s}, abandoned_if: {timeout: true}", "limits: {time: 4 s}, abandoned_if: {timeout: true}"}) {
    EXPECT_TRUE(all.insert(make(base + ", " + other)->fingerprint()).second) << other;
  }
  folder_.write("arch.in", "{pes} ");
  EXPECT_TRUE(all.insert(make(base)->fingerprint()).second) << "a template's content";
  folder_.write("arch.in", "{pes}");
  folder_.write("script.py", "2");
  EXPECT_TRUE(all.insert(make(base)->fingerprint()).second) << "a file it depends on";
  EXPECT_TRUE(all.insert(make("command: [x, -v, '{pes}'], metrics: [latency_ms]")->fingerprint()).second);
  EXPECT_TRUE(all.insert(make("command: [x, '{pes}'], metrics: {latency_ms: {json: a}}")->fingerprint()).second);
}

TEST_F(ProcessTest, AsksTheProgramForItsVersion) {
  const auto version = [&](const std::string& text) {
    return make("command: [x], metrics: [latency_ms], version_command: [echo, '" + text + "']");
  };
  EXPECT_NE(version("1.2")->fingerprint(), version("1.3")->fingerprint());
  EXPECT_EQ(version("1.2")->fingerprint(), make("command: [x], metrics: [latency_ms], version: 1.2")->fingerprint());
  expect_refused("command: [x], metrics: [latency_ms], version_command: ['false']", "tells no version");
  expect_refused("command: [x], metrics: [latency_ms], version_command: [no_such_program]", "on PATH");
}

TEST_F(ProcessTest, AProgramThatIsNotThereIsAnError) {
  const auto simulator = make("command: [no_such_program], metrics: [latency_ms]");
  try {
    run(*simulator);
    ADD_FAILURE() << "it ran";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
  }
}

TEST_F(ProcessTest, NamesWhatIsWrongInItsSettings) {
  const std::string rest = ", metrics: [latency_ms]";
  expect_refused("comand: [x]" + rest, "did you mean `command`");
  expect_refused("command: []" + rest, "list of a program");
  expect_refused("command: [x, '{pex}']" + rest, "did you mean `pes`");
  expect_refused("command: [x]", "`metrics` is missing");
  expect_refused("command: [x], metrics: []", "`metrics` is empty");
  expect_refused("command: [x], metrics: [pes]", "parameter of the space");
  expect_refused("command: [x], metrics: [a, a]", "twice");
  expect_refused("command: [x], metrics: [a-b]", "name of a metric");
  expect_refused("command: [x], metrics: {a: {}}", "where does a stand");
  expect_refused("command: [x], metrics: {a: {json: b, column: c}}", "name one of");
  expect_refused("command: [x], metrics: {a: {pattern: '('}}", "no regular expression");
  expect_refused("command: [x], metrics: {a: {pattern: 'x'}}", "in parentheses");
  expect_refused("command: [x], metrics: {a: {column: c, file: ../x}}", "no file in the run's folder");
  expect_refused("command: [x], metrics: {a: {column: c, file: /etc/passwd}}", "no file in the run's folder");
  expect_refused("command: [x], metrics: {a: {column: c, take: most}}", "max");
  expect_refused("command: [x], templates: {/etc/x: a}" + rest, "no file in the run's folder");
  expect_refused("command: [x], templates: {a: no_such_file}" + rest, "no_such_file");
  expect_refused("command: [x], infeasible_if: {reason: x}" + rest, "no sign");
  expect_refused("command: [x], infeasible_if: {missing: b}" + rest, "latency_ms");
  expect_refused("command: [x], infeasible_if: {metric: latency <= 3}" + rest, "did you mean `latency_ms`");
  expect_refused("command: [x], infeasible_if: {pattern: x, reason: '{1}'}" + rest, "in parentheses");
  expect_refused("command: [x], infeasible_if: {signal: SIGFOO}" + rest, "is no signal");
  expect_refused("command: [x], infeasible_if: {exit_code: 256}" + rest, "255");
  expect_refused("command: [x], abandoned_if: {timeout: true}" + rest, "limits: {time");
  expect_refused("command: [x], limits: {time: 0}" + rest, "no time to wait");
  expect_refused("command: [x], limits: {memory: 3 s}" + rest, "bytes");
  expect_refused("command: [x, '{workload.file}'], workload: false" + rest, "there is no workload");
  expect_refused("command: [x], version: 1, version_command: [y]" + rest, "keep one");
  expect_refused("command: [x], stdin: yaml" + rest, "json");
}

TEST_F(ProcessTest, ALargeTextWithoutLineBreaksIsReadAsQuickly) {
  // Where matching backtracks or recurses, this takes hours or the stack.
  const auto simulator = make(
      "shell: true, command: 'head -c 3000000 /dev/zero | tr \"\\\\000\" a', metrics: {a: {pattern: "
      "'(a+)+$b([0-9])'}}, keep: 0");
  EXPECT_EQ(run(*simulator).reason, "missing_metric");
}

}  // namespace
}  // namespace corbel::test
