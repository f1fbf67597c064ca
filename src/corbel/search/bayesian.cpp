#include "corbel/search/bayesian.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/regression/gaussian_process.hpp"
#include "corbel/regression/target_scale.hpp"
#include "corbel/search/design_features.hpp"
#include "corbel/search/observations.hpp"
#include "corbel/search/saved_state.hpp"
#include "corbel/search/sequential_strategy.hpp"

namespace corbel {

namespace {

// The models are fitted again when a fifth more is known, or this many more observations.
constexpr double growth = 1.2;
constexpr std::size_t most_between_fits = 250;
// Observations that hyper-parameters are chosen on, and steps of that choice: its cost grows with their cube.
constexpr std::size_t fit_rows = 150, fit_steps = 20;
// Designs that joined a model since the last fit: further ones that are out are only kept from being proposed.
constexpr std::size_t most_joined = 500;
// A design that is out counts as lost when this many evaluations came back since.
constexpr std::uint64_t patience = 100;

// New designs per proposal: the best observations they descend from, designs made, those that become candidates, and
// steps uphill from the best candidate with the neighbours that then become candidates.
constexpr std::size_t elites = 10, offspring_made = 150, offspring_kept = 64, climbs = 2, neighbours_kept = 8;
// Of those made: uniform over the space, and children of two parents; the others have one.
constexpr double random_share = 0.2, crossover_share = 0.3;
constexpr std::uint64_t most_mutations = 3;
// Probability that a mutation of an ordered parameter is one step, not any value.
constexpr double step_share = 0.7;

// A feasible design is taken to lie at least this far inside its limits, on the scale of log (1 + violation).
constexpr double margin = 0.1;
// What a model of the violation may be wrong by without knowing it, on that scale.
constexpr double trust = 0.03;
// Beyond these nothing is learnt that helps to find an optimum.
constexpr double largest_violation = 20, largest_target = 10;

constexpr double log_sqrt_two_pi = 0.91893853320467274178;

// log Φ(z). Below −5 by the asymptotic series, where erfc runs out.
double log_normal_cdf(double z) {
  if (z > -5) return std::log(0.5 * std::erfc(-z / std::numbers::sqrt2));
  const double s = 1 / (z * z);
  return -0.5 * z * z - log_sqrt_two_pi - std::log(-z) + std::log1p(-s + 3 * s * s);
}

// log (φ(z) + z Φ(z)), the logarithm of expected improvement in units of the deviation: Ament et al. 2023
// (arXiv 2310.20708), section 4.1.
double log_expected_improvement(double z) {
  if (z > -5) return std::log(std::exp(-0.5 * z * z - log_sqrt_two_pi) + z * 0.5 * std::erfc(-z / std::numbers::sqrt2));
  const double s = 1 / (z * z);
  return -0.5 * z * z - log_sqrt_two_pi + std::log(s) + std::log1p(-3 * s + 15 * s * s);
}

bool has_objective(const Score& score) {
  return std::isfinite(score.objective);
}

class Bayesian final : public SequentialStrategy {
 public:
  Bayesian(const SearchDomain& domain, const StrategyOptions& options, std::uint64_t seed)
      : SequentialStrategy("bayesian", bayesian_options, domain, options, seed),
        features_(space()),
        observations_(space()) {
    for (std::size_t i = 0; i < space().dimensions(); ++i)
      if (space().parameters()[i].count() > 1) free_.push_back(i);
    // The columns of a category share a length scale.
    for (std::size_t column = 0; column < features_.columns(); ++column) {
      const auto parameter = std::find(free_.begin(), free_.end(), features_.parameter_of(column));
      groups_.push_back(static_cast<std::size_t>(parameter - free_.begin()));
    }
  }
  std::unique_ptr<StrategyImplementation> clone() const override { return std::make_unique<Bayesian>(*this); }

 private:
  enum Quantity : std::size_t { objective, violation };
  static constexpr std::array quantities{objective, violation};

