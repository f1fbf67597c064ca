#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "corbel/dataset/group_simulator.hpp"
#include "corbel/dataset/store.hpp"

namespace corbel {

class Monitor;

/// A group, and what simulates its designs.
struct ExecutorTarget {
  Store::GroupId group = 0;
  GroupSimulator simulator;
};

/// Designs of one target to be simulated.
struct Share {
  std::size_t target = 0;
  std::vector<DesignId> designs;
};

/// What became of one share.
struct ShareResult {
  std::vector<Trial> trials;  ///< those that were simulated, in the order asked
  std::string last_failure;   ///< of the last one that failed, for people; "" if none did
};

/// Has designs simulated, and the trials stored. Who does it, and when which design has its turn, is the executor's.
class Executor {
 public:
  explicit Executor(std::vector<ExecutorTarget> targets) : targets_(std::move(targets)) {}
  virtual ~Executor() = default;

  std::span<const ExecutorTarget> targets() const { return targets_; }

  /// How many designs it had best be given next, of so many that are wanted; at least 1.
  virtual std::uint64_t batch(std::uint64_t wanted) const = 0;

  struct Result {
    std::vector<ShareResult> shares;  ///< one each
    std::exception_ptr error;         ///< what a simulator threw; the trials are good all the same
  };
  /// Returns when all are simulated and stored; earlier, with what there is, once the monitor asks to stop.
  /// @param report  called now and then, from any thread but never from two at once, with how many are simulated
  virtual Result run(std::span<const Share> shares, Monitor& monitor,
                     const std::function<void(std::size_t)>& report) = 0;

 private:
  std::vector<ExecutorTarget> targets_;
};

/// On threads of this process, share by share. Trials are stored about once a second and at the end.
/// @param threads  0: all cores; where the simulator says how many, that counts
/// @param most  designs of a batch; they are as many as take about a second
std::unique_ptr<Executor> local_executor(Store& store, std::vector<ExecutorTarget> targets, std::size_t threads,
                                         std::size_t most);

struct HandingOut {
  bool works_too = true;    ///< whether this process is one more worker
  std::size_t threads = 0;  ///< of its own work; 0: all cores
};
/// On the store's workers (TrialQueue), on whatever machine they are. What is handed out when the monitor asks to stop
/// stays so.
/// @param jobs  one per target: JobSpec::to_text()
std::unique_ptr<Executor> queue_executor(Store& store, std::vector<ExecutorTarget> targets,
                                         const std::vector<std::string>& jobs, const HandingOut& options);

}  // namespace corbel
