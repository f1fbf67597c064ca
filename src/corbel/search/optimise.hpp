#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "corbel/search/strategy.hpp"

namespace corbel {

class Monitor;

/// The K best different designs seen, best first. Ties keep the smaller design id, so that the result does not depend
/// on order or threads.
class TopDesigns {
 public:
  explicit TopDesigns(std::size_t capacity);
  void offer(const Design& design, DesignId id, const Score& score);
  void merge(const TopDesigns& other);
  /// False if a design with this score could not enter: a cheap test before offer().
  bool would_enter(const Score& score) const;
  std::vector<Evaluation> sorted() const;

 private:
  struct Entry { Score score; DesignId id; };
  std::size_t capacity_;
  std::vector<Entry> heap_;
  std::vector<std::pair<DesignId, Design>> designs_;
};

struct SearchOptions {
  std::uint64_t budget = 20000;  ///< designs to score
  std::size_t batch = 0;         ///< designs per ask; 0: the objective's preferred batch
  std::size_t keep = 256;        ///< best designs to return
};

struct SearchResult {
  std::vector<Evaluation> best;  ///< best first, at most `keep`, feasible before infeasible
  std::uint64_t scored = 0;      ///< designs scored
  bool exhaustive = false;       ///< true if every admitted design was scored: the first is the exact optimum
  /// (designs scored, best feasible objective so far) whenever it improved
  std::vector<std::pair<std::uint64_t, double>> history;
};

/// Runs a strategy against an objective until the budget is spent or the space is exhausted.
/// Deterministic for a strategy's seed. @throws Error{interrupted}
SearchResult optimise(const Objective& objective, Strategy& strategy, const SearchOptions& options, Monitor& monitor);

/// Scores every admitted design of the space through score_range, in parallel, and keeps the best.
/// The result does not depend on the number of threads. @throws Error{interrupted}
SearchResult scan(const Objective& objective, const SearchDomain& domain, std::size_t keep, std::size_t threads,
                  Monitor& monitor);

}  // namespace corbel
