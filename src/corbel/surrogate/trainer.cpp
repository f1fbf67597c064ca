#include "corbel/surrogate/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/scorer/model.hpp"
#include "corbel/surrogate/run.hpp"
#include "corbel/surrogate/selection.hpp"
#include "corbel/version.hpp"

namespace corbel {
namespace {

constexpr std::size_t max_reported_withheld = 1000;

NetworkSpec network_of(const TrainingTask& task, const TrainingOptions& options, std::size_t metrics) {
  NetworkSpec spec;
  for (const auto& [name, kind] : network_kinds) {
    if (options.network == name) spec.kind = kind;
  }
  spec.experts = options.experts;
  spec.hidden = options.hidden;
  spec.embedding = options.embedding;
  spec.layers = options.layers;
  spec.heads = options.heads;
  spec.feed_forward = options.feed_forward;
  spec.metrics = static_cast<std::int64_t>(metrics);
  // The published network knows feasibility only by the penalty on its predictions.
  spec.feasibility = options.protocol != "paper";
  spec.context_size = static_cast<std::int64_t>(task.context.size());
  return spec;
}

// Everything a checkpoint depends on.
std::string checkpoint_key(const Dataset& dataset, const TrainingTask& task, const TrainingOptions& options) {
  nlohmann::json key = {{"dataset", dataset.fingerprint()}, {"objective", task.objective},
                        {"also", task.also_predict},        {"over_limit", task.over_limit},
                        {"context", task.context},          {"options", to_json(options)},
                        {"version", corbel::version},       {"direction", to_string(task.direction)}};
  for (const WorkloadLog& other : task.others) {
    key["others"].push_back({{"dataset", other.log->fingerprint()},
                             {"over_limit", other.over_limit},
                             {"context", other.context},
                             {"name", other.name}});
  }
  if (task.admits) {
    // A function has no fingerprint; what it says of the log's designs stands for it.
    std::vector<std::uint8_t> admitted;
    const auto add = [&](const Dataset& log) {
      for (const DesignId id : log.designs) admitted.push_back(task.admits(log.group.space.design(id)));
    };
    add(dataset);
    for (const WorkloadLog& other : task.others) add(*other.log);
    key["admits"] = std::move(admitted);
  }
  return fingerprint(key.dump());
}

WorkloadContexts contexts_of(const Dataset& dataset, const TrainingTask& task) {
  WorkloadContexts contexts;
  contexts.of.push_back(task.context);
  for (const WorkloadLog& other : task.others) contexts.of.push_back(other.context);
  if (task.others.empty() || task.context.empty()) return contexts;
  std::vector<std::vector<float>> known;
  if (dataset.rows() > 0) known.push_back(task.context);
  for (const WorkloadLog& other : task.others) {
    if (other.log->rows() > 0) known.push_back(other.context);
  }
  ContextRange::of(contexts.of);  // is finite, also of a workload without rows
  contexts.range = ContextRange::of(known);
  return contexts;
}

std::size_t choose(const std::vector<RunResult>& results, const TrainingData& data, bool by_score_alone) {
  std::vector<CandidateScore> scores;
  for (const RunResult& result : results) scores.push_back({result.score, result.infeasible_auc, result.diverged});
  std::vector<std::size_t> compared;
  for (std::uint32_t w = 0; w < data.objective_transforms.size(); ++w) {
    compared.push_back(std::min(data.of_workload(data.withheld_feasible, w).size(), max_compared));
  }
  return choose_candidate(scores, compared, by_score_alone);
}

nlohmann::json describe_rows(const Dataset& dataset, const std::vector<std::uint8_t>& over_limit,
                             const TrainingData& data, std::uint32_t workload) {
  const auto count = [&](const std::vector<std::size_t>& rows) { return data.of_workload(rows, workload).size(); };
  return {{"feasible", dataset.feasible()},
          {"infeasible", dataset.rows() - dataset.feasible()},
          {"over_limit", std::count_if(over_limit.begin(), over_limit.end(), [](std::uint8_t flag) { return flag; })},
          {"fitted", count(data.feasible) + count(data.infeasible)},
          {"withheld_feasible", count(data.withheld_feasible)},
          {"withheld_infeasible", count(data.withheld_infeasible)}};
}

// What the report says of each workload.
nlohmann::json describe_workloads(const Dataset& dataset, const TrainingTask& task, const TrainingData& data) {
  nlohmann::json all = nlohmann::json::array();
  all.push_back(describe_rows(dataset, task.over_limit, data, 0));
  all.back()["name"] = dataset.group.workload;
  for (std::uint32_t w = 0; w < task.others.size(); ++w) {
    const WorkloadLog& other = task.others[w];
    all.push_back(describe_rows(*other.log, other.over_limit, data, w + 1));
    all.back()["name"] = other.name;
  }
  return all;
}

// What the model file says of each workload.
nlohmann::json known_workloads(const Dataset& dataset, const TrainingTask& task) {
  nlohmann::json all = nlohmann::json::array();
  const auto add = [&](const std::string& name, const Dataset& log, const std::vector<float>& context) {
    all.push_back(
        {{"name", name}, {"context", context}, {"rows", log.rows()}, {"dataset_fingerprint", log.fingerprint()}});
  };
  add(dataset.group.workload, dataset, task.context);
  for (const WorkloadLog& other : task.others) add(other.name, *other.log, other.context);
  return all;
}

nlohmann::json describe_withheld(const TrainingData& data, const RunResult& chosen) {
  nlohmann::json withheld = nlohmann::json::array();
  const std::size_t all = std::min(data.withheld_feasible.size(), chosen.predicted.size());
  const std::size_t count = std::min(all, max_reported_withheld);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t place = i * all / count;
    withheld.push_back({{"true", number_or_null(data.objective[data.withheld_feasible[place]])},
                        {"predicted", number_or_null(chosen.predicted[place])}});
    if (data.objective_transforms.size() > 1) {
      withheld.back()["workload"] = data.workloads[data.withheld_feasible[place]];
    }
  }
  return withheld;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

nlohmann::json train(const Dataset& dataset, const TrainingTask& task, const TrainingOptions& options,
                     const std::filesystem::path& model_file, const std::filesystem::path& work_folder,
                     Monitor& monitor) {
  const auto start = std::chrono::steady_clock::now();
  if (options.grid.empty()) throw Error(ErrorCode::invalid_input, "the training grid is empty", "give {alpha, beta}");
  if (options.regression == "none" && !(options.ranking > 0)) {
    throw Error(ErrorCode::invalid_input, "neither regression nor ranking: nothing teaches the objective",
                "give `ranking` a weight above 0");
  }
  const bool paper = options.protocol == "paper";
  const TrainingData data = prepare_training_data(dataset, task, paper, options.withhold, options.seed);
  const WorkloadContexts contexts = contexts_of(dataset, task);
  const NetworkSpec spec = network_of(task, options, data.metrics.size());
  const SearchDomain domain{dataset.group.space, task.admits};
  const std::string key = checkpoint_key(dataset, task, options);
  const double tree_share = paper ? 0 : options.trees;
  const Forest forest = Forest::fit(domain.space, data, tree_share, options.seed);
  const bool can_compare = !data.withheld_feasible.empty();
  if (!can_compare) {
    monitor.message(
        fmt::format("too few rows to withhold any: taking the first of {} grid entries as it is", options.grid.size()));
  }

  const bool refit = options.refit && !paper;
  const auto steps = static_cast<std::uint64_t>(options.steps);
  const auto members = static_cast<std::size_t>(options.ensemble);
  // Without refit the chosen candidate is the first member.
  const std::size_t further = refit ? members : members - 1;
  RunProgress progress{monitor, steps * (options.grid.size() + further)};

  // Runs that share a thread share the time.
  const std::size_t threads = options.threads == 0 ? available_cores() : options.threads;
  const auto in_turn = [&](std::size_t runs) { return static_cast<double>((runs + threads - 1) / threads); };
  const auto seconds_left = [&] {
    if (options.minutes == 0) return std::numeric_limits<double>::infinity();
    return std::max(0.0, 60 * options.minutes - seconds_since(start));
  };
  const double candidate_seconds = seconds_left() / (in_turn(options.grid.size()) + in_turn(further));
  std::vector<RunResult> candidates(options.grid.size());
  parallel_for(candidates.size(), options.threads, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      candidates[i] =
          run_training({options, data, domain, spec, contexts, forest, options.grid[i], options.seed, steps, true,
                        work_folder / fmt::format("candidate_{}.checkpoint", i), key, candidate_seconds},
                       progress);
    }
  });
  const std::size_t chosen = choose(candidates, data, paper);
  if (candidates[chosen].diverged) {
    monitor.message("every candidate diverged; the model is the last checkpoint that was finite");
  }

