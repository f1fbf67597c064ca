#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/dataset/executor.hpp"

namespace corbel {
namespace {

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

class LocalExecutor final : public Executor {
 public:
  LocalExecutor(Store& store, std::vector<ExecutorTarget> its_targets, std::size_t threads, std::size_t most)
      : Executor(std::move(its_targets)),
        store_(store),
        threads_(targets().front().simulator.threads(threads)),
        batch_size_(threads_, most) {}

  std::uint64_t batch(std::uint64_t wanted) const override {
    return std::min<std::uint64_t>(wanted, batch_size_.next());
  }

  Result run(std::span<const Share> shares, Monitor& monitor, const std::function<void(std::size_t)>& report) override {
    const Stopwatch watch;
    Result result;
    result.shares.resize(shares.size());
    std::size_t done = 0, most = 0;
    for (std::size_t i = 0; i < shares.size() && !result.error && !monitor.stop_requested(); ++i) {
      run_share(shares[i], result.shares[i], result.error, monitor, [&](std::size_t n) { report(done + n); });
      done += shares[i].designs.size();
      most = std::max(most, shares[i].designs.size());
    }
    batch_size_.took(most, watch.seconds());
    return result;
  }

 private:
  /// Stops between simulations once the monitor asks to, and those that can be stopped.
  void run_share(const Share& share, ShareResult& result, std::exception_ptr& error, const Monitor& monitor,
                 const std::function<void(std::size_t)>& report) {
    const ExecutorTarget& target = targets()[share.target];
    const std::span<const DesignId> designs = share.designs;
    std::vector<std::optional<Trial>> trials(designs.size());
    std::vector<Trial> unstored;
    std::mutex mutex;
    Stopwatch since_stored;
    std::size_t done = 0;
    std::atomic<bool> broken = false;
    const auto keep_error = [&] {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      broken = true;
    };
    const std::size_t chunk = std::clamp<std::size_t>(designs.size() / (threads_ * 8), 1, 64);
    parallel_for(designs.size(), threads_, chunk, [&](std::size_t begin, std::size_t end) {
      if (broken || monitor.stop_requested()) return;
      try {
        GroupSimulator::Result simulated = target.simulator.simulate(designs.subspan(begin, end - begin), monitor);
        const std::lock_guard lock(mutex);
        unstored.insert(unstored.end(), simulated.trials.begin(), simulated.trials.end());
        for (std::size_t i = begin; i < end; ++i) trials[i] = std::move(simulated.trials[i - begin]);
        if (!simulated.last_failure.empty()) result.last_failure = std::move(simulated.last_failure);
        if (since_stored.seconds() >= 1) {
          store_.record(target.group, unstored);
          unstored.clear();
          since_stored = Stopwatch();
        }
        report(done += end - begin);
      } catch (const Error& fault) {
        // The caller says how far it came.
        if (fault.code() == ErrorCode::interrupted && monitor.stop_requested()) return;
        keep_error();
      } catch (...) {
        keep_error();
      }
    });
    store_.record(target.group, unstored);
    for (std::optional<Trial>& trial : trials) {
      if (trial) result.trials.push_back(std::move(*trial));
    }
  }

  Store& store_;
  std::size_t threads_;
  BatchSize batch_size_;
};

}  // namespace

std::unique_ptr<Executor> local_executor(Store& store, std::vector<ExecutorTarget> targets, std::size_t threads,
                                         std::size_t most) {
  return std::make_unique<LocalExecutor>(store, std::move(targets), threads, std::max<std::size_t>(1, most));
}

}  // namespace corbel
