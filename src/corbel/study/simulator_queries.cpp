#include "corbel/study/simulator_queries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/study/simulation_objective.hpp"
#include "corbel/study/study_trials.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// As a sweep: a simulator that fails on so many designs before it succeeds on one is broken.
constexpr std::uint64_t most_failures = 100;

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

}  // namespace

struct SimulatorQueries::Data {
  Data(const StudyFile& study, Question question, const std::string& key, Store& in,
       std::function<void(std::span<const DesignId>)> to_join, Monitor& outer)
      : trials(study),
        store(in),
        progress(in, key),
        joining(std::move(to_join)),
        monitor(outer),
        simulator(study.simulator->name()),
        simulation(std::move(question), [this](std::span<const Design> designs) { return run_missing(designs); }) {}

  std::vector<Outcome> run(std::span<const Design> designs) {
    prepare(designs);
    std::vector<Outcome> outcomes = simulation.outcomes(designs);
    for (std::size_t i = 0; i < designs.size(); ++i) {
      counts.feasible += outcomes[i].state == OutcomeState::complete ? 1 : 0;
      counts.within_limits += simulation.question().score(designs[i], outcomes[i]).feasible() ? 1 : 0;
      if (!has_failed(outcomes[i].state)) continue;
      ++counts.failed;
      last_failure = outcomes[i].reason;
    }
    counts.queries += designs.size();
    if (counts.failed == counts.queries && counts.failed >= most_failures) give_up();
    return outcomes;
  }

  [[noreturn]] void give_up() {
    throw Error(ErrorCode::tool_failure,
                fmt::format("simulator `{}` failed on all {} designs, each tried {} times; the last: {}", simulator,
                            count_text(counts.failed), 1 + failed_run_retries, last_failure),
                "try one design with `corbel simulate`");
  }

  /// Notes what this batch adds before anything of it is simulated, so that a kill in between changes no count.
  void prepare(std::span<const Design> designs) {
    replaying = counts.queries < progress.begun();
    if (replaying) return;
    std::vector<bool> is_known;
    std::vector<DesignId> missing;
    const auto standing = trials.standing(store, designs);
    for (std::size_t i = 0; i < designs.size(); ++i) {
      is_known.push_back(standing[i].finished);
      if (!standing[i].finished) missing.push_back(simulation.space().id(designs[i]));
    }
    progress.begin(counts.queries, is_known);
    if (missing.empty()) return;
    if (joining) joining(missing);
    progress.save();
  }

  std::vector<Outcome> run_missing(std::span<const Design> designs) {
    if (!replaying) return trials.simulate(store, designs, monitor);
    // What this search has set aside before it stopped stays so.
    std::vector<Outcome> outcomes(designs.size());
    std::vector<std::size_t> places;
    std::vector<Design> others;
    const auto standing = trials.standing(store, designs);
    for (std::size_t i = 0; i < designs.size(); ++i) {
      if (!standing[i].finished && standing[i].failures > failed_run_retries) {
        outcomes[i] = {OutcomeState::failed, standing[i].reason, "", {}};
        continue;
      }
      places.push_back(i);
      others.push_back(designs[i]);
    }
    std::vector<Outcome> simulated = trials.simulate(store, others, monitor);
    for (std::size_t i = 0; i < places.size(); ++i) outcomes[places[i]] = std::move(simulated[i]);
    return outcomes;
  }

  StudyTrials trials;
  Store& store;
  Progress progress;
  std::function<void(std::span<const DesignId>)> joining;
  QuietMonitor monitor;
  std::string simulator;
  SimulationObjective simulation;
  Counts counts;
  bool replaying = false;
  std::string last_failure;
};

SimulatorQueries::SimulatorQueries(const StudyFile& study, Question question, const std::string& key, Store& store,
                                   std::function<void(std::span<const DesignId>)> joining, Monitor& monitor)
    : data_(std::make_unique<Data>(study, std::move(question), key, store, std::move(joining), monitor)) {}

SimulatorQueries::~SimulatorQueries() = default;

const Question& SimulatorQueries::question() const {
  return data_->simulation.question();
}

std::vector<Outcome> SimulatorQueries::run(std::span<const Design> designs) {
  return data_->run(designs);
}

const SimulatorQueries::Counts& SimulatorQueries::counts() const {
  return data_->counts;
}

std::uint64_t SimulatorQueries::simulated() const {
  return data_->progress.simulated();
}

void SimulatorQueries::search(std::uint64_t budget, const std::function<void()>& search) {
  const auto reached = [&] {
    return fmt::format("{} of {} queries", count_text(data_->progress.done()), count_text(budget));
  };
  if (data_->progress.done() > 0) data_->monitor.message(fmt::format("resuming: {} are there", reached()));
  try {
    search();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::interrupted) throw;
    data_->progress.reached(data_->counts.queries);
    throw Error(ErrorCode::interrupted, fmt::format("stopped: {} are stored", reached()),
                "run the same command again to go on from here");
  }
  if (data_->counts.queries > 0 && data_->counts.failed == data_->counts.queries) data_->give_up();
  data_->progress.reached(data_->counts.queries);
}

}  // namespace corbel
