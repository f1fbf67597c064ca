#include "corbel/surrogate/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

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

std::string log_fingerprint(const Dataset& rows, const std::optional<DrawnFrom>& drawn_from) {
  return drawn_from ? drawn_from->fingerprint : rows.fingerprint();
}

// Of the parameters in a checkpoint: one of another layout is not read.
constexpr int parameter_layout = 2;

std::string fingerprint_of(const std::vector<std::uint8_t>& flags) {
  return fingerprint(std::string(flags.begin(), flags.end()));
}

// Everything a checkpoint depends on.
std::string checkpoint_key(const Dataset& dataset, const TrainingTask& task, const TrainingOptions& options) {
  nlohmann::json key = {{"dataset", dataset.fingerprint()},
                        {"drawn_from", log_fingerprint(dataset, task.drawn_from)},
                        {"objective", task.objective},
                        {"also", task.also_predict},
                        {"over_limit", fingerprint_of(task.over_limit)},
                        {"context", task.context},
                        {"options", to_json(options)},
                        {"version", corbel::version},
                        {"direction", to_string(task.direction)},
                        {"layout", parameter_layout}};
  for (const WorkloadLog& other : task.others) {
    key["others"].push_back({{"dataset", other.log->fingerprint()},
                             {"drawn_from", log_fingerprint(*other.log, other.drawn_from)},
                             {"over_limit", fingerprint_of(other.over_limit)},
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
    key["admits"] = fingerprint_of(admitted);
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
                             const std::optional<DrawnFrom>& drawn_from, const TrainingData& data,
                             std::uint32_t workload) {
  const auto count = [&](const std::vector<std::size_t>& rows) { return data.of_workload(rows, workload).size(); };
  DrawnFrom log;
  log.rows = dataset.rows();
  log.feasible = dataset.feasible();
  log.over_limit = static_cast<std::uint64_t>(std::ranges::count_if(over_limit, [](auto flag) { return flag != 0; }));
  if (drawn_from) log = *drawn_from;
  nlohmann::json described = {{"feasible", log.feasible},
                              {"infeasible", log.rows - log.feasible},
                              {"over_limit", log.over_limit},
                              {"fitted", count(data.feasible) + count(data.infeasible)},
                              {"withheld_feasible", count(data.withheld_feasible)},
                              {"withheld_infeasible", count(data.withheld_infeasible)}};
  if (drawn_from) described["drawn"] = dataset.rows();
  return described;
}

// What the report says of each workload.
nlohmann::json describe_workloads(const Dataset& dataset, const TrainingTask& task, const TrainingData& data) {
  nlohmann::json all = nlohmann::json::array();
  all.push_back(describe_rows(dataset, task.over_limit, task.drawn_from, data, 0));
  all.back()["name"] = dataset.group.workload;
  for (std::uint32_t w = 0; w < task.others.size(); ++w) {
    const WorkloadLog& other = task.others[w];
    all.push_back(describe_rows(*other.log, other.over_limit, other.drawn_from, data, w + 1));
    all.back()["name"] = other.name;
  }
  return all;
}

// What the model file says of each workload.
nlohmann::json known_workloads(const Dataset& dataset, const TrainingTask& task) {
  nlohmann::json all = nlohmann::json::array();
  const auto add = [&](const std::string& name, const Dataset& log, const std::optional<DrawnFrom>& drawn_from,
                       const std::vector<float>& context) {
    all.push_back({{"name", name},
                   {"context", context},
                   {"rows", drawn_from ? drawn_from->rows : log.rows()},
                   {"dataset_fingerprint", log_fingerprint(log, drawn_from)}});
  };
  add(dataset.group.workload, dataset, task.drawn_from, task.context);
  for (const WorkloadLog& other : task.others) add(other.name, *other.log, other.drawn_from, other.context);
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

// A training from its options to the model file: candidates, then members of the final model.
class Training {
 public:
  Training(const Dataset& dataset, const TrainingTask& task, const TrainingOptions& options,
           const std::filesystem::path& work_folder, Monitor& monitor)
      : dataset_(dataset),
        task_(task),
        options_(options),
        work_folder_(work_folder),
        monitor_(monitor),
        data_(prepare_training_data(dataset, task, is_paper(), options.withhold, options.seed)),
        contexts_(contexts_of(dataset, task)),
        spec_(network_of(task, options, data_.metrics.size())),
        domain_{dataset.group.space, task.admits},
        key_(checkpoint_key(dataset, task, options)),
        forest_(Forest::fit(domain_.space, data_, tree_share(), options.seed)) {
    if (data_.withheld_feasible.empty()) {
      monitor.message(fmt::format("too few rows to withhold any: taking the first of {} grid entries as it is",
                                  options.grid.size()));
    }
  }

  nlohmann::json train(const std::filesystem::path& model_file) {
    train_candidates();
    train_members();
    nlohmann::json report = describe();
    save(model_file, report);
    for (std::size_t i = 0; i < candidates_.size(); ++i) std::filesystem::remove(checkpoint("candidate", i));
    for (std::size_t m = 0; m < members_.size(); ++m) std::filesystem::remove(checkpoint("member", m));
    report["seconds"] = seconds_since(start_);
    return report;
  }

 private:
  bool is_paper() const { return options_.protocol == "paper"; }
  bool refits() const { return options_.refit && !is_paper(); }
  double tree_share() const { return is_paper() ? 0 : options_.trees; }
  // Networks beside the chosen candidate, which without refit is the first member.
  std::size_t further() const {
    const auto members = static_cast<std::size_t>(options_.ensemble);
    return refits() ? members : members - 1;
  }
  std::filesystem::path checkpoint(const char* kind, std::size_t number) const {
    return work_folder_ / fmt::format("{}_{}.checkpoint", kind, number);
  }

  // Runs that share a thread share the time.
  double in_turn(std::size_t runs) const {
    return static_cast<double>((runs + team_->threads() - 1) / team_->threads());
  }
  double seconds_left() const {
    if (options_.minutes == 0) return std::numeric_limits<double>::infinity();
    return std::max(0.0, 60 * options_.minutes - seconds_since(start_));
  }

  // Side by side; where there are fewer than threads, the others help.
  void run_all(std::size_t count, const std::function<void(std::size_t)>& run) const {
    // Another device is shared by all, as is its generator of random numbers.
    parallel_for(count, options_.device == "cpu" ? team_->threads() : 1, 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) run(i);
    });
  }

  void train_candidates() {
    const double seconds = seconds_left() / (in_turn(options_.grid.size()) + in_turn(further()));
    candidates_.resize(options_.grid.size());
    run_all(candidates_.size(), [&](std::size_t i) {
      candidates_[i] =
          run_training({options_, data_, domain_, spec_, contexts_, forest_, team_, options_.grid[i], options_.seed,
                        static_cast<std::uint64_t>(options_.steps), true, checkpoint("candidate", i), key_, seconds},
                       progress_);
    });
    chosen_ = choose(candidates_, data_, is_paper());
    if (chosen().diverged) {
      monitor_.message("every candidate diverged; the model is the last checkpoint that was finite");
    }
  }

  void train_members() {
    if (refits()) {
      all_data_ = prepare_training_data(dataset_, task_, is_paper(), 0, options_.seed);
      whole_forest_ = Forest::fit(domain_.space, *all_data_, tree_share(), options_.seed);
    }
    const double seconds = further() == 0 ? 0 : seconds_left() / in_turn(further());
    const std::uint64_t steps = std::max<std::uint64_t>(1, chosen().step);
    members_.resize(further());
    run_all(members_.size(), [&](std::size_t m) {
      members_[m] = run_training(
          {options_, learnt_data(), domain_, spec_, contexts_, learnt_forest(), team_, options_.grid[chosen_],
           options_.seed + 1 + m, steps, false, checkpoint("member", m), key_, seconds},
          progress_);
    });
    if (std::any_of(members_.begin(), members_.end(), [](const RunResult& member) { return member.diverged; })) {
      monitor_.message("a member of the ensemble diverged; it is the last of its checkpoints that was finite");
    }
  }

  const RunResult& chosen() const { return candidates_[chosen_]; }
  // What the final model is learnt from.
  const TrainingData& learnt_data() const { return all_data_ ? *all_data_ : data_; }
  const Forest& learnt_forest() const { return whole_forest_ ? *whole_forest_ : forest_; }

  nlohmann::json describe() const {
    nlohmann::json report = {{"chosen", chosen_},
                             {"rows", describe_rows(dataset_, task_.over_limit, task_.drawn_from, data_, 0)},
                             {"withheld", describe_withheld(data_, chosen())},
                             {"refit", refits()}};
    if (!task_.others.empty()) {
      report["workloads"] = describe_workloads(dataset_, task_, data_);
      report["objective_scale"] = data_.is_scale_guessed ? "guessed from other workloads" : "logged";
    }
    const auto predictor = [&](std::uint32_t workload) {
      TensorMap tensors;
      for (const auto& [name, tensor] : chosen().tensors) tensors["0." + name] = tensor;
      nlohmann::json metadata = model_metadata(domain_.space, data_, spec_, contexts_, 1);
      forest_.add_to(metadata, tensors, workload);
      return std::make_unique<ModelPredictor>(Model::from_tensors(std::move(metadata), std::move(tensors)),
                                              contexts_.of[workload]);
    };
    const std::vector<double> errors = relative_errors(predictor, data_);
    for (std::size_t m = 0; m < errors.size(); ++m) report["errors"][data_.metrics[m]] = number_or_null(errors[m]);
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      const RunResult& result = candidates_[i];
      report["candidates"].push_back({{"alpha", options_.grid[i].alpha},
                                      {"beta", options_.grid[i].beta},
                                      {"step", result.step},
                                      {"kendall", number_or_null(result.kendall)},
                                      {"infeasible_auc", number_or_null(result.infeasible_auc)},
                                      {"score", number_or_null(result.score)},
                                      {"diverged", result.diverged},
                                      {"history", result.history}});
    }
    return report;
  }

  void save(const std::filesystem::path& model_file, const nlohmann::json& report) {
    TensorMap tensors;
    std::int64_t member = 0;
    const auto add_member = [&](RunResult& result) {
      for (auto& [name, tensor] : result.tensors) tensors[fmt::format("{}.{}", member, name)] = std::move(tensor);
      ++member;
    };
    if (!refits()) add_member(candidates_[chosen_]);
    for (RunResult& result : members_) add_member(result);
    nlohmann::json metadata = model_metadata(domain_.space, learnt_data(), spec_, contexts_, member);
    learnt_forest().add_to(metadata, tensors);
    metadata["dataset_fingerprint"] = log_fingerprint(dataset_, task_.drawn_from);
    metadata["dataset_rows"] = task_.drawn_from ? task_.drawn_from->rows : dataset_.rows();
    if (!task_.others.empty()) metadata["workloads"] = known_workloads(dataset_, task_);
    metadata["code_version"] = corbel::version;
    metadata["options"] = to_json(options_);
    metadata["training"] = report;
    Model::save(model_file, metadata, std::move(tensors));
  }

  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const Dataset& dataset_;
  const TrainingTask& task_;
  const TrainingOptions& options_;
  const std::filesystem::path& work_folder_;
  Monitor& monitor_;
  const TrainingData data_;
  const WorkloadContexts contexts_;
  const NetworkSpec spec_;
  const SearchDomain domain_;
  const std::string key_;
  const Forest forest_;
  const std::shared_ptr<Team> team_ = std::make_shared<Team>(options_.threads);
  RunProgress progress_{monitor_, static_cast<std::uint64_t>(options_.steps) * (options_.grid.size() + further())};
  std::vector<RunResult> candidates_, members_;
  std::size_t chosen_ = 0;
  // Of all rows, where the final model is learnt from more than the candidates were.
  std::optional<TrainingData> all_data_;
  std::optional<Forest> whole_forest_;
};

}  // namespace

nlohmann::json train(const Dataset& dataset, const TrainingTask& task, const TrainingOptions& options,
                     const std::filesystem::path& model_file, const std::filesystem::path& work_folder,
                     Monitor& monitor) {
  if (options.grid.empty()) throw Error(ErrorCode::invalid_input, "the training grid is empty", "give {alpha, beta}");
  if (options.regression == "none" && !(options.ranking > 0)) {
    throw Error(ErrorCode::invalid_input, "neither regression nor ranking: nothing teaches the objective",
                "give `ranking` a weight above 0");
  }
  return Training(dataset, task, options, work_folder, monitor).train(model_file);
}

}  // namespace corbel
