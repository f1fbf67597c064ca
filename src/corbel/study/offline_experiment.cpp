#include "corbel/study/offline_experiment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_set>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/permutation.hpp"
#include "corbel/base/random.hpp"
#include "corbel/base/statistics.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"
#include "corbel/search/optimise.hpp"
#include "corbel/search/scan.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/study/offline_methods.hpp"
#include "corbel/version.hpp"

namespace corbel {
namespace {

using nlohmann::json;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t log_stream = 0x6c6f6773;
/// Every design of a space up to this size is ranked; of a larger one those that a strategy comes to.
constexpr std::uint64_t most_ranked = 2'000'000;
constexpr std::uint64_t search_budget = 100'000;
/// The numbers of proposals that the table of results is about.
constexpr std::array<std::size_t, 3> table_places = {1, 16, 256};
/// A proposal with this probability of feasibility is promised to run.
constexpr double promise = 0.9;
static_assert(table_places.back() == offline_proposals);

/// One log, with one method.
struct Run {
  std::uint64_t log_size, seed;
  std::size_t method;
  std::vector<double> objectives = {};  ///< true costs of the proposals, best predicted first; infinite outside limits
  std::uint64_t within = 0;             ///< proposals that meet the limits, as far as what did not run tells
  std::uint64_t infeasible = 0;         ///< of these, those that are infeasible
  std::uint64_t promised = 0;           ///< proposals that are said to run
  std::uint64_t kept = 0;               ///< of these, those that do
  double kendall = nan, seconds = 0;
  std::uint64_t feasible_rows = 0, rows_within = 0;  ///< of the log
  double best_logged = infinity;                     ///< as a cost
  std::string refusal = {};                          ///< why the method gave no answer

  double best(std::size_t count) const {
    double best = infinity;
    for (std::size_t i = 0; i < std::min(count, objectives.size()); ++i) best = std::min(best, objectives[i]);
    return best;
  }
};

void check_offline(const ExperimentQuestion& question, const OfflineOptions& options) {
  check_setup(options);
  const auto refuse = experiment_error;
  if (options.methods.empty()) throw refuse("has no methods", "name some, such as prime,boosted_trees");
  if (options.log_sizes.empty()) throw refuse("has no size of a log", "give at least one, such as 4000");
  std::map<std::string, std::string> labels;
  for (const OfflineMethod& method : options.methods) {
    const auto [same, is_new] = labels.emplace(method.id + to_json(method.training).dump(), method.label);
    if (is_new) continue;
    throw refuse(fmt::format("names {} and {}, which are the same", in_quotes(same->second), in_quotes(method.label)),
                 "name one of them");
  }
  std::set<std::uint64_t> sizes;
  for (const std::uint64_t size : options.log_sizes) {
    if (!sizes.insert(size).second) throw refuse(fmt::format("names a log of {} rows twice", size), "name it once");
    if ((size > 0 || !question.others.empty()) && size <= question.objective->space().size()) continue;
    throw refuse(fmt::format("wants a log of {} rows of a space of {} designs", size,
                             format_for_people(static_cast<double>(question.objective->space().size()), 18)),
                 "give --log-size from 1 to the size of the space; 0 only where other networks teach");
  }
}

/// Designs drawn at random, and what they came to.
class LogMaker {
 public:
  LogMaker(const ExperimentQuestion& question, const OfflineOptions& options, std::uint64_t stream = log_stream)
      : question_(question), worst_(options.worst), stream_(stream) {}

  Dataset make(std::uint64_t rows, std::uint64_t seed, Monitor& monitor) const {
    const DesignSpace& space = question_.objective->space();
    const Permutation order(space.size(), Rng(seed, stream_).next());
    std::vector<std::pair<DesignId, Outcome>> found;
    constexpr std::uint64_t batch = 1024;
    for (std::uint64_t at = 0; at < space.size() && found.size() < rows;) {
      monitor.check();
      const std::uint64_t end = std::min({space.size(), at + batch, at + (rows - found.size())});
      std::vector<Design> designs;
      for (; at < end; ++at) designs.push_back(space.design(order.at(at)));
      std::vector<Outcome> outcomes = question_.objective->outcomes(designs);
      for (std::size_t i = 0; i < designs.size(); ++i) {
        if (has_failed(outcomes[i].state)) continue;
        found.emplace_back(space.id(designs[i]), std::move(outcomes[i]));
      }
    }
    if (found.size() < rows) {
      throw Error(ErrorCode::invalid_input,
                  fmt::format("{}: a log of {} rows was asked for, and {} designs could be run", question_.name, rows,
                              found.size()),
                  "ask for fewer");
    }
    keep_worst(found);
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    return dataset(found);
  }

