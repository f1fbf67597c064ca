#include "corbel/search/model_based.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_set>
#include <utility>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/regression/boosted_trees.hpp"
#include "corbel/regression/ensemble.hpp"
#include "corbel/regression/ridge.hpp"
#include "corbel/regression/target_scale.hpp"
#include "corbel/search/design_features.hpp"
#include "corbel/search/mutation.hpp"
#include "corbel/search/observations.hpp"
#include "corbel/search/saved_state.hpp"
#include "corbel/search/sequential_strategy.hpp"

namespace corbel {

namespace {

// The inner evolution over the ensemble.
constexpr std::size_t generations = 20, children = 64, survivors = 48, newcomers = 32;
constexpr double crossover = 0.5, further_mutation = 0.3, jump = 0.4;
constexpr int tournament = 3;

// Rows a model learns from at most: the best, and others from the whole history. Bounds the time of a fit.
constexpr std::size_t most_rows = 2000, most_best_rows = 500;
// Results between two fits at most; as many designs are proposed from one model.
constexpr std::size_t longest_wait = 32;
// The regressors are cross-validated anew when so many times as many results are known.
constexpr double choice_growth = 1.3;
// Fewest rows that a regressor is fitted to.
constexpr std::size_t least_objectives = 8, least_excesses = 4;
// Objectives beyond this quantile count as it: bad designs need not be told apart.
constexpr double clip_quantile = 0.7;
// Each fit leaves out this share of the rows but the best ones, so that models in turn err in different places.
constexpr double left_out = 0.3;
constexpr std::size_t always_kept = 10;
// Candidates that designs are picked from, best first.
constexpr std::size_t most_candidates = 512;
// Designs out that repel others.
constexpr std::size_t most_pending = 256;
// Errors of the model of violations by which the chance to meet the limits is softened.
constexpr double limit_softness = 2;
// Gains are compared in units of this share of the model's error.
constexpr double gain_scale = 0.3;
constexpr double largest_violation = 1e6;
// Larger objectives are no measurements, and their squares would overflow.
constexpr double largest_objective = 1e100;

double softplus(double z) {
  return z > 30 ? z : std::log1p(std::exp(z));
}

double bounded(double violation) {
  return violation <= 0 ? 0 : std::log1p(std::min(violation, largest_violation));
}

bool simulated(const Evaluation& evaluation) {
  return std::abs(evaluation.score.objective) <= largest_objective;
}

/// Rows to learn from.
struct Examples {
  explicit Examples(std::size_t columns) : features(columns) {}
  void add(std::span<const double> row, double target) {
    features.append(row);
    targets.push_back(target);
  }
  Matrix features;
  std::vector<double> targets;
};

/// What is learnt from: objectives of what simulated, how far off designs are, and which are good.
struct Lessons {
  explicit Lessons(std::size_t columns) : everything(columns), objectives(columns), violations(columns) {}
  Examples everything;  // target: 1 if it simulated, or where that says nothing, if it is feasible
  Examples objectives;
  Examples violations;  // bounded; 0 where the limits are met
};

struct Model {
  Ensemble objective, limit;
  std::optional<BoostedTrees> classifier;
  double best = 0;            // target of the best feasible design
  bool any_feasible = false;  // else only the chance to meet the limits counts
  Matrix rows{1};             // what it was fitted to
};

struct Candidate {
  Design design;
  double mean = 0, spread = 0;  // of the objective's target
  double log_chance = 0;        // of being feasible
  double merit = 0;
};

class ModelBased final : public SequentialStrategy {
 public:
  ModelBased(const SearchDomain& domain, const StrategyOptions& options, std::uint64_t seed)
      : SequentialStrategy("model_based", model_based_options, domain, options, seed),
        features_(space()),
        observations_(space()) {
    for (std::size_t i = 0; i < space().dimensions(); ++i)
      if (space().parameters()[i].count() > 1) free_.push_back(i);
    // Two categories differ in two columns.
    for (std::size_t k = 0; k < features_.columns(); ++k)
      weights_.push_back(space().parameters()[features_.parameter_of(k)].is_ordered() ? 1 : 0.5);
  }
  std::unique_ptr<StrategyImplementation> clone() const override { return std::make_unique<ModelBased>(*this); }

