#include "corbel/dataset/sweep.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <limits>
#include <map>
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
        threads_(simulator.jobs() > 0 ? simulator.jobs()
                 : threads > 0        ? threads
                                      : available_cores()) {
    if (simulator.needs_workload() && network == nullptr) {
      throw Error(ErrorCode::invalid_input, "simulator `" + simulator.name() + "` needs a workload",
                  "name a network to simulate");
    }
    const TrialGroup wanted = trial_group(description_.space, simulator, network);
    if (wanted.simulator != description_.simulator || wanted.metrics != description_.metrics) {
      throw Error(ErrorCode::mismatch,
                  store.location().text() + ": these trials are of simulator `" + description_.simulator + "`, not `" +
                      simulator.name() + "`, or of one with other metrics",
                  "simulate into a group of its own");
    }
    if (network != nullptr && wanted.workload_fingerprint != description_.workload_fingerprint) {
      throw Error(ErrorCode::mismatch,
                  store.location().text() + ": these trials are of workload `" + description_.workload +
                      "`, not of this `" + network->name + "`",
                  "simulate into a group of its own");
    }
  }

  const DesignSpace& space() const { return description_.space; }
  std::size_t threads() const { return threads_; }

  /// Stops between simulations once the monitor asks to, and those that can be stopped.
  /// @param store  called about once a second and at the end with the trials since the last call, from any thread but
  ///               never from two at once
  /// @param report  called after each few designs, from any thread, with how many of the batch are done
  BatchResult run(std::span<const DesignId> designs, const Monitor& monitor,
                  const std::function<void(std::span<const Trial>)>& store,
                  const std::function<void(std::size_t)>& report) const {
    BatchResult result;
    std::vector<Trial> trials(designs.size()), unstored;
    std::vector<char> simulated(designs.size(), 0);
    std::mutex mutex;
    Clock::time_point stored = Clock::now();
    std::atomic<std::size_t> done = 0;
    std::atomic<bool> broken = false;
    const auto keep_error = [&] {
      const std::lock_guard lock(mutex);
      if (!result.error) result.error = std::current_exception();
      broken = true;
    };
    const std::size_t chunk = std::clamp<std::size_t>(designs.size() / (threads_ * 8), 1, 64);
    parallel_for(designs.size(), threads_, chunk, [&](std::size_t begin, std::size_t end) {
      if (broken || monitor.stop_requested()) return;
      try {
        const std::vector<Outcome> outcomes = simulate(designs.subspan(begin, end - begin), monitor);
        const std::lock_guard lock(mutex);
        for (std::size_t i = begin; i < end; ++i) {
          const Outcome& outcome = outcomes[i - begin];
          trials[i] = trial(designs[i], outcome);
          unstored.push_back(trials[i]);
          simulated[i] = 1;
          if (is_finished(trials[i].state)) continue;
          result.last_failure = trials[i].reason;
          if (!outcome.detail.empty()) result.last_failure += ": " + outcome.detail;
        }
        if (seconds_since(stored) >= 1) {
          store(unstored);
          unstored.clear();
          stored = Clock::now();
        }
        report(done += end - begin);
      } catch (const Error& error) {
        // The caller says how far it came.
        if (error.code() == ErrorCode::interrupted && monitor.stop_requested()) return;
        keep_error();
      } catch (...) {
        keep_error();
      }
    });
    store(unstored);
    for (std::size_t i = 0; i < trials.size(); ++i) {
      if (simulated[i] != 0) result.trials.push_back(std::move(trials[i]));
    }
    return result;
  }

 private:
  std::vector<Outcome> simulate(std::span<const DesignId> designs, const Monitor& monitor) const {
    std::vector<Hardware> hardware;
    hardware.reserve(designs.size());
    Design design;
    for (const DesignId id : designs) {
      space().design(id, design);
      hardware.push_back(binding_->hardware(design));
    }
    std::vector<Outcome> outcomes = simulator_->simulate_until_stopped(hardware, network_, monitor);
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
      case OutcomeState::abandoned:
        trial.state = TrialState::abandoned;
        [[fallthrough]];
      case OutcomeState::failed:
        if (trial.reason.empty()) trial.reason = to_string(outcome.state);
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

/// How many designs to simulate before it is seen what is missing: as many as take about a second, and so many that
/// waiting for the slowest of them leaves few threads idle.
class BatchSize {
 public:
  BatchSize(std::size_t threads, std::size_t most) : least_(std::min(8 * threads, most)), most_(most), size_(least_) {}
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

/// One call of sweep().
class Sweep {
 public:
  Sweep(Store& store, std::span<const SweepTarget> targets, const Simulator& simulator, const HardwareBinding& binding,
        const SweepOptions& options, Monitor& monitor)
      : store_(store),
        simulator_(simulator),
        options_(options),
        monitor_(monitor),
        networks_(networks_of(store, targets, simulator, binding, options.threads)) {}

  SweepResult run() {
    const Clock::time_point start = Clock::now();
    store_.changed_elsewhere();
    read_finished();
    find_begun();
    if (result_.rows > 0 && result_.rows < options_.designs) {
      monitor_.message("resuming: " + count_text(result_.rows) + " of " + wanted_ + " rows are there");
    }
    BatchSize batch_size(networks_.front().runner.threads(), std::max<std::size_t>(1, options_.batch));
    while (result_.rows < options_.designs) {
      stop_if_asked();
      const Clock::time_point batch_start = Clock::now();
      const std::vector<DesignId> batch =
          next_batch(std::min<std::uint64_t>(batch_size.next(), options_.designs - result_.rows));
      if (batch.empty()) {
        result_.exhausted = true;
        break;
      }
      simulate(batch);
      batch_size.took(batch.size(), seconds_since(batch_start));
    }
    monitor_.progress("sweep", std::min(result_.rows, options_.designs), options_.designs, note_);
    if (result_.exhausted) {
      if (result_.rows == 0 && result_.failed + result_.abandoned > 0) give_up();
      monitor_.message("every admitted design has been tried: " + count_text(result_.rows) + " rows where " + wanted_ +
                       " were asked for");
    }
    tell_failures();
    result_.seconds = seconds_since(start);
    return result_;
  }

 private:
  struct PerNetwork {
    Store::GroupId group;
    std::string name;
    Runner runner;
    std::vector<DesignId> known;     ///< finished, ascending; of this call's own, only what was read again
    std::uint64_t finished, failed;  ///< by this call
  };

  static std::vector<PerNetwork> networks_of(const Store& store, std::span<const SweepTarget> targets,
                                             const Simulator& simulator, const HardwareBinding& binding,
                                             std::size_t threads) {
    std::vector<PerNetwork> networks;
    for (const SweepTarget& target : targets) {
      networks.push_back({target.group,
                          target.network == nullptr ? "" : target.network->name,
                          Runner(store, target.group, simulator, binding, target.network, threads),
                          {},
                          0,
                          0});
    }
    return networks;
  }

  const DesignSpace& space() const { return networks_.front().runner.space(); }

  void tell_failures() const {
    const std::uint64_t all = result_.failed + result_.abandoned;
    if (all == 0) return;
    std::string text = count_text(all) + what() + " failed (";
    std::string_view separator = "";
    for (const auto& [reason, count] : reasons_) {
      text += std::string(separator) + count_text(count) + " " + reason;
      separator = ", ";
    }
    text += ")";
    if (result_.abandoned == 0) text += " and are tried again next time";
    if (result_.failed == 0) text += " and are not tried again";
    if (result_.failed > 0 && result_.abandoned > 0) {
      text += "; " + count_text(result_.failed) + " are tried again next time, " + count_text(result_.abandoned) +
              " are not";
    }
    monitor_.message(text + "; the last: " + last_failure_);
  }
  const char* what() const { return networks_.size() > 1 ? " simulations" : " designs"; }

  void read_finished() {
    abandoned_.clear();
    for (PerNetwork& network : networks_) {
      network.known = store_.finished(network.group);
      for (const Trial& trial : store_.unfinished(network.group)) {
        if (trial.state == TrialState::abandoned) abandoned_.push_back(trial.design);
      }
    }
    std::ranges::sort(abandoned_);
    done_ = networks_.front().known;
    for (std::size_t k = 1; k < networks_.size(); ++k) {
      std::vector<DesignId> both;
      std::ranges::set_intersection(done_, networks_[k].known, std::back_inserter(both));
      done_ = std::move(both);
    }
    result_.rows = done_.size();
  }

  /// Designs that some networks have and others were never tried on.
  void find_begun() {
    for (const PerNetwork& network : networks_) {
      std::vector<DesignId> any;
      std::ranges::set_union(begun_, network.known, std::back_inserter(any));
      begun_ = std::move(any);
    }
    const auto remove = [&](const std::vector<DesignId>& ids) {
      std::vector<DesignId> rest;
      std::ranges::set_difference(begun_, ids, std::back_inserter(rest));
      begun_ = std::move(rest);
    };
    remove(done_);
    for (const PerNetwork& network : networks_) {
      // What failed there has its turn in the order of the sweep.
      std::vector<DesignId> failed;
      for (const Trial& trial : store_.find(network.group, begun_)) {
        if (!is_finished(trial.state)) failed.push_back(trial.design);
      }
      std::ranges::sort(failed);
      remove(failed);
    }
    begun_in_order_ = begun_;
    // An order that does not depend on which of them are left, so that an interrupted sweep goes on with the same.
    std::ranges::sort(begun_in_order_, {}, [&](DesignId id) { return order_.at(id); });
  }

  std::vector<DesignId> next_batch(std::uint64_t size) {
    std::vector<DesignId> batch;
    const auto take = [&](DesignId id) {
      if (std::ranges::binary_search(done_, id) || std::ranges::binary_search(abandoned_, id)) return;
      if (options_.admits) {
        space().design(id, design_);
        if (!options_.admits(design_)) return;
      }
      batch.push_back(id);
    };
    while (batch.size() < size && next_begun_ < begun_in_order_.size()) take(begun_in_order_[next_begun_++]);
    while (batch.size() < size && position_ < space().size()) {
      // Where few designs are admitted, looking for them is the long work.
      if ((position_ & 0xffff) == 0xffff) stop_if_asked();
      const DesignId id = order_.at(position_++);
      if (!std::ranges::binary_search(begun_, id)) take(id);
    }
    return batch;
  }

  void simulate(const std::vector<DesignId>& batch) {
    std::vector<std::size_t> finished_on(batch.size(), 0);
    std::exception_ptr error;
    bool whole = true;
    for (std::size_t k = 0; k < networks_.size() && whole; ++k) {
      PerNetwork& network = networks_[k];
      std::vector<DesignId> missing;
      for (std::size_t i = 0; i < batch.size(); ++i) {
        if (std::ranges::binary_search(network.known, batch[i])) {
          ++finished_on[i];
        } else {
          missing.push_back(batch[i]);
        }
      }
      const auto store = [&](std::span<const Trial> trials) { store_.record(network.group, trials); };
      const BatchResult done = network.runner.run(missing, monitor_, store, [&](std::size_t n) {
        const std::size_t designs = (k * batch.size() + batch.size() - missing.size() + n) / networks_.size();
        // The end is told once, by run().
        if (result_.rows + designs >= options_.designs) return;
        monitor_.progress("sweep", result_.rows + designs, options_.designs, note_);
      });
      count(network, done, batch, finished_on);
      error = done.error;
      whole = done.trials.size() == missing.size();
    }
    if (store_.changed_elsewhere()) {
      read_finished();
    } else {
      result_.rows += static_cast<std::uint64_t>(std::ranges::count(finished_on, networks_.size()));
    }
    if (error) std::rethrow_exception(error);
    if (!whole) stop();
    for (const PerNetwork& network : networks_) {
      if ((network.finished == 0 && network.failed >= 100) || network.failed > network.finished + 1000) give_up();
    }
    if (finished_ == 0) return;
    note_ = format_for_people(100 * static_cast<double>(feasible_) / static_cast<double>(finished_), 2);
    note_ += networks_.size() > 1 ? " % of the simulations feasible" : " % feasible";
    const std::uint64_t failures = result_.failed + result_.abandoned;
    if (failures > 0) note_ += ", " + count_text(failures) + " failed";
  }

  void count(PerNetwork& network, const BatchResult& done, const std::vector<DesignId>& batch,
             std::vector<std::size_t>& finished_on) {
    // Trials stand in the order of the batch.
    std::size_t at = 0;
    for (const Trial& trial : done.trials) {
      while (batch[at] != trial.design) ++at;
      finished_on[at] += is_finished(trial.state) ? 1 : 0;
      network.finished += is_finished(trial.state) ? 1 : 0;
      network.failed += is_finished(trial.state) ? 0 : 1;
      if (!is_finished(trial.state)) ++reasons_[trial.reason];
      finished_ += is_finished(trial.state) ? 1 : 0;
      feasible_ += trial.state == TrialState::complete ? 1 : 0;
      result_.failed += trial.state == TrialState::failed ? 1 : 0;
      result_.abandoned += trial.state == TrialState::abandoned ? 1 : 0;
    }
    result_.simulated += done.trials.size();
    if (done.last_failure.empty()) return;
    last_failure_ = networks_.size() > 1 ? network.name + ": " + done.last_failure : done.last_failure;
  }

  [[noreturn]] void stop() const { interrupted(count_text(result_.rows) + " of " + wanted_ + " rows are stored"); }
  void stop_if_asked() const {
    if (monitor_.stop_requested()) stop();
  }
  [[noreturn]] void give_up() const {
    throw Error(ErrorCode::tool_failure,
                "simulator `" + simulator_.name() + "` failed on " + count_text(result_.failed + result_.abandoned) +
                    " of " + count_text(result_.simulated) + what() + "; the last: " + last_failure_,
                "try one design with `corbel simulate`; rows stored so far are kept");
  }

  Store& store_;
  const Simulator& simulator_;
  const SweepOptions& options_;
  Monitor& monitor_;
  std::vector<PerNetwork> networks_;
  const Permutation order_{space().size(), options_.seed};
  const std::string wanted_ = count_text(options_.designs);
  SweepResult result_;
  std::vector<DesignId> done_;            // finished on every network, ascending
  std::vector<DesignId> abandoned_;       // on any network, ascending
  std::vector<DesignId> begun_;           // ascending
  std::vector<DesignId> begun_in_order_;  // as they are to be simulated
  std::size_t next_begun_ = 0;
  std::uint64_t position_ = 0, feasible_ = 0, finished_ = 0;
  std::string note_, last_failure_;
  std::map<std::string, std::uint64_t> reasons_;  // of failures, and how often
  Design design_;
};

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

SweepResult sweep(Store& store, std::span<const SweepTarget> targets, const Simulator& simulator,
                  const HardwareBinding& binding, const SweepOptions& options, Monitor& monitor) {
  return Sweep(store, targets, simulator, binding, options, monitor).run();
}

SweepResult sweep(Store& store, Store::GroupId group, const Simulator& simulator, const HardwareBinding& binding,
                  const Network* network, const SweepOptions& options, Monitor& monitor) {
  const SweepTarget target{group, network};
  return sweep(store, std::span(&target, 1), simulator, binding, options, monitor);
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
    if (is_settled(trial.state)) results.insert_or_assign(trial.design, std::move(trial));
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
    const auto keep = [&](std::span<const Trial> trials) { store.record(group, trials); };
    BatchResult done = runner.run(batch, monitor, keep, [&](std::size_t n) {
      monitor.progress("simulate", first + n, missing.size(), network == nullptr ? "" : network->name);
    });
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
