#include "corbel/study/offline_methods.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/random.hpp"
#include "corbel/base/text.hpp"
#include "corbel/regression/boosted_trees.hpp"
#include "corbel/regression/gaussian_process.hpp"
#include "corbel/scorer/predictor.hpp"
#include "corbel/search/design_features.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/study/learning.hpp"
#include "corbel/surrogate/selection.hpp"
#include "corbel/surrogate/training_data.hpp"

namespace corbel {
namespace {

constexpr std::array<OfflineMethodInfo, 9> table{{
    {"prime", "the conservative surrogate as `corbel train` makes it", true},
    {"no_negatives", "prime without its penalty on negatives: every α of the grid is 0", true},
    {"no_infeasible", "prime without its penalty on logged infeasible designs: every β is 0", true},
    {"no_penalties", "prime with neither: regression and the probability of feasibility alone", true},
    {"paper", "prime as published: protocol: paper", true},
    {"boosted_trees", "gradient-boosted trees for the metrics, and a classifier of feasibility (XGBoost)", false},
    {"gaussian_process", "Gaussian processes for the metrics, and the same classifier", false},
    {"best_in_log", "the best logged designs: what there is without learning", false},
    {"random", "designs drawn at random", false},
}};

/// Gaussian processes cost the square of their rows for every design scored.
constexpr std::size_t most_process_rows = 3000, most_fitted_rows = 300, process_steps = 40;

class ProcessRegressor final : public Regressor {
 public:
  ProcessRegressor(std::vector<std::size_t> groups, std::uint64_t seed) : groups_(std::move(groups)), seed_(seed) {}
  std::unique_ptr<Regressor> clone() const override { return std::make_unique<ProcessRegressor>(*this); }

  void fit(const Matrix& features, std::span<const double> targets) override {
    std::vector<std::size_t> rows(features.rows());
    std::iota(rows.begin(), rows.end(), std::size_t{0});
    Rng(seed_).shuffle(rows);
    rows.resize(std::min(rows.size(), most_process_rows));
    const std::size_t fitted = std::min(rows.size(), most_fitted_rows);
    Matrix sample(fitted, features.columns());
    std::vector<double> sampled;
    for (std::size_t i = 0; i < fitted; ++i) {
      std::copy(features.row(rows[i]).begin(), features.row(rows[i]).end(), sample.row(i).begin());
      sampled.push_back(targets[rows[i]]);
    }
    process_.emplace(groups_, fit_gaussian_process(sample, sampled, groups_, {}, process_steps));
    for (const std::size_t row : rows) process_->append(features.row(row), {targets[row]});
  }

  void predict(const Matrix& features, std::span<double> out) const override {
    GaussianProcess process = *process_;
    process.predict_means(features, out);
  }

 private:
  std::vector<std::size_t> groups_;
  std::uint64_t seed_;
  std::optional<GaussianProcess> process_;
};

/// Regressors in the place of the model: the same rows on the same scales.
class RegressionPredictor final : public Predictor {
 public:
  RegressionPredictor(const DesignSpace& space, const TrainingData& data,
                      const std::function<std::unique_ptr<Regressor>()>& make, std::uint64_t seed)
      : space_(space), features_(space), metrics_(data.metrics), transforms_(data.transforms) {
    for (std::size_t m = 0; m < metrics_.size(); ++m) {
      std::vector<std::size_t> rows;
      std::vector<double> targets;
      for (std::vector<std::size_t> const* fitted : {&data.feasible, &data.infeasible}) {
        for (const std::size_t row : *fitted) {
          const float target = data.targets[row * metrics_.size() + m];
          if (std::isnan(target)) continue;
          rows.push_back(row);
          targets.push_back(target);
        }
      }
      regressors_.push_back(make());
      regressors_.back()->fit(features_of(data, rows), targets);
    }
    if (data.infeasible.empty()) return;
    std::vector<std::size_t> rows = data.feasible;
    rows.insert(rows.end(), data.infeasible.begin(), data.infeasible.end());
    std::vector<double> classes(rows.size(), 0);
    std::fill_n(classes.begin(), data.feasible.size(), 1.0);
    BoostedTreesOptions options = trees_for_logs(seed);
    options.probability = true;
    classifier_ = std::make_unique<BoostedTrees>(options);
    classifier_->fit(features_of(data, rows), classes);
  }

