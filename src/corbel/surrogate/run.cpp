#include "corbel/surrogate/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <unordered_set>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/random.hpp"
#include "corbel/scorer/model.hpp"
#include "corbel/surrogate/learner.hpp"
#include "corbel/surrogate/negatives.hpp"
#include "corbel/surrogate/selection.hpp"

namespace corbel {
namespace {

constexpr std::uint64_t feasible_stream = 1, infeasible_stream = 2, seeds_stream = 3, negatives_stream = 4,
                        draw_stream = 5;
constexpr std::uint64_t report_every = 20;
// Logged designs that the negatives' strategy starts from: the best predicted of so many drawn at random.
constexpr std::size_t drawn_seeds = 256, kept_seeds = 32;

// Fitted rows that say what scale the outputs of a ranking have.
constexpr std::size_t mapped_rows = 2048;

// Negatives that are kept, if they are: as many as 16 refreshes with default options find.
constexpr std::size_t most_kept_negatives = 4096;

// The terms of the loss under their names in reports and checkpoints.
constexpr std::pair<const char*, double Losses::*> loss_terms[] = {{"loss", &Losses::total},
                                                                   {"loss_feasible", &Losses::feasible},
                                                                   {"loss_ranking", &Losses::ranking},
                                                                   {"loss_infeasible", &Losses::infeasible},
                                                                   {"loss_negatives", &Losses::negatives},
                                                                   {"loss_feasibility", &Losses::feasibility},
                                                                   {"loss_metrics", &Losses::metrics}};

double number_or_nan(const nlohmann::json& json) {
  return json.is_null() ? not_known : json.get<double>();
}

/// @param time  share of the time budget that is gone
double learning_rate_at(const TrainingOptions& options, std::uint64_t step, double time) {
  const double base = options.learning_rate > 0 ? options.learning_rate : default_learning_rate(options);
  if (options.protocol == "paper") return base;
  const double angle = std::numbers::pi * static_cast<double>(step) / static_cast<double>(options.steps);
  return base * 0.5 * (1 + std::cos(std::max(angle, std::numbers::pi * std::min(time, 1.0))));
}

// Balanced batches show as many feasible as infeasible designs; this turns the logit back to the log's own shares.
double prior_shift(const WorkloadSampler& feasible, const WorkloadSampler& infeasible) {
  return std::log((feasible.weight() + 1) / (infeasible.weight() + 1));
}

class Run {
 public:
  Run(const RunSettings& settings, RunProgress& progress)
      : settings_(settings),
        progress_(progress),
        learner_(settings.domain.space, settings.spec, settings.options.dropout, settings.contexts, settings.seed,
                 {settings.options.optimizer, settings.team, settings.options.device}),
        feasible_(settings.data, WorkloadSampler::Of::feasible, settings.seed, feasible_stream),
        infeasible_(settings.data, WorkloadSampler::Of::infeasible, settings.seed, infeasible_stream),
        negatives_(settings.contexts.of.size()) {
    loss_.weights = settings.weights;
    loss_.infeasible_level = settings.data.infeasible_level;
    loss_.negative_level = settings.data.negative_level;
    loss_.penalty = penalty_of(settings.options);
    loss_.squared_error = settings.options.regression == "squared";
    loss_.ranking = settings.options.ranking;
    best_ = learner_.parameters();
    for (std::uint32_t w = 0; w < settings.contexts.of.size(); ++w) {
      std::vector<std::size_t> rows = settings.data.of_workload(settings.data.feasible, w);
      if (rows.empty()) continue;
      std::vector<DesignId> logged;
      for (const std::size_t row : rows) logged.push_back(settings.data.designs[row]);
      std::ranges::sort(logged);
      taught_.push_back({w, std::move(rows), std::move(logged)});
    }
  }

