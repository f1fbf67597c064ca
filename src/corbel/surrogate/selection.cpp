#include "corbel/surrogate/selection.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace corbel {
namespace {

std::vector<std::size_t> thinned(std::span<const std::size_t> rows) {
  const std::size_t count = std::min(rows.size(), max_compared);
  std::vector<std::size_t> kept(count);
  for (std::size_t i = 0; i < count; ++i) kept[i] = rows[i * rows.size() / count];
  return kept;
}

std::vector<Design> designs_of(const TrainingData& data, std::span<const std::size_t> rows) {
  std::vector<Design> designs;
  for (const std::size_t row : rows) designs.push_back(data.designs[row]);
  return designs;
}

std::vector<Score> ranked_scores(const Predictions& predictions, std::size_t metrics) {
  std::vector<Score> scores(predictions.feasibility.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    scores[i].objective = predictions.metrics[i * metrics];
    scores[i].violation = std::max(0.0, selection_min_feasibility - predictions.feasibility[i]);
  }
  return scores;
}

}  // namespace

double kendall(std::span<const double> a, std::span<const double> b) {
  double balance = 0, pairs_a = 0, pairs_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const int sign_a = (a[i] > a[j]) - (a[i] < a[j]);
      const int sign_b = (b[i] > b[j]) - (b[i] < b[j]);
      balance += sign_a * sign_b;
      pairs_a += sign_a != 0;
      pairs_b += sign_b != 0;
    }
  }
  if (pairs_a == 0 || pairs_b == 0) return 0;
  return balance / std::sqrt(pairs_a * pairs_b);
}

double kendall_deviation(std::size_t n) {
  const auto count = static_cast<double>(n);
  return std::sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)));
}

double kendall_chance(double tau, std::size_t n) {
  if (n < 2) return 1;
  const auto count = static_cast<double>(n);
  const double pairs = count * (count - 1) / 2;
  constexpr std::size_t most_exact = 60;
  if (n > most_exact) {
    return 0.5 * std::erfc(tau / kendall_deviation(n) / std::sqrt(2.0));
  }
  // Shares of the permutations of 1, 2, … values that have so many pairs out of order.
  std::vector<double> shares = {1};
  for (std::size_t k = 2; k <= n; ++k) {
    std::vector<double> next(shares.size() + k - 1, 0);
    for (std::size_t i = 0; i < shares.size(); ++i) {
      for (std::size_t j = 0; j < k; ++j) next[i + j] += shares[i] / static_cast<double>(k);
    }
    shares = std::move(next);
  }
  // Rounding must not take the observed number itself for one too many.
  const auto most = static_cast<std::size_t>(std::max(0.0, std::floor((1 - tau) / 2 * pairs + 1e-6)));
  double chance = 0;
  for (std::size_t i = 0; i <= std::min(most, shares.size() - 1); ++i) chance += shares[i];
  return std::min(1.0, chance);
}

double ranking_auc(std::span<const Score> good, std::span<const Score> bad) {
  if (good.empty() || bad.empty()) return std::numeric_limits<double>::quiet_NaN();
  double won = 0;
  for (const Score& first : good) {
    for (const Score& second : bad) won += better(first, second) ? 1.0 : (better(second, first) ? 0.0 : 0.5);
  }
  return won / (static_cast<double>(good.size()) * static_cast<double>(bad.size()));
}

Evidence judge(const Predictor& predictor, const TrainingData& data, bool by_kendall_alone) {
  const std::size_t metrics = predictor.metrics().size();
  const Predictions feasible = predictor.predict(designs_of(data, data.withheld_feasible));
  const std::vector<Score> scores = ranked_scores(feasible, metrics);
  Evidence evidence;
  for (const Score& score : scores) evidence.predicted.push_back(score.objective);

  std::vector<std::size_t> places(data.withheld_feasible.size());
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
  places = thinned(places);
  std::vector<double> truth, predicted;
  std::vector<Score> good;
  for (const std::size_t place : places) {
    truth.push_back(data.objective[data.withheld_feasible[place]]);
    predicted.push_back(evidence.predicted[place]);
    good.push_back(scores[place]);
  }
  const std::vector<Design> infeasible = designs_of(data, thinned(data.withheld_infeasible));
  evidence.kendall = kendall(truth, predicted);
  evidence.infeasible_auc = ranking_auc(good, ranked_scores(predictor.predict(infeasible), metrics));
  evidence.score = (1 + evidence.kendall) / 2;
  if (!by_kendall_alone && !std::isnan(evidence.infeasible_auc)) {
    evidence.score *= std::pow(evidence.infeasible_auc, infeasible_rivals);
  }
  return evidence;
}

std::size_t choose_candidate(std::span<const CandidateScore> candidates, std::size_t withheld, bool by_score_alone) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    if (candidates[i].diverged) continue;
    if (candidates[best].diverged || (withheld > 0 && candidates[i].score > candidates[best].score)) best = i;
  }
  if (withheld < 2 || by_score_alone) return best;
  const double auc = std::isnan(candidates[best].infeasible_auc) ? 1 : candidates[best].infeasible_auc;
  const double error = std::pow(auc, infeasible_rivals) * kendall_deviation(withheld) / 2;
  for (std::size_t i = 0; i < best; ++i) {
    if (!candidates[i].diverged && candidates[i].score >= candidates[best].score - error) return i;
  }
  return best;
}

std::vector<double> relative_errors(const Predictor& predictor, const TrainingData& data) {
  const std::vector<std::size_t> rows = thinned(data.withheld_feasible);
  const Predictions predictions = predictor.predict(designs_of(data, rows));
  const std::size_t metrics = data.metrics.size();
  std::vector<double> errors(metrics, std::numeric_limits<double>::quiet_NaN());
  for (std::size_t m = 0; m < metrics; ++m) {
    std::vector<double> deviations;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const float target = data.targets[rows[i] * metrics + m];
      const double truth = data.transforms[m].restore(target);
      if (std::isnan(target) || truth == 0) continue;
      deviations.push_back(std::abs(predictions.metrics[i * metrics + m] - truth) / std::abs(truth));
    }
    if (deviations.empty()) continue;
    const auto middle = deviations.begin() + static_cast<std::ptrdiff_t>(deviations.size() / 2);
    std::nth_element(deviations.begin(), middle, deviations.end());
    errors[m] = *middle;
  }
  return errors;
}

}  // namespace corbel
