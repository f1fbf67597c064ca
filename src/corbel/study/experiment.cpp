#include "corbel/study/experiment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/statistics.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"
#include "corbel/study/experiment_run.hpp"
#include "corbel/version.hpp"

namespace corbel {
namespace {

using nlohmann::json;

constexpr double infinity = std::numeric_limits<double>::infinity();
/// Points of a curve of the best so far: enough for a smooth line, whatever the budget.
constexpr std::size_t curve_points = 80;

/// Made on any space, so that a mistake in its options is told before anything runs.
Strategy make_any(const ExperimentMethod& method) {
  return make_strategy(method.strategy, {DesignSpace({Parameter::boolean("any")}), {}}, method.options);
}

void check_online(const ExperimentOptions& options) {
  check_setup(options);
  const auto refuse = experiment_error;
  if (options.methods.empty()) throw refuse("has no methods", "name some, such as firefly");
  if (options.batch == 0) throw refuse("asks for batches of 0 designs", "give at least 1");
  if (options.budgets.empty() || *std::min_element(options.budgets.begin(), options.budgets.end()) == 0)
    throw refuse("has no budget, or one of 0 queries", "give at least 1");
  // By their states, which name options left at their defaults too: runs of the same method are one file.
  std::map<std::string, std::string> labels;
  for (const ExperimentMethod& method : options.methods) {
    const auto [same, is_new] = labels.emplace(method.strategy + " " + make_any(method).save(), method.label);
    if (is_new) continue;
    if (same->second == method.label)
      throw refuse(fmt::format("names {} twice", in_quotes(method.label)), "name it once");
    throw refuse(fmt::format("names {} and {}, which are the same", in_quotes(same->second), in_quotes(method.label)),
                 "name one of them");
  }
}

struct Task {
  std::size_t method;
  std::uint64_t seed;
  ExperimentRun run = {};
};

std::vector<Task> run_all(const ExperimentQuestion& question, const ExperimentOptions& options, std::uint64_t budget,
                          const ExperimentFolder& folder, Monitor& monitor) {
  std::vector<Task> tasks;
  for (std::uint64_t i = 0; i < options.seeds; ++i) {
    for (std::size_t m = 0; m < options.methods.size(); ++m) tasks.push_back({m, options.first_seed + i});
  }
  const std::uint64_t total = tasks.size() * budget;
  std::atomic<std::uint64_t> done = 0;
  parallel_for(tasks.size(), options.threads, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      monitor.check();
      Task& task = tasks[i];
      const ExperimentMethod& method = options.methods[task.method];
      Strategy strategy = make_strategy(method.strategy, *question.domain, method.options, task.seed);
      // The state of a fresh strategy names its options, those left at their defaults too.
      const std::string key =
          fingerprint(fmt::format("{} {} {} {}", version, question.key, options.batch, strategy.save()));
      const std::string note = fmt::format("{} seed {}", method.label, task.seed);
      std::uint64_t of_run = 0;
      task.run = run_or_resume(
          folder.run_file(fmt::format("{}-{}-{}.jsonl", method.strategy, task.seed, key.substr(0, 12))),
          {key, budget, options.batch, options.feasible_only}, std::move(strategy), *question.objective,
          [&](std::size_t queries) {
            of_run += queries;
            monitor.progress("experiment", done += queries, total, note);
          },
          monitor);
      // A space smaller than the budget ends a run early.
      if (of_run < budget) monitor.progress("experiment", done += budget - of_run, total, note);
    }
  });
  return tasks;
}

/// 0 at the reference, 0.02 two percent worse than it; infinite where nothing was found.
double regret(Direction direction, double best, const ExperimentReference& reference) {
  if (std::isinf(best) || std::isinf(reference.value)) return infinity;
  const double above = cost_of(direction, best) - cost_of(direction, reference.value);
  return reference.value == 0 ? above : above / std::fabs(reference.value);
}

bool is_reached(Direction direction, double best, const ExperimentReference& reference) {
  // A reference typed in by hand has fewer digits than a recorded one.
  return std::isfinite(best) && regret(direction, best, reference) <= 1e-9;
}

void add_spread(json& row, const std::string& name, const std::vector<double>& values) {
  row[name + "_median"] = number_or_null(median(values));
  row[name + "_min"] = number_or_null(quantile(values, 0));
  row[name + "_q25"] = number_or_null(quantile(values, 0.25));
  row[name + "_q75"] = number_or_null(quantile(values, 0.75));
  row[name + "_max"] = number_or_null(quantile(values, 1));
}

json result_row(const ExperimentMethod& method, std::uint64_t budget, bool feasible_only,
                std::span<const ExperimentRun* const> runs, const ExperimentReference& reference, Direction direction) {
  std::vector<double> best, over, regrets, queries, to_reference, seconds, strategy_seconds;
  std::uint64_t exact = 0, found = 0, failed = 0;
  for (const ExperimentRun* run : runs) {
    const std::size_t count = run->spent(budget, feasible_only);
    best.push_back(value_of(direction, run->best(count)));
    regrets.push_back(regret(direction, best.back(), reference));
    over.push_back(reference.value > 0 ? times_worse(direction, best.back(), reference.value)
                                       : std::numeric_limits<double>::quiet_NaN());
    queries.push_back(static_cast<double>(count));
    found += std::isfinite(best.back());
    exact += is_reached(direction, best.back(), reference);
    double reached = infinity;
    for (std::size_t i = 0; i < count; ++i) {
      const Score& score = run->queries[i].score;
      failed += score.failed();
      if (std::isinf(reached) && score.feasible() &&
          is_reached(direction, value_of(direction, score.objective), reference)) {
        reached = static_cast<double>(i + 1);
      }
    }
    to_reference.push_back(reached);
    seconds.push_back(count ? run->queries[count - 1].seconds : 0);
    strategy_seconds.push_back(count ? run->queries[count - 1].strategy_seconds : 0);
  }
  json row = {{"method", method.label},
              {"strategy", method.strategy},
              {"options", method.options},
              {"budget", budget},
              {"seeds", runs.size()},
              {"queries_median", median(queries)},
              {"found", found},
              {"exact", exact},
              {"failed", failed},
              {"queries_to_optimum_median", number_or_null(median(to_reference))},
              {"seconds", median(seconds)},
              {"strategy_seconds", median(strategy_seconds)}};
  add_spread(row, "best", best);
  add_spread(row, "regret", regrets);
  if (reference.value > 0 && std::isfinite(reference.value)) add_spread(row, "best_over_optimum", over);
  return row;
}