  RunResult train() {
    resume();
    progress_.done += learner_.steps_done();
    bool is_last = is_over();
    while (!is_last && !result_.diverged) {
      const std::uint64_t step = learner_.steps_done();
      if (step % static_cast<std::uint64_t>(settings_.options.negatives_every) == 0) refresh_negatives();
      add(learner_.step(batch(step), loss_, learning_rate_at(settings_.options, step, time_share())));
      const std::uint64_t done = ++progress_.done;
      is_last = is_over();
      if (is_last || learner_.steps_done() % static_cast<std::uint64_t>(settings_.options.checkpoint_every) == 0) {
        close_interval();
        save();
        is_last = is_last || is_over();
      }
      if (learner_.steps_done() % report_every == 0 || is_last) {
        progress_.monitor.progress("train", done, progress_.total, note_);
        if (progress_.monitor.stop_requested()) {
          save();
          progress_.monitor.check();
        }
      }
    }
    // Interrupted at the very end of its time.
    if (interval_ > 0 && !result_.diverged) close_interval();
    progress_.done += settings_.steps - learner_.steps_done();
    // The last step closes an interval, so that without selection this is the network as it stands.
    learner_.set_parameters(best_);
    learner_.export_tensors("", prior_shift(feasible_, infeasible_), result_.tensors, objective_map());
    return std::move(result_);
  }

 private:
  double seconds_done() const {
    return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  double time_share() const {
    if (std::isinf(settings_.seconds)) return 0;
    return seconds_done() / std::max(settings_.seconds, 1e-9);
  }

  bool is_over() const {
    const std::uint64_t steps = learner_.steps_done();
    if (steps >= settings_.steps) return true;
    if (steps > 0 && time_share() >= 1) return true;
    if (!settings_.selects || settings_.options.patience == 0 || std::isnan(result_.score)) return false;
    const auto since = std::count_if(result_.history.begin(), result_.history.end(),
                                     [&](const TrainingPoint& point) { return point.step > result_.step; });
    return since >= settings_.options.patience;
  }

  // A network that learns by ranking alone has no scale of its own.
  AffineMap objective_map() {
    if (loss_.squared_error) return {};
    const std::vector<std::size_t>& feasible = settings_.data.feasible;
    const std::size_t count = std::min(mapped_rows, feasible.size());
    std::vector<Design> designs;
    std::vector<std::uint32_t> workloads;
    std::vector<float> targets, objective;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = feasible[i * feasible.size() / count];
      designs.push_back(settings_.data.design(row));
      workloads.push_back(settings_.data.workloads[row]);
      targets.push_back(settings_.data.targets[row * settings_.data.metrics.size()]);
    }
    const std::vector<float> outputs = learner_.outputs(designs, workloads);
    const auto width = static_cast<std::size_t>(settings_.spec.outputs());
    for (std::size_t i = 0; i < count; ++i) objective.push_back(outputs[i * width]);
    return fit_affine(objective, targets);
  }

  /// @param workload  that the trees are for
  Model current_model(const Forest& forest, std::uint32_t workload = 0) {
    TensorMap tensors;
    learner_.export_tensors("0.", prior_shift(feasible_, infeasible_), tensors, objective_map());
    nlohmann::json metadata =
        model_metadata(settings_.domain.space, settings_.data, settings_.spec, settings_.contexts, 1);
    forest.add_to(metadata, tensors, workload);
    return Model::from_tensors(std::move(metadata), std::move(tensors));
  }

  Batch batch(std::uint64_t step) {
    const auto count = static_cast<std::size_t>(settings_.options.batch);
    const std::size_t metrics = settings_.data.metrics.size();
    Batch batch;
    const auto draw = [&](WorkloadSampler& sampler, std::vector<Design>& designs, std::vector<float>& targets,
                          std::vector<std::uint32_t>& workloads) {
      rows_.clear();
      sampler.sample(step, count, rows_);
      for (const std::size_t row : rows_) {
        designs.push_back(settings_.data.design(row));
        workloads.push_back(settings_.data.workloads[row]);
        const auto first = settings_.data.targets.begin() + static_cast<std::ptrdiff_t>(row * metrics);
        targets.insert(targets.end(), first, first + static_cast<std::ptrdiff_t>(metrics));
      }
    };
    draw(feasible_, batch.feasible, batch.feasible_targets, batch.feasible_workloads);
    draw(infeasible_, batch.infeasible, batch.infeasible_targets, batch.infeasible_workloads);
    draw_negatives(step, batch);
    return batch;
  }

