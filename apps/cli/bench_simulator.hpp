#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "corbel/workload/network.hpp"
#include "spread.hpp"

namespace corbel {
class Monitor;
class Simulator;
}  // namespace corbel

namespace corbel::cli {

struct SimulatorBenchOptions {
  std::uint64_t designs = 5000;  ///< random designs of the space `edge` per run
  double seconds = 3;            ///< runs are repeated for this long, but at least three times
  std::uint64_t seed = 1;
};

/// Rates are designs per second of processor time, so that other work on the machine does not count; one thread.
struct SimulatorBenchResult {
  std::string workload;
  std::size_t layers = 0;
  std::size_t distinct_layers = 0;  ///< different in more than name and operands
  std::uint64_t designs = 0;        ///< per run
  std::size_t runs = 0;
  double feasible_share = 0;
  Spread rate;
  double wall_rate = 0;                      ///< median, by the clock on the wall
  double one_by_one_rate = 0;                ///< median, a call of simulate() per design
  double mappings_per_layer = 0;             ///< tried, of a distinct layer, on average over the designs; 0: unknown
  double nanoseconds_per_layer = 0;          ///< time / (designs x distinct layers)
  double nanoseconds_per_layer_mapping = 0;  ///< time / (designs x distinct layers x mappings tried); 0: unknown
  double peak_memory_first_batch_mb = 0;     ///< of the process, after the first batch
  double peak_memory_mb = 0;                 ///< of the process, after the last run
};

/// Simulates random designs of the space `edge`, feasible or not as they come, in batches as a sweep does: from a
/// design's number to its outcome. Before anything is timed, outcomes of single designs and of batches are compared.
/// @throws Error{mismatch} if they differ; Error{interrupted}
SimulatorBenchResult bench_simulator(const Simulator& simulator, const Network& network,
                                     const SimulatorBenchOptions& options, Monitor& monitor);

}  // namespace corbel::cli
