#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/dataset/store.hpp"
#include "corbel/dataset/sweep.hpp"
#include "corbel/simulator/simulator.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// 10 × 20 × 3 = 600 designs.
inline DesignSpace small_space() {
  return DesignSpace({Parameter::integer("width", 1, 10), Parameter::integer("depth", 1, 20),
                      Parameter::categorical("flow", {"row", "column", "both"})});
}

inline TrialGroup small_group(std::string simulator_fingerprint = "s1") {
  return {small_space(), "fake", std::move(simulator_fingerprint), "net", "w1", {"latency_ms", "area_mm2"}};
}

/// latency_ms = 100 / (width · depth), area_mm2 = width + depth; infeasible ("too_wide") where width · depth > 120,
/// with the area all the same. `behaviour` may change what a design comes to, by its width and depth.
class FakeSimulator : public Simulator {
 public:
  FakeSimulator() = default;
  explicit FakeSimulator(std::function<void(double, double, Outcome&)> behaviour) : behaviour_(std::move(behaviour)) {}

  const std::string& name() const override { return name_; }
  const std::string& fingerprint() const override { return fingerprint_; }
  std::span<const HardwareParameter> hardware_parameters() const override { return parameters_; }
  std::span<const MetricInfo> metrics() const override { return metrics_; }
  bool needs_workload() const override { return false; }
  std::vector<double> static_metrics(const Hardware& hardware) const override {
    return {nan, std::get<double>(hardware[0]) + std::get<double>(hardware[1])};
  }
  std::vector<Outcome> simulate(std::span<const Hardware> hardware, const Network*) const override {
    std::vector<Outcome> outcomes;
    for (const Hardware& h : hardware) {
      const double width = std::get<double>(h[0]), depth = std::get<double>(h[1]);
      Outcome outcome{OutcomeState::complete, "", "", {100 / (width * depth), width + depth}};
      if (width * depth > 120) outcome = {OutcomeState::infeasible, "too_wide", "", {nan, width + depth}};
      ++calls_;
      if (behaviour_) behaviour_(width, depth, outcome);
      outcomes.push_back(std::move(outcome));
    }
    return outcomes;
  }
  std::uint64_t calls() const { return calls_; }

 private:
  std::string name_ = "fake", fingerprint_ = "fake 1";
  std::vector<HardwareParameter> parameters_ = {{"width", "", ""}, {"depth", "", ""}, {"flow", "", ""}};
  std::vector<MetricInfo> metrics_ = {{"latency_ms", "", true}, {"area_mm2", "", false}};
  std::function<void(double, double, Outcome&)> behaviour_;
  mutable std::atomic<std::uint64_t> calls_ = 0;
};

/// Remembers what it was told; asks to stop once `stop_after` progress reports have come.
class RecordingMonitor : public Monitor {
 public:
  explicit RecordingMonitor(std::uint64_t stop_after = std::numeric_limits<std::uint64_t>::max())
      : stop_after_(stop_after) {}
  void progress(std::string_view, std::uint64_t done, std::uint64_t total, std::string_view) override {
    ++reports_;
    last_done = done;
    last_total = total;
    if (done == total) ++ends;
  }
  void message(std::string_view text) override { messages.emplace_back(text); }
  bool stop_requested() const override { return reports_ >= stop_after_; }

  std::atomic<std::uint64_t> last_done = 0, last_total = 0, ends = 0;
  std::vector<std::string> messages;

 private:
  std::uint64_t stop_after_;
  std::atomic<std::uint64_t> reports_ = 0;
};

/// Runs the work in a process of its own. @return its id; the process exits 0 when the work returned, 1 when it threw
inline pid_t fork_child(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child != 0) return child;
  try {
    work();
  } catch (const std::exception& error) {
    fprintf(stderr, "child: %s\n", error.what());
    _exit(1);
  }
  _exit(0);
}

/// The exit status of a child, or −1 if a signal ended it.
inline int wait_for(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// The Error that the work throws; fails the test if it throws none.
inline Error error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(ErrorCode::usage, "none");
}

/// A child's view of a folder it cannot write: for root, who may write anywhere, as another user.
inline void lose_privileges() {
  if (geteuid() == 0 && seteuid(65534) != 0) throw std::runtime_error("seteuid failed");
}

#define EXPECT_ERROR(work, expected_code, expected_part)                                           \
  do {                                                                                             \
    const corbel::Error error_ = corbel::test::error_of([&] { work; });                            \
    EXPECT_EQ(error_.code(), expected_code) << error_.what();                                      \
    EXPECT_NE(std::string(error_.what()).find(expected_part), std::string::npos) << error_.what(); \
    EXPECT_NE(error_.hint(), "") << error_.what();                                                 \
  } while (false)

}  // namespace corbel::test
