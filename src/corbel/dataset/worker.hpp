#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "corbel/dataset/group_simulator.hpp"
#include "corbel/dataset/queue.hpp"

namespace corbel {

class Monitor;

struct WorkerOptions {
  std::size_t threads = 1;  ///< 0: only waits for what others do
  std::chrono::milliseconds lease = std::chrono::minutes(1);
  /// Whether what a simulator throws ends the work; otherwise the worker leaves that group to others.
  bool stops_at_errors = false;
  std::vector<Store::GroupId> groups = {};  ///< only these; empty: all
};

/// Works on a queue: claims about as many trials as it simulates in a second, simulates them on its threads, and stores
/// what they came to about once a second. Where the connection is lost it goes on with what it holds and tries again,
/// for as long as it takes.
class Worker {
 public:
  /// @param simulator_of  what simulates a group's designs; must live until the same is asked of the
  ///                      group again: now and then, when nothing of it is being simulated. What it throws is told to
  ///                      the monitor, and the group is left to others
  Worker(TrialQueue& queue, std::function<const GroupSimulator&(Store::GroupId)> simulator_of, WorkerOptions options,
         Monitor& monitor);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Works until `ends` says so or the monitor asks to stop; then gives back what it has not begun.
  /// @param ends  asked often at first and then once a second, and whenever there is nothing to claim, with how long
  ///              there has been nothing to do, negative if there is something; may use the queue
  /// @throws what a simulator threw, with stops_at_errors
  void run(const std::function<bool(std::chrono::duration<double> idle)>& ends);

  std::uint64_t finished() const;  ///< trials that count as this worker's
  std::uint64_t failed() const;    ///< of them
  std::uint64_t late() const;      ///< simulated, and others had taken them over meanwhile

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