  const TrainingData all = refit ? prepare_training_data(dataset, task, paper, 0, options.seed) : data;
  const Forest whole_forest = refit ? Forest::fit(domain.space, all, tree_share, options.seed) : forest;
  std::vector<RunResult> ensemble(further);
  const double member_seconds = further == 0 ? 0 : seconds_left() / in_turn(further);
  const std::uint64_t chosen_steps = std::max<std::uint64_t>(1, candidates[chosen].step);
  parallel_for(further, options.threads, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t m = begin; m < end; ++m) {
      ensemble[m] =
          run_training({options, all, domain, spec, contexts, whole_forest, options.grid[chosen], options.seed + 1 + m,
                        chosen_steps, false, work_folder / fmt::format("member_{}.checkpoint", m), key, member_seconds},
                       progress);
    }
  });

  if (std::any_of(ensemble.begin(), ensemble.end(), [](const RunResult& member) { return member.diverged; })) {
    monitor.message("a member of the ensemble diverged; it is the last of its checkpoints that was finite");
  }

  nlohmann::json report = {{"chosen", chosen},
                           {"rows", describe_rows(dataset, task.over_limit, data, 0)},
                           {"withheld", describe_withheld(data, candidates[chosen])},
                           {"refit", refit}};
  if (!task.others.empty()) {
    report["workloads"] = describe_workloads(dataset, task, data);
    report["objective_scale"] = data.is_scale_guessed ? "guessed from other workloads" : "logged";
  }
  const auto chosen_predictor = [&](std::uint32_t workload) {
    TensorMap tensors;
    for (const auto& [name, tensor] : candidates[chosen].tensors) tensors["0." + name] = tensor;
    nlohmann::json metadata = model_metadata(domain.space, data, spec, contexts, 1);
    forest.add_to(metadata, tensors, workload);
    return std::make_unique<ModelPredictor>(Model::from_tensors(std::move(metadata), std::move(tensors)),
                                            contexts.of[workload]);
  };
  const std::vector<double> errors = relative_errors(chosen_predictor, data);
  for (std::size_t m = 0; m < errors.size(); ++m) report["errors"][data.metrics[m]] = number_or_null(errors[m]);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const RunResult& result = candidates[i];
    report["candidates"].push_back({{"alpha", options.grid[i].alpha},
                                    {"beta", options.grid[i].beta},
                                    {"step", result.step},
                                    {"kendall", number_or_null(result.kendall)},
                                    {"infeasible_auc", number_or_null(result.infeasible_auc)},
                                    {"score", number_or_null(result.score)},
                                    {"diverged", result.diverged},
                                    {"history", result.history}});
  }

  TensorMap tensors;
  std::size_t member = 0;
  const auto add_member = [&](RunResult& result) {
    for (auto& [name, tensor] : result.tensors) tensors[fmt::format("{}.{}", member, name)] = std::move(tensor);
    ++member;
  };
  if (!refit) add_member(candidates[chosen]);
  for (RunResult& result : ensemble) add_member(result);
  nlohmann::json metadata = model_metadata(domain.space, all, spec, contexts, static_cast<std::int64_t>(members));
  whole_forest.add_to(metadata, tensors);
  metadata["dataset_fingerprint"] = dataset.fingerprint();
  metadata["dataset_rows"] = dataset.rows();
  if (!task.others.empty()) metadata["workloads"] = known_workloads(dataset, task);
  metadata["code_version"] = corbel::version;
  metadata["options"] = to_json(options);
  metadata["training"] = report;
  Model::save(model_file, metadata, std::move(tensors));

  for (std::size_t i = 0; i < candidates.size(); ++i) {
    std::filesystem::remove(work_folder / fmt::format("candidate_{}.checkpoint", i));
  }
  for (std::size_t m = 0; m < further; ++m) {
    std::filesystem::remove(work_folder / fmt::format("member_{}.checkpoint", m));
  }
  report["seconds"] = seconds_since(start);
  return report;
}

}  // namespace corbel