  // A quantity's Gaussian process. Its first rows are of observations that teach it, as they were at the last fit;
  // those of joined_ follow.
  struct Model {
    GaussianProcessParameters parameters;
    std::optional<GaussianProcess> process;
    std::vector<std::size_t> base;                         // observations
    std::vector<GaussianProcess::Prediction> predictions;  // of the candidates
  };

  // A design proposed and not yet told.
  struct Pending {
    DesignId design;
    std::uint64_t told;  // observations when it was proposed
  };

  std::optional<Design> propose() override {
    std::optional<Design> design;
    if (unseen().count() >= count_option("initial") && observations_.size() > 1) design = best_candidate();
    if (!design) design = unseen().draw();
    if (design) {
      const DesignId id = space().id(*design);
      pending_.push_back({id, observations_.size()});
      join(id);
    }
    return design;
  }

  void learn(const Evaluation& evaluation) override {
    const DesignId id = space().id(evaluation.design);
    std::erase_if(pending_, [id](const Pending& each) { return each.design == id; });
    if (!observations_.add(evaluation)) return;
    observation_of_.emplace(id, observations_.size() - 1);
    join(id);
  }

  // ---- What the models learn.

  // A design enters the models, as far as they are there.
  void join(DesignId id) {
    if (fitted_ == 0 || joined_.size() >= most_joined || is_joined_.contains(id)) return;
    joined_.push_back(id);
    is_joined_.insert(id);
  }

  double objective_target(double value) const {
    return std::clamp(scale_.to_target(value), -largest_target, largest_target);
  }

  // Target of an observation; one that does not teach the quantity stays unknown.
  GaussianProcessTarget target(Quantity quantity, const Score& score) const {
    using Kind = GaussianProcessTarget::Kind;
    if (quantity == objective) {
      if (!has_objective(score)) return {0, Kind::unknown};
      return {objective_target(score.objective), Kind::exact};
    }
    if (std::isnan(score.violation)) return {0, Kind::unknown};
    // How far inside the limits a feasible design lies is not told.
    if (score.feasible()) return {-margin, Kind::at_most};
    return {std::log1p(std::min(score.violation, largest_violation)), Kind::exact};
  }

  // At most `count` observations that teach a quantity, ascending: all, or half of them the best and the others evenly
  // spaced in the ranking of the rest.
  std::vector<std::size_t> representatives(Quantity quantity, std::size_t count) const {
    const std::vector<Evaluation>& all = observations_.all();
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < fitted_; ++i)
      if (target(quantity, all[i].score).kind != GaussianProcessTarget::Kind::unknown) chosen.push_back(i);
    if (chosen.size() <= count) return chosen;
    std::stable_sort(chosen.begin(), chosen.end(),
                     [&](std::size_t a, std::size_t b) { return better(all[a].score, all[b].score); });
    thin_ranking(chosen, count / 2, count);
    std::sort(chosen.begin(), chosen.end());
    return chosen;
  }

  std::vector<double> features(const Design& design) const {
    std::vector<double> row(features_.columns());
    features_.write(design, row);
    return row;
  }

  void set_scale() {
    std::vector<double> values;
    for (std::size_t i = 0; i < fitted_; ++i)
      if (const Score& score = observations_.all()[i].score; has_objective(score)) values.push_back(score.objective);
    scale_ = TargetScale(values);
  }

  bool must_fit() const {
    const std::size_t told = observations_.size();
    return fitted_ == 0 || told >= fitted_ + most_between_fits ||
           static_cast<double>(told) >= growth * static_cast<double>(fitted_) + 2;
  }

