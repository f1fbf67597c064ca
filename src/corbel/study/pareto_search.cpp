#include "corbel/study/pareto_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/search/pareto.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/study/question.hpp"
#include "corbel/study/simulation_domain.hpp"
#include "corbel/study/simulator_queries.hpp"
#include "corbel/study/study_trials.hpp"
#include "corbel/study/surrogate_objective.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// Of the designs within the limits, for plots.
constexpr std::size_t most_points = 3000;

/// Of the objective and the metrics that are traded off against it, in this order.
std::vector<Direction> directions_of(const StudyFile& study, const ParetoSettings& settings) {
  std::vector<Direction> directions = {study.direction};
  for (const std::string& name : settings.metrics) {
    const auto& maximised = settings.maximised;
    const bool is_maximised = std::find(maximised.begin(), maximised.end(), name) != maximised.end();
    directions.push_back(is_maximised ? Direction::maximise : Direction::minimise);
  }
  return directions;
}

/// Values of costs, or costs of values.
std::vector<double> turned(const std::vector<Direction>& directions, std::vector<double> numbers) {
  for (std::size_t k = 0; k < numbers.size(); ++k) numbers[k] = cost_of(directions[k], numbers[k]);
  return numbers;
}

/// A metric that is traded off.
struct Traded {
  std::size_t index;  ///< among all metrics
  Direction direction;
};

std::vector<Traded> traded_of(const std::vector<std::string>& wanted, const std::vector<std::string>& names,
                              const std::vector<Direction>& directions) {
  std::vector<Traded> traded;
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    const auto at = std::find(names.begin(), names.end(), wanted[k]) - names.begin();
    traded.push_back({static_cast<std::size_t>(at), directions[k]});
  }
  return traded;
}

/// What every objective of a front keeps of the designs within the limits.
class Seen {
 public:
  void add(const MultiScore& score) const {
    if (score.feasible()) points_.push_back(score.objectives);
  }
  /// Evenly taken of them, as values.
  json sample(const std::vector<Direction>& directions) const {
    json sample = json::array();
    const std::size_t stride = std::max<std::size_t>(1, (points_.size() + most_points - 1) / most_points);
    for (std::size_t i = 0; i < points_.size(); i += stride) sample.push_back(turned(directions, points_[i]));
    return sample;
  }
  std::size_t count() const { return points_.size(); }

 private:
  mutable std::vector<std::vector<double>> points_;
};

class SimulatedTrade final : public MultiObjective {
 public:
  SimulatedTrade(SimulatorQueries& simulator, std::vector<Traded> metrics)
      : simulator_(simulator), metrics_(std::move(metrics)) {}

  const DesignSpace& space() const override { return simulator_.question().space(); }
  std::size_t objectives() const override { return metrics_.size(); }
  std::vector<MultiScore> score(std::span<const Design> designs) const override {
    const std::vector<Outcome> outcomes = simulator_.run(designs);
    std::vector<MultiScore> scores;
    for (std::size_t i = 0; i < designs.size(); ++i) {
      const Score score = simulator_.question().score(designs[i], outcomes[i]);
      if (score.failed()) {
        scores.push_back(MultiScore::failure());
        continue;
      }
      scores.push_back({{}, score.violation});
      for (const auto& [metric, direction] : metrics_) {
        const auto& values = outcomes[i].metrics;
        const double value = metric < values.size() ? values[metric] : std::numeric_limits<double>::quiet_NaN();
        scores.back().objectives.push_back(cost_of(direction, value));
        if (!std::isfinite(value)) scores.back().violation = std::max(1.0, scores.back().violation);
      }
      seen_.add(scores.back());
    }
    return scores;
  }
  const Seen& seen() const { return seen_; }

 private:
  SimulatorQueries& simulator_;
  std::vector<Traded> metrics_;
  Seen seen_;
};

class PredictedTrade final : public MultiObjective {
 public:
  PredictedTrade(const SurrogateObjective& surrogate, std::vector<Traded> metrics)
      : surrogate_(surrogate), metrics_(std::move(metrics)) {}

  const DesignSpace& space() const override { return surrogate_.space(); }
  std::size_t objectives() const override { return metrics_.size(); }
  std::vector<MultiScore> score(std::span<const Design> designs) const override {
    std::vector<MultiScore> scores;
    for (const Assessment& assessment : surrogate_.assess(designs)) {
      scores.push_back({{}, assessment.score.violation});
      for (const auto& [metric, direction] : metrics_) {
        scores.back().objectives.push_back(cost_of(direction, assessment.metrics[metric]));
        if (!std::isfinite(assessment.metrics[metric]))
          scores.back().violation = std::max(1.0, scores.back().violation);
      }
      seen_.add(scores.back());
    }
    return scores;
  }
  const Seen& seen() const { return seen_; }

