#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "corbel/dataset/executor.hpp"
#include "corbel/dataset/store.hpp"
#include "corbel/dataset/trial_group.hpp"
#include "corbel/simulator/simulator.hpp"

namespace corbel {

class Monitor;

struct SweepOptions {
  std::uint64_t designs = 8000;  ///< rows wanted in all, complete and infeasible
  std::uint64_t seed = 1;
  std::size_t threads = 0;  ///< of this process; 0: all cores
  /// Most designs that this process simulates between two looks at what others stored. Trials are stored once a second,
  /// so a kill loses those of the last second and the runs in flight.
  std::size_t batch = 512;
  std::function<bool(const Design&)> admits;  ///< only these; empty: all
};

struct SweepResult {
  std::uint64_t rows = 0;       ///< designs that are finished now, in every group
  std::uint64_t simulated = 0;  ///< simulations by this call, failed ones included
  std::uint64_t failed = 0;     ///< by this call: recorded as failed, no rows
  std::uint64_t abandoned = 0;  ///< by this call: the same, and not to be tried again
  bool exhausted = false;       ///< every admitted design has been tried
  double seconds = 0;
};

/// The group that holds a simulator's trials of a network; the network is null where the simulator needs none.
struct SweepTarget {
  Store::GroupId group = 0;
  const Network* network = nullptr;
};

/// Simulates designs drawn uniformly without replacement, each on every target's network, until `designs` of them are
/// finished in every group. Designs that some of the groups already hold come first, and only what is missing of them
/// is simulated; then the sequence depends on the space and the seed alone. So the same call after Ctrl-C or a kill
/// goes on where it stopped and ends with the same rows; designs that are already finished are not simulated again,
/// failed ones are, once per call; abandoned ones are not.
/// Several processes may fill one group: each sees what the others stored at its next batch. Stops early, saying so to
/// the monitor, when the space is exhausted.
/// @param executor  its targets are at least one, of one space
/// @throws Error{mismatch} if a group is of another simulator or workload; Error{interrupted} after the current batch
///         is stored; Error{tool_failure} if the first 100 designs (or all there are) fail on one network, or 1,000
///         more fail than finish
SweepResult sweep(Store& store, Executor& executor, const SweepOptions& options, Monitor& monitor);
/// The same on threads of this process.
SweepResult sweep(Store& store, std::span<const SweepTarget> targets, const Simulator& simulator,
                  const HardwareBinding& binding, const SweepOptions& options, Monitor& monitor);
/// The same for one group.
SweepResult sweep(Store& store, Store::GroupId group, const Simulator& simulator, const HardwareBinding& binding,
                  const Network* network, const SweepOptions& options, Monitor& monitor);

/// Simulates these designs (those already finished or abandoned are not simulated again) and records them.
/// @return [targets × n] trials in the order asked
/// @throws Error{mismatch}, Error{interrupted} as sweep
std::vector<std::vector<Trial>> simulate_designs(Store& store, Executor& executor, std::span<const Design> designs,
                                                 Monitor& monitor);
/// The same for one group, on threads of this process.
std::vector<Trial> simulate_designs(Store& store, Store::GroupId group, const Simulator& simulator,
                                    const HardwareBinding& binding, const Network* network,
                                    std::span<const Design> designs, std::size_t threads, Monitor& monitor);

}  // namespace corbel
