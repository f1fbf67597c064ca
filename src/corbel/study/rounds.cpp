#include "corbel/study/rounds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/statistics.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/study/question.hpp"
#include "corbel/study/simulator_queries.hpp"
#include "corbel/study/surrogate_objective.hpp"
#include "corbel/study/surrogate_search.hpp"
#include "corbel/surrogate/selection.hpp"

namespace corbel {
namespace {

using nlohmann::json;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

std::string note_of(const std::string& key) {
  return "rounds " + key;
}

double number_of(const json& value) {
  return value.is_null() ? nan_value : value.get<double>();
}

json to_json(const Round& round) {
  json designs = json::array();
  for (const RoundDesign& design : round.designs) {
    designs.push_back({design.id, number_or_null(design.predicted), number_or_null(design.feasibility), design.within});
  }
  return {{"rows", round.rows},
          {"kendall", number_or_null(round.kendall)},
          {"seconds", round.seconds},
          {"designs", std::move(designs)}};
}

Round round_from_json(const json& saved) {
  Round round{
      saved.at("rows").get<std::uint64_t>(), number_of(saved.at("kendall")), saved.at("seconds").get<double>(), {}};
  for (const json& design : saved.at("designs")) {
    round.designs.push_back(
        {design.at(0).get<DesignId>(), number_of(design.at(1)), number_of(design.at(2)), design.at(3).get<bool>()});
  }
  return round;
}

/// The designs of a search's result that a round may simulate, apart by what is predicted of them, best first.
struct Candidates {
  std::vector<Design> within, others;
};

Candidates candidates_of(const SurrogateObjective& objective, const SurrogateFindings& found,
                         const std::unordered_set<DesignId>& tried) {
  Candidates candidates;
  for (const Evaluation& evaluation : found.result.best) {
    if (tried.contains(objective.space().id(evaluation.design))) continue;
    if (evaluation.score.feasible()) {
      candidates.within.push_back(evaluation.design);
    } else if (objective.meets_formulas(evaluation.design)) {
      candidates.others.push_back(evaluation.design);
    }
  }
  return candidates;
}

}  // namespace

RoundRecord RoundRecord::read(const Store& store, const std::string& key) {
  const json saved = json::parse(store.note(note_of(key)), nullptr, /*allow_exceptions=*/false);
  if (!saved.is_object()) return {};
  // Of another version, or written by hand: the rounds then begin anew, the trials stay.
  try {
    const json& start = saved.at("start");
    RoundRecord record{start.at("log").get<std::string>(),
                       start.at("rows").get<std::uint64_t>(),
                       start.at("within_limits").get<std::uint64_t>(),
                       number_of(start.at("best")),
                       {}};
    for (const json& round : saved.at("rounds")) record.rounds.push_back(round_from_json(round));
    return record;
  } catch (const json::exception&) {
    return {};
  }
}

void RoundRecord::write(Store& store, const std::string& key) const {
  json saved = {
      {"start",
       {{"log", start}, {"rows", start_rows}, {"within_limits", start_within}, {"best", number_or_null(start_best)}}},
      {"rounds", json::array()}};
  for (const Round& round : rounds) saved["rounds"].push_back(to_json(round));
  store.set_note(note_of(key), saved.dump());
}

std::unordered_set<DesignId> RoundRecord::designs() const {
  std::unordered_set<DesignId> ids;
  for (const Round& round : rounds) {
    for (const RoundDesign& design : round.designs) ids.insert(design.id);
  }
  return ids;
}

void require_rounds_possible(const StudyFile& study) {
  const std::string file = study.file.string();
  if (study.is_told()) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: there is no simulator to run rounds on", file),
                "add `simulator:`, or evaluate designs yourself with corbel ask and corbel tell");
  }
  if (study.import) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: rounds learn from what they simulate, and this study learns from its log", file),
                study.simulator
                    ? "leave out `import:`, so that it learns from its simulator; or simulate the proposals "
                      "of the log with corbel validate"
                    : "a study with `simulator:` (of a recorded table: table) instead of `import:`; or one "
                      "with neither, whose designs you evaluate with corbel ask and corbel tell");
  }
  if (study.search.method != "scan" && study.search.budget < study.search.simulate) {
    throw Error(ErrorCode::invalid_input,
                fmt::format("{}: the search scores {} designs, where each round simulates {}", file,
                            count_text(study.search.budget), count_text(study.search.simulate)),
                "raise --budget (`search.budget`), or simulate fewer");
  }
}

std::vector<std::size_t> choose_diverse(const DesignSpace& space, std::span<const Design> designs, std::size_t count) {
  count = std::min(count, designs.size());
  std::vector<std::size_t> chosen;
  // Of each design, to the nearest one chosen.
  std::vector<double> nearest(designs.size(), std::numeric_limits<double>::infinity());
  std::vector<bool> is_chosen(designs.size(), false);
  // Distances come in steps of 1 / (dimensions · (values − 1)): below the least of these, any design is far enough.
  double least_step = 1;
  for (const Parameter& parameter : space.parameters()) {
    const double steps = parameter.is_ordered() ? std::max(1.0, static_cast<double>(parameter.count()) - 1) : 1;
    least_step = std::min(least_step, 1 / (steps * static_cast<double>(space.dimensions())));
  }
  for (double distance = 0.5; chosen.size() < count; distance = distance < least_step ? 0 : distance / 2) {
    for (std::size_t i = 0; i < designs.size() && chosen.size() < count; ++i) {
      if (is_chosen[i] || nearest[i] < distance) continue;
      is_chosen[i] = true;
      chosen.push_back(i);
      for (std::size_t k = 0; k < designs.size(); ++k) {
        nearest[k] = std::min(nearest[k], space.distance(designs[i], designs[k]));
      }
    }
  }
  return chosen;
}