 private:
  const SurrogateObjective& surrogate_;
  std::vector<Traded> metrics_;
  Seen seen_;
};

void check(const StudyFile& study, const DesignSpace& space, const ParetoSettings& settings) {
  const std::vector<std::string> methods = front_methods();
  if (std::find(methods.begin(), methods.end(), settings.method) == methods.end()) {
    throw unknown_name("Pareto method", settings.method, methods);
  }
  if (settings.batch == 0) {
    throw Error(ErrorCode::invalid_input, "a batch of 0 designs", "ask for at least 1 design at a time");
  }
  if (settings.budget == 0) throw Error(ErrorCode::invalid_input, "a budget of 0 queries", "allow at least 1 query");
  if (settings.method == "scan" && space.size() > settings.budget) {
    throw Error(ErrorCode::invalid_input,
                fmt::format("{}: a scan queries every design, and there are {} where the budget is {}",
                            study.file.string(), count_text(space.size()), count_text(settings.budget)),
                "use nsga2, or raise the budget");
  }
  const std::size_t objectives = 1 + settings.metrics.size();
  if (!settings.reference.empty() && settings.reference.size() != objectives) {
    throw Error(
        ErrorCode::invalid_input,
        fmt::format("the reference point has {} values, and {} metrics are traded off", settings.reference.size(),
                    objectives),
        fmt::format("give one for each of {}, {}, in this order", study.objective, fmt::join(settings.metrics, ", ")));
  }
  for (const double value : settings.reference) {
    if (std::isfinite(value)) continue;
    throw Error(ErrorCode::invalid_input, fmt::format("the reference point has the value {}", value),
                "give finite numbers, in the units of the metrics");
  }
}

ParetoOptions options_of(const StudyFile& study, const ParetoSettings& settings) {
  ParetoOptions options;
  // A scan is an order of all admitted designs, and any is as good.
  options.method = settings.method == "scan" ? "random" : settings.method;
  if (settings.method != "scan") options.options = settings.options;
  options.budget = settings.budget;
  options.batch = settings.batch;
  options.seed = study.seed;
  options.reference = turned(directions_of(study, settings), settings.reference);
  return options;
}

json section_of(const StudyFile& study, const ParetoSettings& settings, const std::vector<std::string>& metrics,
                const ParetoResult& found, const Seen& seen, Monitor& monitor) {
  const std::vector<Direction> directions = directions_of(study, settings);
  const bool is_decomposed = settings.method != "nsga2" && settings.method != "scan";
  if (found.exhaustive && found.scored < settings.budget) {
    monitor.message(fmt::format("every admitted design has been queried: {} where {} were allowed",
                                count_text(found.scored), count_text(settings.budget)));
  }
  if (!found.front.empty() && found.hypervolume == 0 && !settings.reference.empty()) {
    monitor.message("no design of the front is better than the reference point in every metric: its hypervolume is 0");
  }
  json section = {{"basis", nullptr},
                  {"metrics", metrics},
                  {"directions", json::array()},
                  {"method", is_decomposed ? "decomposition" : settings.method},
                  {"strategy", is_decomposed ? json(settings.method) : json(nullptr)},
                  {"options", settings.options},
                  {"budget", settings.budget},
                  {"batch", settings.batch},
                  {"seed", study.seed},
                  {"queries", found.scored},
                  {"failed", found.failed},
                  {"within_limits", found.feasible},
                  {"exhaustive", found.exhaustive && found.failed == 0},
                  {"reference", turned(directions, found.reference)},
                  {"reference_source", settings.reference.empty() ? "worst" : "given"},
                  {"hypervolume", found.hypervolume},
                  {"history", json::array()},
                  {"front", json::array()},
                  {"designs", seen.sample(directions)}};
  for (const Direction direction : directions) section["directions"].push_back(to_string(direction));
  for (const auto& [queries, volume] : found.history) section["history"].push_back({queries, volume});
  return section;
}

}  // namespace

std::vector<std::string> front_methods() {
  std::vector<std::string> methods = pareto_methods();
  methods.insert(methods.begin() + 1, "scan");
  return methods;
}