  // Chooses hyper-parameters anew and starts the models from what is known now.
  void fit() {
    // What the last models made of bounds.
    std::array<std::unordered_map<std::size_t, double>, quantities.size()> learnt;
    for (const Quantity quantity : quantities) {
      Model& model = models_[quantity];
      if (!model.process) continue;
      for (std::size_t row = 0; row < model.process->size(); ++row)
        if (const auto i = observation(model, row)) learnt[quantity].emplace(*i, model.process->learnt_target(row));
    }
    fitted_ = observations_.size();
    set_scale();
    joined_.clear();
    is_joined_.clear();
    for (const Pending& each : pending_) join(each.design);
    for (const Quantity quantity : quantities) {
      Model& model = models_[quantity];
      const std::vector<std::size_t> sample = representatives(quantity, fit_rows);
      bool is_used = sample.size() > 1;
      if (quantity == violation) {
        is_used = std::any_of(sample.begin(), sample.end(),
                              [&](std::size_t i) { return !observations_.all()[i].score.feasible(); });
      }
      if (!is_used) {
        model.parameters = {};
        continue;
      }
      Matrix rows(features_.columns());
      std::vector<double> targets;
      for (const std::size_t i : sample) {
        const Evaluation& each = observations_.all()[i];
        const GaussianProcessTarget known = target(quantity, each.score);
        const auto filled = learnt[quantity].find(i);
        const bool is_bound = known.kind != GaussianProcessTarget::Kind::exact;
        rows.append(features(each.design));
        targets.push_back(is_bound && filled != learnt[quantity].end() ? std::min(known.value, filled->second)
                                                                       : known.value);
      }
      model.parameters = fit_gaussian_process(rows, targets, groups_, model.parameters, fit_steps);
    }
    build();
  }

  // The models of the last fit, before anything joined them.
  void build() {
    for (const Quantity quantity : quantities) {
      Model& model = models_[quantity];
      model.process.reset();
      if (model.parameters.lengths.empty()) continue;
      model.process.emplace(groups_, model.parameters);
      model.base = representatives(quantity, count_option("rows"));
      for (const std::size_t i : model.base) {
        const Evaluation& each = observations_.all()[i];
        model.process->append(features(each.design), target(quantity, each.score));
      }
      for (const Design& candidate : candidates_) model.process->follow(features(candidate));
    }
  }

  // The observation a row stands for, if it was told.
  std::optional<std::size_t> observation(const Model& model, std::size_t row) const {
    if (row < model.base.size()) return model.base[row];
    const auto found = observation_of_.find(joined_[row - model.base.size()]);
    if (found == observation_of_.end()) return std::nullopt;
    return found->second;
  }

  void update_models() {
    extend_models();
    if (must_fit()) {
      const std::size_t told = observations_.size();
      std::erase_if(pending_, [told](const Pending& each) { return told - each.told > patience; });
      fit();
      extend_models();
    }
    update_incumbent();
  }

  // The best of what is feasible, or what a design that is out is believed to be: else a batch would crowd where the
  // first of its designs was promising.
  void update_incumbent() {
    incumbent_.reset();
    Model &objectives = models_[objective], &violations = models_[violation];
    if (!objectives.process) return;
    const Score& best = observations_.best()->score;
    if (!best.feasible() || std::isnan(best.objective)) return;
    incumbent_ = objective_target(best.objective);
    for (std::size_t k = 0; k < joined_.size(); ++k) {
      if (observation_of_.contains(joined_[k])) continue;
      if (violations.process && violations.process->learnt_target(violations.base.size() + k) > 0) continue;
      const double believed = objectives.process->learnt_target(objectives.base.size() + k);
      incumbent_ = std::min(*incumbent_, believed);
    }
  }

  void extend_models() {
    for (const Quantity quantity : quantities) {
      Model& model = models_[quantity];
      if (!model.process) continue;
      for (std::size_t k = 0; k < joined_.size(); ++k) {
        const std::size_t row = model.base.size() + k;
        const auto i = observation(model, row);
        const GaussianProcessTarget known = i ? target(quantity, observations_.all()[*i].score)
                                              : GaussianProcessTarget{0, GaussianProcessTarget::Kind::unknown};
        if (row < model.process->size()) {
          model.process->set_target(row, known);
        } else {
          model.process->append(features(space().design(joined_[k])), known);
        }
      }
    }
  }

  // ---- Where to look next.

  std::optional<Design> best_candidate() {
    update_models();
    if (!models_[objective].process && !models_[violation].process) return std::nullopt;
    renew_candidates();
    while (!candidates_.empty()) {
      const std::size_t best = best_index();
      Design design = candidates_[best];
      drop(best);
      if (unseen().claim(design)) return design;
    }
    return std::nullopt;
  }

