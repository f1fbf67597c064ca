#include "bench_queue.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <numeric>
#include <optional>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/dataset/queue_status.hpp"
#include "corbel/dataset/trial_group.hpp"
#include "corbel/dataset/worker.hpp"
#include "temporary_folder.hpp"

namespace corbel::cli {
namespace {

/// Every design has the metric 1.
class NoTimeSimulator final : public Simulator {
 public:
  const std::string& name() const override { return name_; }
  const std::string& fingerprint() const override { return fingerprint_; }
  std::span<const HardwareParameter> hardware_parameters() const override { return parameters_; }
  std::span<const MetricInfo> metrics() const override { return metrics_; }
  bool needs_workload() const override { return false; }
  std::vector<double> static_metrics(const Hardware&) const override { return {1}; }
  std::vector<Outcome> simulate(std::span<const Hardware> hardware, const Network*) const override {
    return {hardware.size(), Outcome{OutcomeState::complete, "", "", {1}}};
  }

 private:
  // A name of its own for each run, so that no trial is there before.
  std::string name_ = "bench queue", fingerprint_ = TrialQueue::worker_id();
  std::vector<HardwareParameter> parameters_ = {{"id", "", ""}};
  std::vector<MetricInfo> metrics_ = {{"result", "", false}};
};

class Bench {
 public:
  Bench(const QueueBenchOptions& options, const StoreLocation& location) : options_(options), location_(location) {
    Store store(location_, Store::Mode::read_write);
    group_ = store.group(description_);
    counted_before_ = counted();
  }

  /// @return trials per second
  double run(DesignId first, std::uint64_t trials, const std::function<void(TrialQueue&)>& work) {
    std::vector<DesignId> designs(trials);
    std::iota(designs.begin(), designs.end(), first);
    {
      TrialQueue queue(location_);
      queue.set_job(group_, "{}");
      queue.offer(group_, designs);
    }
    const Stopwatch watch;
    std::vector<pid_t> workers;
    std::fflush(nullptr);
    for (std::size_t i = 0; i < options_.workers; ++i) {
      const pid_t child = fork();
      if (child == 0)
        _exit(is_done([&] {
          TrialQueue queue(location_);
          work(queue);
        })
                  ? 0
                  : 1);
      if (child > 0) workers.push_back(child);
    }
    bool all_well = workers.size() == options_.workers;
    for (const pid_t worker : workers) {
      int status = 0;
      waitpid(worker, &status, 0);
      all_well = all_well && status == 0;
    }
    const double seconds = watch.seconds();
    finished_ += trials;
    check(all_well);
    return static_cast<double>(trials) / seconds;
  }

  void work(TrialQueue& queue) const {
    WorkerOptions options;
    Worker worker(
        queue, [&](Store::GroupId) -> const GroupSimulator& { return simulated_; }, options, silent_monitor());
    worker.run([](std::chrono::duration<double> idle) { return idle.count() >= 0; });
  }

  void work_one_by_one(TrialQueue& queue) const {
    queue.enter(1, std::chrono::minutes(1));
    const Store::GroupId groups[] = {group_};
    while (true) {
      const TrialQueue::Claim claim = queue.claim(groups, 1, 1);
      if (claim.designs.empty()) break;
      queue.finish(group_, simulated_.simulate(claim.designs, silent_monitor()).trials);
    }
    queue.leave();
  }

  void clean_up() { Store(location_, Store::Mode::read_write).clear(group_); }

 private:
  static bool is_done(const std::function<void()>& work) {
    try {
      work();
      return true;
    } catch (const std::exception& error) {
      fmt::print(stderr, "worker: {}\n", error.what());
      return false;
    }
  }

  /// Finishes that counted, of all workers there have been.
  std::int64_t counted() const {
    std::int64_t sum = 0;
    for (const WorkerStatus& worker : queue_status(location_).workers) sum += worker.done + worker.failed;
    return sum;
  }

  void check(bool all_well) const {
    const std::int64_t done = counted() - counted_before_;
    std::int64_t complete = 0;
    for (const GroupStatus& group : queue_status(location_).groups) {
      if (group.id == group_) complete = group.of(TrialState::complete);
    }
    const auto wanted = static_cast<std::int64_t>(finished_);
    if (all_well && complete == wanted && done == wanted) return;
    throw Error(ErrorCode::mismatch,
                fmt::format("{} trials were handed out, {} are complete, and {} were counted", wanted, complete, done),
                "this is a fault of the queue: please report it, unless others work on this store meanwhile");
  }

  const QueueBenchOptions& options_;
  const StoreLocation& location_;
  DesignSpace space_{{Parameter::integer("id", 0, 9'999'999)}};
  NoTimeSimulator simulator_;
  TrialGroup description_ = trial_group(space_, simulator_, nullptr);
  GroupSimulator simulated_{description_, simulator_, HardwareBinding(simulator_, space_), nullptr};
  Store::GroupId group_ = 0;
  std::uint64_t finished_ = 0;
  std::int64_t counted_before_ = 0;
};

}  // namespace

QueueCost bench_queue(const QueueBenchOptions& options, Monitor& monitor) {
  std::optional<TemporaryFolder> folder;
  if (options.store.empty()) folder.emplace("bench");
  const StoreLocation location = folder ? folder->path() / "trials.db" : StoreLocation(options.store);
  QueueCost cost;
  cost.one_by_one_trials = std::max<std::uint64_t>(options.workers, options.trials / 20);
  Bench bench(options, location);
  monitor.progress("queue", 0, 2, "");
  cost.trials_per_second = bench.run(0, options.trials, [&](TrialQueue& queue) { bench.work(queue); });
  monitor.progress("queue", 1, 2, "");
  cost.one_by_one_trials_per_second =
      bench.run(options.trials, cost.one_by_one_trials, [&](TrialQueue& queue) { bench.work_one_by_one(queue); });
  monitor.progress("queue", 2, 2, "");
  bench.clean_up();
  return cost;
}

}  // namespace corbel::cli