std::vector<std::string> front_metrics(const std::string& objective, const ParetoSettings& settings,
                                       const std::vector<std::string>& known) {
  const auto fault = [&](const std::string& message, const std::string& hint) {
    const std::string place = settings.metrics_place.empty() ? "" : settings.metrics_place + ": ";
    return Error(ErrorCode::invalid_input, place + message, hint);
  };
  if (settings.metrics.empty() || settings.metrics.size() > 2) {
    throw fault(fmt::format("{} metrics to trade off against {}", settings.metrics.size(), objective),
                "name one or two, such as energy_mj, area_mm2");
  }
  std::vector<std::string> metrics = {objective};
  for (const std::string& name : settings.metrics) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw unknown_name("metric", name, known, settings.metrics_place);
    }
    if (name == objective) {
      throw fault(fmt::format("`{}` is the objective, which is traded off anyway", name), "name other metrics");
    }
    if (std::find(metrics.begin(), metrics.end(), name) != metrics.end()) {
      throw fault(fmt::format("`{}` is named twice", name), "name it once");
    }
    metrics.push_back(name);
  }
  return metrics;
}

json search_front(const StudyFile& study, const ParetoSettings& settings, const std::string& key, Store& store,
                  const std::function<void(std::span<const DesignId>)>& joining, Monitor& monitor) {
  if (!study.simulator) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: there is no simulator to search on", study.file.string()),
                "add `simulator:`, or search the surrogate: --on surrogate");
  }
  check(study, *study.space, settings);
  const Stopwatch time;
  SimulatorQueries queries(study, simulated_question(study), key, store, joining, monitor);
  const Question& question = queries.question();
  const std::vector<std::string> metrics = front_metrics(study.objective, settings, question.metrics());
  const std::vector<Direction> directions = directions_of(study, settings);
  const SimulatedTrade trade(queries, traded_of(metrics, question.metrics(), directions));
  ParetoResult found;
  queries.search(settings.budget, [&] {
    found = pareto_search(trade, simulation_domain(study, question), options_of(study, settings), monitor);
  });

  json section = section_of(study, settings, metrics, found, trade.seen(), monitor);
  section["basis"] = to_string(MetricBasis::simulated);
  section["simulated"] = queries.simulated();
  section["feasible"] = queries.counts().feasible;
  std::vector<Design> designs;
  for (const MultiEvaluation& evaluation : found.front) designs.push_back(evaluation.design);
  const std::vector<Outcome> outcomes = StudyTrials(study).simulate(store, designs, monitor);
  for (std::size_t i = 0; i < designs.size(); ++i) {
    section["front"].push_back({{"id", question.space().id(designs[i])},
                                {"design", question.space().design_json(designs[i])},
                                {"objectives", turned(directions, found.front[i].score.objectives)},
                                {"metrics", metrics_json(question.metrics(), outcomes[i].metrics)},
                                {"margins", simulated_margins(study, question, designs[i], outcomes[i].metrics)}});
  }
  section["seconds"] = time.seconds();
  return section;
}

json predict_front(const StudyFile& study, const ParetoSettings& settings, const SurrogateObjective& objective,
                   const SearchDomain& domain, Monitor& monitor) {
  const Stopwatch time;
  check(study, objective.space(), settings);
  const std::vector<std::string>& names = objective.metric_names();
  for (const std::string& name : settings.metrics) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const Error unknown = unknown_name("metric", name, names, settings.metrics_place);
    throw Error(unknown.code(), std::string(unknown.what()) + " of the model",
                unknown.hint() + "; to have it predicted, list it under `pareto:` of the study and train again");
  }
  const std::vector<std::string> metrics = front_metrics(study.objective, settings, names);
  const std::vector<Direction> directions = directions_of(study, settings);
  const PredictedTrade trade(objective, traded_of(metrics, names, directions));
  const ParetoResult found = pareto_search(trade, domain, options_of(study, settings), monitor);

  json section = section_of(study, settings, metrics, found, trade.seen(), monitor);
  section["basis"] = to_string(MetricBasis::predicted);
  std::vector<Design> designs;
  for (const MultiEvaluation& evaluation : found.front) designs.push_back(evaluation.design);
  const std::vector<Assessment> assessments = objective.assess(designs);
  for (std::size_t i = 0; i < designs.size(); ++i) {
    section["front"].push_back({{"id", objective.space().id(designs[i])},
                                {"design", objective.space().design_json(designs[i])},
                                {"objectives", turned(directions, found.front[i].score.objectives)},
                                {"metrics", metrics_json(names, assessments[i].metrics)},
                                {"feasibility", number_or_null(assessments[i].feasibility)},
                                {"margins", predicted_margins(objective, designs[i], assessments[i].metrics)}});
  }
  section["seconds"] = time.seconds();
  return section;
}

}  // namespace corbel
