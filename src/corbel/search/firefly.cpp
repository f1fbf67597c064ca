#include "corbel/search/firefly.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/search/saved_state.hpp"
#include "corbel/search/sequential_strategy.hpp"

namespace corbel {

namespace {

// Constants of OSS Vizier's eagle strategy (google/vizier, eagle_strategy.py).
constexpr double ordered_visibility = 1, categorical_visibility = 0.2;
constexpr double noise_decay = 0.9, noise_cap = 0.5, noise_floor = 1e-3;
constexpr std::size_t largest_default_pool = 100;

// Where measurement led away from it (docs/strategies/firefly.md). Half its absorption, since ranks lie further apart
// than values that double from one to the next.
constexpr double absorption = 5;
// Scale of an ordered parameter's noise per chance of a category to change.
constexpr double ordered_noise = 2;
// Noise is raised for one proposal only, until it is new: no design is proposed twice, so a fly at rest meets many
// that were seen, and would never settle if each of them stirred it for good.
constexpr double retry_growth = 2;
// Moves tried before a random design takes the place of one that would be new.
constexpr int move_attempts = 16;
// A seed counts as lost when this many evaluations per fly came back since: its trial failed.
constexpr std::uint64_t seed_patience = 10;

struct Fly {
  std::uint64_t serial;  // what proposals know their parent by
  Evaluation evaluation;
  double noise;
};

// A random design on its way to become a fly.
struct Seed {
  DesignId design;
  std::uint64_t told;  // evaluations told when it was proposed
};

class Firefly final : public SequentialStrategy {
 public:
  Firefly(const SearchDomain& domain, const StrategyOptions& options, std::uint64_t seed)
      : SequentialStrategy("firefly", firefly_options, domain, options, seed) {
    for (const Parameter& parameter : space().parameters()) {
      spans_.push_back(std::max(1.0, parameter.count() - 1.0));
      (parameter.is_ordered() ? ordered_ : categorical_) += 1;
    }
  }
  std::unique_ptr<StrategyImplementation> clone() const override { return std::make_unique<Firefly>(*this); }

 private:
  std::size_t capacity() const {
    if (const std::size_t pool = count_option("pool")) return pool;
    const auto n = static_cast<double>(space().dimensions());
    return std::min(largest_default_pool, 10 + static_cast<std::size_t>(std::llround((std::pow(n, 1.2) + n) / 2)));
  }

  std::optional<Design> propose() override {
    std::erase_if(seeds_, [this](const Seed& seed) { return told_ - seed.told > seed_patience * capacity(); });
    if (flies_.empty() || flies_.size() + seeds_.size() < capacity()) return seed();
    next_ = (next_ + 1) % flies_.size();
    const Fly& fly = flies_[next_];
    double noise = fly.noise;
    for (int attempt = 0; attempt < move_attempts; ++attempt) {
      Design design = moved(fly, noise);
      if (unseen().claim(design)) {
        parents_.emplace(space().id(design), fly.serial);
        return design;
      }
      noise = std::min(std::max(noise_cap, fly.noise), noise * retry_growth);
    }
    return unseen().draw();
  }

  std::optional<Design> seed() {
    std::optional<Design> design = unseen().draw();
    if (design && seeds_.size() < capacity()) seeds_.push_back({space().id(*design), told_});
    return design;
  }

