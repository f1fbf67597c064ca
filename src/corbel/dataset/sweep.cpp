#include "corbel/dataset/sweep.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <limits>
#include <mutex>
#include <string>
#include <unordered_map>

#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/permutation.hpp"
#include "corbel/base/units.hpp"

namespace corbel {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string count_text(std::uint64_t count) {
  return format_for_people(static_cast<double>(count), 15);
}

/// What simulating one batch gave.
struct BatchResult {
  std::vector<Trial> trials;  ///< those simulated, in the order asked
  std::string last_failure;   ///< the detail of one that failed, for people
  std::exception_ptr error;   ///< what a simulator threw; the trials are good all the same
};

/// Simulates designs of one group on several threads.
class Runner {
 public:
  Runner(const Store& store, Store::GroupId group, const Simulator& simulator, const HardwareBinding& binding,
         const Network* network, std::size_t threads)
      : description_(store.describe(group)),
        simulator_(&simulator),
        binding_(&binding),
        network_(network),
        threads_(threads == 0 ? available_cores() : threads) {
    if (simulator.needs_workload() && network == nullptr) {
      throw Error(ErrorCode::invalid_input, "simulator `" + simulator.name() + "` needs a workload",
                  "name a network to simulate");
    }
    const TrialGroup wanted = trial_group(description_.space, simulator, network);
    if (wanted.simulator != description_.simulator || wanted.metrics != description_.metrics) {
      throw Error(ErrorCode::mismatch,
                  store.path().string() + ": these trials are of simulator `" + description_.simulator + "`, not `" +
                      simulator.name() + "`, or of one with other metrics",
                  "simulate into a group of its own");
    }
    if (network != nullptr && wanted.workload_fingerprint != description_.workload_fingerprint) {
      throw Error(ErrorCode::mismatch,
                  store.path().string() + ": these trials are of workload `" + description_.workload +
                      "`, not of this `" + network->name + "`",
                  "simulate into a group of its own");
    }
  }

  const DesignSpace& space() const { return description_.space; }
  std::size_t threads() const { return threads_; }

  /// Stops between simulations once the monitor asks to.
  /// @param report  called after each few designs, from any thread, with how many of the batch are done
  BatchResult run(std::span<const DesignId> designs, const Monitor& monitor,
                  const std::function<void(std::size_t)>& report) const {
    BatchResult result;
    std::vector<Trial> trials(designs.size());
    std::vector<char> simulated(designs.size(), 0);
    std::mutex mutex;
    std::atomic<std::size_t> done = 0;
    std::atomic<bool> broken = false;
    const std::size_t chunk = std::clamp<std::size_t>(designs.size() / (threads_ * 8), 1, 64);
    parallel_for(designs.size(), threads_, chunk, [&](std::size_t begin, std::size_t end) {
      if (broken || monitor.stop_requested()) return;
      try {
        const std::vector<Outcome> outcomes = simulate(designs.subspan(begin, end - begin));
        for (std::size_t i = begin; i < end; ++i) {
          const Outcome& outcome = outcomes[i - begin];
          trials[i] = trial(designs[i], outcome);
          simulated[i] = 1;
          if (trials[i].state == TrialState::failed) {
            const std::lock_guard lock(mutex);
            result.last_failure = outcome.detail.empty() ? trials[i].reason : outcome.detail;
          }
        }
        report(done += end - begin);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!result.error) result.error = std::current_exception();
        broken = true;
      }
    });
    for (std::size_t i = 0; i < trials.size(); ++i) {
      if (simulated[i] != 0) result.trials.push_back(std::move(trials[i]));
    }
    return result;
  }

 private:
  std::vector<Outcome> simulate(std::span<const DesignId> designs) const {
    std::vector<Hardware> hardware;
    hardware.reserve(designs.size());
    Design design;
    for (const DesignId id : designs) {
      space().design(id, design);
      hardware.push_back(binding_->hardware(design));
    }
    std::vector<Outcome> outcomes = simulator_->simulate(hardware, network_);
    if (outcomes.size() != designs.size()) {
      throw Error(ErrorCode::tool_failure,
                  "simulator `" + simulator_->name() + "` gave " + std::to_string(outcomes.size()) + " results for " +
                      std::to_string(designs.size()) + " designs",
                  "this is a fault of the simulator or its adapter");
    }
    return outcomes;
  }

