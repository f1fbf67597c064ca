#include "corbel/search/local_search.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/permutation.hpp"
#include "corbel/search/mutation.hpp"
#include "corbel/search/saved_state.hpp"
#include "corbel/search/sequential_strategy.hpp"

namespace corbel {

namespace {

// Kicks tried before a random design takes the place of one that would be new.
constexpr int kick_attempts = 32;
// After this many attempts a kick changes one parameter more, to leave a region that is used up.
constexpr int attempts_per_change = 8;

class LocalSearch final : public SequentialStrategy {
 public:
  LocalSearch(const SearchDomain& domain, const StrategyOptions& options, std::uint64_t seed)
      : SequentialStrategy("local_search", local_search_options, domain, options, seed) {
    for (std::size_t i = 0; i < space().dimensions(); ++i)
      if (space().parameters()[i].count() > 1) free_.push_back(i);
  }
  std::unique_ptr<StrategyImplementation> clone() const override { return std::make_unique<LocalSearch>(*this); }

 private:
  std::optional<Design> propose() override {
    if (!current_ || newcomers_ < count_option("starts")) {
      ++newcomers_;
      return sent(unseen().draw(), steps_);
    }
    if (ahead_) {
      const Design design = *std::exchange(ahead_, std::nullopt);
      if (unseen().claim(design)) return sent(design, steps_);
    }
    if (const std::uint64_t size = neighbours(current_->design); cursor_ < size) {
      const Permutation order(size, key_);
      while (cursor_ < size) {
        const Design design = neighbour(current_->design, order.at(cursor_++));
        if (unseen().claim(design)) return sent(design, steps_);
      }
    }
    for (int attempt = 0; attempt < kick_attempts; ++attempt) {
      const Design design =
          kicked(home_->design, count_option("kick") + static_cast<std::size_t>(attempt) / attempts_per_change);
      if (unseen().claim(design)) return sent(design, kicks_);
    }
    return unseen().draw();
  }

  std::optional<Design> sent(std::optional<Design> design, std::set<DesignId>& pending) {
    if (design) pending.insert(space().id(*design));
    return design;
  }

  std::uint64_t neighbours(const Design& design) const {
    std::uint64_t sum = 0;
    for (const std::size_t i : free_) sum += moves(i, design[i]);
    return sum;
  }
  std::uint64_t moves(std::size_t i, std::uint32_t value) const {
    const Parameter& parameter = space().parameters()[i];
    if (!parameter.is_ordered()) return parameter.count() - 1;
    return (value > 0) + (value + 1 < parameter.count());
  }
  Design neighbour(Design design, std::uint64_t index) const {
    auto i = free_.begin();
    for (; index >= moves(*i, design[*i]); ++i) index -= moves(*i, design[*i]);
    std::uint32_t& value = design[*i];
    const auto move = static_cast<std::uint32_t>(index);
    if (space().parameters()[*i].is_ordered())
      value = move == 0 && value > 0 ? value - 1 : value + 1;
    else
      value = move < value ? move : move + 1;
    return design;
  }

  Design kicked(Design design, std::size_t changes) {
    std::vector<std::size_t> parameters = free_;
    rng().shuffle(parameters);
    parameters.resize(std::min(parameters.size(), changes));
    for (const std::size_t i : parameters)
      design[i] = mutated_value(space().parameters()[i], design[i], option("jump"), rng());
    return design;
  }

  void learn(const Evaluation& evaluation) override {
    const DesignId id = space().id(evaluation.design);
    const bool step = steps_.erase(id) > 0, kick = kicks_.erase(id) > 0;
    const bool record = !record_ || better(evaluation.score, record_->score);
    if (record) record_ = evaluation;
    if (!step && !kick) ++newcomers_;
    // What belongs to an earlier climb, or was not asked for, would lead back to where it came from.
    if (!step && !kick && !record) return;
    const bool progress = !home_ || better(evaluation.score, home_->score);
    // Moves between equals cross plateaus. They cannot go in circles, since nothing is proposed twice.
    if (progress || better(evaluation.score, current_->score) || (step && !better(current_->score, evaluation.score))) {
      if (progress || !better(home_->score, evaluation.score)) home_ = evaluation;
      if (progress) failures_ = 0;
      climb_from(evaluation);
    } else if (kick && cursor_ >= neighbours(current_->design)) {
      steps_.clear();
      kicks_.clear();
      if (++failures_ < count_option("patience"))
        climb_from(evaluation);
      else
        restart();
    }
  }