  // The fly's position after every other fly, in random order, pulled or pushed it, plus noise.
  Design moved(const Fly& fly, double noise) {
    const Design& start = fly.evaluation.design;
    const auto& parameters = space().parameters();
    Design design = start;
    position_.resize(start.size());
    for (std::size_t i = 0; i < start.size(); ++i) position_[i] = start[i] / spans_[i];
    order_.resize(flies_.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    rng().shuffle(order_);
    for (const std::size_t index : order_) {
      const Fly& other = flies_[index];
      if (other.serial == fly.serial) continue;
      const double strength = better(other.evaluation.score, fly.evaluation.score)   ? option("attraction")
                              : better(fly.evaluation.score, other.evaluation.score) ? -option("repulsion")
                                                                                     : 0;
      if (strength == 0) continue;
      pull(design, other.evaluation.design, strength);
    }
    for (std::size_t i = 0; i < design.size(); ++i) {
      if (parameters[i].is_ordered()) {
        const double x = position_[i] + rng().laplace(noise * ordered_noise);
        design[i] = static_cast<std::uint32_t>(std::lround(std::clamp(x, 0.0, 1.0) * (parameters[i].count() - 1.0)));
      } else if (rng().chance(noise)) {
        design[i] = static_cast<std::uint32_t>(rng().below(parameters[i].count()));
      }
    }
    return design;
  }

  void pull(Design& design, const Design& other, double strength) {
    const auto& parameters = space().parameters();
    double ordered = 0, categorical = 0;
    for (std::size_t i = 0; i < design.size(); ++i) {
      if (parameters[i].is_ordered()) {
        const double difference = position_[i] - other[i] / spans_[i];
        ordered += difference * difference;
      } else {
        categorical += design[i] != other[i];
      }
    }
    const double ordered_weight =
        strength * std::exp(-ordered_visibility * absorption * ordered / std::max(1.0, ordered_));
    const double categorical_weight =
        strength * std::exp(-categorical_visibility * absorption * categorical / std::max(1.0, categorical_));
    for (std::size_t i = 0; i < design.size(); ++i) {
      if (parameters[i].is_ordered()) {
        position_[i] += ordered_weight * (other[i] / spans_[i] - position_[i]);
      } else if (rng().chance(categorical_weight)) {
        design[i] = other[i];
      }
    }
  }

  void learn(const Evaluation& evaluation) override {
    ++told_;
    const DesignId id = space().id(evaluation.design);
    std::erase_if(seeds_, [id](const Seed& seed) { return seed.design == id; });
    auto fly = flies_.end();
    if (const auto parent = parents_.extract(id))
      fly = std::find_if(flies_.begin(), flies_.end(), [&](const Fly& each) { return each.serial == parent.mapped(); });
    if (fly == flies_.end()) {
      settle(evaluation);
    } else if (better(evaluation.score, fly->evaluation.score)) {
      fly->evaluation = evaluation;
    } else {
      tire(fly);
    }
  }

  // A design that no fly of the pool led to: a new fly if there is room, else it may take the place of the nearest.
  void settle(const Evaluation& evaluation) {
    // Logs repeat rows; a pool of copies would have nothing to attract it.
    const auto is_same = [&](const Fly& fly) { return fly.evaluation.design == evaluation.design; };
    if (std::any_of(flies_.begin(), flies_.end(), is_same)) return;
    if (flies_.size() < capacity()) {
      flies_.push_back({++serials_, evaluation, option("perturbation")});
      return;
    }
    const auto nearest = std::min_element(flies_.begin(), flies_.end(), [&](const Fly& a, const Fly& b) {
      return space().distance(a.evaluation.design, evaluation.design) <
             space().distance(b.evaluation.design, evaluation.design);
    });
    if (better(evaluation.score, nearest->evaluation.score)) nearest->evaluation = evaluation;
  }

  void tire(std::vector<Fly>::iterator fly) {
    fly->noise = std::max(noise_floor, fly->noise * noise_decay);
    if (fly->noise > noise_floor || flies_.size() < capacity()) return;
    const bool is_best = std::none_of(flies_.begin(), flies_.end(), [&](const Fly& other) {
      return better(other.evaluation.score, fly->evaluation.score);
    });
    if (!is_best) flies_.erase(fly);
  }

  nlohmann::json state() const override {
    nlohmann::json flies = nlohmann::json::array(), seeds = nlohmann::json::array();
    for (const Fly& fly : flies_)
      flies.push_back(
          {{"serial", fly.serial}, {"evaluation", evaluation_to_json(space(), fly.evaluation)}, {"noise", fly.noise}});
    for (const Seed& seed : seeds_) seeds.push_back({{"design", seed.design}, {"told", seed.told}});
    const std::map<DesignId, std::uint64_t> parents(parents_.begin(), parents_.end());
    return {{"flies", std::move(flies)},
            {"seeds", std::move(seeds)},
            {"parents", parents},
            {"serials", serials_},
            {"next", next_},
            {"told", told_}};
  }

  void set_state(const nlohmann::json& json) override {
    flies_.clear();
    for (const nlohmann::json& fly : json.at("flies")) {
      flies_.push_back({whole_from_json(fly.at("serial")), evaluation_from_json(space(), fly.at("evaluation")),
                        number_from_json(fly.at("noise"))});
      if (!(flies_.back().noise > 0 && flies_.back().noise <= 1)) throw damaged_state("a fly's noise cannot be");
    }
    if (flies_.size() > capacity()) throw damaged_state("it has more flies than its pool holds");
    seeds_.clear();
    for (const nlohmann::json& seed : json.at("seeds"))
      seeds_.push_back({whole_from_json(seed.at("design")), whole_from_json(seed.at("told"))});
    parents_.clear();
    for (const nlohmann::json& pair : json.at("parents"))
      parents_.emplace(whole_from_json(pair.at(0)), whole_from_json(pair.at(1)));
    serials_ = whole_from_json(json.at("serials"));
    next_ = whole_from_json(json.at("next"));
    told_ = whole_from_json(json.at("told"));
  }

  std::vector<double> spans_;             // per parameter: its largest index, at least 1
  double ordered_ = 0, categorical_ = 0;  // parameters of each type
  std::vector<Fly> flies_;
  std::vector<Seed> seeds_;
  std::unordered_map<DesignId, std::uint64_t> parents_;  // serial of the fly that led to a design not yet told
  std::uint64_t serials_ = 0;                            // given so far
  std::uint64_t next_ = 0;                               // the fly that moved last
  std::uint64_t told_ = 0;
  std::vector<double> position_;    // scratch of moved()
  std::vector<std::size_t> order_;  // scratch of moved()
};

}  // namespace

std::unique_ptr<StrategyImplementation> make_firefly(const SearchDomain& domain, const StrategyOptions& options,
                                                     std::uint64_t seed) {
  return std::make_unique<Firefly>(domain, options, seed);
}

}  // namespace corbel