  /// A result that cannot be true is a failure of the simulator, never a row.
  Trial trial(DesignId design, const Outcome& outcome) const {
    Trial trial{design, TrialState::failed, outcome.reason, outcome.metrics};
    const auto fail = [&](const char* reason) {
      trial.state = TrialState::failed;
      trial.reason = reason;
      trial.metrics.clear();
      return trial;
    };
    const std::size_t width = description_.metrics.size();
    const bool none = trial.metrics.empty() && outcome.state != OutcomeState::complete;
    if (!none && trial.metrics.size() != width) return fail("wrong_number_of_metrics");
    const auto is_infinite = [](double value) { return std::isinf(value); };
    const auto is_number = [](double value) { return !std::isnan(value); };
    if (std::ranges::any_of(trial.metrics, is_infinite)) return fail("infinite_metric");
    switch (outcome.state) {
      case OutcomeState::complete:
        if (std::ranges::none_of(trial.metrics, is_number)) return fail("no_metrics");
        trial.state = TrialState::complete;
        trial.reason.clear();
        break;
      case OutcomeState::infeasible:
        trial.state = TrialState::infeasible;
        break;
      case OutcomeState::failed:
        if (trial.reason.empty()) trial.reason = "failed";
        break;
    }
    if (none) trial.metrics.assign(width, std::numeric_limits<double>::quiet_NaN());
    return trial;
  }

  TrialGroup description_;
  const Simulator* simulator_;
  const HardwareBinding* binding_;
  const Network* network_;
  std::size_t threads_;
};

/// How many designs to simulate before they are stored: as many as take about a second.
class BatchSize {
 public:
  BatchSize(std::size_t threads, std::size_t most) : least_(std::min(threads, most)), most_(most), size_(least_) {}
  std::size_t next() const { return size_; }
  void took(std::size_t designs, double seconds) {
    const double fitting = static_cast<double>(designs) / std::max(seconds, 1e-6);
    const double limited = std::min(fitting, 8 * static_cast<double>(size_));
    size_ = std::clamp(static_cast<std::size_t>(limited), least_, most_);
  }

 private:
  std::size_t least_, most_, size_;
};

[[noreturn]] void interrupted(const std::string& what) {
  throw Error(ErrorCode::interrupted, "stopped: " + what, "run the same command again to go on from here");
}

}  // namespace

TrialGroup trial_group(const DesignSpace& space, const Simulator& simulator, const Network* network,
                       std::vector<std::pair<std::string, std::string>> fixed) {
  TrialGroup group{space, simulator.name(), simulator.fingerprint(), "", "", {}};
  if (!fixed.empty()) {
    std::ranges::sort(fixed);
    std::string text = group.simulator_fingerprint;
    for (const auto& [name, value] : fixed) text += name + "=" + value + ";";
    group.simulator_fingerprint = fingerprint(text);
  }
  if (network != nullptr) {
    group.workload = network->name;
    group.workload_fingerprint = network->fingerprint();
  }
  for (const MetricInfo& metric : simulator.metrics()) group.metrics.push_back(metric.name);
  return group;
}