  void climb_from(const Evaluation& next) {
    ahead_ = current_ ? beyond(current_->design, next.design) : std::nullopt;
    current_ = next;
    key_ = rng().next();
    cursor_ = 0;
  }

  // The design one more step on the way that just led to a better one, which is the likeliest to be better still.
  std::optional<Design> beyond(const Design& from, const Design& to) const {
    const auto [a, b] = std::mismatch(from.begin(), from.end(), to.begin());
    if (a == from.end() || !std::equal(a + 1, from.end(), b + 1)) return std::nullopt;
    const auto i = static_cast<std::size_t>(a - from.begin());
    const Parameter& parameter = space().parameters()[i];
    if (!parameter.is_ordered()) return std::nullopt;
    const bool up = *b > *a;
    if ((up ? *b - *a : *a - *b) != 1 || *b == (up ? parameter.count() - 1 : 0)) return std::nullopt;
    Design design = to;
    design[i] = up ? *b + 1 : *b - 1;
    return design;
  }

  void restart() {
    current_.reset();
    home_.reset();
    ahead_.reset();
    newcomers_ = 0;
    failures_ = 0;
  }

  nlohmann::json state() const override {
    const auto optional = [this](const std::optional<Evaluation>& evaluation) {
      return evaluation ? evaluation_to_json(space(), *evaluation) : nlohmann::json();
    };
    return {{"current", optional(current_)},
            {"home", optional(home_)},
            {"record", optional(record_)},
            {"ahead", ahead_ ? nlohmann::json(space().id(*ahead_)) : nlohmann::json()},
            {"key", key_},
            {"cursor", cursor_},
            {"steps", steps_},
            {"kicks", kicks_},
            {"newcomers", newcomers_},
            {"failures", failures_}};
  }

  void set_state(const nlohmann::json& json) override {
    const auto optional = [&](const char* name) -> std::optional<Evaluation> {
      const nlohmann::json& value = json.at(name);
      if (value.is_null()) return std::nullopt;
      return evaluation_from_json(space(), value);
    };
    current_ = optional("current");
    home_ = optional("home");
    record_ = optional("record");
    if (current_.has_value() != home_.has_value() || (current_ && !record_))
      throw damaged_state("its place in the climb cannot be");
    ahead_.reset();
    if (const nlohmann::json& ahead = json.at("ahead"); !ahead.is_null())
      ahead_ = space().design(design_id_from_json(space(), ahead));
    key_ = whole_from_json(json.at("key"));
    cursor_ = whole_from_json(json.at("cursor"));
    const auto set = [&](const char* name) {
      std::set<DesignId> ids;
      for (const nlohmann::json& id : json.at(name)) ids.insert(whole_from_json(id));
      return ids;
    };
    steps_ = set("steps");
    kicks_ = set("kicks");
    newcomers_ = whole_from_json(json.at("newcomers"));
    failures_ = whole_from_json(json.at("failures"));
  }

  std::vector<std::size_t> free_;       // parameters with more than one value
  std::optional<Evaluation> current_;   // where the climb stands
  std::optional<Evaluation> home_;      // the best since the last restart, which kicks start from
  std::optional<Evaluation> record_;    // the best of all
  std::optional<Design> ahead_;         // the neighbour to try first
  std::uint64_t key_ = 0, cursor_ = 0;  // of the permutation in which the neighbours of current_ are tried
  std::set<DesignId> steps_, kicks_;    // designs of this climb not yet told: starts and neighbours, kicks
  std::uint64_t newcomers_ = 0;         // random or foreign designs since the last restart
  std::uint64_t failures_ = 0;          // kicks since home_ improved
};

}  // namespace

std::unique_ptr<StrategyImplementation> make_local_search(const SearchDomain& domain, const StrategyOptions& options,
                                                          std::uint64_t seed) {
  return std::make_unique<LocalSearch>(domain, options, seed);
}

}  // namespace corbel
