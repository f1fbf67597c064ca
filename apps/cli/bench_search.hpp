#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "spread.hpp"

namespace corbel {
class Monitor;
}

namespace corbel::cli {

struct SearchBenchOptions {
  std::size_t observations = 1000;  ///< that a strategy has when measuring begins
  std::size_t suggestions = 200;    ///< per run, so that refits take part as often as they do in a search
  double seconds = 3;               ///< of processor time, per strategy and batch: what is measured in
  std::uint64_t seed = 1;
};

/// Processor time of ask and tell per suggestion, in milliseconds.
struct SuggestionCost {
  std::string strategy;
  std::size_t observations = 0;
  std::size_t parameters = 0;
  std::size_t batch = 0;        ///< designs per ask
  std::size_t suggestions = 0;  ///< of a run; fewer than asked for where time ran out
  std::size_t runs = 0;
  Spread ms;  ///< over the runs
};

/// Costs of a strategy on the space `edge`, against an objective that costs next to nothing: random designs are told,
/// then its own, until it has `observations`; every run goes on from a copy of that. At least three runs, unless one
/// takes longer than `seconds` already.
/// @throws Error{mismatch} if it suggests designs twice; Error{interrupted}
SuggestionCost bench_suggestions(const std::string& strategy, std::size_t batch, const SearchBenchOptions& options,
                                 Monitor& monitor);

/// What the scan itself costs per design, on one thread: the objective costs next to nothing.
struct ScanCost {
  std::string limit;   ///< "" for none
  bool boxes = false;  ///< whether boxes of designs are tested, or only one after another
  std::uint64_t designs = 0, scored = 0, pruned = 0;
  std::size_t runs = 0;
  Spread ns;  ///< per design of the space, pruned ones included
};

/// On the space `edge` with one PE (4,527,600 designs).
/// @throws Error{mismatch} if boxes change what is found; Error{interrupted}
std::vector<ScanCost> bench_scan(const SearchBenchOptions& options, Monitor& monitor);

}  // namespace corbel::cli