 private:
  std::optional<Design> propose() override {
    const std::size_t known = observations_.size();
    if (free_.empty() || known < 2 || known + initial_ < count_option("initial")) {
      ++initial_;
      return sent(unseen().draw());
    }
    if (fitted_ == 0 || known >= fitted_ + wait()) {
      renew();
      queue_.clear();
    }
    if (queue_.empty()) fill_queue();
    while (!queue_.empty()) {
      Design design = std::move(queue_.front());
      queue_.pop_front();
      if (unseen().claim(design)) return sent(std::move(design));
    }
    return sent(unseen().draw());
  }

  std::optional<Design> sent(std::optional<Design> design) {
    if (design) pending_.push_back(space().id(*design));
    if (pending_.size() > most_pending) pending_.pop_front();
    return design;
  }

  std::size_t wait() const {
    return std::clamp<std::size_t>(static_cast<std::size_t>(option("refit") * static_cast<double>(fitted_)), 1,
                                   longest_wait);
  }

  void learn(const Evaluation& evaluation) override {
    std::erase(pending_, space().id(evaluation.design));
    if (initial_ > 0) --initial_;
    if (!evaluation.score.failed()) observations_.add(evaluation);
  }

  void renew() {
    const std::size_t known = observations_.size();
    if (chosen_ == 0 || static_cast<double>(known) >= choice_growth * static_cast<double>(chosen_)) {
      chosen_ = known;
      choice_seed_ = rng().next();
      choose();
    }
    fitted_ = known;
    fit_seed_ = rng().next();
    fit();
  }

  // The first `count` evaluations, or of a long history its best and an even sample of the others.
  std::vector<std::size_t> selected(std::size_t count) const {
    const std::vector<Evaluation>& all = observations_.all();
    std::vector<std::size_t> rows(count);
    std::iota(rows.begin(), rows.end(), std::size_t{0});
    if (count <= most_rows) return rows;
    std::stable_sort(rows.begin(), rows.end(),
                     [&](std::size_t a, std::size_t b) { return better(all[a].score, all[b].score); });
    thin_ranking(rows, most_best_rows, most_rows);
    return rows;
  }

  Lessons lessons(std::size_t count, TargetScale& scale) const {
    const std::vector<Evaluation>& all = observations_.all();
    const std::vector<std::size_t> rows = selected(count);
    const bool limits_show = std::any_of(
        rows.begin(), rows.end(), [&](std::size_t i) { return simulated(all[i]) && all[i].score.violation > 0; });
    Lessons lessons(features_.columns());
    std::vector<double> row(features_.columns()), objectives;
    for (const std::size_t i : rows) {
      const Evaluation& each = all[i];
      features_.write(each.design, row);
      lessons.everything.add(row, limits_show ? simulated(each) : each.score.feasible());
      if (simulated(each)) lessons.objectives.add(row, each.score.objective);
      // Where designs break limits and simulate all the same, these say most of the limits.
      if (simulated(each) || !limits_show) lessons.violations.add(row, bounded(each.score.violation));
    }
    std::vector<double>& targets = lessons.objectives.targets;
    if (!targets.empty()) {
      std::vector<double> sorted = targets;
      const auto place = static_cast<std::ptrdiff_t>(clip_quantile * static_cast<double>(sorted.size() - 1));
      std::nth_element(sorted.begin(), sorted.begin() + place, sorted.end());
      for (double& target : targets) target = std::min(target, sorted[static_cast<std::size_t>(place)]);
      scale = TargetScale(targets);
      for (double& target : targets) target = scale.to_target(target);
    }
    return lessons;
  }