  std::size_t best_index() const {
    return static_cast<std::size_t>(std::max_element(acquisition_.begin(), acquisition_.end()) - acquisition_.begin());
  }

  // Logarithm of expected improvement times the probability of feasibility (Gardner et al. 2014, eq. 7); of that
  // probability alone while nothing feasible is known (Gelbart et al. 2014, section 3.2).
  double acquisition(const std::array<GaussianProcess::Prediction, quantities.size()>& predictions) const {
    double sum = 0;
    if (models_[violation].process) {
      const auto& [mean, variance] = predictions[violation];
      sum += log_normal_cdf(-mean / std::sqrt(variance + trust * trust));
    }
    if (incumbent_) {
      const auto& [mean, variance] = predictions[objective];
      const double deviation = std::sqrt(variance);
      sum += log_expected_improvement((*incumbent_ - mean) / deviation) + std::log(deviation);
    }
    return sum;
  }

  void evaluate_candidates() {
    for (Model& model : models_) {
      if (!model.process) continue;
      model.predictions.resize(candidates_.size());
      model.process->predict_followed(model.predictions);
    }
    acquisition_.resize(candidates_.size());
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      std::array<GaussianProcess::Prediction, quantities.size()> predictions;
      for (const Quantity quantity : quantities)
        if (models_[quantity].process) predictions[quantity] = models_[quantity].predictions[i];
      acquisition_[i] = acquisition(predictions);
    }
  }

  void drop(std::size_t i) {
    is_candidate_.erase(space().id(candidates_[i]));
    if (i + 1 < candidates_.size()) candidates_[i] = std::move(candidates_.back());
    candidates_.pop_back();
    if (i < acquisition_.size()) {
      acquisition_[i] = acquisition_.back();
      acquisition_.pop_back();
    }
    for (Model& model : models_)
      if (model.process) model.process->unfollow(i);
  }

  void offer(std::vector<Design>& fresh, std::unordered_set<DesignId>& ids, Design design) {
    if (!unseen().available(design)) return;
    const DesignId id = space().id(design);
    if (!is_candidate_.contains(id) && ids.insert(id).second) fresh.push_back(std::move(design));
  }

  void renew_candidates() {
    acquisition_.clear();
    for (std::size_t i = candidates_.size(); i-- > 0;)
      if (!unseen().available(candidates_[i])) drop(i);
    evaluate_candidates();
    admit(offspring(), offspring_kept);
    // Uphill from the best candidate.
    for (std::size_t climb = 0; climb < climbs && !candidates_.empty(); ++climb) {
      const std::size_t best = best_index();
      const double before = acquisition_[best];
      std::vector<Design> fresh;
      std::unordered_set<DesignId> ids;
      for (Design& design : around(candidates_[best])) offer(fresh, ids, std::move(design));
      admit(std::move(fresh), neighbours_kept);
      if (acquisition_[best_index()] <= before) break;
    }
    shed();
  }

  // New designs around the best observations, and random ones.
  std::vector<Design> offspring() {
    const std::vector<Evaluation>& all = observations_.all();
    const std::vector<std::size_t> elite = observations_.best(elites);
    const auto parent = [&]() -> const Design& { return all[elite[rng().below(elite.size())]].design; };
    std::vector<Design> fresh;
    std::unordered_set<DesignId> ids;
    for (Design& design : around(all[elite[0]].design)) offer(fresh, ids, std::move(design));
    for (std::size_t k = 0; k < offspring_made; ++k) {
      const double kind = rng().uniform();
      if (kind < random_share) {
        offer(fresh, ids, space().random(rng()));
        continue;
      }
      Design design = parent();
      if (kind < random_share + crossover_share) {
        const Design& other = parent();
        for (const std::size_t i : free_)
          if (rng().chance(0.5)) design[i] = other[i];
      }
      for (std::uint64_t mutations = 1 + rng().below(most_mutations); mutations > 0; --mutations) mutate(design);
      offer(fresh, ids, std::move(design));
    }
    return fresh;
  }