  void refresh_negatives() {
    if (settings_.weights.alpha == 0) return;
    const std::uint64_t step = learner_.steps_done();
    const std::uint64_t refresh = step / static_cast<std::uint64_t>(settings_.options.negatives_every);
    const Taught& taught = taught_[refresh % taught_.size()];
    const std::vector<float>& context = settings_.contexts.of[taught.workload];
    // What the network wrongly takes for good: the trees are not what the penalty can change.
    const Model model = current_model({});
    std::vector<std::size_t> rows;
    RowSampler(taught.feasible, settings_.seed, seeds_stream)
        .sample(step, std::min(drawn_seeds, taught.feasible.size()), rows);
    std::vector<Design> drawn;
    for (const std::size_t row : rows) drawn.push_back(settings_.data.design(row));
    const Predictions predictions = model.predict(drawn, context);
    std::vector<std::size_t> order(drawn.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return is_better(model.direction(), predictions.metrics[a * model.metrics().size()],
                       predictions.metrics[b * model.metrics().size()]);
    });
    std::vector<Design> seeds;
    for (std::size_t i = 0; i < std::min(kept_seeds, order.size()); ++i) seeds.push_back(drawn[order[i]]);
    std::vector<Design> found =
        propose(model, taught.workload, seeds, Rng(settings_.seed, negatives_stream + (step << 8)).next());
    // A design with a known value has nothing to be pushed away from.
    keep_new(settings_.domain, taught.logged, found);
    std::vector<Design>& negatives = negatives_[taught.workload];
    if (settings_.options.keep_negatives) {
      add_to_kept(settings_.domain.space, found, most_kept_negatives / taught_.size(), negatives);
    } else {
      negatives = std::move(found);
    }
  }

  std::vector<Design> propose(const Model& model, std::uint32_t workload, const std::vector<Design>& seeds,
                              std::uint64_t seed) {
    const auto count = static_cast<std::size_t>(settings_.options.batch);
    const std::string& how = settings_.options.negatives;
    if (how == "mutation") return mutate_designs(settings_.domain, seeds, count, seed);
    if (how != "gradient") {
      return find_negatives(model, settings_.contexts.of[workload], settings_.domain, how, seeds, count, seed);
    }
    std::vector<Design> starts;
    for (std::size_t i = 0; i < count && !seeds.empty(); ++i) starts.push_back(seeds[i % seeds.size()]);
    return learner_.descend(starts, seed, workload);
  }

  void draw_negatives(std::uint64_t step, Batch& batch) const {
    const auto count = static_cast<std::size_t>(settings_.options.batch);
    for (std::uint32_t w = 0; w < negatives_.size(); ++w) {
      batch.negatives.insert(batch.negatives.end(), negatives_[w].begin(), negatives_[w].end());
      batch.negative_workloads.insert(batch.negative_workloads.end(), negatives_[w].size(), w);
    }
    if (batch.negatives.size() <= count) return;
    Rng rng(settings_.seed, draw_stream + (step << 8));
    std::vector<Design> drawn;
    std::vector<std::uint32_t> workloads;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t place = rng.below(batch.negatives.size());
      drawn.push_back(batch.negatives[place]);
      workloads.push_back(batch.negative_workloads[place]);
    }
    batch.negatives = std::move(drawn);
    batch.negative_workloads = std::move(workloads);
  }

  void add(const Losses& losses) {
    for (const auto& [name, term] : loss_terms) sums_.*term += losses.*term;
    ++interval_;
  }

