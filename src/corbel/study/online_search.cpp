#include "corbel/study/online_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/search/optimise.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/study/simulation_domain.hpp"
#include "corbel/study/simulator_queries.hpp"
#include "corbel/study/study_trials.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// A study's simulator as the objective of one search.
class Queries final : public Objective {
 public:
  explicit Queries(SimulatorQueries& simulator) : simulator_(simulator) {}

  const DesignSpace& space() const override { return simulator_.question().space(); }
  void score(std::span<const Design> designs, std::span<Score> out) const override {
    const std::vector<Outcome> outcomes = simulator_.run(designs);
    for (std::size_t i = 0; i < designs.size(); ++i) out[i] = simulator_.question().score(designs[i], outcomes[i]);
  }

 private:
  SimulatorQueries& simulator_;
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
  const Stopwatch time;
  SimulatorQueries queries(study, simulated_question(study), key, store, joining, monitor);
  const Question& question = queries.question();

  // A scan is an order of all admitted designs, and any is as good.
  const std::string strategy_id = settings.method == "scan"   ? "random"
                                  : settings.method == "auto" ? std::string(default_strategy)
                                                              : settings.method;
  const StrategyOptions options = settings.method == strategy_id ? settings.options : StrategyOptions{};
  Strategy strategy = make_strategy(strategy_id, simulation_domain(study, question), options, study.seed);
  SearchResult found;
  queries.search(settings.budget, [&] {
    found = optimise(Queries(queries), strategy, {settings.budget, settings.batch, study.search.proposals}, monitor);
  });
  const SimulatorQueries::Counts& counts = queries.counts();
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
                  {"simulated", queries.simulated()},
                  {"failed", counts.failed},
                  {"feasible", counts.feasible},
                  {"within_limits", counts.within_limits},
                  {"exhaustive", found.exhaustive && counts.failed == 0},
                  {"seconds", time.seconds()},
                  {"history", json::array()},
                  {"top", json::array()},
                  {"best", nullptr}};
  for (const auto& [queried, best] : found.history)
    section["history"].push_back({queried, value_of(study.direction, best)});
  std::vector<Design> designs;
  for (const Evaluation& evaluation : found.best) {
    if (evaluation.score.feasible()) designs.push_back(evaluation.design);
  }
  const std::vector<Outcome> outcomes = StudyTrials(study).simulate(store, designs, monitor);
  for (std::size_t i = 0; i < designs.size(); ++i) {
    section["top"].push_back({{"rank", i + 1},
                              {"id", question.space().id(designs[i])},
                              {"design", question.space().design_json(designs[i])},
                              {"metrics", metrics_json(question.metrics(), outcomes[i].metrics)},
                              {"objective", number_or_null(outcomes[i].metrics[question.objective()])},
                              {"margins", simulated_margins(study, question, designs[i], outcomes[i].metrics)}});
  }
  if (!section["top"].empty()) section["best"] = section["top"][0];
  return section;
}

}  // namespace corbel
