#include "corbel/study/online_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/units.hpp"
#include "corbel/search/optimise.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/study/simulation_domain.hpp"
#include "corbel/study/simulation_objective.hpp"
#include "corbel/study/study_trials.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// As a sweep: a simulator that fails on so many designs before it succeeds on one is broken.
constexpr std::uint64_t most_failures = 100;

std::string count_text(std::uint64_t count) {
  return format_for_people(static_cast<double>(count), 18);
}

/// What a search of this key has queried, as kept in the store: a search that goes on must tell apart what it simulated
/// itself before it stopped, and what was known before it began.
class Progress {
 public:
  Progress(Store& store, const std::string& key) : store_(store), note_("online " + key) {
    const json saved = json::parse(store_.note(note_), nullptr, /*allow_exceptions=*/false);
    if (!saved.is_object()) return;
    // Of another version, or written by hand: the counts then start anew, the trials stay.
    try {
      const auto begun = saved.at("begun").get<std::uint64_t>(), done = saved.at("done").get<std::uint64_t>();
      known_ = saved.at("known").get<std::vector<std::pair<std::uint64_t, std::uint64_t>>>();
      begun_ = begun;
      done_ = std::min(done, begun);
    } catch (const json::exception&) {
      known_.clear();
    }
  }

  std::uint64_t begun() const { return begun_; }  ///< queries, the batch in flight among them
  std::uint64_t done() const { return done_; }

  /// Queries first … first + count − 1 are about to be answered, `is_known` of them from the store.
  void begin(std::uint64_t first, const std::vector<bool>& is_known) {
    done_ = first;
    begun_ = first + is_known.size();
    for (std::size_t i = 0; i < is_known.size(); ++i) {
      if (!is_known[i]) continue;
      const std::uint64_t query = first + i;
      if (!known_.empty() && known_.back().second + 1 == query) {
        known_.back().second = query;
      } else {
        known_.emplace_back(query, query);
      }
    }
  }
  /// All queries up to this one are answered.
  void reached(std::uint64_t queries) {
    done_ = std::max(done_, std::min(queries, begun_));  // a replay may be stopped too
    save();
  }
  void save() const { store_.set_note(note_, json{{"begun", begun_}, {"done", done_}, {"known", known_}}.dump()); }

  /// How many of the queries begun were simulated for this search.
  std::uint64_t simulated() const {
    std::uint64_t known = 0;
    for (const auto& [first, last] : known_) known += last + 1 - first;
    return begun_ - known;
  }

 private:
  Store& store_;
  std::string note_;
  std::uint64_t begun_ = 0, done_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> known_;  // ranges of queries
};

/// Passes on messages and the wish to stop: the bar is of queries, not of the simulations of one batch.
class QuietMonitor final : public Monitor {
 public:
  explicit QuietMonitor(Monitor& outer) : outer_(outer) {}
  void progress(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
  void message(std::string_view text) override { outer_.message(text); }
  bool stop_requested() const override { return outer_.stop_requested(); }

 private:
  Monitor& outer_;
};

/// A study's simulator as the objective of one search, with everything counted.
class Queries final : public Objective {
 public:
  Queries(const StudyFile& study, Question question, const std::string& key, Store& store,
          std::function<void(std::span<const DesignId>)> joining, Monitor& monitor)
      : trials_(study),
        store_(store),
        progress_(store, key),
        joining_(std::move(joining)),
        monitor_(monitor),
        simulator_(study.simulator->name()),
        simulation_(std::move(question), [this](std::span<const Design> designs) { return run(designs); }) {}

  const DesignSpace& space() const override { return simulation_.space(); }

