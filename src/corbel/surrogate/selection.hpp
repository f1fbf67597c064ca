#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "corbel/scorer/predictor.hpp"
#include "corbel/search/objective.hpp"
#include "corbel/surrogate/training_data.hpp"

namespace corbel {

/// Kendall's tau-b: 1 for the same order, −1 for the reverse, 0 where either side is constant or n < 2. O(n²).
double kendall(std::span<const double> a, std::span<const double> b);

/// Standard deviation of the rank correlation of two orders of n ≥ 2 values that have nothing to do with each other.
double kendall_deviation(std::size_t n);

/// Probability that the order of n values without ties has at least this rank correlation with another by chance: exact
/// up to 60 of them, beyond by the normal distribution (Kendall 1938).
double kendall_chance(double tau, std::size_t n);

/// Share of pairs (one of `good`, one of `bad`) in which the search would rank the good one first; ties count half.
/// NaN if either is empty.
double ranking_auc(std::span<const Score> good, std::span<const Score> bad);

/// Probability of feasibility below which the selection, like the search, ranks a design after all feasible ones.
inline constexpr double selection_min_feasibility = 0.5;

/// The AUC's power in the score: about the probability that a good design stays ahead of this many infeasible ones at
/// once. A plain product would hardly see the difference between 0.97 and 0.99, which is three times as many
/// infeasible proposals.
inline constexpr double infeasible_rivals = 8;

/// How good a predictor is on the rows it has not seen: of each workload that rows are withheld of, and the mean of
/// them.
struct Evidence {
  double kendall = 0;         ///< predicted against true objective of the withheld best rows
  double infeasible_auc = 0;  ///< withheld infeasible rows ranked behind them; NaN if there are none
  /// (1 + kendall) / 2 · infeasible_auc ^ infeasible_rivals; the first factor alone where the AUC is missing
  double score = 0;
  std::vector<double> predicted;  ///< objective of the withheld feasible rows, in the unit of each row's workload
};

/// Withheld sets larger than this are thinned evenly before they are compared.
inline constexpr std::size_t max_compared = 1000;

/// What predicts for each workload.
using PredictorOf = std::function<std::unique_ptr<Predictor>(std::uint32_t workload)>;

/// @param by_kendall_alone  the paper's criterion
Evidence judge(const PredictorOf& predictor_of, const TrainingData& data, bool by_kendall_alone);
/// The same predictor for all workloads.
Evidence judge(const Predictor& predictor, const TrainingData& data, bool by_kendall_alone);

/// What is known of a candidate.
struct CandidateScore {
  double score, infeasible_auc;  ///< Evidence's
  bool diverged = false;
};
/// The first candidate that cannot be told from the best: its score is within one standard error of it (Breiman et al.
/// 1984, section 3.4.3). Few withheld rows say little, and a score that is higher by chance is no reason for the more
/// conservative candidates, which come later. With nothing withheld the first, and of those that diverged none, if
/// there are others.
/// @param candidates      at least one
/// @param withheld        feasible rows that were compared, of each workload of which there were any
/// @param by_score_alone  the paper's criterion: the best, by however little
std::size_t choose_candidate(std::span<const CandidateScore> candidates, const std::vector<std::size_t>& withheld,
                             bool by_score_alone);

/// Median of |predicted − true| / |true| of each metric over the withheld feasible rows; NaN where there are none.
/// [metrics]
std::vector<double> relative_errors(const PredictorOf& predictor_of, const TrainingData& data);
/// The same predictor for all workloads.
std::vector<double> relative_errors(const Predictor& predictor, const TrainingData& data);

}  // namespace corbel
