#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "corbel/dataset/store.hpp"
#include "corbel/simulator/simulator.hpp"

namespace corbel {

class Monitor;

/// The group of this simulator's trials of this network (null where the simulator needs none) in this space.
/// @param fixed  values for hardware that the space does not vary, as given to HardwareBinding: they change results, so
///               they are part of the group's simulator fingerprint
TrialGroup trial_group(const DesignSpace& space, const Simulator& simulator, const Network* network,
                       std::vector<std::pair<std::string, std::string>> fixed = {});

struct SweepOptions {
  std::uint64_t designs = 8000;  ///< rows wanted in all, complete and infeasible
  std::uint64_t seed = 1;
  std::size_t threads = 0;  ///< 0: all cores
  /// Most designs per transaction; fewer where simulating them takes over a second, since that is what a kill loses.
  std::size_t batch = 512;
  std::function<bool(const Design&)> admits;  ///< only these; empty: all
};

struct SweepResult {
  std::uint64_t rows = 0;       ///< finished rows in the group now
  std::uint64_t simulated = 0;  ///< by this call, failed ones included
  std::uint64_t failed = 0;     ///< by this call: recorded as failed, no rows
  bool exhausted = false;       ///< every admitted design has been tried
  double seconds = 0;
};

/// Simulates designs drawn uniformly without replacement until the group holds `designs` finished rows. The sequence
/// depends on the space and the seed alone, so the same call after Ctrl-C or a kill goes on where it stopped and ends
/// with the same rows; designs that are already finished are not simulated again, failed ones are, once per call.
/// Several processes may fill one group: each sees what the others stored at its next batch. Stops early, saying so to
/// the monitor, when the space is exhausted.
/// @throws Error{mismatch} if the group is of another simulator or workload; Error{interrupted} after the current batch
///         is stored; Error{tool_failure} if the first 100 designs (or all there are) fail, or 1,000 more fail than
///         finish
SweepResult sweep(Store& store, Store::GroupId group, const Simulator& simulator, const HardwareBinding& binding,
                  const Network* network, const SweepOptions& options, Monitor& monitor);

/// Simulates these designs (those already finished are not simulated again) and records them.
/// @return [n] trials in the order asked
/// @throws Error{mismatch}, Error{interrupted} as sweep
std::vector<Trial> simulate_designs(Store& store, Store::GroupId group, const Simulator& simulator,
                                    const HardwareBinding& binding, const Network* network,
                                    std::span<const Design> designs, std::size_t threads, Monitor& monitor);

}  // namespace corbel