  static Examples broken(const Examples& violations) {
    Examples over(violations.features.columns());
    for (std::size_t i = 0; i < violations.targets.size(); ++i)
      if (violations.targets[i] > 0) over.add(violations.features.row(i), violations.targets[i]);
    return over;
  }

  // Regressors that predict rows they have not seen. Depends on chosen_ and choice_seed_ alone.
  void choose() {
    TargetScale scale;
    const Lessons all = lessons(chosen_, scale);
    objective_choice_ = limit_choice_ = {};
    if (all.objectives.targets.size() >= least_objectives)
      objective_choice_ = Ensemble(all.objectives.features, all.objectives.targets, choice_seed_);
    const Examples over = broken(all.violations);
    if (over.targets.size() >= least_excesses) limit_choice_ = Ensemble(over.features, over.targets, choice_seed_);
  }

  // Depends on the choice, fitted_ and fit_seed_ alone.
  void fit() {
    TargetScale scale;
    Lessons all = lessons(fitted_, scale);
    auto model = std::make_shared<Model>();
    const Evaluation* best = nullptr;
    for (std::size_t i = 0; i < fitted_; ++i) {
      const Evaluation& each = observations_.all()[i];
      if (each.score.feasible() && simulated(each) && (!best || better(each.score, best->score))) best = &each;
    }
    if (!objective_choice_.members().empty() && !all.objectives.targets.empty()) {
      const Examples sample = thinned(all.objectives);
      model->objective = objective_choice_;
      model->objective.fit(sample.features, sample.targets, fit_seed_);
      model->any_feasible = best != nullptr;
      if (best) model->best = scale.to_target(best->score.objective);
    }
    if (!limit_choice_.members().empty()) {
      extend_below_zero(all.violations);
      model->limit = limit_choice_;
      model->limit.fit(all.violations.features, all.violations.targets, fit_seed_);
    }
    const std::vector<double>& labels = all.everything.targets;
    const auto good = std::count(labels.begin(), labels.end(), 1.0);
    if (good > 0 && static_cast<std::size_t>(good) < labels.size()) {
      model->classifier.emplace(BoostedTreesOptions{.depth = 4, .probability = true, .seed = fit_seed_});
      model->classifier->fit(all.everything.features, labels);
    }
    model->rows = std::move(all.everything.features);
    model_ = std::move(model);
  }

  Examples thinned(const Examples& all) const {
    std::vector<double> sorted = all.targets;
    const auto last = static_cast<std::ptrdiff_t>(std::min(sorted.size() - 1, always_kept));
    std::nth_element(sorted.begin(), sorted.begin() + last, sorted.end());
    Examples sample(all.features.columns());
    Rng random(fit_seed_);
    for (std::size_t i = 0; i < all.targets.size(); ++i)
      if (all.targets[i] <= sorted[static_cast<std::size_t>(last)] || !random.chance(left_out))
        sample.add(all.features.row(i), all.targets[i]);
    return sample;
  }

  // What meets the limits has no violation to learn from, only that it is not above 0: a model of the others says how
  // far below it is likely to be (a censored target, imputed once).
  static void extend_below_zero(Examples& violations) {
    const Examples over = broken(violations);
    if (over.targets.size() == violations.targets.size() || over.targets.empty()) return;
    Ridge ridge({.quadratic = over.targets.size() > 3 * over.features.columns()});
    ridge.fit(over.features, over.targets);
    std::vector<double> predicted(violations.targets.size());
    ridge.predict(violations.features, predicted);
    const double least = -*std::max_element(over.targets.begin(), over.targets.end());
    for (std::size_t i = 0; i < predicted.size(); ++i)
      if (violations.targets[i] <= 0) violations.targets[i] = std::clamp(predicted[i], least, 0.0);
  }