 private:
  void keep_worst(std::vector<std::pair<DesignId, Outcome>>& rows) const {
    if (worst_ == 0) return;
    const Question& question = question_.objective->question();
    std::vector<std::pair<double, DesignId>> within;
    for (const auto& [id, outcome] : rows) {
      const Score score = question.score(question.space().design(id), outcome);
      if (score.feasible()) within.emplace_back(score.objective, id);
    }
    if (within.size() <= worst_) return;
    std::sort(within.begin(), within.end());
    within.resize(within.size() - worst_);
    std::unordered_set<DesignId> left_out;
    for (const auto& [objective, id] : within) left_out.insert(id);
    std::erase_if(rows, [&](const auto& row) { return left_out.contains(row.first); });
  }

  Dataset dataset(const std::vector<std::pair<DesignId, Outcome>>& rows) const {
    const Question& question = question_.objective->question();
    Dataset data{{question.space(), question_.source, question_.key, "", "", question.metrics()}, {}, {}, {}, {""}, {}};
    ReasonNumbers reasons(data.reason_names);
    for (const auto& [id, outcome] : rows) {
      data.designs.push_back(id);
      data.states.push_back(outcome.state == OutcomeState::complete ? TrialState::complete : TrialState::infeasible);
      data.reasons.push_back(reasons.of(outcome.reason));
      for (std::size_t m = 0; m < question.metrics().size(); ++m) {
        data.metrics.push_back(m < outcome.metrics.size() ? outcome.metrics[m] : nan);
      }
    }
    return data;
  }