SweepResult sweep(Store& store, Store::GroupId group, const Simulator& simulator, const HardwareBinding& binding,
                  const Network* network, const SweepOptions& options, Monitor& monitor) {
  const Clock::time_point start = Clock::now();
  const Runner runner(store, group, simulator, binding, network, options.threads);
  const DesignSpace& space = runner.space();
  const Permutation order(space.size(), options.seed);
  BatchSize batch_size(runner.threads(), std::max<std::size_t>(1, options.batch));

  store.changed_elsewhere();
  std::vector<DesignId> known = store.finished(group);  // ascending
  SweepResult result;
  result.rows = known.size();
  const std::string wanted = count_text(options.designs);
  if (result.rows > 0 && result.rows < options.designs) {
    monitor.message("resuming: " + count_text(result.rows) + " of " + wanted + " rows are there");
  }

  std::uint64_t position = 0, feasible = 0, finished = 0;
  std::string note, last_failure;
  std::vector<DesignId> batch;
  Design design;
  const auto stop = [&] { interrupted(count_text(result.rows) + " of " + wanted + " rows are stored"); };
  const auto stop_if_asked = [&] {
    if (monitor.stop_requested()) stop();
  };
  const auto give_up = [&] {
    throw Error(ErrorCode::tool_failure,
                "simulator `" + simulator.name() + "` failed on " + count_text(result.failed) + " of " +
                    count_text(result.simulated) + " designs; the last: " + last_failure,
                "try one design with `corbel simulate`; rows stored so far are kept");
  };
  while (result.rows < options.designs) {
    stop_if_asked();
    const Clock::time_point batch_start = Clock::now();
    const std::uint64_t missing = options.designs - result.rows;
    const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(batch_size.next(), missing));
    batch.clear();
    while (batch.size() < size && position < space.size()) {
      // Where few designs are admitted, looking for them is the long work.
      if ((position & 0xffff) == 0xffff) stop_if_asked();
      const DesignId id = order.at(position++);
      if (std::binary_search(known.begin(), known.end(), id)) continue;
      if (options.admits) {
        space.design(id, design);
        if (!options.admits(design)) continue;
      }
      batch.push_back(id);
    }
    if (batch.empty()) {
      result.exhausted = true;
      break;
    }

    const BatchResult done = runner.run(batch, monitor, [&](std::size_t n) {
      monitor.progress("sweep", std::min(result.rows + n, options.designs), options.designs, note);
    });
    store.record(group, done.trials);

    std::uint64_t new_rows = 0;
    for (const Trial& trial : done.trials) {
      new_rows += is_finished(trial.state) ? 1 : 0;
      feasible += trial.state == TrialState::complete ? 1 : 0;
      result.failed += trial.state == TrialState::failed ? 1 : 0;
    }
    finished += new_rows;
    result.simulated += done.trials.size();
    if (store.changed_elsewhere()) {
      known = store.finished(group);
      result.rows = known.size();
    } else {
      result.rows += new_rows;
    }
    if (!done.last_failure.empty()) last_failure = done.last_failure;
    if (done.error) std::rethrow_exception(done.error);
    if (done.trials.size() < batch.size()) stop();
    if ((finished == 0 && result.failed >= 100) || result.failed > finished + 1000) give_up();
    if (finished > 0) {
      note = format_for_people(100 * static_cast<double>(feasible) / static_cast<double>(finished), 2) + " % feasible";
      if (result.failed > 0) note += ", " + count_text(result.failed) + " failed";
    }
    batch_size.took(batch.size(), seconds_since(batch_start));
  }
  monitor.progress("sweep", std::min(result.rows, options.designs), options.designs, note);
  if (result.exhausted) {
    if (result.rows == 0 && result.failed > 0) give_up();
    monitor.message("every admitted design has been tried: " + count_text(result.rows) + " rows where " + wanted +
                    " were asked for");
  }
  if (result.failed > 0) {
    monitor.message(count_text(result.failed) +
                    " designs failed and are tried again next time; the last: " + last_failure);
  }
  result.seconds = seconds_since(start);
  return result;
}

std::vector<Trial> simulate_designs(Store& store, Store::GroupId group, const Simulator& simulator,
                                    const HardwareBinding& binding, const Network* network,
                                    std::span<const Design> designs, std::size_t threads, Monitor& monitor) {
  const Runner runner(store, group, simulator, binding, network, threads);
  std::vector<DesignId> ids;
  ids.reserve(designs.size());
  for (const Design& design : designs) {
    if (!runner.space().contains(design)) {
      throw Error(ErrorCode::invalid_input, "a design to simulate lies outside the design space of its group",
                  "simulate it in its own space");
    }
    ids.push_back(runner.space().id(design));
  }

  std::unordered_map<DesignId, Trial> results;
  for (Trial& trial : store.find(group, ids)) {
    if (is_finished(trial.state)) results.insert_or_assign(trial.design, std::move(trial));
  }
  std::vector<DesignId> missing;
  for (const DesignId id : ids) {
    if (!results.contains(id)) missing.push_back(id);
  }
  std::ranges::sort(missing);
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());

  BatchSize batch_size(runner.threads(), 512);
  for (std::size_t first = 0; first < missing.size();) {
    const Clock::time_point start = Clock::now();
    const auto batch = std::span(missing).subspan(first, std::min(batch_size.next(), missing.size() - first));
    BatchResult done =
        runner.run(batch, monitor, [&](std::size_t n) { monitor.progress("simulate", first + n, missing.size(), ""); });
    store.record(group, done.trials);
    if (done.error) std::rethrow_exception(done.error);
    first += done.trials.size();
    if (done.trials.size() < batch.size()) {
      interrupted(count_text(first) + " of " + count_text(missing.size()) + " designs are simulated and stored");
    }
    for (Trial& trial : done.trials) results.insert_or_assign(trial.design, std::move(trial));
    batch_size.took(batch.size(), seconds_since(start));
  }

  std::vector<Trial> trials;
  trials.reserve(ids.size());
  for (const DesignId id : ids) trials.push_back(results.at(id));
  return trials;
}

}  // namespace corbel