  void judge(std::vector<Candidate>& candidates) const {
    if (candidates.empty()) return;
    Matrix features(candidates.size(), features_.columns());
    for (std::size_t i = 0; i < candidates.size(); ++i) features_.write(candidates[i].design, features.row(i));
    const std::vector<double> zero(candidates.size(), 0);
    std::vector<double> mean = zero, spread = zero, violation = zero, doubt = zero, chance(candidates.size(), 1);
    if (model_->objective.fitted()) model_->objective.predict(features, mean, spread);
    if (model_->limit.fitted()) model_->limit.predict(features, violation, doubt);
    if (model_->classifier) model_->classifier->predict(features, chance);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      Candidate& candidate = candidates[i];
      candidate.mean = mean[i];
      candidate.spread = spread[i];
      candidate.log_chance = std::log(std::clamp(chance[i], 1e-4, 1.0));
      if (model_->limit.fitted()) {
        const double softness = std::max(1e-3, std::hypot(model_->limit.rmse() * limit_softness, doubt[i]));
        candidate.log_chance -= softplus(1.7 * violation[i] / softness);  // 1.7: a logistic curve close to the normal's
      }
      if (model_->objective.fitted())
        candidate.spread = std::hypot(candidate.spread, novelty(features.row(i)) * model_->objective.rmse());
      candidate.merit = merit(candidate, option("exploration"));
    }
  }

  // 0 at a design that the model knows, towards 1 far from all of them.
  double novelty(std::span<const double> row) const {
    double nearest = std::numeric_limits<double>::infinity();
    const Matrix& rows = model_->rows;
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      const std::span<const double> other = rows.row(r);
      double distance = 0;
      for (std::size_t k = 0; k < row.size(); ++k) distance += std::abs(row[k] - other[k]) * weights_[k];
      nearest = std::min(nearest, distance);
    }
    return 1 - std::exp(-nearest);
  }

  // Logarithm of the chance to be feasible times the soft gain over the best.
  double merit(const Candidate& candidate, double exploration) const {
    if (!model_->any_feasible) return candidate.log_chance;
    const double unit = std::max(1e-3, gain_scale * model_->objective.rmse());
    const double gain = (model_->best - candidate.mean + exploration * candidate.spread) / unit;
    return candidate.log_chance + std::log(std::max(1e-300, softplus(gain)));
  }

  Design child(const std::vector<Candidate>& population) {
    const auto parent = [&]() -> const Design& {
      std::size_t best = population.size();
      for (int i = 0; i < tournament; ++i) best = std::min<std::size_t>(best, rng().below(population.size()));
      return population[best].design;
    };
    Design design = parent();
    if (rng().chance(crossover)) {
      const Design& other = parent();
      for (const std::size_t i : free_)
        if (rng().chance(0.5)) design[i] = other[i];
    }
    do {
      const std::size_t i = free_[rng().below(free_.size())];
      design[i] = mutated_value(space().parameters()[i], design[i], jump, rng());
    } while (rng().chance(further_mutation));
    return design;
  }

  // Unseen designs that the evolution came by, best first.
  std::vector<Candidate> evolved() {
    std::unordered_set<DesignId> visited;
    std::vector<Candidate> population, pool, next;
    const auto visit = [&](Design design) {
      if (visited.insert(space().id(design)).second) next.push_back({std::move(design)});
    };
    for (const std::size_t i : observations_.best(survivors)) visit(observations_.all()[i].design);
    for (std::size_t i = 0; i < newcomers; ++i) visit(space().random(rng()));
    // Stable, since the newcomers are before the children: where the models tell nothing apart, designs are random.
    const auto rank = [](std::vector<Candidate>& candidates) {
      std::stable_sort(candidates.begin(), candidates.end(),
                       [](const Candidate& a, const Candidate& b) { return a.merit > b.merit; });
    };
    for (std::size_t generation = 0; generation <= generations; ++generation) {
      judge(next);
      for (Candidate& each : next) {
        if (unseen().available(each.design)) pool.push_back(each);
        population.push_back(std::move(each));
      }
      next.clear();
      rank(population);
      if (population.size() > survivors) population.resize(survivors);
      for (std::size_t attempt = 0; next.size() < children && attempt < 4 * children; ++attempt)
        visit(child(population));
    }
    rank(pool);
    if (pool.size() > most_candidates) pool.resize(most_candidates);
    return pool;
  }