  void score(std::span<const Design> designs, std::span<Score> out) const override {
    prepare(designs);
    const std::vector<Outcome> outcomes = simulation_.outcomes(designs);
    for (std::size_t i = 0; i < designs.size(); ++i) {
      out[i] = simulation_.question().score(designs[i], outcomes[i]);
      counts_.feasible += outcomes[i].state == OutcomeState::complete ? 1 : 0;
      counts_.within_limits += out[i].feasible() ? 1 : 0;
      if (outcomes[i].state != OutcomeState::failed) continue;
      ++counts_.failed;
      last_failure_ = outcomes[i].reason;
    }
    counts_.queries += designs.size();
    if (counts_.failed == counts_.queries && counts_.failed >= most_failures) give_up();
  }

  struct Counts {
    std::uint64_t queries = 0, failed = 0, feasible = 0, within_limits = 0;
  };
  const Counts& counts() const { return counts_; }
  Progress& progress() const { return progress_; }

  [[noreturn]] void give_up() const {
    throw Error(ErrorCode::tool_failure,
                fmt::format("simulator `{}` failed on all {} designs, each tried {} times; the last: {}", simulator_,
                            count_text(counts_.failed), 1 + failed_run_retries, last_failure_),
                "try one design with `corbel simulate`");
  }

 private:
  /// Notes what this batch adds before anything of it is simulated, so that a kill in between changes no count.
  void prepare(std::span<const Design> designs) const {
    replaying_ = counts_.queries < progress_.begun();
    if (replaying_) return;
    std::vector<bool> is_known;
    std::vector<DesignId> missing;
    const auto standing = trials_.standing(store_, designs);
    for (std::size_t i = 0; i < designs.size(); ++i) {
      is_known.push_back(standing[i].finished);
      if (!standing[i].finished) missing.push_back(space().id(designs[i]));
    }
    progress_.begin(counts_.queries, is_known);
    if (missing.empty()) return;
    if (joining_) joining_(missing);
    progress_.save();
  }

  std::vector<Outcome> run(std::span<const Design> designs) const {
    if (!replaying_) return trials_.simulate(store_, designs, monitor_);
    // What this search has set aside before it stopped stays so.
    std::vector<Outcome> outcomes(designs.size());
    std::vector<std::size_t> places;
    std::vector<Design> others;
    const auto standing = trials_.standing(store_, designs);
    for (std::size_t i = 0; i < designs.size(); ++i) {
      if (!standing[i].finished && standing[i].failures > failed_run_retries) {
        outcomes[i] = {OutcomeState::failed, standing[i].reason, "", {}};
        continue;
      }
      places.push_back(i);
      others.push_back(designs[i]);
    }
    std::vector<Outcome> simulated = trials_.simulate(store_, others, monitor_);
    for (std::size_t i = 0; i < places.size(); ++i) outcomes[places[i]] = std::move(simulated[i]);
    return outcomes;
  }

  StudyTrials trials_;
  Store& store_;
  mutable Progress progress_;
  std::function<void(std::span<const DesignId>)> joining_;
  mutable QuietMonitor monitor_;
  std::string simulator_;
  SimulationObjective simulation_;
  mutable Counts counts_;
  mutable bool replaying_ = false;
  mutable std::string last_failure_;
};

void check(const StudyFile& study, const OnlineSettings& settings) {
  const std::string file = study.file.string();
  if (!study.simulator) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: there is no simulator to search on", file),
                study.is_told() ? "add `simulator:`, or evaluate designs yourself with corbel ask and corbel tell"
                                : "add `simulator:`, or search the surrogate: --on surrogate");
  }
  const std::vector<std::string> methods = search_methods();
  if (std::find(methods.begin(), methods.end(), settings.method) == methods.end()) {
    throw unknown_name("strategy", settings.method, methods);
  }
  if (settings.batch == 0) {
    throw Error(ErrorCode::invalid_input, "a batch of 0 designs", "ask for at least 1 design at a time");
  }
  if (settings.budget == 0) {
    throw Error(ErrorCode::invalid_input, "a budget of 0 queries", "allow at least 1 simulation");
  }
  if (settings.method == "scan" && study.space->size() > settings.budget) {
    throw Error(ErrorCode::invalid_input,
                fmt::format("{}: a scan simulates every design, and there are {} where the budget is {}", file,
                            count_text(study.space->size()), count_text(settings.budget)),
                fmt::format("name a strategy, such as {}, or raise the budget", default_strategy));
  }
}

}  // namespace

