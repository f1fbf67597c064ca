// The search in rounds: the one step of a study that trains, searches and simulates by turns.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "corbel/base/count_text.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/base/units.hpp"
#include "corbel/study/learning.hpp"
#include "corbel/study/pipeline.hpp"
#include "corbel/study/question.hpp"
#include "corbel/study/rounds.hpp"
#include "corbel/study/simulation_domain.hpp"
#include "corbel/study/simulator_queries.hpp"
#include "corbel/study/study_log.hpp"
#include "corbel/study/surrogate_objective.hpp"
#include "corbel/study/surrogate_search.hpp"

namespace corbel {

using nlohmann::json;

RoundRecord Pipeline::rounds_so_far(const std::string& key) {
  RoundRecord record = RoundRecord::read(store(), key);
  const std::unordered_set<DesignId> simulated = record.designs();
  const std::string start = trials().without({simulated.begin(), simulated.end()}).fingerprint();
  if (record.start == start) return record;
  if (!record.rounds.empty()) {
    monitor_.message("the study has other trials than those its rounds began with: they begin anew, with all of them");
  }
  return {trials().fingerprint(), 0, 0, std::numeric_limits<double>::quiet_NaN(), {}};
}

bool Pipeline::begin_round(RoundRecord& record) {
  train();
  const json& known = (*results_)["dataset"];
  if (record.rounds.empty()) {
    record.start_rows = known.at("rows").get<std::uint64_t>();
    record.start_within = known.at("within_limits").get<std::uint64_t>();
    if (!known.at("best_logged").is_null()) record.start_best = known.at("best_logged").at("objective").get<double>();
  }
  const json& training = (*results_)["training"];
  const std::unordered_set<DesignId> tried = record.designs();
  StudyFile wide = study_;
  wide.search.proposals = round_candidates * study_.search.simulate + tried.size();
  const SurrogateObjective objective = make_objective();
  const SurrogateSearch search(wide, objective, log(), keys().proposals(model_fingerprint()));
  release_trials();
  Round round{known.at("rows").get<std::uint64_t>(), withheld_kendall(training), training.value("seconds", 0.0),
              choose_round(study_, objective, search.run(monitor_), tried)};
  if (round.designs.empty()) return false;
  record.rounds.push_back(std::move(round));
  return true;
}

void Pipeline::search_in_rounds() {
  require_rounds_possible(study_);
  lock();
  trials();
  const Stopwatch time;
  const std::string key = keys().rounds();
  RoundRecord record = rounds_so_far(key);
  if (record.rounds.empty() && results_->contains("rounds")) {
    results_->erase("rounds");  // of other settings, or another log
    (*results_)["steps"].erase("rounds");
  }
  const std::size_t simulate = study_.search.simulate;
  if (record.rounds.size() > study_.search.rounds) {
    monitor_.message(fmt::format("{} rounds are there already: no further one is begun", record.rounds.size()));
  }
  const std::size_t planned = std::max(study_.search.rounds, record.rounds.size());
  const std::uint64_t budget = planned * simulate;
  monitor_.message(fmt::format("{} round{} of {} designs: at most {} simulations in all", planned,
                               planned == 1 ? "" : "s", count_text(simulate), count_text(budget)));
  // The log of the model that chose them stays what it was until the next training.
  const auto joining = [&](std::span<const DesignId> ids) {
    const std::string batch = json(std::vector<DesignId>(ids.begin(), ids.end())).dump();
    if (const std::string prefix = searched_notes(); !prefix.empty())
      store().set_note(prefix + fingerprint(batch), batch);
  };
  SimulatorQueries queries(study_, simulated_question(study_), fingerprint(key + " " + record.start), store(), joining,
                           monitor_);
  std::vector<std::vector<Outcome>> outcomes;
  bool exhausted = false;
  const auto note = [&] {
    (*results_)["rounds"] = rounds_section(study_, record, planned, exhausted, outcomes, queries, time.seconds());
    (*results_)["steps"]["rounds"] = {{"key", key}, {"question", keys().question()}};
    conclude();
  };
  queries.search(budget, [&] {
    while (outcomes.size() < planned) {
      const bool is_new = outcomes.size() == record.rounds.size();
      if (is_new && !begin_round(record)) {
        exhausted = true;
        monitor_.message(
            fmt::format("no further design is within the limits that are known: stopped after {} of {} "
                        "rounds",
                        outcomes.size(), planned));
        break;
      }
      if (is_new) record.write(store(), key);
      std::vector<Design> designs;
      for (const RoundDesign& design : record.rounds[outcomes.size()].designs) {
        designs.push_back(study_.space->design(design.id));
      }
      release_trials();
      outcomes.push_back(queries.run(designs));
      if (outcomes.size() < record.rounds.size()) continue;
      if (!results_->contains("training")) continue;  // removed since
      note();
      const json& done = (*results_)["rounds"]["rounds"].back();
      const json& best = done.at("best");
      monitor_.message(fmt::format("round {} of {}: {} simulated, {} feasible, {} within the limits; best {}",
                                   outcomes.size(), planned, designs.size(), done.at("feasible").get<std::uint64_t>(),
                                   done.at("within_limits").get<std::uint64_t>(),
                                   best.is_number() ? format_for_people(best.get<double>()) : "none yet"));
    }
    train();
  });
  note();
  if (recorded("search", "key") != keys().search(model_fingerprint())) search();
}

}  // namespace corbel
