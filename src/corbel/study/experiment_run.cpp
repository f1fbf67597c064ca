#include "corbel/study/experiment_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/search/saved_state.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using Query = ExperimentRun::Query;

// Lines of the file: a header, then one per batch.
json header_json(const ExperimentRunTask& task) {
  return {{"key", task.key}, {"batch", task.batch}};
}

json batch_json(const std::span<const Query> batch, bool exhausted) {
  json designs = json::array(), objectives = json::array(), violations = json::array();
  for (const Query& query : batch) {
    designs.push_back(query.design);
    objectives.push_back(number_to_json(query.score.objective));
    violations.push_back(number_to_json(query.score.violation));
  }
  return {{"designs", std::move(designs)},
          {"objective", std::move(objectives)},
          {"violation", std::move(violations)},
          {"seconds", batch.empty() ? 0 : batch.back().seconds},
          {"strategy_seconds", batch.empty() ? 0 : batch.back().strategy_seconds},
          {"exhausted", exhausted}};
}

std::vector<Query> batch_from_json(const json& line) {
  std::vector<Query> batch;
  const json &designs = line.at("designs"), &objectives = line.at("objective"), &violations = line.at("violation");
  const double seconds = number_from_json(line.at("seconds"));
  const double strategy_seconds = number_from_json(line.at("strategy_seconds"));
  for (std::size_t i = 0; i < designs.size(); ++i) {
    batch.push_back({whole_from_json(designs[i]),
                     {number_from_json(objectives.at(i)), number_from_json(violations.at(i))},
                     seconds,
                     strategy_seconds});
  }
  return batch;
}

/// The batches of a file that can be gone on with, and the bytes they take; none if it is of another run or damaged.
struct Recorded {
  std::vector<std::vector<Query>> batches;
  std::string text;
  bool exhausted = false;
};

Recorded read_recorded(const std::filesystem::path& file, const ExperimentRunTask& task) {
  Recorded recorded;
  if (!std::filesystem::exists(file)) return recorded;
  const std::string text = read_file(file);
  std::size_t begin = 0, queries = 0;
  bool first = true;
  // A last line without its end was cut off by a kill.
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos && !recorded.exhausted; begin = end + 1) {
    const json line = json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                  text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, /*allow_exceptions=*/false);
    try {
      if (first) {
        if (line != header_json(task)) return {};
      } else {
        std::vector<Query> batch = batch_from_json(line);
        const bool exhausted = line.at("exhausted").get<bool>();
        queries += batch.size();
        // A last batch that a smaller budget cut short would send the strategy another way.
        if (batch.size() != task.batch && !exhausted && (task.feasible_only || queries < task.budget)) break;
        recorded.exhausted = exhausted;
        recorded.batches.push_back(std::move(batch));
      }
    } catch (const std::exception&) {
      break;
    }
    first = false;
    recorded.text.append(text, begin, end + 1 - begin);
  }
  return recorded;
}

class RunFile {
 public:
  RunFile(const std::filesystem::path& file, const ExperimentRunTask& task, const std::string& text) : file_(file) {
    write_file(file, text.empty() ? header_json(task).dump() + "\n" : text);
    stream_.open(file, std::ios::app | std::ios::binary);
  }
  void append(const json& line) {
    stream_ << line.dump() + "\n" << std::flush;
    if (!stream_) {
      throw Error(ErrorCode::file_access, fmt::format("cannot write {}: {}", file_.string(), std::strerror(errno)),
                  "check the space and the permissions there");
    }
  }

 private:
  std::filesystem::path file_;
  std::ofstream stream_;
};

std::vector<Evaluation> evaluations_of(const DesignSpace& space, std::span<const Query> batch) {
  std::vector<Evaluation> evaluations;
  for (const Query& query : batch) {
    if (!query.score.failed()) evaluations.push_back({space.design(query.design), query.score});
  }
  return evaluations;
}