  void close_interval() {
    if (!learner_.is_finite()) {
      result_.diverged = true;
      return;
    }
    TrainingPoint point;
    point.step = learner_.steps_done();
    for (const auto& [name, term] : loss_terms) point.losses.*term = sums_.*term / static_cast<double>(interval_);
    note_ = fmt::format("loss {:.3g}", point.losses.total);
    sums_ = {};
    interval_ = 0;
    if (settings_.selects && !settings_.data.withheld_feasible.empty()) {
      const auto predictor_of = [&](std::uint32_t workload) {
        return std::make_unique<ModelPredictor>(current_model(settings_.forest, workload),
                                                settings_.contexts.of[workload]);
      };
      const Evidence evidence = judge(predictor_of, settings_.data, settings_.options.protocol == "paper");
      point.kendall = evidence.kendall;
      point.infeasible_auc = evidence.infeasible_auc;
      point.score = evidence.score;
      note_ += fmt::format(", rank correlation {:.2f}", evidence.kendall);
      if (result_.step == 0 || evidence.score > result_.score) {
        best_ = learner_.parameters();
        result_.step = learner_.steps_done();
        result_.kendall = evidence.kendall;
        result_.infeasible_auc = evidence.infeasible_auc;
        result_.score = evidence.score;
        result_.predicted = evidence.predicted;
      }
    } else {
      // Nothing to compare: the last checkpoint then.
      best_ = learner_.parameters();
      result_.step = learner_.steps_done();
    }
    result_.history.push_back(point);
  }

  void save() const {
    if (result_.diverged) return;
    nlohmann::json negatives = nlohmann::json::array();
    for (const std::vector<Design>& of_workload : negatives_) {
      nlohmann::json ids = nlohmann::json::array();
      for (const Design& design : of_workload) ids.push_back(settings_.domain.space.id(design));
      negatives.push_back(std::move(ids));
    }
    const nlohmann::json state = {{"key", settings_.key},
                                  {"steps", learner_.steps_done()},
                                  {"sums", TrainingPoint{0, sums_, 0, 0, 0}},
                                  {"interval", interval_},
                                  {"seconds", seconds_done()},
                                  {"negatives", std::move(negatives)},
                                  {"history", result_.history},
                                  {"step", result_.step},
                                  {"kendall", number_or_null(result_.kendall)},
                                  {"infeasible_auc", number_or_null(result_.infeasible_auc)},
                                  {"score", number_or_null(result_.score)},
                                  {"predicted", result_.predicted},
                                  {"note", note_}};
    TensorFile file;
    file.metadata["corbel_checkpoint"] = state.dump();
    file.tensors = learner_.save();
    file.tensors["best"] = {{static_cast<std::int64_t>(best_.size())}, best_};
    write_file(settings_.checkpoint, encode_safetensors(file));
  }

