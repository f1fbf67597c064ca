#include "corbel/search/evolution.hpp"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/search/mutation.hpp"
#include "corbel/search/saved_state.hpp"
#include "corbel/search/sequential_strategy.hpp"

namespace corbel {

namespace {

// Children tried before a random design takes the place of one that would be new.
constexpr int child_attempts = 32;
// After this many attempts a child differs in one parameter more, to leave a neighbourhood that is used up.
constexpr int attempts_per_mutation = 8;

class Evolution final : public SequentialStrategy {
 public:
  Evolution(const SearchDomain& domain, const StrategyOptions& options, std::uint64_t seed)
      : SequentialStrategy("evolution", evolution_options, domain, options, seed) {
    for (std::size_t i = 0; i < space().dimensions(); ++i)
      if (space().parameters()[i].count() > 1) free_.push_back(i);
  }
  std::unique_ptr<StrategyImplementation> clone() const override { return std::make_unique<Evolution>(*this); }

 private:
  std::size_t capacity() const { return count_option("population"); }

  std::optional<Design> propose() override {
    // A history told beforehand can fill the population as well.
    if (newcomers_ < capacity() && population_.size() < capacity()) {
      ++newcomers_;
      return unseen().draw();
    }
    if (!population_.empty() && !free_.empty()) {
      for (int attempt = 0; attempt < child_attempts; ++attempt) {
        Design design = child(1 + attempt / attempts_per_mutation);
        if (unseen().claim(design)) return design;
      }
    }
    return unseen().draw();
  }

  void learn(const Evaluation& evaluation) override {
    const auto is_same = [&](const Evaluation& member) { return member.design == evaluation.design; };
    if (std::any_of(population_.begin(), population_.end(), is_same)) return;
    population_.push_back(evaluation);
    const bool progress = !best_ || better(evaluation.score, best_->score);
    if (progress) best_ = evaluation;
    if (population_.size() > capacity()) {
      // Scores are exact here, so there is no reason to let the best one age out.
      if (population_.front().design == best_->design) std::swap(population_[0], population_[1]);
      population_.pop_front();
    }
    stagnant_ = progress ? 0 : stagnant_ + 1;
    if (stagnant_ >= count_option("patience")) restart();
  }

  // Out of a basin that is used up: the best design meets a population of newcomers.
  void restart() {
    population_ = {*best_};
    newcomers_ = 1;
    stagnant_ = 0;
  }

  const Design& parent() {
    const Evaluation* best = nullptr;
    for (std::size_t i = count_option("tournament"); i > 0; --i) {
      const Evaluation& member = population_[rng().below(population_.size())];
      if (!best || better(member.score, best->score)) best = &member;
    }
    return best->design;
  }

  Design child(int mutations) {
    Design design = parent();
    if (rng().chance(option("crossover"))) {
      const Design& other = parent();
      for (const std::size_t i : free_)
        if (rng().chance(0.5)) design[i] = other[i];
    }
    for (; mutations > 0; --mutations) mutate(design);
    return design;
  }

  void mutate(Design& design) {
    const std::size_t i = free_[rng().below(free_.size())];
    design[i] = mutated_value(space().parameters()[i], design[i], option("jump"), rng());
  }

  nlohmann::json state() const override {
    nlohmann::json population = nlohmann::json::array();
    for (const Evaluation& member : population_) population.push_back(evaluation_to_json(space(), member));
    return {{"population", std::move(population)},
            {"best", best_ ? evaluation_to_json(space(), *best_) : nlohmann::json()},
            {"newcomers", newcomers_},
            {"stagnant", stagnant_}};
  }

  void set_state(const nlohmann::json& json) override {
    population_.clear();
    for (const nlohmann::json& member : json.at("population"))
      population_.push_back(evaluation_from_json(space(), member));
    best_.reset();
    if (const nlohmann::json& best = json.at("best"); !best.is_null()) best_ = evaluation_from_json(space(), best);
    if (best_.has_value() == population_.empty() || population_.size() > capacity())
      throw damaged_state("its population cannot be");
    newcomers_ = whole_from_json(json.at("newcomers"));
    stagnant_ = whole_from_json(json.at("stagnant"));
  }

  std::vector<std::size_t> free_;      // parameters with more than one value
  std::deque<Evaluation> population_;  // oldest first
  std::optional<Evaluation> best_;
  std::uint64_t newcomers_ = 0;  // random designs proposed since the last restart
  std::uint64_t stagnant_ = 0;   // evaluations since the best improved
};

}  // namespace

std::unique_ptr<StrategyImplementation> make_evolution(const SearchDomain& domain, const StrategyOptions& options,
                                                       std::uint64_t seed) {
  return std::make_unique<Evolution>(domain, options, seed);
}

}  // namespace corbel