  // As many designs as are asked for until the next fit, each away from those before it and from those that are out.
  void fill_queue() {
    const std::vector<Candidate> pool = evolved();
    std::vector<double> penalties(pool.size(), 0);
    const auto repel = [&](const Design& from) {
      for (std::size_t i = 0; i < pool.size(); ++i) penalties[i] += std::exp(-steps(from, pool[i].design));
    };
    for (const DesignId id : pending_) repel(space().design(id));
    std::vector<bool> taken(pool.size(), false);
    for (std::size_t count = std::min(pool.size(), wait()); count > 0; --count) {
      // Some are greedy, some explore.
      const double exploration = -std::log(1 - rng().uniform()) * option("exploration");
      std::size_t best = pool.size();
      double best_merit = 0;
      for (std::size_t i = 0; i < pool.size(); ++i) {
        if (taken[i]) continue;
        const double value = merit(pool[i], exploration) - penalties[i];
        if (best == pool.size() || value > best_merit) {
          best = i;
          best_merit = value;
        }
      }
      taken[best] = true;
      queue_.push_back(pool[best].design);
      repel(pool[best].design);
    }
  }

  // Two steps of an ordered parameter, or another category, count one.
  double steps(const Design& a, const Design& b) const {
    double sum = 0;
    for (const std::size_t i : free_) {
      const double apart = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
      sum += space().parameters()[i].is_ordered() ? std::min(1.0, 0.5 * apart) : apart != 0;
    }
    return sum;
  }

  nlohmann::json state() const override {
    nlohmann::json queue = nlohmann::json::array();
    for (const Design& design : queue_) queue.push_back(space().id(design));
    return {{"observations", observations_.to_json()},
            {"queue", std::move(queue)},
            {"pending", pending_},
            {"initial", initial_},
            {"chosen", chosen_},
            {"choice_seed", choice_seed_},
            {"fitted", fitted_},
            {"fit_seed", fit_seed_}};
  }

  void set_state(const nlohmann::json& json) override {
    observations_.from_json(json.at("observations"));
    const auto ids = [&](const char* name) {
      std::deque<DesignId> list;
      for (const nlohmann::json& each : json.at(name)) list.push_back(design_id_from_json(space(), each));
      return list;
    };
    queue_.clear();
    for (const DesignId id : ids("queue")) queue_.push_back(space().design(id));
    pending_ = ids("pending");
    initial_ = whole_from_json(json.at("initial"));
    chosen_ = whole_from_json(json.at("chosen"));
    choice_seed_ = whole_from_json(json.at("choice_seed"));
    fitted_ = whole_from_json(json.at("fitted"));
    fit_seed_ = whole_from_json(json.at("fit_seed"));
    if (fitted_ > observations_.size() || chosen_ > fitted_ || (chosen_ == 0) != (fitted_ == 0))
      throw damaged_state("its models know more than was told");
    model_.reset();
    if (fitted_ == 0) return;
    choose();
    fit();
  }

  DesignFeatures features_;
  Observations observations_;
  std::vector<std::size_t> free_;  // parameters with more than one value
  std::vector<double> weights_;    // of the columns, in distances
  Ensemble objective_choice_, limit_choice_;
  std::shared_ptr<const Model> model_;   // shared by copies, since it does not change
  std::size_t chosen_ = 0, fitted_ = 0;  // observations known at the last choice and fit; 0: none yet
  std::uint64_t choice_seed_ = 0, fit_seed_ = 0;
  std::uint64_t initial_ = 0;     // random designs that are out
  std::deque<Design> queue_;      // what the model proposes next
  std::deque<DesignId> pending_;  // designs that are out
};

}  // namespace

std::unique_ptr<StrategyImplementation> make_model_based(const SearchDomain& domain, const StrategyOptions& options,
                                                         std::uint64_t seed) {
  return std::make_unique<ModelBased>(domain, options, seed);
}

}  // namespace corbel
