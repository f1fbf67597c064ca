#include "corbel/search/nsga2.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "corbel/base/random.hpp"
#include "corbel/search/mutation.hpp"
#include "corbel/search/sequential_strategy.hpp"
#include "corbel/search/unseen.hpp"

namespace corbel {
namespace {

// Children tried before a random design takes the place of one that would be new.
constexpr int child_attempts = 32;
// After this many attempts a child differs in one parameter more, to leave a neighbourhood that is used up.
constexpr int attempts_per_mutation = 8;
constexpr double infinity = std::numeric_limits<double>::infinity();

struct Member {
  MultiEvaluation evaluation;
  std::size_t rank = 0;  // 0: dominated by none
  double crowding = 0;   // larger: more room around it
};

/// Constraint domination (section VI), with an end to ties: of two that count the same the younger one dominates, so
/// that a population is not filled with copies and drifts along what changes nothing.
bool beats(const MultiScore& a, const MultiScore& b, bool a_is_younger) {
  if (a.feasible() != b.feasible()) return a.feasible();
  if (!a.feasible()) return a.violation < b.violation || (a.violation == b.violation && a_is_younger);
  return dominates(a.objectives, b.objectives) || (a.objectives == b.objectives && a_is_younger);
}

class Nsga2 final : public ParetoMethod {
 public:
  Nsga2(const SearchDomain& domain, const StrategyOptions& options, std::uint64_t seed)
      : options_(complete_options("nsga2", nsga2_options, options)), rng_(seed), unseen_(domain, rng_) {
    const auto& parameters = unseen_.space().parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i)
      if (parameters[i].count() > 1) free_.push_back(i);
  }

  std::vector<Design> ask(std::size_t n) override {
    std::vector<Design> designs;
    while (designs.size() < n) {
      std::optional<Design> design = propose();
      if (!design) break;
      designs.push_back(std::move(*design));
    }
    return designs;
  }

  void tell(std::span<const MultiEvaluation> evaluations) override {
    for (const MultiEvaluation& evaluation : evaluations) population_.push_back({evaluation});
    survive();
  }

  bool exhausted() const override { return unseen_.exhausted(); }

 private:
  double option(std::string_view name) const { return options_.find(name)->second; }
  std::size_t capacity() const { return static_cast<std::size_t>(option("population")); }

  std::optional<Design> propose() {
    if (newcomers_ < capacity()) {
      ++newcomers_;
      return unseen_.draw();
    }
    if (!population_.empty() && !free_.empty()) {
      for (int attempt = 0; attempt < child_attempts; ++attempt) {
        Design design = child(attempt / attempts_per_mutation);
        if (unseen_.claim(design)) return design;
      }
    }
    return unseen_.draw();
  }

  const Design& parent() {
    const Member& a = population_[rng_.below(population_.size())];
    const Member& b = population_[rng_.below(population_.size())];
    const bool is_better = a.rank != b.rank ? a.rank < b.rank : a.crowding > b.crowding;
    return (is_better ? a : b).evaluation.design;
  }

  Design child(int more_mutations) {
    Design design = parent();
    if (rng_.chance(option("crossover"))) {
      const Design& other = parent();
      for (const std::size_t i : free_)
        if (rng_.chance(0.5)) design[i] = other[i];
    }
    const double rate = 1.0 / static_cast<double>(free_.size());
    for (const std::size_t i : free_)
      if (rng_.chance(rate)) mutate(design, i);
    for (; more_mutations > 0; --more_mutations) mutate(design, free_[rng_.below(free_.size())]);
    return design;
  }

  void mutate(Design& design, std::size_t i) {
    design[i] = mutated_value(unseen_.space().parameters()[i], design[i], option("jump"), rng_);
  }

  void survive() {
    std::vector<std::size_t> survivors;
    const std::vector<std::vector<std::size_t>> fronts = sort_by_domination();
    for (std::size_t rank = 0; rank < fronts.size() && survivors.size() < capacity(); ++rank) {
      std::vector<std::size_t> front = fronts[rank];
      for (const std::size_t i : front) population_[i].rank = rank;
      measure_crowding(front);
      const std::size_t room = std::min(front.size(), capacity() - survivors.size());
      std::stable_sort(front.begin(), front.end(), [this](std::size_t a, std::size_t b) {
        return population_[a].crowding > population_[b].crowding;
      });
      survivors.insert(survivors.end(), front.begin(), front.begin() + static_cast<std::ptrdiff_t>(room));
    }
    std::sort(survivors.begin(), survivors.end());
    std::vector<Member> population;
    for (const std::size_t i : survivors) population.push_back(std::move(population_[i]));
    population_ = std::move(population);
  }

  // Section III-A: indices into the population, front by front. In an order where all come behind those that beat them,
  // each belongs to the first front of which none does (Zhang et al. 2015); no list of all pairs is kept, which
  // generations of many thousands would not leave room for.
  std::vector<std::vector<std::size_t>> sort_by_domination() const {
    const auto score = [&](std::size_t i) -> const MultiScore& { return population_[i].evaluation.score; };
    std::vector<std::size_t> order(population_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      if (score(a).feasible() != score(b).feasible()) return score(a).feasible();
      if (!score(a).feasible() && score(a).violation != score(b).violation) {
        return score(a).violation < score(b).violation;
      }
      if (score(a).feasible() && score(a).objectives != score(b).objectives) {
        return score(a).objectives < score(b).objectives;
      }
      return a > b;
    });
    std::vector<std::vector<std::size_t>> fronts;
    for (const std::size_t i : order) {
      // One that is beaten in a front is beaten in all before it, too.
      const auto first = std::partition_point(fronts.begin(), fronts.end(), [&](const auto& front) {
        return std::any_of(front.rbegin(), front.rend(),
                           [&](std::size_t other) { return beats(score(other), score(i), other > i); });
      });
      if (first == fronts.end()) {
        fronts.push_back({i});
      } else {
        first->push_back(i);
      }
    }
    for (std::vector<std::size_t>& front : fronts) std::sort(front.begin(), front.end());
    return fronts;
  }

  // Section III-B; infinite at the ends of each objective.
  void measure_crowding(const std::vector<std::size_t>& front) {
    for (const std::size_t i : front) population_[i].crowding = 0;
    if (!population_[front[0]].evaluation.score.feasible()) return;
    std::vector<std::size_t> order = front;
    for (std::size_t k = 0; k < population_[front[0]].evaluation.score.objectives.size(); ++k) {
      const auto value = [&](std::size_t i) { return population_[i].evaluation.score.objectives[k]; };
      std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return value(a) < value(b); });
      const double range = value(order.back()) - value(order.front());
      population_[order.front()].crowding = population_[order.back()].crowding = infinity;
      if (range <= 0) continue;
      for (std::size_t i = 1; i + 1 < order.size(); ++i)
        population_[order[i]].crowding += (value(order[i + 1]) - value(order[i - 1])) / range;
    }
  }

  StrategyOptions options_;
  Rng rng_;
  UnseenDesigns unseen_;
  std::vector<std::size_t> free_;   // parameters with more than one value
  std::vector<Member> population_;  // oldest first
  std::uint64_t newcomers_ = 0;     // random designs proposed at first
};

}  // namespace

std::unique_ptr<ParetoMethod> make_nsga2(const SearchDomain& domain, const StrategyOptions& options,
                                         std::uint64_t seed) {
  return std::make_unique<Nsga2>(domain, options, seed);
}

}  // namespace corbel