  void mutate(Design& design) {
    const std::size_t i = free_[rng().below(free_.size())];
    const Parameter& parameter = space().parameters()[i];
    std::uint32_t& value = design[i];
    if (parameter.is_ordered() && rng().chance(step_share)) {
      // Steps of every order of magnitude alike.
      const auto step = static_cast<std::uint32_t>(std::pow(0.5 * parameter.count(), rng().uniform()));
      const std::uint32_t below = value, above = parameter.count() - 1 - value;
      const bool up = below < step || (above >= step && rng().chance(0.5));
      value = up ? value + std::min(step, above) : value - step;
    } else {
      const auto other = static_cast<std::uint32_t>(rng().below(parameter.count() - 1));
      value = other < value ? other : other + 1;
    }
  }

  // Designs that differ in one parameter: by 1, 2, 4, … steps if ordered, by any value if categorical.
  std::vector<Design> around(const Design& design) const {
    std::vector<Design> result;
    for (const std::size_t i : free_) {
      const Parameter& parameter = space().parameters()[i];
      const auto add = [&](std::uint64_t value) {
        result.push_back(design);
        result.back()[i] = static_cast<std::uint32_t>(value);
      };
      if (parameter.is_ordered()) {
        for (std::uint64_t step = 1; step < parameter.count(); step *= 2) {
          if (step <= design[i]) add(design[i] - step);
          if (design[i] + step < parameter.count()) add(design[i] + step);
        }
      } else {
        for (std::uint32_t value = 0; value < parameter.count(); ++value)
          if (value != design[i]) add(value);
      }
    }
    return result;
  }

  // Those of `fresh` that look best become candidates: by their means, with variances as candidates have them, since a
  // variance costs as much as a hundred means.
  void admit(std::vector<Design> fresh, std::size_t count) {
    if (fresh.size() > count) {
      Matrix rows(features_.columns());
      for (const Design& design : fresh) rows.append(features(design));
      std::array<std::vector<double>, quantities.size()> means;
      std::array<GaussianProcess::Prediction, quantities.size()> predictions{};
      for (const Quantity quantity : quantities) {
        Model& model = models_[quantity];
        if (!model.process) continue;
        means[quantity].resize(fresh.size());
        model.process->predict_means(rows, means[quantity]);
        predictions[quantity].variance = typical_variance(model);
      }
      std::vector<std::pair<double, std::size_t>> ranking;
      for (std::size_t i = 0; i < fresh.size(); ++i) {
        for (const Quantity quantity : quantities)
          if (models_[quantity].process) predictions[quantity].mean = means[quantity][i];
        ranking.emplace_back(-acquisition(predictions), i);
      }
      std::partial_sort(ranking.begin(), ranking.begin() + static_cast<std::ptrdiff_t>(count), ranking.end());
      std::vector<Design> kept;
      for (std::size_t k = 0; k < count; ++k) kept.push_back(std::move(fresh[ranking[k].second]));
      fresh = std::move(kept);
    }
    if (fresh.empty()) return;
    for (Design& design : fresh) {
      const std::vector<double> row = features(design);
      for (Model& model : models_)
        if (model.process) model.process->follow(row);
      is_candidate_.insert(space().id(design));
      candidates_.push_back(std::move(design));
    }
    evaluate_candidates();
  }

  static double typical_variance(const Model& model) {
    if (model.predictions.empty()) return 0.25 * model.parameters.amplitude;
    std::vector<double> variances;
    for (const GaussianProcess::Prediction& each : model.predictions) variances.push_back(each.variance);
    const auto middle = variances.begin() + static_cast<std::ptrdiff_t>(variances.size() / 2);
    std::nth_element(variances.begin(), middle, variances.end());
    return *middle;
  }

  // The worst candidates leave.
  void shed() {
    const std::size_t capacity = count_option("candidates");
    if (candidates_.size() <= capacity) return;
    std::vector<double> sorted = acquisition_;
    const auto limit = sorted.begin() + static_cast<std::ptrdiff_t>(candidates_.size() - capacity);
    std::nth_element(sorted.begin(), limit, sorted.end());
    for (std::size_t i = candidates_.size(); i-- > 0;)
      if (acquisition_[i] < *limit) drop(i);
    while (candidates_.size() > capacity) drop(candidates_.size() - 1);
  }