  const DesignSpace& space() const override { return space_; }
  const std::vector<std::string>& metrics() const override { return metrics_; }

  Predictions predict(std::span<const Design> designs, Arithmetic) const override {
    Matrix rows(designs.size(), features_.columns());
    for (std::size_t i = 0; i < designs.size(); ++i) features_.write(designs[i], rows.row(i));
    Predictions predictions;
    predictions.metrics.resize(designs.size() * metrics_.size());
    predictions.feasibility.assign(designs.size(), 1);
    predictions.spread.assign(designs.size(), 0);
    std::vector<double> values(designs.size());
    for (std::size_t m = 0; m < metrics_.size(); ++m) {
      regressors_[m]->predict(rows, values);
      for (std::size_t i = 0; i < designs.size(); ++i) {
        predictions.metrics[i * metrics_.size() + m] = transforms_[m].restore(values[i]);
      }
    }
    if (classifier_) classifier_->predict(rows, predictions.feasibility);
    return predictions;
  }

 private:
  Matrix features_of(const TrainingData& data, const std::vector<std::size_t>& rows) const {
    Matrix matrix(rows.size(), features_.columns());
    for (std::size_t i = 0; i < rows.size(); ++i) features_.write(data.design(rows[i]), matrix.row(i));
    return matrix;
  }

  DesignSpace space_;
  DesignFeatures features_;
  std::vector<std::string> metrics_;
  std::vector<MetricTransform> transforms_;
  std::vector<std::unique_ptr<Regressor>> regressors_;  // per metric
  std::unique_ptr<Regressor> classifier_;               // null where nothing was infeasible
};

class RandomOrder final : public Objective {
 public:
  RandomOrder(DesignSpace space, std::uint64_t seed) : space_(std::move(space)), seed_(seed) {}
  const DesignSpace& space() const override { return space_; }
  void score(std::span<const Design> designs, std::span<Score> out) const override {
    for (std::size_t i = 0; i < designs.size(); ++i) out[i] = {Rng(seed_, space_.id(designs[i])).uniform(), 0};
  }

 private:
  DesignSpace space_;
  std::uint64_t seed_;
};

OfflineModel best_in_log(const OfflineTask& task) {
  OfflineModel model;
  const LoggedLimits limits(task.study, task.log.group);
  const std::size_t objective = task.log.metric_index(task.study.objective);
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < task.log.rows(); ++row) {
    if (task.log.states[row] == TrialState::complete && limits.met(task.log.row(row))) rows.push_back(row);
  }
  std::stable_sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) {
    return is_better(task.study.direction, task.log.metric(a, objective), task.log.metric(b, objective));
  });
  rows.resize(std::min(rows.size(), offline_proposals));
  for (const std::size_t row : rows) model.best.push_back(task.log.designs[row]);
  model.kendall = std::numeric_limits<double>::quiet_NaN();
  return model;
}

OfflineModel model_of(SurrogateObjective surrogate, double kendall) {
  const auto shared = std::make_shared<const SurrogateObjective>(std::move(surrogate));
  OfflineModel model;
  model.objective = shared;
  model.feasibility = [shared](std::span<const Design> designs) {
    std::vector<double> probabilities;
    for (const Assessment& assessment : shared->assess(designs)) probabilities.push_back(assessment.feasibility);
    return probabilities;
  };
  model.kendall = kendall;
  return model;
}

OfflineModel regressors_on(const OfflineMethod& method, const OfflineTask& task) {
  const TrainingData data = prepare_training_data(task.log, training_task(task.study, {task.log}), false,
                                                  method.training.withhold, task.seed);
  const DesignSpace& space = task.question.space();
  const DesignFeatures features(space);
  std::vector<std::size_t> groups;  // of columns: their parameters, numbered without gaps
  for (std::size_t c = 0; c < features.columns(); ++c) {
    const bool is_new = c == 0 || features.parameter_of(c) != features.parameter_of(c - 1);
    groups.push_back(c == 0 ? 0 : groups.back() + (is_new ? 1 : 0));
  }
  const auto make = [&]() -> std::unique_ptr<Regressor> {
    if (method.id == "gaussian_process") return std::make_unique<ProcessRegressor>(groups, task.seed);
    return std::make_unique<BoostedTrees>(trees_for_logs(task.seed));
  };
  const auto predictor = std::make_shared<const RegressionPredictor>(space, data, make, task.seed);
  std::map<std::string, double> errors;
  const std::vector<double> relative = relative_errors(*predictor, data);
  for (std::size_t m = 0; m < relative.size(); ++m) errors[data.metrics[m]] = relative[m];
  return model_of(make_surrogate(task.study, predictor, errors), judge(*predictor, data, true).kendall);
}

