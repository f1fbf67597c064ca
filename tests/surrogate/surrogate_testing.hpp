#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "corbel/base/monitor.hpp"
#include "corbel/base/random.hpp"
#include "corbel/surrogate/trainer.hpp"

namespace corbel::test {

/// 6 · 6 · 5 · 3 = 540 designs with every form of input.
inline DesignSpace small_space() {
  return DesignSpace({Parameter::ordinal("width", {1, 2, 4, 8, 16, 32}), Parameter::integer("depth", 1, 6),
                      Parameter::ordinal("memory", {64, 128, 256, 512, 1024}),
                      Parameter::categorical("order", {"x", "y", "z"})});
}

/// A latency with a known shape: work over width · depth, a penalty for a small memory, a factor per order.
inline double small_latency(const Design& design) {
  const double parallel = std::pow(2.0, design[0]) * (1 + design[1]);
  return (1000 / parallel + 200 / std::pow(2.0, design[2])) * (1 + 0.5 * design[3]);
}
/// What does not fit: wide arrays with little memory.
inline bool small_fits(const Design& design) {
  return design[0] <= design[2] + 1;
}

/// A log of n random designs: the latency and, for all rows, an area.
inline Dataset small_dataset(std::size_t n, std::uint64_t seed,
                             const std::function<bool(const Design&)>& fits = small_fits) {
  const DesignSpace space = small_space();
  Dataset dataset{TrialGroup{space, "test", "1", "", "", {"area_mm2", "latency_ms"}}, {}, {}, {}, {""}, {}};
  std::vector<DesignId> ids(space.size());
  for (DesignId id = 0; id < space.size(); ++id) ids[id] = id;
  Rng(seed).shuffle(ids);
  ids.resize(n);
  std::sort(ids.begin(), ids.end());
  for (const DesignId id : ids) {
    const Design design = space.design(id);
    dataset.designs.push_back(id);
    dataset.states.push_back(fits(design) ? TrialState::complete : TrialState::infeasible);
    dataset.reasons.push_back(0);
    dataset.metrics.push_back(std::pow(2.0, design[0]) + design[1] + std::pow(2.0, design[2]));
    dataset.metrics.push_back(fits(design) ? small_latency(design) : std::numeric_limits<double>::quiet_NaN());
  }
  return dataset;
}

inline TrainingTask latency_task() {
  TrainingTask task;
  task.objective = "latency_ms";
  return task;
}

/// Options that train in a blink.
inline TrainingOptions quick_options() {
  TrainingOptions options;
  options.hidden = {32, 32};
  options.steps = 120;
  options.batch = 64;
  options.checkpoint_every = 40;
  options.negatives_every = 30;
  options.ensemble = 1;
  options.threads = 1;
  options.grid = {{0.02, 0.05}};
  return options;
}

/// Asks to stop once so many steps were reported.
class StoppingMonitor : public Monitor {
 public:
  explicit StoppingMonitor(std::uint64_t after) : after_(after) {}
  void progress(std::string_view, std::uint64_t done, std::uint64_t, std::string_view) override {
    if (done >= after_) stop_ = true;
  }
  void message(std::string_view text) override { messages.emplace_back(text); }
  bool stop_requested() const override { return stop_; }
  std::vector<std::string> messages;

 private:
  std::uint64_t after_;
  bool stop_ = false;
};

}  // namespace corbel::test
