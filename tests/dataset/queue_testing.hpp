#pragma once

#include <map>
#include <memory>
#include <thread>

#include "corbel/dataset/database.hpp"
#include "corbel/dataset/executor.hpp"
#include "corbel/dataset/queue.hpp"
#include "corbel/dataset/queue_status.hpp"
#include "corbel/dataset/worker.hpp"
#include "dataset_testing.hpp"
#include "store_backends.hpp"

namespace corbel::test {

/// A new store for each test, on each backend.
class QueueTest : public StoreBackends {};

struct Worked {
  std::uint64_t finished, failed;
};
/// A server may be starting, or about to be stopped, when a worker begins.
inline TrialQueue patient_queue(const StoreLocation& location) {
  for (;;) {
    try {
      return TrialQueue(location);
    } catch (const DatabaseError& error) {
      if (!error.may_pass()) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

/// Works as another process would, on whatever waits, until nothing did for so long.
inline Worked work_on(const StoreLocation& location, const Simulator& simulator, std::size_t threads,
                      std::chrono::milliseconds lease, double idle_seconds, Monitor& monitor) {
  TrialQueue queue = patient_queue(location);
  std::map<Store::GroupId, GroupSimulator> made;
  const auto simulator_of = [&](Store::GroupId id) -> const GroupSimulator& {
    const TrialGroup group = Store(location, Store::Mode::read_only).describe(id);
    return made.try_emplace(id, group, simulator, HardwareBinding(simulator, group.space), nullptr).first->second;
  };
  WorkerOptions options;
  options.threads = threads;
  options.lease = lease;
  Worker worker(queue, simulator_of, options, monitor);
  worker.run([&](std::chrono::duration<double> idle) { return idle.count() >= idle_seconds; });
  return {worker.finished(), worker.failed()};
}

inline Store::GroupId group_of(Store& store, const DesignSpace& space, const Simulator& simulator) {
  return store.group(trial_group(space, simulator, nullptr));
}

inline std::unique_ptr<Executor> handing_out(Store& store, const DesignSpace& space, const Simulator& simulator,
                                             bool works_too) {
  const Store::GroupId group = group_of(store, space, simulator);
  std::vector<ExecutorTarget> targets;
  targets.push_back(
      {group, GroupSimulator(store.describe(group), simulator, HardwareBinding(simulator, space), nullptr)});
  return queue_executor(store, std::move(targets), {"{}"}, {works_too, 2});
}

/// The dataset that a sweep without any queue makes.
inline Dataset swept_alone(const DesignSpace& space, const Simulator& simulator, std::uint64_t designs) {
  const TemporaryFolder folder;
  Store store(folder / "alone.db", Store::Mode::read_write);
  const Store::GroupId group = group_of(store, space, simulator);
  SweepOptions options;
  options.designs = designs;
  sweep(store, group, simulator, HardwareBinding(simulator, space), nullptr, options, silent_monitor());
  return store.read(group);
}

inline auto backends() {
  return testing::Values("Sqlite", "Postgres");
}

}  // namespace corbel::test
