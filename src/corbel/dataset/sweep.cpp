#include "corbel/dataset/sweep.hpp"

#include <algorithm>
#include <exception>
#include <map>
#include <string>
#include <unordered_map>

#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/dataset/patience.hpp"
#include "corbel/dataset/sweep_order.hpp"

namespace corbel {
namespace {

/// @throws Error{mismatch} naming the store if a group is of another simulator or workload
std::vector<ExecutorTarget> targets_of(const Store& store, std::span<const SweepTarget> targets,
                                       const Simulator& simulator, const HardwareBinding& binding) {
  std::vector<ExecutorTarget> made;
  for (const SweepTarget& target : targets) {
    try {
      made.push_back({target.group, GroupSimulator(store.describe(target.group), simulator, binding, target.network)});
    } catch (const Error& error) {
      if (error.code() != ErrorCode::mismatch) throw;
      throw Error(error.code(), store.location().text() + ": " + error.what(), error.hint());
    }
  }
  return made;
}

[[noreturn]] void interrupted(const std::string& what) {
  throw Error(ErrorCode::interrupted, "stopped: " + what, "run the same command again to go on from here");
}

/// One call of sweep().
class Sweep {
 public:
  Sweep(Store& store, Executor& executor, const SweepOptions& options, Monitor& monitor)
      : store_(store), executor_(executor), options_(options), monitor_(monitor) {
    for (const ExecutorTarget& target : executor.targets()) {
      networks_.push_back({target.group, target.simulator.group().workload, 0, 0});
    }
  }

  SweepResult run() {
    const Stopwatch watch;
    scan();
    if (result_.rows > 0 && result_.rows < options_.designs) {
      monitor_.message("resuming: " + count_text(result_.rows) + " of " + wanted_ + " rows are there");
    }
    while (result_.rows < options_.designs) {
      stop_if_asked();
      if (order_.wants_scan()) {
        scan();
        continue;
      }
      const std::vector<DesignId> batch = next_batch(executor_.batch(options_.designs - result_.rows));
      if (!batch.empty()) simulate(batch);
      result_.exhausted = batch.empty() && !order_.wants_scan();
      if (result_.exhausted) break;
    }
    if (others_write_) scan();
    monitor_.progress("sweep", std::min(result_.rows, options_.designs), options_.designs, note_);
    if (result_.exhausted) {
      if (result_.rows == 0 && result_.failed + result_.abandoned > 0) give_up();
      monitor_.message("every admitted design has been tried: " + count_text(result_.rows) + " rows where " + wanted_ +
                       " were asked for");
    }
    tell_failures();
    result_.seconds = watch.seconds();
    return result_;
  }

 private:
  struct PerNetwork {
    Store::GroupId group;
    std::string name;
    std::uint64_t finished, failed;  ///< by this call
  };

  const DesignSpace& space() const { return executor_.targets().front().simulator.space(); }

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

  static std::vector<Store::GroupId> groups_of(const Executor& executor) {
    std::vector<Store::GroupId> groups;
    for (const ExecutorTarget& target : executor.targets()) groups.push_back(target.group);
    return groups;
  }

  template <class Work>
  auto patiently(const Work& work) {
    return corbel::patiently(
        monitor_, [&] { store_.reconnect(); }, work);
  }

  void scan() {
    patiently([&] {
      store_.changed_elsewhere();
      order_.scan([&] { stop_if_asked(); });
    });
    others_write_ = false;
    since_scan_ = Stopwatch();
    result_.rows = order_.rows();
  }

  std::vector<DesignId> next_batch(std::uint64_t size) {
    std::vector<DesignId> batch;
    DesignId id = 0;
    for (std::uint64_t looked_at = 1; batch.size() < size && order_.next(id); ++looked_at) {
      // Where few designs are admitted, looking for them is the long work.
      if ((looked_at & 0xffff) == 0) stop_if_asked();
      if (options_.admits) {
        space().design(id, design_);
        if (!options_.admits(design_)) continue;
      }
      batch.push_back(id);
    }
    return batch;
  }