  void resume() {
    if (!std::filesystem::exists(settings_.checkpoint)) return;
    try {
      const std::string name = settings_.checkpoint.string();
      const TensorFile file = decode_safetensors(read_file(settings_.checkpoint), name);
      const auto found = file.metadata.find("corbel_checkpoint");
      if (found == file.metadata.end()) throw Error(ErrorCode::corrupt, name + ": not a checkpoint");
      const auto state = nlohmann::json::parse(found->second);
      if (state.at("key").get<std::string>() != settings_.key) return;
      const auto steps = state.at("steps").get<std::uint64_t>();
      RunResult result;
      result.history = state.at("history").get<std::vector<TrainingPoint>>();
      result.step = state.at("step").get<std::uint64_t>();
      result.kendall = number_or_nan(state.at("kendall"));
      result.infeasible_auc = number_or_nan(state.at("infeasible_auc"));
      result.score = number_or_nan(state.at("score"));
      result.predicted = state.at("predicted").get<std::vector<double>>();
      const Losses sums = state.at("sums").get<TrainingPoint>().losses;
      const auto interval = state.at("interval").get<std::uint64_t>();
      const auto seconds = state.at("seconds").get<double>();
      std::vector<std::vector<Design>> negatives;
      for (const nlohmann::json& ids : state.at("negatives")) {
        negatives.emplace_back();
        for (const auto design : ids.get<std::vector<DesignId>>()) {
          if (design >= settings_.domain.space.size())
            throw Error(ErrorCode::corrupt, name + ": a design of another space");
          negatives.back().push_back(settings_.domain.space.design(design));
        }
      }
      const auto note = state.at("note").get<std::string>();
      const auto best = file.tensors.find("best");
      if (steps > settings_.steps || best == file.tensors.end() || best->second.values.size() != best_.size() ||
          negatives.size() != negatives_.size()) {
        throw Error(ErrorCode::corrupt, name + ": does not fit this training");
      }
      learner_.load(file.tensors, steps);
      result_ = std::move(result);
      seconds_before_ = seconds;
      best_ = best->second.values;
      negatives_ = std::move(negatives);
      sums_ = sums;
      interval_ = interval;
      note_ = note;
    } catch (const Error& error) {
      progress_.monitor.message(fmt::format("starting over: {}", error.what()));
    } catch (const nlohmann::json::exception&) {
      progress_.monitor.message(fmt::format("starting over: {} is damaged", settings_.checkpoint.string()));
    }
  }

  const RunSettings& settings_;
  RunProgress& progress_;
  Learner learner_;
  Learner::SingleThread single_thread_;
  Team::Caller caller_{*settings_.team};
  WorkloadSampler feasible_, infeasible_;
  LossOptions loss_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double seconds_before_ = 0;  // what was trained before an interruption
  // A workload with fitted feasible rows.
  struct Taught {
    std::uint32_t workload;
    std::vector<std::size_t> feasible;  // rows
    std::vector<DesignId> logged;       // ascending
  };
  std::vector<Taught> taught_;
  std::vector<std::size_t> rows_;
  std::vector<std::vector<Design>> negatives_;  // [workloads]
  Losses sums_;
  std::uint64_t interval_ = 0;
  std::vector<float> best_;  // what to fall back on: of the best checkpoint, before any the initial ones
  std::string note_;
  RunResult result_;
};

}  // namespace

RunResult run_training(const RunSettings& settings, RunProgress& progress) {
  return Run(settings, progress).train();
}

void to_json(nlohmann::json& json, const TrainingPoint& point) {
  json = {{"step", point.step},
          {"kendall", number_or_null(point.kendall)},
          {"infeasible_auc", number_or_null(point.infeasible_auc)},
          {"score", number_or_null(point.score)}};
  for (const auto& [name, term] : loss_terms) json[name] = number_or_null(point.losses.*term);
}

void from_json(const nlohmann::json& json, TrainingPoint& point) {
  point.step = json.at("step").get<std::uint64_t>();
  point.kendall = number_or_nan(json.at("kendall"));
  point.infeasible_auc = number_or_nan(json.at("infeasible_auc"));
  point.score = number_or_nan(json.at("score"));
  for (const auto& [name, term] : loss_terms) point.losses.*term = number_or_nan(json.at(name));
}

nlohmann::json model_metadata(const DesignSpace& space, const TrainingData& data, const NetworkSpec& spec,
                              const WorkloadContexts& contexts, std::int64_t members) {
  nlohmann::json transforms = nlohmann::json::array();
  for (const MetricTransform& transform : data.transforms) transforms.push_back(to_json(transform));
  nlohmann::json metadata = {{"version", model_version},
                             {"space", space.to_json()},
                             {"space_fingerprint", space.fingerprint()},
                             {"metrics", data.metrics},
                             {"transforms", std::move(transforms)},
                             {"network", to_json(spec)},
                             {"context_scale", contexts.range ? 1.0 : Learner::context_scale(contexts.of.front())},
                             {"members", members}};
  if (contexts.range) metadata["context_range"] = *contexts.range;
  return metadata;
}

}  // namespace corbel
