#pragma once

#include <cstdint>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "corbel/search/strategy.hpp"

namespace corbel {

class Monitor;

/// The K best different designs seen, best first. Ties keep the smaller design id, so that the result does not depend
/// on order or threads. A design offered again with another score keeps the better one.
class TopDesigns {
 public:
  explicit TopDesigns(std::size_t capacity) : capacity_(capacity) {}
  void offer(const Design& design, DesignId id, const Score& score);
  void merge(const TopDesigns& other);
  /// False if a design with this score could not enter: a cheap test before offer().
  bool would_enter(const Score& score) const;
  std::vector<Evaluation> sorted() const;
  /// The score that a design must reach to enter; nothing while any design would.
  std::optional<Score> bar() const;

 private:
  struct Entry {
    Score score;
    DesignId id;
    Design design;
  };
  static bool before(const Entry& a, const Entry& b);

  std::size_t capacity_;
  std::vector<Entry> heap_;  // the worst first
  std::unordered_set<DesignId> ids_;
};

struct SearchOptions {
  std::uint64_t budget = 20000;  ///< designs to score
  std::size_t batch = 0;         ///< designs per ask; 0: the objective's preferred batch
  std::size_t keep = 256;        ///< best designs to return
};

struct SearchResult {
  std::vector<Evaluation> best;  ///< best first, at most `keep`, feasible before infeasible
  std::uint64_t scored = 0;      ///< designs scored, failed ones included
  std::uint64_t failed = 0;      ///< of these, evaluations that failed: never told to the strategy, nor among the best
  bool exhaustive = false;       ///< true if every admitted design was scored: the first is the exact optimum
  /// (designs scored, best feasible objective so far) whenever it improved
  std::vector<std::pair<std::uint64_t, double>> history;
};

/// Runs a strategy against an objective until the budget is spent or the space is exhausted.
/// A strategy that was told or asked before goes on from there; only designs scored by this call are in the result.
/// Deterministic for a strategy's seed. @throws Error{interrupted}; Error{mismatch} if the strategy proposes a design
/// that is not in the objective's space
SearchResult optimise(const Objective& objective, Strategy& strategy, const SearchOptions& options, Monitor& monitor);

}  // namespace corbel
