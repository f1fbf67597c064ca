#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corbel/search/strategy.hpp"

namespace corbel {

class Monitor;

/// What a Pareto search knows of a design. Lower is better in every objective.
struct MultiScore {
  std::vector<double> objectives;  ///< NaN, or none at all, where the design has none (infeasible)
  /// 0 when every constraint is met and the design is feasible; otherwise how far off, > 0. NaN where nothing became
  /// known of the design, since its evaluation failed.
  double violation = 0;
  bool feasible() const { return violation <= 0; }
  bool failed() const { return std::isnan(violation); }
  static MultiScore failure() { return {{}, std::numeric_limits<double>::quiet_NaN()}; }
};

/// No worse in any objective and better in one. Both have the same number of objectives.
bool dominates(std::span<const double> a, std::span<const double> b);

/// A design and what became of it.
struct MultiEvaluation {
  Design design;
  MultiScore score;
};

/// What a Pareto search trades off: as Objective, with several numbers per design. Thread-safe, deterministic.
class MultiObjective {
 public:
  virtual ~MultiObjective() = default;
  virtual const DesignSpace& space() const = 0;
  virtual std::size_t objectives() const = 0;
  /// @param designs  [n] designs of space()
  /// @return [n]; a feasible one has a finite number for each of objectives()
  virtual std::vector<MultiScore> score(std::span<const Design> designs) const = 0;
  virtual std::size_t preferred_batch() const { return 256; }
};

/// The feasible designs seen that no other dominates. Of designs with the same objectives it keeps the one with the
/// smallest id, so that the result does not depend on order or threads. Not thread-safe.
class ParetoFront {
 public:
  /// Whether the design is now in the front. Infeasible designs and those without a finite number for each objective
  /// never are. A design always has the same score.
  bool offer(const Design& design, DesignId id, const MultiScore& score);
  void merge(const ParetoFront& other);
  std::size_t size() const { return entries_.size(); }
  /// By the first objective, then by the others.
  std::vector<MultiEvaluation> sorted() const;
  /// The objectives of its designs, in no order.
  std::vector<std::vector<double>> points() const;

 private:
  struct Entry {
    DesignId id;
    MultiEvaluation evaluation;
  };
  std::vector<Entry> entries_;
};

/// What pareto_search asks for designs and tells their scores: a way to search for a whole front. Same rules as a
/// Strategy's: deterministic for a seed and the calls, no design proposed twice, failed evaluations are never told.
class ParetoMethod {
 public:
  virtual ~ParetoMethod() = default;
  virtual std::vector<Design> ask(std::size_t n) = 0;
  /// What it asked for, without failed evaluations.
  virtual void tell(std::span<const MultiEvaluation> evaluations) = 0;
  /// True once every design of the domain is known to have been proposed.
  virtual bool exhausted() const = 0;
};

struct ParetoOptions {
  /// "nsga2", or the id of a strategy, which then searches for many weightings of the objectives.
  std::string method = "nsga2";
  StrategyOptions options = {};  ///< of nsga2 (nsga2_options) or the strategy
  std::uint64_t budget = 20000;  ///< designs to score
  std::size_t batch = 0;         ///< designs per ask; 0: the objective's preferred batch
  std::uint64_t seed = 0;
  /// What hypervolumes are measured up to; empty: the worst value of each objective among the feasible designs scored.
  std::vector<double> reference = {};
  std::size_t history_points = 200;  ///< at most; 0: no history
};

struct ParetoResult {
  std::vector<MultiEvaluation> front;  ///< by the first objective
  std::uint64_t scored = 0;            ///< designs scored, failed ones included
  std::uint64_t feasible = 0;          ///< of these
  std::uint64_t failed = 0;            ///< of these, evaluations that failed
  bool exhaustive = false;             ///< true if every admitted design was scored: the front is the exact one
  std::vector<double> reference;       ///< as given, or found; empty if nothing feasible was found and none given
  double hypervolume = 0;
  /// (designs scored, hypervolume so far), whenever it has grown
  std::vector<std::pair<std::uint64_t, double>> history;
};

/// "nsga2" and the ids of all strategies, in the order help shows them.
std::vector<std::string> pareto_methods();

/// Searches for the front of two or three objectives until the budget is spent or the space is exhausted. No design is
/// scored twice. Deterministic for the seed and the batch.
/// @throws Error{invalid_input} for an unknown method or option, other than two or three objectives, or a reference of
/// another size; Error{mismatch} if the domain's space is not the objective's; Error{interrupted}
ParetoResult pareto_search(const MultiObjective& objective, const SearchDomain& domain, const ParetoOptions& options,
                           Monitor& monitor);

}  // namespace corbel