/// Numbers of queries at which a curve is drawn, closer together in the beginning.
std::vector<std::uint64_t> curve_places(std::uint64_t budget) {
  std::set<std::uint64_t> places = {1, budget};
  for (std::size_t i = 0; i < curve_points; ++i) {
    const double share = static_cast<double>(i) / (curve_points - 1);
    places.insert(static_cast<std::uint64_t>(std::llround(std::pow(static_cast<double>(budget), share))));
  }
  return {places.begin(), places.end()};
}

json curve_json(const ExperimentMethod& method, std::uint64_t budget, bool feasible_only,
                std::span<const ExperimentRun* const> runs, Direction direction) {
  const auto shown = [direction](double cost) { return number_or_null(value_of(direction, cost)); };
  json points = json::array();
  std::vector<double> best(runs.size(), infinity);
  std::vector<std::size_t> at(runs.size(), 0);
  for (const std::uint64_t place : curve_places(budget)) {
    for (std::size_t r = 0; r < runs.size(); ++r) {
      for (const std::size_t end = runs[r]->spent(place, feasible_only); at[r] < end; ++at[r]) {
        const Score& score = runs[r]->queries[at[r]].score;
        if (score.feasible()) best[r] = std::min(best[r], score.objective);
      }
    }
    points.push_back({place, shown(median(best)), shown(quantile(best, 0.25)), shown(quantile(best, 0.75))});
  }
  return {{"method", method.label}, {"points", std::move(points)}};
}

}  // namespace

ExperimentMethod ExperimentMethod::parse(std::string_view text) {
  ExperimentMethod method{std::string(text), std::string(text.substr(0, text.find(':'))), {}};
  const auto refuse = [&](const std::string& what) {
    return Error(ErrorCode::invalid_input, fmt::format("method {}: {}", in_quotes(text), what),
                 "write STRATEGY or STRATEGY:OPTION=NUMBER,OPTION=NUMBER");
  };
  if (text.find(':') != std::string_view::npos) {
    for (const std::string_view item : split(text.substr(text.find(':') + 1), ',')) {
      const std::size_t equals = item.find('=');
      double value = 0;
      if (equals == std::string_view::npos || !parse_number(item.substr(equals + 1), value)) {
        throw refuse(fmt::format("{} sets no option", in_quotes(item)));
      }
      if (!method.options.emplace(item.substr(0, equals), value).second) {
        throw refuse(fmt::format("sets {} twice", in_quotes(item.substr(0, equals))));
      }
    }
  }
  make_any(method);
  return method;
}

std::vector<ExperimentMethod> ExperimentMethod::parse_list(std::string_view text) {
  std::vector<ExperimentMethod> methods;
  for (const std::string& part : split_methods(text)) methods.push_back(parse(part));
  return methods;
}

json run_experiment(const ExperimentQuestion& question, const ExperimentOptions& options, Monitor& monitor) {
  check_online(options);
  const ExperimentFolder folder(options);
  std::vector<std::uint64_t> budgets = options.budgets;
  std::sort(budgets.begin(), budgets.end());
  budgets.erase(std::unique(budgets.begin(), budgets.end()), budgets.end());
  const std::vector<Task> tasks = run_all(question, options, budgets.back(), folder, monitor);
  double best_found = infinity;
  for (const Task& task : tasks) best_found = std::min(best_found, task.run.best(task.run.queries.size()));
  const ExperimentReference reference(question, options, best_found);

  json results = json::array(), curves = json::array();
  for (std::size_t m = 0; m < options.methods.size(); ++m) {
    std::vector<const ExperimentRun*> runs;
    for (const Task& task : tasks) {
      if (task.method == m) runs.push_back(&task.run);
    }
    for (const std::uint64_t budget : budgets) {
      results.push_back(
          result_row(options.methods[m], budget, options.feasible_only, runs, reference, question.direction));
    }
    curves.push_back(curve_json(options.methods[m], budgets.back(), options.feasible_only, runs, question.direction));
  }
  std::uint64_t queries = 0, feasible = 0, failed = 0;
  for (const Task& task : tasks) {
    for (const ExperimentRun::Query& query : task.run.queries) {
      ++queries;
      feasible += query.score.feasible();
      failed += query.score.failed();
    }
  }
  return {{"corbel", version},
          {"experiment", "online"},
          {"question", question_json(question)},
          {"optimum", reference.to_json()},
          {"seeds", options.seeds},
          {"first_seed", options.first_seed},
          {"batch", options.batch},
          {"budgets_count", options.feasible_only ? "feasible" : "all"},
          {"budgets", budgets},
          {"queries", {{"all", queries}, {"within_limits", feasible}, {"failed", failed}}},
          {"results", std::move(results)},
          {"curves", std::move(curves)}};
}

}  // namespace corbel