  /// Those of the batch that a network has not finished, and how many it has: none that is there only since the last
  /// scan, or on some networks, is run again.
  Share share_of(const PerNetwork& network, std::size_t target, const std::vector<DesignId>& batch,
                 std::vector<std::size_t>& finished_on) {
    if (networks_.size() == 1 && !others_write_) return {target, batch};
    std::unordered_map<DesignId, TrialState> settled;
    for (const Trial& trial : patiently([&] { return store_.find(network.group, batch); })) {
      if (is_settled(trial.state)) settled.emplace(trial.design, trial.state);
    }
    Share share{target, {}};
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto known = settled.find(batch[i]);
      if (known == settled.end()) share.designs.push_back(batch[i]);
      if (known != settled.end() && is_finished(known->second)) ++finished_on[i];
    }
    return share;
  }

  void simulate(const std::vector<DesignId>& batch) {
    std::vector<std::size_t> finished_on(batch.size(), 0);
    std::vector<Share> shares;
    std::size_t known = 0, wanted = 0;
    for (const PerNetwork& network : networks_) {
      shares.push_back(share_of(network, shares.size(), batch, finished_on));
      wanted += shares.back().designs.size();
      known += batch.size() - shares.back().designs.size();
    }
    const Executor::Result done = executor_.run(shares, monitor_, [&](std::size_t n) {
      const std::size_t designs = (known + n) / networks_.size();
      // The end is told once, by run().
      if (result_.rows + designs >= options_.designs) return;
      monitor_.progress("sweep", result_.rows + designs, options_.designs, note_);
    });
    std::size_t simulated = 0;
    for (std::size_t k = 0; k < networks_.size(); ++k) {
      count(networks_[k], done.shares[k], batch, finished_on);
      simulated += done.shares[k].trials.size();
    }
    result_.rows += static_cast<std::uint64_t>(std::ranges::count(finished_on, networks_.size()));
    others_write_ = patiently([&] { return store_.changed_elsewhere(); }) || others_write_;
    // Their rows count, too; to look for them must not become the work.
    if (others_write_ && since_scan_.seconds() >= 10 * order_.scan_seconds()) scan();
    if (done.error) std::rethrow_exception(done.error);
    if (simulated < wanted) stop();
    for (const PerNetwork& network : networks_) {
      if ((network.finished == 0 && network.failed >= 100) || network.failed > network.finished + 1000) give_up();
    }
    if (finished_ == 0) return;
    note_ = format_for_people(100 * static_cast<double>(feasible_) / static_cast<double>(finished_), 2);
    note_ += networks_.size() > 1 ? " % of the simulations feasible" : " % feasible";
    const std::uint64_t failures = result_.failed + result_.abandoned;
    if (failures > 0) note_ += ", " + count_text(failures) + " failed";
  }

  void count(PerNetwork& network, const ShareResult& done, const std::vector<DesignId>& batch,
             std::vector<std::size_t>& finished_on) {
    // Trials stand in the order of the batch.
    std::size_t at = 0;
    for (const Trial& trial : done.trials) {
      while (batch[at] != trial.design) ++at;
      finished_on[at] += is_finished(trial.state) ? 1 : 0;
      if (!is_finished(trial.state)) order_.has_failed(trial.design);
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
                "simulator `" + executor_.targets().front().simulator.simulator().name() + "` failed on " +
                    count_text(result_.failed + result_.abandoned) + " of " + count_text(result_.simulated) + what() +
                    "; the last: " + last_failure_,
                "try one design with `corbel simulate`; rows stored so far are kept");
  }

  Store& store_;
  Executor& executor_;
  const SweepOptions& options_;
  Monitor& monitor_;
  std::vector<PerNetwork> networks_;
  SweepOrder order_{store_, groups_of(executor_), space().size(), options_.seed};
  Stopwatch since_scan_;
  bool others_write_ = false;  // and may have written since the last scan
  const std::string wanted_ = count_text(options_.designs);
  SweepResult result_;
  std::uint64_t feasible_ = 0, finished_ = 0;
  std::string note_, last_failure_;
  std::map<std::string, std::uint64_t> reasons_;  // of failures, and how often
  Design design_;
};

}  // namespace

SweepResult sweep(Store& store, Executor& executor, const SweepOptions& options, Monitor& monitor) {
  return Sweep(store, executor, options, monitor).run();
}

