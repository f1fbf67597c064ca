#pragma once

#include <cstdint>
#include <string>

#include "corbel/base/monitor.hpp"

namespace corbel::cli {

struct QueueBenchOptions {
  std::string store;  ///< "": a SQLite file that is removed again
  std::uint64_t trials = 20'000;
  std::size_t workers = 8;  ///< processes
};

/// Of the wall clock, from the start of the workers to the end of the last.
struct QueueCost {
  double trials_per_second = 0;
  double one_by_one_trials_per_second = 0;  ///< the baseline: a transaction to claim each trial, and one to finish it
  std::uint64_t one_by_one_trials = 0;
};

/// What handing out, claiming and finishing costs: trials of a simulator that takes no time, by worker processes.
/// @throws Error{mismatch} unless each trial was finished exactly once
QueueCost bench_queue(const QueueBenchOptions& options, Monitor& monitor);

}  // namespace corbel::cli
