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
  for (const std::size_t row : rows) designs.push_back(data.design(row));
  return designs;
}

// A predictor of someone else's.
class Borrowed final : public Predictor {
 public:
  explicit Borrowed(const Predictor& predictor) : predictor_(predictor) {}
  const DesignSpace& space() const override { return predictor_.space(); }
  const std::vector<std::string>& metrics() const override { return predictor_.metrics(); }
  Predictions predict(std::span<const Design> designs, Arithmetic arithmetic) const override {
    return predictor_.predict(designs, arithmetic);
  }

 private:
  const Predictor& predictor_;
};

std::vector<Score> ranked_scores(const Predictions& predictions, std::size_t metrics, Direction direction) {
  std::vector<Score> scores(predictions.feasibility.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    scores[i].objective = cost_of(direction, predictions.metrics[i * metrics]);
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

Evidence judge(const PredictorOf& predictor_of, const TrainingData& data, bool by_kendall_alone) {
  Evidence evidence;
  double judged = 0, kept_out = 0, auc = 0;
  for (std::uint32_t w = 0; w < data.objective_transforms.size(); ++w) {
    const std::vector<std::size_t> rows = data.of_workload(data.withheld_feasible, w);
    if (rows.empty()) continue;
    const std::unique_ptr<Predictor> predictor = predictor_of(w);
    const std::size_t metrics = predictor->metrics().size();
    const std::vector<Score> scores =
        ranked_scores(predictor->predict(designs_of(data, rows)), metrics, data.direction);
    std::vector<double> said;
    for (const Score& score : scores) said.push_back(value_of(data.direction, score.objective));
    for (const double value : said) evidence.predicted.push_back(data.on_scale_of(w, value));

    std::vector<std::size_t> places(rows.size());
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
    places = thinned(places);
    std::vector<double> truth, predicted;
    std::vector<Score> good;
    for (const std::size_t place : places) {
      truth.push_back(data.objective[rows[place]]);
      predicted.push_back(said[place]);
      good.push_back(scores[place]);
    }
    const std::vector<Design> infeasible = designs_of(data, thinned(data.of_workload(data.withheld_infeasible, w)));
    evidence.kendall += kendall(truth, predicted);
    ++judged;
    const double its_auc = ranking_auc(good, ranked_scores(predictor->predict(infeasible), metrics, data.direction));
    if (std::isnan(its_auc)) continue;
    auc += its_auc;
    ++kept_out;
  }
  if (judged > 0) evidence.kendall /= judged;
  evidence.infeasible_auc = kept_out > 0 ? auc / kept_out : std::numeric_limits<double>::quiet_NaN();
  evidence.score = (1 + evidence.kendall) / 2;
  if (!by_kendall_alone && !std::isnan(evidence.infeasible_auc)) {
    evidence.score *= std::pow(evidence.infeasible_auc, infeasible_rivals);
  }
  return evidence;
}

Evidence judge(const Predictor& predictor, const TrainingData& data, bool by_kendall_alone) {
  return judge([&](std::uint32_t) { return std::make_unique<Borrowed>(predictor); }, data, by_kendall_alone);
}

std::size_t choose_candidate(std::span<const CandidateScore> candidates, const std::vector<std::size_t>& withheld,
                             bool by_score_alone) {
  double variance = 0, compared = 0;  // of the sum of the workloads' rank correlations
  bool is_comparable = false;
  for (const std::size_t rows : withheld) {
    if (rows > 0) is_comparable = true;
    if (rows < 2) continue;
    variance += kendall_deviation(rows) * kendall_deviation(rows);
    ++compared;
  }
  std::size_t best = 0;
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    if (candidates[i].diverged) continue;
    if (candidates[best].diverged || (is_comparable && candidates[i].score > candidates[best].score)) best = i;
  }
  if (compared == 0 || by_score_alone) return best;
  const double auc = std::isnan(candidates[best].infeasible_auc) ? 1 : candidates[best].infeasible_auc;
  const double error = std::pow(auc, infeasible_rivals) * std::sqrt(variance) / compared / 2;
  for (std::size_t i = 0; i < best; ++i) {
    if (!candidates[i].diverged && candidates[i].score >= candidates[best].score - error) return i;
  }
  return best;
}

std::vector<double> relative_errors(const PredictorOf& predictor_of, const TrainingData& data) {
  const std::vector<std::size_t> compared = thinned(data.withheld_feasible);
  const std::size_t metrics = data.metrics.size();
  std::vector<std::vector<double>> deviations(metrics);
  for (std::uint32_t w = 0; w < data.objective_transforms.size(); ++w) {
    const std::vector<std::size_t> rows = data.of_workload(compared, w);
    if (rows.empty()) continue;
    const Predictions predictions = predictor_of(w)->predict(designs_of(data, rows));
    for (std::size_t m = 0; m < metrics; ++m) {
      const MetricTransform& transform = m == 0 ? data.objective_transforms[w] : data.transforms[m];
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const float target = data.targets[rows[i] * metrics + m];
        const double truth = transform.restore(target);
        if (std::isnan(target) || truth == 0) continue;
        const double said = predictions.metrics[i * metrics + m];
        deviations[m].push_back(std::abs((m == 0 ? data.on_scale_of(w, said) : said) - truth) / std::abs(truth));
      }
    }
  }
  std::vector<double> errors(metrics, std::numeric_limits<double>::quiet_NaN());
  for (std::size_t m = 0; m < metrics; ++m) {
    if (deviations[m].empty()) continue;
    const auto middle = deviations[m].begin() + static_cast<std::ptrdiff_t>(deviations[m].size() / 2);
    std::nth_element(deviations[m].begin(), middle, deviations[m].end());
    errors[m] = *middle;
  }
  return errors;
}

std::vector<double> relative_errors(const Predictor& predictor, const TrainingData& data) {
  return relative_errors([&](std::uint32_t) { return std::make_unique<Borrowed>(predictor); }, data);
}

}  // namespace corbel