SweepResult sweep(Store& store, std::span<const SweepTarget> targets, const Simulator& simulator,
                  const HardwareBinding& binding, const SweepOptions& options, Monitor& monitor) {
  const auto executor =
      local_executor(store, targets_of(store, targets, simulator, binding), options.threads, options.batch);
  return sweep(store, *executor, options, monitor);
}

SweepResult sweep(Store& store, Store::GroupId group, const Simulator& simulator, const HardwareBinding& binding,
                  const Network* network, const SweepOptions& options, Monitor& monitor) {
  const SweepTarget target{group, network};
  return sweep(store, std::span(&target, 1), simulator, binding, options, monitor);
}

std::vector<std::vector<Trial>> simulate_designs(Store& store, Executor& executor, std::span<const Design> designs,
                                                 Monitor& monitor) {
  const std::span<const ExecutorTarget> targets = executor.targets();
  const DesignSpace& space = targets.front().simulator.space();
  std::vector<DesignId> ids;
  ids.reserve(designs.size());
  for (const Design& design : designs) {
    if (!space.contains(design)) {
      throw Error(ErrorCode::invalid_input, "a design to simulate lies outside the design space of its group",
                  "simulate it in its own space");
    }
    ids.push_back(space.id(design));
  }

  std::vector<std::unordered_map<DesignId, Trial>> results(targets.size());
  std::vector<std::vector<DesignId>> missing(targets.size());
  std::size_t wanted = 0, longest = 0;
  for (std::size_t k = 0; k < targets.size(); ++k) {
    for (Trial& trial : store.find(targets[k].group, ids)) {
      if (is_settled(trial.state)) results[k].insert_or_assign(trial.design, std::move(trial));
    }
    for (const DesignId id : ids) {
      if (!results[k].contains(id)) missing[k].push_back(id);
    }
    std::ranges::sort(missing[k]);
    missing[k].erase(std::unique(missing[k].begin(), missing[k].end()), missing[k].end());
    wanted += missing[k].size();
    longest = std::max(longest, missing[k].size());
  }

  std::size_t simulated = 0;
  for (std::size_t first = 0; first < longest;) {
    const auto last = first + static_cast<std::size_t>(executor.batch(longest - first));
    std::vector<Share> shares;
    std::size_t handed = 0;
    for (std::size_t k = 0; k < targets.size(); ++k) {
      const std::size_t begin = std::min(first, missing[k].size()), end = std::min(last, missing[k].size());
      if (begin == end) continue;
      shares.push_back({k,
                        {missing[k].begin() + static_cast<std::ptrdiff_t>(begin),
                         missing[k].begin() + static_cast<std::ptrdiff_t>(end)}});
      handed += end - begin;
    }
    Executor::Result done = executor.run(shares, monitor, [&](std::size_t n) {
      monitor.progress("simulate", simulated + n, wanted,
                       targets.size() == 1 ? targets.front().simulator.group().workload : "");
    });
    if (done.error) std::rethrow_exception(done.error);
    for (std::size_t i = 0; i < shares.size(); ++i) {
      simulated += done.shares[i].trials.size();
      handed -= done.shares[i].trials.size();
      for (Trial& trial : done.shares[i].trials) {
        results[shares[i].target].insert_or_assign(trial.design, std::move(trial));
      }
    }
    if (handed > 0) {
      interrupted(count_text(simulated) + " of " + count_text(wanted) + " designs are simulated and stored");
    }
    first = last;
  }

  std::vector<std::vector<Trial>> trials(targets.size());
  for (std::size_t k = 0; k < targets.size(); ++k) {
    for (const DesignId id : ids) trials[k].push_back(results[k].at(id));
  }
  return trials;
}

std::vector<Trial> simulate_designs(Store& store, Store::GroupId group, const Simulator& simulator,
                                    const HardwareBinding& binding, const Network* network,
                                    std::span<const Design> designs, std::size_t threads, Monitor& monitor) {
  const SweepTarget target{group, network};
  const auto executor =
      local_executor(store, targets_of(store, std::span(&target, 1), simulator, binding), threads, 512);
  return std::move(simulate_designs(store, *executor, designs, monitor).front());
}

}  // namespace corbel
