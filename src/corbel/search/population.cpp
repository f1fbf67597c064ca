#include "corbel/search/population.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/search/observations.hpp"
#include "corbel/search/saved_state.hpp"
#include "corbel/search/sequential_strategy.hpp"

namespace corbel {

namespace {

constexpr std::string_view own_id = "population";
// Proposals of a member, all claimed by others, after which a random design takes their place.
constexpr int member_attempts = 8;
// Proposals without success that a member's record is mixed with, so that its first few do not decide.
constexpr double doubt = 5;
// A mutation scales an option by at most this, and evolved options stay within this of their defaults: enough to
// matter, and a member stays about as costly as its author meant it to be.
constexpr double option_range = 2;

// Nothing for an option that is no name of a strategy.
const StrategyInfo* row_of(std::string_view id) {
  const auto table = strategies();
  const auto row = std::find_if(table.begin(), table.end(), [id](const StrategyInfo& info) { return info.id == id; });
  return row == table.end() || id == own_id ? nullptr : &*row;
}

// One of the strategies that propose, with what came of its proposals.
struct Member {
  std::uint64_t serial;  // what proposals know it by
  Strategy strategy;
  StrategyOptions options;
  double proposals = 0, records = 0;  // decayed counts of proposals that were told, and of those that were the best yet

  double credit() const { return records / (proposals + doubt); }
};

class Population final : public SequentialStrategy {
 public:
  Population(const SearchDomain& domain, const StrategyOptions& options, std::uint64_t seed)
      : SequentialStrategy(own_id, population_options, domain, options, seed), domain_(domain), told_(domain.space) {
    for (const StrategyOption& each : population_options) {
      const StrategyInfo* row = row_of(each.name);
      if (!row) continue;
      const std::size_t count = count_option(each.name);
      for (std::size_t i = 0; i < count; ++i)
        members_.push_back(newcomer(*row, complete_options(row->id, row->options, {})));
    }
    if (members_.empty())
      throw Error(ErrorCode::invalid_input, "strategy `population` has no members",
                  "give at least one of the options named like a strategy a value above 0");
  }
  std::unique_ptr<StrategyImplementation> clone() const override { return std::make_unique<Population>(*this); }

 private:
  std::optional<Design> propose() override {
    if (told_.size() == 0 || std::max<std::uint64_t>(drawn_, told_.size()) < count_option("starts")) {
      ++drawn_;
      return unseen().draw();
    }
    Member& member = chosen();
    for (int attempt = 0; attempt < member_attempts; ++attempt) {
      std::vector<Design> designs = member.strategy.ask(1);
      if (designs.empty()) break;
      // Members do not know what others have out.
      if (!unseen().claim(designs.front())) continue;
      proposers_.emplace(space().id(designs.front()), member.serial);
      return std::move(designs.front());
    }
    return unseen().draw();
  }

  void learn(const Evaluation& evaluation) override {
    const auto proposer = proposers_.extract(space().id(evaluation.design));
    const bool record = !told_.best() || better(evaluation.score, told_.best()->score);
    if (!told_.add(evaluation)) return;
    for (Member& member : members_) {
      member.strategy.tell({&evaluation, 1});
      if (proposer.empty()) continue;
      member.proposals *= option("decay");
      member.records *= option("decay");
      if (proposer.mapped() != member.serial) continue;
      member.proposals += 1;
      member.records += record;
    }
    if (proposer.empty() || option("adaptive") == 0 || ++evaluations_ < count_option("period")) return;
    evaluations_ = 0;
    evolve();
  }

  // One member, with probability proportional to the exponential of its credit.
  Member& chosen() {
    double best = 0;
    for (const Member& member : members_) best = std::max(best, member.credit());
    std::vector<double> sums;
    double sum = 0;
    for (const Member& member : members_)
      sums.push_back(sum += std::exp((member.credit() - best) / option("temperature")));
    const auto place = std::upper_bound(sums.begin(), sums.end(), rng().uniform() * sum) - sums.begin();
    return members_[std::min(members_.size() - 1, static_cast<std::size_t>(place))];
  }

  Member newcomer(const StrategyInfo& row, StrategyOptions options) {
    Member member{++serials_, make_strategy(row.id, domain_, options, rng().next()), std::move(options)};
    member.strategy.tell(told_.all());
    return member;
  }