OfflineModel learner_on(const OfflineMethod& method, const OfflineTask& task, Monitor& monitor) {
  TrainingOptions options = method.training;
  options.seed = task.seed;
  options.threads = 1;
  const std::filesystem::path file = task.folder / "model.safetensors";
  const nlohmann::json report = train(task.log, training_task(task.study, {task.log}, task.others), options, file,
                                      task.folder / "checkpoints", monitor);
  return model_of(make_surrogate(task.study, Model::load(file), report), withheld_kendall(report));
}

TrainingOptions options_of(const OfflineMethodInfo& info, const std::string& settings, std::string_view label) {
  TrainingOptions options;
  options.refit = false;
  if (!settings.empty()) {
    const bool says_refit = settings.find("refit:") != std::string::npos;
    options = training_options_from_config(
        Config::parse((says_refit ? "" : "refit: false\n") + settings, fmt::format("method {}", in_quotes(label))));
  }
  for (Conservatism& entry : options.grid) {
    if (info.id == "no_negatives" || info.id == "no_penalties") entry.alpha = 0;
    if (info.id == "no_infeasible" || info.id == "no_penalties") entry.beta = 0;
  }
  // What is left of the grid may say the same twice.
  std::vector<Conservatism> grid;
  for (const Conservatism& entry : options.grid) {
    if (std::find(grid.begin(), grid.end(), entry) == grid.end()) grid.push_back(entry);
  }
  options.grid = std::move(grid);
  if (info.id == "paper") options.protocol = "paper";
  return options;
}

}  // namespace

std::span<const OfflineMethodInfo> offline_methods() {
  return table;
}

OfflineMethod OfflineMethod::parse(std::string_view text) {
  const std::string id(text.substr(0, text.find(':')));
  const auto info =
      std::find_if(table.begin(), table.end(), [&](const OfflineMethodInfo& row) { return row.id == id; });
  if (info == table.end()) {
    std::vector<std::string> ids;
    for (const OfflineMethodInfo& row : table) ids.emplace_back(row.id);
    throw unknown_name("offline method", id, ids);
  }
  std::string settings;
  if (text.size() > id.size()) {
    const auto refuse = [&](const std::string& what) {
      return Error(ErrorCode::invalid_input, fmt::format("method {}: {}", in_quotes(text), what),
                   "write METHOD or METHOD:KEY=VALUE,KEY=VALUE with the keys of a study's `train:`");
    };
    if (!info->is_learner) throw refuse(fmt::format("`{}` has no options", id));
    for (const std::string_view item : split(text.substr(id.size() + 1), ',')) {
      const std::size_t equals = item.find('=');
      if (equals == std::string_view::npos || equals == 0) {
        throw refuse(fmt::format("{} sets no option", in_quotes(item)));
      }
      settings += fmt::format("{}: {}\n", item.substr(0, equals), item.substr(equals + 1));
    }
  }
  return {std::string(text), id, options_of(*info, settings, text)};
}

std::vector<OfflineMethod> OfflineMethod::parse_list(std::string_view text) {
  std::vector<OfflineMethod> methods;
  for (const std::string& part : split_methods(text)) methods.push_back(parse(part));
  return methods;
}

OfflineModel fit_offline(const OfflineMethod& method, const OfflineTask& task, Monitor& monitor) {
  if (method.id == "best_in_log") return best_in_log(task);
  if (method.id == "random") {
    OfflineModel model;
    model.objective = std::make_shared<RandomOrder>(task.question.space(), task.seed);
    model.kendall = std::numeric_limits<double>::quiet_NaN();
    return model;
  }
  if (method.id == "boosted_trees" || method.id == "gaussian_process") return regressors_on(method, task);
  return learner_on(method, task, monitor);
}

}  // namespace corbel
