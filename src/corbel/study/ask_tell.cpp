#include "corbel/study/ask_tell.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/store.hpp"
#include "corbel/study/simulation_domain.hpp"
#include "corbel/study/simulation_objective.hpp"
#include "corbel/study/told_results.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// Others may be in a call of a strategy that thinks for seconds.
constexpr std::chrono::minutes patience{10};

/// The note of the store that holds the saved strategy, and the finished designs that it has heard of.
std::string strategy_note(Store::GroupId group) {
  return "ask strategy " + std::to_string(group);
}

TrialGroup told_group(const StudyFile& study) {
  std::string workloads;
  for (const WorkloadSuite::Member& member : study.workloads.members()) {
    workloads += (workloads.empty() ? "" : ", ") + member.network.name;
  }
  // Of several networks the combined metrics are told: other weights or another rule make other trials.
  return {*study.space, "told", fingerprint("told"), workloads, study.workloads.fingerprint(), study.told_metrics()};
}

/// Without making it.
std::optional<Store::GroupId> find_group(const StudyFile& study, const Store& store) {
  return store.find_group(told_group(study));
}

Question question_of(const StudyFile& study, std::vector<std::string> metrics) {
  return Question(*study.space, std::move(metrics), study.objective, study.constraints, study.objective_place,
                  study.direction);
}

bool is_given_out(TrialState state) {
  return state == TrialState::waiting || state == TrialState::running;
}

/// A result for people: "complete, latency_ms 1.2", "failed (timeout)".
std::string result_text(const Trial& trial, const std::vector<std::string>& metrics) {
  std::string text(to_string(trial.state == TrialState::abandoned ? TrialState::failed : trial.state));
  if (!trial.reason.empty()) text += " (" + trial.reason + ")";
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    if (!std::isnan(trial.metrics[i])) text += fmt::format(", {} {}", metrics[i], format_number(trial.metrics[i]));
  }
  return text;
}

