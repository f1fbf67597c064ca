#include "corbel/search/decomposition.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <unordered_set>

#include "corbel/base/random.hpp"

namespace corbel {
namespace {

// Share of the sum of objectives in the distance, so that a weight of 0 still prefers what dominates (Knowles 2006).
constexpr double augmentation = 0.05;
// Divisions of the lattice of weights: 11 vectors for two objectives, 15 for three. Half and twice as many did as well.
constexpr std::size_t divisions_of_two = 10, divisions_of_three = 4;
// Share of an objective's range by which it may move before scores are told anew.
constexpr double tolerance = 0.05;

/// The range of each objective that weights apply to.
struct Scale {
  std::vector<double> ideal, nadir;
};

class Decomposition final : public ParetoMethod {
 public:
  Decomposition(std::string_view strategy, std::size_t objectives, const SearchDomain& domain,
                const StrategyOptions& options, std::uint64_t seed)
      : strategy_(strategy),
        domain_(domain),
        options_(options),
        rng_(seed),
        weights_(simplex_lattice(objectives, objectives == 2 ? divisions_of_two : divisions_of_three)) {
    order_.resize(weights_.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    renew();
  }

  std::vector<Design> ask(std::size_t n) override {
    std::vector<Design> designs;
    std::size_t idle = 0;  // strategies in a row that had nothing left
    while (designs.size() < n && idle < weights_.size()) {
      if (turn_ % weights_.size() == 0) rng_.shuffle(order_);
      Strategy& strategy = searches_[order_[turn_++ % weights_.size()]];
      ++idle;
      for (std::vector<Design> asked = strategy.ask(1); !asked.empty(); asked = strategy.ask(1)) {
        // Another one may have asked for it in this batch, or before and never have been told.
        if (!proposed_.insert(domain_.space.id(asked[0])).second) continue;
        designs.push_back(std::move(asked[0]));
        idle = 0;
        break;
      }
    }
    return designs;
  }

  void tell(std::span<const MultiEvaluation> evaluations) override {
    for (const MultiEvaluation& evaluation : evaluations) {
      history_.push_back(evaluation);
      front_.offer(evaluation.design, domain_.space.id(evaluation.design), evaluation.score);
    }
    if (rescale()) {
      renew();
      std::vector<Evaluation> told;
      for (std::size_t w = 0; w < weights_.size(); ++w) {
        told = scored(history_, weights_[w]);
        std::stable_sort(told.begin(), told.end(),
                         [](const Evaluation& a, const Evaluation& b) { return better(b.score, a.score); });
        searches_[w].tell(told);
      }
    } else {
      for (std::size_t w = 0; w < weights_.size(); ++w) searches_[w].tell(scored(evaluations, weights_[w]));
    }
  }

  bool exhausted() const override {
    return std::any_of(searches_.begin(), searches_.end(), [](const Strategy& each) { return each.exhausted(); });
  }

 private:
  void renew() {
    searches_.clear();
    for (std::size_t w = 0; w < weights_.size(); ++w)
      searches_.push_back(make_strategy(strategy_, domain_, options_, rng_.next()));
  }

  bool rescale() {
    if (front_.size() == 0) return false;
    Scale now;
    for (const std::vector<double>& point : front_.points()) {
      if (now.ideal.empty()) now.ideal = now.nadir = point;
      for (std::size_t k = 0; k < point.size(); ++k) {
        now.ideal[k] = std::min(now.ideal[k], point[k]);
        now.nadir[k] = std::max(now.nadir[k], point[k]);
      }
    }
    bool moved = scale_.ideal.empty();
    for (std::size_t k = 0; k < now.ideal.size() && !moved; ++k) {
      const double still = tolerance * (scale_.nadir[k] - scale_.ideal[k]);
      moved = std::abs(now.ideal[k] - scale_.ideal[k]) > still || std::abs(now.nadir[k] - scale_.nadir[k]) > still;
    }
    if (moved) scale_ = std::move(now);
    return moved;
  }

  std::vector<Evaluation> scored(std::span<const MultiEvaluation> evaluations,
                                 const std::vector<double>& weight) const {
    std::vector<Evaluation> told;
    for (const MultiEvaluation& each : evaluations)
      told.push_back({each.design, {distance(each.score.objectives, weight), each.score.violation}});
    return told;
  }

  double distance(const std::vector<double>& objectives, const std::vector<double>& weight) const {
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::size_t k = 0; k < objectives.size(); ++k) {
      const double value = normalised(objectives[k], k);
      if (std::isnan(value)) return value;
      largest = std::max(largest, weight[k] * value);
      sum += value;
    }
    return largest + augmentation * sum;
  }

  double normalised(double value, std::size_t k) const {
    if (scale_.ideal.empty()) return value;  // nothing feasible yet: only violations are compared
    double range = scale_.nadir[k] - scale_.ideal[k];
    if (range <= 0) range = std::max(std::abs(scale_.ideal[k]), std::numeric_limits<double>::min());
    return (value - scale_.ideal[k]) / range;
  }

  std::string strategy_;
  SearchDomain domain_;
  StrategyOptions options_;
  Rng rng_;
  std::vector<std::vector<double>> weights_;
  std::vector<Strategy> searches_;  // one per weight vector
  std::vector<std::size_t> order_;  // in which they are asked
  std::uint64_t turn_ = 0;
  std::unordered_set<DesignId> proposed_;
  std::vector<MultiEvaluation> history_;
  ParetoFront front_;
  Scale scale_;
};

}  // namespace

std::vector<std::vector<double>> simplex_lattice(std::size_t objectives, std::size_t divisions) {
  std::vector<std::vector<double>> vectors;
  std::vector<double> current;
  const auto extend = [&](auto&& self, std::size_t left) -> void {
    const auto share = [&](std::size_t parts) { return static_cast<double>(parts) / static_cast<double>(divisions); };
    if (current.size() + 1 == objectives) {
      vectors.push_back(current);
      vectors.back().push_back(share(left));
      return;
    }
    for (std::size_t parts = 0; parts <= left; ++parts) {
      current.push_back(share(parts));
      self(self, left - parts);
      current.pop_back();
    }
  };
  extend(extend, divisions);
  return vectors;
}

std::unique_ptr<ParetoMethod> make_decomposition(std::string_view strategy, std::size_t objectives,
                                                 const SearchDomain& domain, const StrategyOptions& options,
                                                 std::uint64_t seed) {
  return std::make_unique<Decomposition>(strategy, objectives, domain, options, seed);
}

}  // namespace corbel