std::vector<RoundDesign> choose_round(const StudyFile& study, const SurrogateObjective& objective,
                                      const SurrogateFindings& found, const std::unordered_set<DesignId>& tried) {
  const std::size_t count = study.search.simulate;
  Candidates candidates = candidates_of(objective, found, tried);
  if (candidates.within.size() > round_candidates * count) candidates.within.resize(round_candidates * count);
  std::vector<Design> designs;
  for (const std::size_t place : choose_diverse(objective.space(), candidates.within, count)) {
    designs.push_back(candidates.within[place]);
  }
  for (const Design& design : candidates.others) {
    if (designs.size() == count) break;
    designs.push_back(design);
  }
  std::vector<RoundDesign> chosen;
  const std::vector<Assessment> assessments = objective.assess(designs);
  for (std::size_t i = 0; i < designs.size(); ++i) {
    chosen.push_back({objective.space().id(designs[i]), assessments[i].metrics[0], assessments[i].feasibility,
                      assessments[i].score.feasible()});
  }
  return chosen;
}

json rounds_section(const StudyFile& study, const RoundRecord& record, std::size_t planned, bool exhausted,
                    const std::vector<std::vector<Outcome>>& outcomes, const SimulatorQueries& queries,
                    double seconds) {
  assert(outcomes.size() <= record.rounds.size());
  const Question& question = queries.question();
  const DesignSpace& space = question.space();
  const SimulatorQueries::Counts& counts = queries.counts();
  json section = {{"simulate", study.search.simulate},
                  {"budget", planned * study.search.simulate},
                  {"seed", study.seed},
                  {"queries", counts.queries},
                  {"failed", counts.failed},
                  {"feasible", counts.feasible},
                  {"within_limits", counts.within_limits},
                  {"exhausted", exhausted},
                  {"start",
                   {{"rows", record.start_rows},
                    {"within_limits", record.start_within},
                    {"best", number_or_null(record.start_best)}}},
                  {"rounds", json::array()},
                  {"history", json::array()},
                  {"top", json::array()},
                  {"best", nullptr},
                  {"seconds", seconds}};
  const Direction direction = question.direction();
  const double none = value_of(direction, std::numeric_limits<double>::infinity());
  double best = std::isnan(record.start_best) ? none : record.start_best;
  if (std::isfinite(best)) section["history"].push_back({0, best});
  struct Found {
    double objective;
    DesignId id;
    const Outcome* outcome;
  };
  std::vector<Found> within;
  std::uint64_t queried = 0;
  for (std::size_t r = 0; r < outcomes.size(); ++r) {
    const Round& round = record.rounds[r];
    std::uint64_t feasible = 0, failed = 0, predicted_within = 0;
    const std::size_t within_before = within.size();
    std::vector<double> predicted, simulated, errors;
    json designs = json::array();
    for (std::size_t i = 0; i < round.designs.size(); ++i) {
      const RoundDesign& chosen = round.designs[i];
      const Outcome& outcome = outcomes[r][i];
      ++queried;
      predicted_within += chosen.within ? 1 : 0;
      failed += has_failed(outcome.state) ? 1 : 0;
      const Score score = question.score(space.design(chosen.id), outcome);
      double truth = nan_value;
      if (outcome.state == OutcomeState::complete) {
        ++feasible;
        truth = outcome.metrics[question.objective()];
      }
      if (std::isfinite(truth) && std::isfinite(chosen.predicted)) {
        predicted.push_back(chosen.predicted);
        simulated.push_back(truth);
        errors.push_back(std::abs(chosen.predicted - truth) / std::abs(truth));
      }
      designs.push_back({{"id", chosen.id},
                         {"predicted", number_or_null(chosen.predicted)},
                         {"feasibility", number_or_null(chosen.feasibility)},
                         {"state", to_string(outcome.state)},
                         {"objective", number_or_null(truth)},
                         {"within_limits", score.feasible()}});
      if (!score.feasible()) continue;
      within.push_back({truth, chosen.id, &outcome});
      if (!is_better(direction, truth, best)) continue;
      best = truth;
      section["history"].push_back({queried, best});
    }
    section["rounds"].push_back(
        {{"round", r + 1},
         {"rows", round.rows},
         {"kendall", number_or_null(round.kendall)},
         {"training_seconds", round.seconds},
         {"simulated", round.designs.size()},
         {"failed", failed},
         {"feasible", feasible},
         {"within_limits", within.size() - within_before},
         {"predicted_within_limits", predicted_within},
         {"best", number_or_null(best)},
         {"median_error", number_or_null(median(errors))},
         {"kendall_simulated", predicted.size() < 2 ? json(nullptr) : json(kendall(predicted, simulated))},
         {"designs", std::move(designs)}});
  }
  std::stable_sort(within.begin(), within.end(),
                   [&](const Found& a, const Found& b) { return is_better(direction, a.objective, b.objective); });
  if (within.size() > study.search.proposals) within.resize(study.search.proposals);
  for (const Found& found : within) {
    const Design design = space.design(found.id);
    section["top"].push_back({{"rank", section["top"].size() + 1},
                              {"id", found.id},
                              {"design", space.design_json(design)},
                              {"metrics", metrics_json(question.metrics(), found.outcome->metrics)},
                              {"objective", found.objective},
                              {"margins", simulated_margins(study, question, design, found.outcome->metrics)}});
  }
  if (!section["top"].empty()) section["best"] = section["top"][0];
  return section;
}

}  // namespace corbel