  // A copy of a member of credit joins, with options changed; the member of least credit leaves. The last member of a
  // strategy stays: what serves now is not what will serve later.
  void evolve() {
    if (option("variants") == 0) return;
    const Member& parent = chosen();
    const StrategyInfo& row = *row_of(parent.strategy.id());
    const double proposals = parent.proposals, records = parent.records;
    members_.push_back(newcomer(row, mutated(row, parent.options)));
    members_.back().proposals = proposals;
    members_.back().records = records;
    std::size_t most = count_option("variants");
    for (const StrategyOption& each : population_options)
      if (row_of(each.name)) most += count_option(each.name);
    if (members_.size() <= most) return;
    const auto is_last = [this](const Member& member) {
      return std::count_if(members_.begin(), members_.end(),
                           [&](const Member& other) { return other.strategy.id() == member.strategy.id(); }) == 1;
    };
    auto worst = members_.end();
    for (auto member = members_.begin(); member + 1 != members_.end(); ++member)
      if (!is_last(*member) && (worst == members_.end() || member->credit() < worst->credit())) worst = member;
    if (worst != members_.end()) members_.erase(worst);
  }

  StrategyOptions mutated(const StrategyInfo& row, StrategyOptions options) {
    for (const StrategyOption& each : row.options) {
      double& value = options.find(each.name)->second;
      const double factor = std::pow(option_range, 2 * rng().uniform() - 1);
      const auto scaled = [&](double from, double by) {
        // The odds of a share, so that those near 1 change as those near 0 do.
        return each.max > 1 ? from * by : from * by / (1 - from + from * by);
      };
      value = std::clamp(scaled(value, factor), scaled(each.default_value, 1 / option_range),
                         scaled(each.default_value, option_range));
      if (each.whole) value = std::round(value);
      value = std::clamp(value, each.min, each.max);
    }
    return options;
  }

  nlohmann::json state() const override {
    nlohmann::json members = nlohmann::json::array(), proposers = nlohmann::json::array();
    for (const Member& member : members_)
      members.push_back({{"serial", member.serial},
                         {"proposals", member.proposals},
                         {"records", member.records},
                         {"search", nlohmann::json::parse(member.strategy.save())}});
    for (const auto& [design, serial] : proposers_) proposers.push_back({design, serial});
    return {{"told", told_.to_json()},
            {"members", std::move(members)},
            {"proposers", std::move(proposers)},
            {"serials", serials_},
            {"drawn", drawn_},
            {"evaluations", evaluations_}};
  }

  void set_state(const nlohmann::json& json) override {
    told_.from_json(json.at("told"));
    members_.clear();
    for (const nlohmann::json& each : json.at("members")) members_.push_back(saved_member(each));
    if (members_.empty()) throw damaged_state("it has no members");
    proposers_.clear();
    for (const nlohmann::json& pair : json.at("proposers"))
      proposers_.emplace(whole_from_json(pair.at(0)), whole_from_json(pair.at(1)));
    serials_ = whole_from_json(json.at("serials"));
    drawn_ = whole_from_json(json.at("drawn"));
    evaluations_ = whole_from_json(json.at("evaluations"));
  }

  Member saved_member(const nlohmann::json& json) const {
    const nlohmann::json& search = json.at("search");
    const auto id = search.at("strategy").get<std::string>();
    const StrategyInfo* row = row_of(id);
    if (!row) throw damaged_state(fmt::format("`{}` cannot be a member", id));
    Member member{whole_from_json(json.at("serial")),
                  make_strategy(id, domain_),
                  {},
                  number_from_json(json.at("proposals")),
                  number_from_json(json.at("records"))};
    if (!(member.records >= 0 && member.records <= member.proposals && std::isfinite(member.proposals)))
      throw damaged_state("the record of a member cannot be");
    member.strategy.load(search.dump());
    member.options = complete_options(id, row->options, search.at("options").get<StrategyOptions>());
    return member;
  }

  SearchDomain domain_;
  Observations told_;
  std::vector<Member> members_;
  std::map<DesignId, std::uint64_t> proposers_;  // serial of the member that proposed a design not yet told
  std::uint64_t serials_ = 0;                    // given so far
  std::uint64_t drawn_ = 0;                      // random designs before the members were asked
  std::uint64_t evaluations_ = 0;                // of members' proposals, since one joined
};

}  // namespace

std::unique_ptr<StrategyImplementation> make_population(const SearchDomain& domain, const StrategyOptions& options,
                                                        std::uint64_t seed) {
  return std::make_unique<Population>(domain, options, seed);
}

}  // namespace corbel