  const ExperimentQuestion& question_;
  std::uint64_t worst_, stream_;
};

std::vector<OtherTrials> logs_of_others(const ExperimentQuestion& question, const OfflineOptions& options,
                                        std::uint64_t seed, Monitor& monitor) {
  std::vector<OtherTrials> others;
  for (const ExperimentQuestion& other : question.others) {
    const std::uint64_t stream = log_stream + others.size() + 1;
    others.push_back({*other.study, {LogMaker(other, options, stream).make(other.rows, seed, monitor)}});
  }
  return others;
}

std::vector<DesignId> best_predicted(const ExperimentQuestion& question, const Objective& objective, std::uint64_t seed,
                                     Monitor& monitor) {
  std::vector<Evaluation> best;
  if (question.objective->space().size() <= most_ranked) {
    best = scan(objective, *question.domain, {.keep = offline_proposals, .threads = 1}, monitor).best;
  } else {
    Strategy strategy = make_strategy(default_strategy, *question.domain, {}, seed);
    best =
        optimise(objective, strategy, {.budget = search_budget, .batch = 64, .keep = offline_proposals}, monitor).best;
  }
  std::vector<DesignId> ids;
  for (const Evaluation& evaluation : best) ids.push_back(objective.space().id(evaluation.design));
  return ids;
}

void look_up(const ExperimentQuestion& question, const OfflineModel& model, std::span<const DesignId> proposals,
             Run& run) {
  const Question& asked = question.objective->question();
  std::vector<Design> designs;
  for (const DesignId id : proposals) designs.push_back(asked.space().design(id));
  const std::vector<Outcome> outcomes = question.objective->outcomes(designs);
  std::vector<double> feasibility(designs.size(), 0);
  if (model.feasibility) feasibility = model.feasibility(designs);
  for (std::size_t i = 0; i < designs.size(); ++i) {
    const Score score = asked.score(designs[i], outcomes[i]);
    const bool counts = score.feasible() && std::isfinite(score.objective);
    run.objectives.push_back(counts ? score.objective : infinity);
    const bool is_infeasible = outcomes[i].state == OutcomeState::infeasible;
    // What an infeasible design is off by beside that it is infeasible.
    const bool meets_limits = is_infeasible ? score.violation <= 1 : score.feasible();
    run.within += meets_limits;
    run.infeasible += meets_limits && is_infeasible;
    run.promised += feasibility[i] >= promise;
    run.kept += feasibility[i] >= promise && outcomes[i].state == OutcomeState::complete;
  }
}

json json_of(const Run& run) {
  json objectives = json::array();
  for (const double value : run.objectives) objectives.push_back(number_or_null(value));
  return {{"objectives", objectives},
          {"within", run.within},
          {"infeasible", run.infeasible},
          {"promised", run.promised},
          {"kept", run.kept},
          {"kendall", number_or_null(run.kendall)},
          {"seconds", run.seconds},
          {"feasible_rows", run.feasible_rows},
          {"rows_within", run.rows_within},
          {"best_logged", number_or_null(run.best_logged)},
          {"refusal", run.refusal}};
}

/// False if it is not such a run: it is then made again.
bool read_run(const json& kept, Run& run) {
  const auto number = [](const json& value, double otherwise) {
    return value.is_null() ? otherwise : value.get<double>();
  };
  try {
    for (const json& value : kept.at("objectives")) run.objectives.push_back(number(value, infinity));
    run.within = kept.at("within").get<std::uint64_t>();
    run.infeasible = kept.at("infeasible").get<std::uint64_t>();
    run.promised = kept.at("promised").get<std::uint64_t>();
    run.kept = kept.at("kept").get<std::uint64_t>();
    run.kendall = number(kept.at("kendall"), nan);
    run.seconds = kept.at("seconds").get<double>();
    run.feasible_rows = kept.at("feasible_rows").get<std::uint64_t>();
    run.rows_within = kept.at("rows_within").get<std::uint64_t>();
    run.best_logged = number(kept.at("best_logged"), infinity);
    run.refusal = kept.at("refusal").get<std::string>();
  } catch (const json::exception&) {
    run.objectives.clear();
    return false;
  }
  return true;
}

std::string key_of(const ExperimentQuestion& question, const OfflineOptions& options, const Run& run) {
  const OfflineMethod& method = options.methods[run.method];
  json key = {std::string(version),    question.key, run.log_size, options.worst, run.seed, method.id,
              to_json(method.training)};
  for (const ExperimentQuestion& other : question.others) key.push_back({other.key, other.rows});
  return fingerprint(key.dump());
}

void make_run(const ExperimentQuestion& question, const OfflineOptions& options, const ExperimentFolder& folder,
              Run& run, Monitor& monitor) {
  const std::string key = key_of(question, options, run);
  const OfflineMethod& method = options.methods[run.method];
  const std::string name = fmt::format("{}-{}-{}-{}", method.id, run.log_size, run.seed, key.substr(0, 12));
  const std::filesystem::path file = folder.run_file(name + ".json");
  if (std::filesystem::exists(file)) {
    const json kept = json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
    if (kept.is_object() && kept.value("key", "") == key && read_run(kept.value("run", json()), run)) return;
  }
  QuietMonitor quiet(monitor, /*passes_messages=*/false);
  const Dataset log = LogMaker(question, options).make(run.log_size, run.seed, quiet);
  run.feasible_rows = log.feasible();
  const LoggedLimits limits(*question.study, log.group);
  const std::size_t objective = log.metric_index(question.metric);
  for (std::size_t row = 0; row < log.rows(); ++row) {
    if (log.states[row] != TrialState::complete || !limits.met(log.row(row))) continue;
    ++run.rows_within;
    run.best_logged = std::min(run.best_logged, cost_of(question.direction, log.metric(row, objective)));
  }
  const std::vector<OtherTrials> others = logs_of_others(question, options, run.seed, quiet);
  const Stopwatch watch;
  const std::filesystem::path work = options.folder / "work" / name;
  try {
    const OfflineModel model =
        fit_offline(method, {*question.study, question.objective->question(), log, others, run.seed, work}, quiet);
    run.kendall = model.kendall;
    const std::vector<DesignId> proposals =
        model.objective ? best_predicted(question, *model.objective, run.seed, quiet) : model.best;
    run.seconds = watch.seconds();
    look_up(question, model, proposals, run);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::too_little_data) throw;
    run.refusal = error.what();
  }
  write_file(file, json{{"key", key}, {"method", method.label}, {"run", json_of(run)}}.dump() + "\n");
  std::filesystem::remove_all(work);
}

std::vector<Run> run_all(const ExperimentQuestion& question, const OfflineOptions& options,
                         const ExperimentFolder& folder, Monitor& monitor) {
  std::vector<Run> runs;
  for (std::uint64_t i = 0; i < options.seeds; ++i) {
    for (const std::uint64_t size : options.log_sizes) {
      for (std::size_t m = 0; m < options.methods.size(); ++m) runs.push_back({size, options.first_seed + i, m});
    }
  }
  std::atomic<std::uint64_t> done = 0;
  parallel_for(runs.size(), options.threads, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      monitor.check();
      make_run(question, options, folder, runs[i], monitor);
      monitor.progress(
          "experiment", ++done, runs.size(),
          fmt::format("{}, {} rows, seed {}", options.methods[runs[i].method].label, runs[i].log_size, runs[i].seed));
    }
  });
  return runs;
}

void add_spread(json& row, const std::string& name, const std::vector<double>& values) {
  row[name + "_median"] = number_or_null(median(values));
  row[name + "_min"] = number_or_null(quantile(values, 0));
  row[name + "_max"] = number_or_null(quantile(values, 1));
}

std::vector<double> of_all(std::span<const Run* const> runs, const std::function<double(const Run&)>& value) {
  std::vector<double> values;
  for (const Run* run : runs) values.push_back(value(*run));
  return values;
}