  // ---- State.

  nlohmann::json state() const override {
    nlohmann::json pending = nlohmann::json::array(), models = nlohmann::json::array();
    for (const Pending& each : pending_) pending.push_back({{"design", each.design}, {"told", each.told}});
    for (const Model& model : models_) {
      const GaussianProcessParameters& p = model.parameters;
      models.push_back({{"lengths", p.lengths}, {"amplitude", p.amplitude}, {"noise", p.noise}, {"mean", p.mean}});
    }
    std::vector<DesignId> candidates;
    for (const Design& design : candidates_) candidates.push_back(space().id(design));
    nlohmann::json result = {{"observations", observations_.to_json()},
                             {"pending", std::move(pending)},
                             {"fitted", fitted_},
                             {"models", std::move(models)},
                             {"joined", joined_},
                             {"candidates", std::move(candidates)}};
    result["digest"] = fingerprint(result.dump());
    return result;
  }

  void set_state(const nlohmann::json& json) override {
    // Hyper-parameters that do not belong to the observations would search badly without anyone noticing.
    nlohmann::json undigested = json;
    undigested.erase("digest");
    if (json.at("digest") != fingerprint(undigested.dump())) throw damaged_state("its digest is another");
    observations_.from_json(json.at("observations"));
    observation_of_.clear();
    for (std::size_t i = 0; i < observations_.size(); ++i)
      observation_of_.emplace(space().id(observations_.all()[i].design), i);
    pending_.clear();
    for (const nlohmann::json& each : json.at("pending"))
      pending_.push_back({design_id_from_json(space(), each.at("design")), whole_from_json(each.at("told"))});
    fitted_ = whole_from_json(json.at("fitted"));
    if (fitted_ > observations_.size()) throw damaged_state("a model knows more than was told");
    const nlohmann::json& models = json.at("models");
    for (const Quantity quantity : quantities) {
      GaussianProcessParameters p;
      const nlohmann::json& model = models.at(quantity);
      for (const nlohmann::json& length : model.at("lengths")) p.lengths.push_back(number_from_json(length));
      p.amplitude = number_from_json(model.at("amplitude"));
      p.noise = number_from_json(model.at("noise"));
      p.mean = number_from_json(model.at("mean"));
      if (!p.lengths.empty() && !p.are_valid(free_.size())) throw damaged_state("a model's parameters cannot be");
      models_[quantity].parameters = std::move(p);
    }
    joined_.clear();
    is_joined_.clear();
    for (const nlohmann::json& each : json.at("joined")) joined_.push_back(design_id_from_json(space(), each));
    is_joined_.insert(joined_.begin(), joined_.end());
    candidates_.clear();
    is_candidate_.clear();
    acquisition_.clear();
    for (const nlohmann::json& each : json.at("candidates")) {
      candidates_.push_back(space().design(design_id_from_json(space(), each)));
      is_candidate_.insert(space().id(candidates_.back()));
    }
    set_scale();
    build();
  }

  DesignFeatures features_;
  std::vector<std::size_t> free_;    // parameters with more than one value
  std::vector<std::size_t> groups_;  // of each column of the features: its place in free_
  Observations observations_;
  std::unordered_map<DesignId, std::size_t> observation_of_;
  std::vector<Pending> pending_;  // oldest first

  std::size_t fitted_ = 0;  // observations at the last fit
  TargetScale scale_;       // of these
  std::array<Model, quantities.size()> models_;
  std::vector<DesignId> joined_;  // designs proposed or told since
  std::unordered_set<DesignId> is_joined_;
  std::optional<double> incumbent_;  // target that a design must improve on

  std::vector<Design> candidates_;
  std::unordered_set<DesignId> is_candidate_;
  std::vector<double> acquisition_;  // of each candidate
};

}  // namespace

std::unique_ptr<StrategyImplementation> make_bayesian(const SearchDomain& domain, const StrategyOptions& options,
                                                      std::uint64_t seed) {
  return std::make_unique<Bayesian>(domain, options, seed);
}

}  // namespace corbel