json search_online(const StudyFile& study, const OnlineSettings& settings, const std::string& key, Store& store,
                   const std::function<void(std::span<const DesignId>)>& joining, Monitor& monitor) {
  check(study, settings);
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::string> names;
  for (const MetricInfo& metric : study.simulated_metrics()) names.push_back(metric.name);
  const Question question(*study.space, names, study.objective, study.constraints, study.objective_place);
  const Queries queries(study, question, key, store, joining, monitor);

  // A scan is an order of all admitted designs, and any is as good.
  const std::string strategy_id = settings.method == "scan"   ? "random"
                                  : settings.method == "auto" ? std::string(default_strategy)
                                                              : settings.method;
  const StrategyOptions options = settings.method == strategy_id ? settings.options : StrategyOptions{};
  Strategy strategy = make_strategy(strategy_id, simulation_domain(study, question), options, study.seed);
  if (queries.progress().done() > 0) {
    monitor.message(fmt::format("resuming: {} of {} queries are there", count_text(queries.progress().done()),
                                count_text(settings.budget)));
  }
  SearchResult found;
  try {
    found = optimise(queries, strategy, {settings.budget, settings.batch, study.search.proposals}, monitor);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::interrupted) throw;
    queries.progress().reached(queries.counts().queries);
    throw Error(ErrorCode::interrupted,
                fmt::format("stopped: {} of {} queries are stored", count_text(queries.progress().done()),
                            count_text(settings.budget)),
                "run the same command again to go on from here");
  }
  const Queries::Counts& counts = queries.counts();
  if (counts.queries > 0 && counts.failed == counts.queries) queries.give_up();
  queries.progress().reached(counts.queries);
  if (found.exhaustive && counts.queries < settings.budget) {
    monitor.message(fmt::format("every admitted design has been queried: {} where {} were allowed",
                                count_text(counts.queries), count_text(settings.budget)));
  }

  json section = {{"method", settings.method == "scan" ? "scan" : strategy_id},
                  {"options", options},
                  {"budget", settings.budget},
                  {"batch", settings.batch},
                  {"seed", study.seed},
                  {"queries", counts.queries},
                  {"simulated", queries.progress().simulated()},
                  {"failed", counts.failed},
                  {"feasible", counts.feasible},
                  {"within_limits", counts.within_limits},
                  {"exhaustive", found.exhaustive && counts.failed == 0},
                  {"seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()},
                  {"history", json::array()},
                  {"top", json::array()},
                  {"best", nullptr}};
  for (const auto& [queried, best] : found.history) section["history"].push_back({queried, best});
  std::vector<Design> designs;
  for (const Evaluation& evaluation : found.best) {
    if (evaluation.score.feasible()) designs.push_back(evaluation.design);
  }
  const std::vector<Outcome> outcomes = StudyTrials(study).simulate(store, designs, monitor);
  for (std::size_t i = 0; i < designs.size(); ++i) {
    json metrics = json::object();
    for (std::size_t m = 0; m < names.size(); ++m) metrics[names[m]] = number_or_null(outcomes[i].metrics[m]);
    section["top"].push_back({{"rank", i + 1},
                              {"id", question.space().id(designs[i])},
                              {"design", question.space().design_json(designs[i])},
                              {"metrics", metrics},
                              {"objective", number_or_null(outcomes[i].metrics[question.objective()])},
                              {"margins", simulated_margins(study, question, designs[i], outcomes[i].metrics)}});
  }
  if (!section["top"].empty()) section["best"] = section["top"][0];
  return section;
}

}  // namespace corbel