json result_row(const OfflineMethod& method, std::span<const Run* const> runs, double reference, Direction direction) {
  json row = {{"method", method.label},
              {"log_size", runs.front()->log_size},
              {"seeds", runs.size()},
              {"simulator_queries", 0},
              {"rows_feasible_median", median(of_all(runs, [](const Run& run) { return run.feasible_rows; }))},
              {"rows_within_limits_median", median(of_all(runs, [](const Run& run) { return run.rows_within; }))},
              {"seconds", median(of_all(runs, [](const Run& run) { return run.seconds; }))}};
  for (const std::size_t place : table_places) {
    const auto best = [&](const Run& run) { return value_of(direction, run.best(place)); };
    add_spread(row, fmt::format("top{}", place), of_all(runs, best));
    if (!(reference > 0) || !std::isfinite(reference)) continue;
    add_spread(row, fmt::format("top{}_over_optimum", place),
               of_all(runs, [&](const Run& run) { return times_worse(direction, best(run), reference); }));
  }
  std::vector<double> shares, correlations;
  for (const Run* run : runs) {
    if (run->within > 0) shares.push_back(static_cast<double>(run->infeasible) / static_cast<double>(run->within));
    if (!std::isnan(run->kendall)) correlations.push_back(run->kendall);
  }
  add_spread(row, "infeasible_share_top256", shares);
  add_spread(row, "kendall_heldout", correlations);
  std::uint64_t promised = 0, kept = 0;
  for (const Run* run : runs) {
    promised += run->promised;
    kept += run->kept;
  }
  row["said_feasible"] = promised;
  row["said_feasible_kept"] = promised > 0 ? json(static_cast<double>(kept) / static_cast<double>(promised)) : json();
  row["refused"] = std::count_if(runs.begin(), runs.end(), [](const Run* run) { return !run->refusal.empty(); });
  return row;
}

/// The median's confidence interval by order statistics, which assumes nothing of how the values are distributed: the
/// narrowest that holds it with at least `level`, all values if none does. Its level is exact.
std::pair<double, double> median_interval(std::vector<double> values, double level) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  double below = 0, term = std::pow(0.5, static_cast<double>(n));  // P(fewer than i + 1 of n are below the median)
  std::size_t cut = 0;
  for (std::size_t i = 0; i < n / 2; ++i) {
    below += term;
    if (2 * below > 1 - level) break;
    cut = i;
    term *= static_cast<double>(n - i) / static_cast<double>(i + 1);
  }
  return {values[cut], values[n - 1 - cut]};
}

json curve_json(const OfflineMethod& method, std::span<const Run* const> runs, Direction direction) {
  const auto shown = [direction](double cost) { return number_or_null(value_of(direction, cost)); };
  json points = json::array();
  std::vector<std::size_t> places;  // closer together in the beginning
  for (std::size_t place = 1; place < offline_proposals; place = std::max(place + 1, place * 9 / 8)) {
    places.push_back(place);
  }
  places.push_back(offline_proposals);
  for (const std::size_t place : places) {
    const std::vector<double> best = of_all(runs, [&](const Run& run) { return run.best(place); });
    const auto [low, high] = median_interval(best, 0.95);
    points.push_back({place, shown(median(best)), shown(low), shown(high)});
  }
  return {{"method", method.label}, {"log_size", runs.front()->log_size}, {"points", std::move(points)}};
}

}  // namespace

json run_offline_experiment(const ExperimentQuestion& question, const OfflineOptions& options, Monitor& monitor) {
  check_offline(question, options);
  const ExperimentFolder folder(options);
  const std::vector<Run> runs = run_all(question, options, folder, monitor);
  double best_found = infinity;
  for (const Run& run : runs) best_found = std::min({best_found, run.best(offline_proposals), run.best_logged});
  const ExperimentReference reference(question, options, best_found);
  json results = json::array(), curves = json::array();
  for (const std::uint64_t size : options.log_sizes) {
    for (std::size_t m = 0; m < options.methods.size(); ++m) {
      std::vector<const Run*> of_method;
      for (const Run& run : runs) {
        if (run.method == m && run.log_size == size) of_method.push_back(&run);
      }
      results.push_back(result_row(options.methods[m], of_method, reference.value, question.direction));
      curves.push_back(curve_json(options.methods[m], of_method, question.direction));
    }
  }
  return {{"corbel", version},
          {"experiment", "offline"},
          {"question", question_json(question)},
          {"optimum", reference.to_json()},
          {"seeds", options.seeds},
          {"first_seed", options.first_seed},
          {"log_sizes", options.log_sizes},
          {"worst", options.worst},
          {"results", std::move(results)},
          {"curves", std::move(curves)}};
}

}  // namespace corbel
