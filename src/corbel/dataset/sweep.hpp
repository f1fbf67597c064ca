#pragma once

#include <cstdint>
#include <functional>

#include "corbel/dataset/store.hpp"
#include "corbel/simulator/simulator.hpp"

namespace corbel {

class Monitor;

struct SweepOptions {
  std::uint64_t designs = 8000;  ///< rows wanted in all, complete and infeasible
  std::uint64_t seed = 1;
  std::size_t threads = 0;                    ///< 0: all cores
  std::size_t batch = 512;                    ///< designs per transaction
  std::function<bool(const Design&)> admits;  ///< only these; empty: all
};

struct SweepResult {
  std::uint64_t rows = 0;       ///< finished rows in the group now
  std::uint64_t simulated = 0;  ///< by this call
  std::uint64_t failed = 0;     ///< designs whose simulation failed, recorded as failed
  double seconds = 0;
};

/// Simulates designs drawn uniformly without replacement until the group holds `designs` finished rows. The sequence
/// depends on the seed alone, so the same call after Ctrl-C or a kill goes on where it stopped and ends with the same
/// rows; designs that are already there are not simulated again. Stops early when the space is exhausted or 1,000 more
/// than half of the batch fail. @throws Error{interrupted} after the current batch is stored
SweepResult sweep(Store& store, Store::GroupId group, const Simulator& simulator, const HardwareBinding& binding,
                  const Network* network, const SweepOptions& options, Monitor& monitor);

/// Simulates these designs (those already finished are not simulated again) and records them.
/// @return [n] trials in the order asked
std::vector<Trial> simulate_designs(Store& store, Store::GroupId group, const Simulator& simulator,
                                    const HardwareBinding& binding, const Network* network,
                                    std::span<const Design> designs, std::size_t threads, Monitor& monitor);

}  // namespace corbel