bool same_result(const Trial& a, const Trial& b) {
  const auto state = [](const Trial& trial) {
    return trial.state == TrialState::abandoned ? TrialState::failed : trial.state;
  };
  // Of failures nothing is learnt, so that they do not contradict each other.
  if (state(a) != state(b)) return false;
  if (state(a) == TrialState::failed) return true;
  return a.reason == b.reason &&
         std::equal(a.metrics.begin(), a.metrics.end(), b.metrics.begin(), b.metrics.end(),
                    [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

/// A study's strategy, as it stands in the store, told all that is known there.
class SavedStrategy {
 public:
  /// @param outstanding  designs that are not to be proposed: given out, or failed
  SavedStrategy(const StudyFile& study, Store& store, Store::GroupId group, const Question& question,
                const std::unordered_set<DesignId>& outstanding)
      : store_(store), note_(strategy_note(group)), strategy_(make(study, question, outstanding)) {
    std::string limits;
    for (const Constraint& constraint : study.constraints) limits += constraint.text() + "\n";
    key_ = fingerprint(json{strategy_.id(), study.search.options, study.seed, question.space().fingerprint(),
                            study.workloads.fingerprint(), study.objective, to_string(study.direction), limits,
                            study.simulator ? study.simulator->fingerprint() : ""}
                           .dump());
    if (!load()) {
      strategy_ = make(study, question, outstanding);
      heard_.clear();
    }
    std::vector<DesignId> finished = store.finished(group), news;
    std::ranges::set_difference(finished, heard_, std::back_inserter(news));
    heard_ = std::move(finished);
    std::vector<Evaluation> evaluations;
    for (const Trial& trial : store.find(group, news)) {
      const Design design = question.space().design(trial.design);
      const bool is_complete = trial.state == TrialState::complete;
      const Outcome outcome{is_complete ? OutcomeState::complete : OutcomeState::infeasible, "", "", trial.metrics};
      evaluations.push_back({design, question.score(design, outcome)});
    }
    strategy_.tell(evaluations);
  }

  Strategy& operator*() { return strategy_; }

  void save() { store_.set_note(note_, json{{"key", key_}, {"heard", heard_}, {"state", strategy_.save()}}.dump()); }

 private:
  static Strategy make(const StudyFile& study, const Question& question,
                       const std::unordered_set<DesignId>& outstanding) {
    SearchDomain domain = simulation_domain(study, question);
    domain.admits = [within = domain.admits, space = domain.space, outstanding](const Design& design) {
      return !outstanding.contains(space.id(design)) && within(design);
    };
    const bool is_named = study.search.method != "auto" && study.search.method != "scan";
    return make_strategy(is_named ? study.search.method : std::string(default_strategy), domain,
                         is_named ? study.search.options : StrategyOptions{}, study.seed);
  }

  /// False if the saved state is of another question, or cannot be read: nothing is lost, since all it knew is in the
  /// trials.
  bool load() {
    const json saved = json::parse(store_.note(note_), nullptr, /*allow_exceptions=*/false);
    try {
      if (saved.at("key") != key_) return false;
      strategy_.load(saved.at("state").get<std::string>());
      heard_ = saved.at("heard").get<std::vector<DesignId>>();
    } catch (const json::exception&) {
      return false;
    } catch (const Error&) {
      return false;
    }
    return std::ranges::is_sorted(heard_);
  }

  Store& store_;
  std::string note_;
  Strategy strategy_;
  std::string key_;
  std::vector<DesignId> heard_;  // of finished designs, ascending
};

std::optional<AskTell::Best> best_of(const Question& question, const TrialLog& told) {
  std::optional<AskTell::Best> best;
  const std::vector<std::string>& names = told.group().metrics;
  told.each([&](const TrialView& trial) {
    if (!trial.is_complete()) return;
    const Score score = question.score(
        question.space().design(trial.design),
        {OutcomeState::complete, "", "", std::vector<double>(trial.metrics.begin(), trial.metrics.end())});
    if (!score.feasible() || std::isnan(score.objective)) return;
    const double value = value_of(question.direction(), score.objective);
    if (best && !is_better(question.direction(), value, best->objective)) return;
    best = AskTell::Best{trial.design, value, {}};
    for (std::size_t m = 0; m < names.size(); ++m) {
      if (!std::isnan(trial.metrics[m])) best->metrics.emplace_back(names[m], trial.metrics[m]);
    }
  });
  return best;
}

std::uint64_t count_given_out(const std::vector<Trial>& unfinished) {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(unfinished, [](const Trial& trial) { return is_given_out(trial.state); }));
}

}  // namespace

std::optional<TrialLog> told_log(const StudyFile& study, std::shared_ptr<const Store> store) {
  const std::optional<Store::GroupId> group = find_group(study, *store);
  if (!group) return std::nullopt;
  // Of a metric that the study has come to ask for since nobody has told yet.
  return TrialLog(std::move(store), *group, study.told_metrics());
}

AskTell::AskTell(const StudyFile& study) : study_(study) {
  if (study.space) return;
  throw Error(ErrorCode::unsupported,
              fmt::format("{}: the study leaves its `space` to the log it imports", study.file.string()),
              "to ask for designs, write the space down: `space: {parameters: …}`");
}

AskTell::Asked AskTell::ask(std::size_t n) const {
  Store store(study_.store_location(), Store::Mode::read_write, patience);
  Store::Batch batch(store);
  const Store::GroupId group = store.widened_group(told_group(study_));
  const Question question = question_of(study_, store.describe(group).metrics);
  const std::vector<Trial> unfinished = store.unfinished(group);
  Asked asked;
  asked.waiting = count_given_out(unfinished);
  const auto give_out = [&](DesignId id) {
    batch.put(group, {id, TrialState::running, "", {}, 1});
    asked.designs.push_back(id);
    ++asked.waiting;
  };
  for (const Trial& trial : unfinished) {
    if (asked.designs.size() == n) break;
    // Replacing a failed trial counts its next attempt.
    if (trial.state == TrialState::failed && trial.attempt <= failed_run_retries) give_out(trial.design);
  }
  if (asked.designs.size() < n) {
    std::unordered_set<DesignId> outstanding;
    for (const Trial& trial : unfinished) outstanding.insert(trial.design);
    SavedStrategy strategy(study_, store, group, question, outstanding);
    const std::size_t wanted = n - asked.designs.size();
    const std::vector<Design> designs = (*strategy).ask(wanted);
    for (const Design& design : designs) give_out(question.space().id(design));
    asked.exhausted = designs.size() < wanted;
    strategy.save();
  }
  batch.commit();
  return asked;
}

AskTell::Asked AskTell::waiting() const {
  Asked asked;
  const std::optional<Store> store = Store::if_there(study_.store_location(), Store::Mode::read_only, patience);
  const std::optional<Store::GroupId> group = store ? find_group(study_, *store) : std::nullopt;
  if (!group) return asked;
  for (const Trial& trial : store->unfinished(*group)) {
    if (is_given_out(trial.state)) asked.designs.push_back(trial.design);
  }
  asked.waiting = asked.designs.size();
  return asked;
}

AskTell::Told AskTell::tell(std::string_view text, std::string_view place) const {
  Store store(study_.store_location(), Store::Mode::read_write, patience);
  Store::Batch batch(store);
  const Store::GroupId group = store.widened_group(told_group(study_));
  const std::vector<std::string> metrics = store.describe(group).metrics;
  const Question question = question_of(study_, metrics);
  const std::vector<ToldResult> results = parse_told(text, place, question);

  std::vector<DesignId> ids;
  for (const ToldResult& result : results) ids.push_back(result.trial.design);
  struct Known {
    Trial trial;
    std::string place;
  };
  std::unordered_map<DesignId, Known> known;
  for (Trial& trial : store.find(group, ids)) {
    const DesignId id = trial.design;
    known.insert({id, {std::move(trial), "it was told"}});
  }
  Told told;
  for (const ToldResult& result : results) {
    Trial trial = result.trial;
    ++told.told;
    told.complete += trial.state == TrialState::complete ? 1 : 0;
    told.infeasible += trial.state == TrialState::infeasible ? 1 : 0;
    told.failed += trial.state == TrialState::failed ? 1 : 0;
    const auto found = known.find(trial.design);
    if (found != known.end() && !is_given_out(found->second.trial.state)) {
      if (same_result(found->second.trial, trial)) {
        ++told.repeated;
        continue;
      }
      // A later try may succeed where an earlier one failed; a result is never taken back.
      if (is_finished(found->second.trial.state)) {
        throw Error(
            ErrorCode::mismatch,
            fmt::format("{}: design {} is {}; {} as {}", result.place, trial.design, result_text(trial, metrics),
                        found->second.place, result_text(found->second.trial, metrics)),
            "tell each design one result: the first one stays");
      }
    }
    if (found != known.end()) trial.attempt = found->second.trial.attempt;
    if (trial.state == TrialState::failed && trial.attempt > failed_run_retries) trial.state = TrialState::abandoned;
    batch.put(group, trial);
    known.insert_or_assign(trial.design, Known{std::move(trial), result.place + " says"});
  }
  told.waiting = count_given_out(store.unfinished(group));
  told.best = best_of(question, {store, group});
  batch.commit();
  return told;
}

}  // namespace corbel
