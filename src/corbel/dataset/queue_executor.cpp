#include <algorithm>
#include <iterator>

#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/dataset/database.hpp"
#include "corbel/dataset/executor.hpp"
#include "corbel/dataset/patience.hpp"
#include "corbel/dataset/queue.hpp"
#include "corbel/dataset/worker.hpp"

namespace corbel {
namespace {

/// Designs that are handed out at once: enough for a cluster, and little to look through once a second.
constexpr std::uint64_t most_handed_out = 20'000;

class QueueExecutor final : public Executor {
 public:
  QueueExecutor(Store& store, std::vector<ExecutorTarget> its_targets, const std::vector<std::string>& jobs,
                const HandingOut& options)
      : Executor(std::move(its_targets)), store_(store), options_(options), queue_(store.location()) {
    for (std::size_t i = 0; i < jobs.size(); ++i) queue_.set_job(targets()[i].group, jobs[i]);
  }

  std::uint64_t batch(std::uint64_t wanted) const override { return std::min(wanted, most_handed_out); }

  Result run(std::span<const Share> shares, Monitor& monitor, const std::function<void(std::size_t)>& report) override {
    std::vector<std::vector<DesignId>> outstanding;
    std::size_t wanted = 0;
    for (const Share& share : shares) {
      outstanding.push_back(share.designs);
      std::ranges::sort(outstanding.back());
      wanted += share.designs.size();
      patiently(monitor, [&] { queue_.offer(targets()[share.target].group, share.designs); });
    }
    const auto look = [&] {
      std::size_t left = 0;  // how many are not done
      for (std::size_t i = 0; i < shares.size(); ++i) {
        if (outstanding[i].empty()) continue;
        const std::vector<DesignId> open = queue_.open(targets()[shares[i].target].group);
        std::vector<DesignId> still;
        std::ranges::set_intersection(outstanding[i], open, std::back_inserter(still));
        outstanding[i] = std::move(still);
        left += outstanding[i].size();
      }
      report(wanted - left);
      return left;
    };

    Result result;
    result.shares.resize(shares.size());
    if (wanted == 0) return result;
    try {
      work(look, monitor);
    } catch (const Error&) {
      result.error = std::current_exception();
    }
    if (monitor.stop_requested()) tell_of_the_rest(outstanding, monitor);
    for (std::size_t i = 0; i < shares.size(); ++i) collect(shares[i], outstanding[i], result.shares[i], monitor);
    return result;
  }

 private:
  /// As one more worker, so that nobody waits for those that are not there; one that only looks, if asked to.
  void work(const std::function<std::size_t()>& look, Monitor& monitor) {
    WorkerOptions options;
    options.threads = options_.works_too ? targets().front().simulator.threads(options_.threads) : 0;
    options.stops_at_errors = true;
    for (const ExecutorTarget& target : targets()) options.groups.push_back(target.group);
    QuietMonitor quiet(monitor);
    const auto simulator_of = [&](Store::GroupId group) -> const GroupSimulator& {
      return std::ranges::find(targets(), group, &ExecutorTarget::group)->simulator;
    };
    Worker worker(queue_, simulator_of, options, quiet);
    Stopwatch since_progress;
    std::size_t before = 0;
    bool told_alone = false, told_stalled = false;
    worker.run([&](std::chrono::duration<double>) {
      // Where nobody claims, nobody sees that a lease has run out.
      queue_.expire();
      const std::size_t left = look();
      if (left == 0 || options_.works_too) return left == 0;
      const bool is_alone = queue_.live_workers() == 0;
      if (is_alone && !told_alone) {
        monitor.message("no worker is there; start some, here or on other machines: corbel worker " +
                        queue_.location().text());
      }
      told_alone = is_alone;
      if (left != before) {
        since_progress = Stopwatch();
        told_stalled = false;
      } else if (!is_alone && !told_stalled && since_progress.seconds() > 60) {
        monitor.message("nothing was finished for a minute; what the workers say: corbel status " +
                        queue_.location().text());
        told_stalled = true;
      }
      before = left;
      return false;
    });
  }

  /// Where the server cannot do it now, again and again. What the queue and the store do may be repeated.
  void patiently(Monitor& monitor, const std::function<void()>& work) {
    corbel::patiently(
        monitor,
        [&] {
          queue_.reconnect();
          store_.reconnect();
        },
        work);
  }

  static void tell_of_the_rest(const std::vector<std::vector<DesignId>>& outstanding, Monitor& monitor) {
    std::size_t left = 0;
    for (const std::vector<DesignId>& designs : outstanding) left += designs.size();
    if (left > 0) monitor.message(count_text(left) + " trials stay handed out to workers");
  }

  void collect(const Share& share, const std::vector<DesignId>& outstanding, ShareResult& result, Monitor& monitor) {
    std::vector<DesignId> done;
    for (const DesignId design : share.designs) {
      if (!std::ranges::binary_search(outstanding, design)) done.push_back(design);
    }
    const Store::GroupId group = targets()[share.target].group;
    patiently(monitor, [&] { result.trials = store_.find(group, done); });
    // What another command has offered again meanwhile is not done.
    std::erase_if(result.trials, [](const Trial& trial) {
      return trial.state == TrialState::waiting || trial.state == TrialState::running;
    });
    for (const Trial& trial : result.trials) {
      if (!is_finished(trial.state)) result.last_failure = trial.reason;
    }
  }

  Store& store_;
  HandingOut options_;
  TrialQueue queue_;
};

}  // namespace

std::unique_ptr<Executor> queue_executor(Store& store, std::vector<ExecutorTarget> targets,
                                         const std::vector<std::string>& jobs, const HandingOut& options) {
  return std::make_unique<QueueExecutor>(store, std::move(targets), jobs, options);
}

}  // namespace corbel