/// False if the strategy, made again, asks for other designs: the file is of another version of it.
bool replay(Strategy& strategy, const DesignSpace& space, const std::vector<std::vector<Query>>& batches,
            std::size_t size, const Monitor& monitor) {
  for (const std::vector<Query>& batch : batches) {
    monitor.check();
    const std::vector<Design> designs = strategy.ask(size);
    const bool same = std::equal(designs.begin(), designs.end(), batch.begin(), batch.end(),
                                 [&](const Design& design, const Query& query) {
                                   return query.design < space.size() && space.id(design) == query.design;
                                 });
    if (!same) return false;
    strategy.tell(evaluations_of(space, batch));
  }
  return true;
}

}  // namespace

std::size_t ExperimentRun::spent(std::uint64_t budget, bool feasible_only) const {
  if (!feasible_only) return std::min<std::size_t>(budget, queries.size());
  std::size_t count = 0;
  for (; count < queries.size() && budget > 0; ++count) budget -= queries[count].score.feasible();
  return count;
}

double ExperimentRun::best(std::size_t count) const {
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < std::min(count, queries.size()); ++i) {
    if (queries[i].score.feasible()) best = std::min(best, queries[i].score.objective);
  }
  return best;
}

ExperimentRun run_or_resume(const std::filesystem::path& file, const ExperimentRunTask& task, Strategy strategy,
                            const Objective& objective, const std::function<void(std::size_t)>& told,
                            const Monitor& monitor) {
  const DesignSpace& space = objective.space();
  Recorded recorded = read_recorded(file, task);
  ExperimentRun run;
  std::uint64_t counted = 0;  // of the budget
  const auto take = [&](const std::vector<Query>& batch) {
    run.queries.insert(run.queries.end(), batch.begin(), batch.end());
    const std::uint64_t before = counted;
    for (const Query& query : batch) counted += !task.feasible_only || query.score.feasible();
    return std::min(counted, task.budget) - std::min(before, task.budget);
  };
  for (const std::vector<Query>& batch : recorded.batches) take(batch);
  run.exhausted = recorded.exhausted;
  const auto is_done = [&] {
    return run.exhausted || counted >= task.budget || run.queries.size() >= most_free_queries * task.budget;
  };
  if (!is_done()) {
    const Strategy fresh = strategy;
    if (!replay(strategy, space, recorded.batches, task.batch, monitor)) {
      strategy = fresh;
      run = {};
      recorded = {};
      counted = 0;
    }
  }
  told(std::min(counted, task.budget));
  if (is_done()) return run;

  RunFile out(file, task, recorded.text);
  double seconds = run.queries.empty() ? 0 : run.queries.back().seconds;
  double strategy_seconds = run.queries.empty() ? 0 : run.queries.back().strategy_seconds;
  std::vector<Score> scores;
  while (!is_done()) {
    monitor.check();
    const Stopwatch time;
    // The budget may cut the last batch short; the strategy is asked for all of it, so that a larger budget goes on as
    // if there had been no other.
    std::vector<Design> designs = strategy.ask(task.batch);
    run.exhausted = designs.size() < task.batch;
    if (!task.feasible_only) {
      designs.resize(std::min<std::size_t>(designs.size(), task.budget - run.queries.size()));
    }
    double asking = time.seconds();
    scores.assign(designs.size(), Score{});
    objective.score(designs, scores);
    const Stopwatch telling;
    std::vector<Query> batch;
    for (std::size_t i = 0; i < designs.size(); ++i) batch.push_back({space.id(designs[i]), scores[i], 0, 0});
    strategy.tell(evaluations_of(space, batch));
    asking += telling.seconds();
    seconds += time.seconds();
    strategy_seconds += asking;
    for (Query& query : batch) {
      query.seconds = seconds;
      query.strategy_seconds = strategy_seconds;
    }
    const bool is_cut = !task.feasible_only && run.queries.size() + batch.size() == task.budget;
    if (batch.size() < task.batch && is_cut) run.exhausted = false;
    out.append(batch_json(batch, run.exhausted));
    told(take(batch));
  }
  return run;
}

}  // namespace corbel
