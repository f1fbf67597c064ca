#include "corbel/study/learning.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/random.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/surrogate/device_kernel.hpp"
#include "corbel/workload/network.hpp"

namespace corbel {
namespace {

bool is_listed(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Of the study's simulator: what the hardware alone decides, so that it need not be learnt.
std::vector<std::string> formulas_of(const StudyFile& study) {
  std::vector<std::string> names;
  if (!study.simulator) return names;
  for (const MetricInfo& metric : study.simulator->metrics()) {
    if (!metric.needs_workload) names.push_back(metric.name);
  }
  return names;
}

std::vector<std::uint8_t> over_limit(const StudyFile& study, const Dataset& data) {
  const LoggedLimits limits(study, data.group);
  std::vector<std::uint8_t> over;
  for (std::size_t row = 0; row < data.rows(); ++row) over.push_back(limits.met(data.row(row)) ? 0 : 1);
  return over;
}

/// Draws designs at random, as they come: those whose keys, random numbers that the design alone decides, are least.
class Draw {
 public:
  explicit Draw(std::uint64_t most) : most_(most) {}
  void add(std::uint64_t key) {
    if (key > limit_) return;
    keys_.push_back(key);
    if (keys_.size() >= 2 * most_) cut();
  }
  void finish() {
    cut();
    keys_.shrink_to_fit();
  }
  std::size_t count() const { return keys_.size(); }
  bool has_drawn(std::uint64_t key) const { return key <= limit_; }

 private:
  void cut() {
    if (keys_.size() <= most_) return;
    const auto last = keys_.begin() + static_cast<std::ptrdiff_t>(most_ - 1);
    std::ranges::nth_element(keys_, last);
    limit_ = *last;
    keys_.resize(most_);
  }

  std::size_t most_;
  std::uint64_t limit_ = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::uint64_t> keys_;
};

/// The columns of the metrics that a study asks about.
std::vector<std::size_t> metrics_asked_about(const StudyFile& study, const TrialGroup& group) {
  for (const std::string& name : study.pareto) {
    if (!is_listed(group.metrics, name)) throw unknown_name("metric", name, group.metrics, study.pareto_place);
  }
  std::vector<std::string> names = study.pareto;
  names.push_back(study.objective);
  for (const Constraint& constraint : study.constraints) {
    names.insert(names.end(), constraint.names().begin(), constraint.names().end());
  }
  for (const WorkloadSuite::Member& member : study.workloads.members()) {
    names.push_back(WorkloadSuite::metric_of(member, study.objective));
  }
  std::vector<std::size_t> columns;
  for (std::size_t m = 0; m < group.metrics.size(); ++m) {
    if (is_listed(names, group.metrics[m])) columns.push_back(m);
  }
  return columns;
}

constexpr std::uint64_t draw_stream = 0x74617567;

/// What tells the study's network from others; empty if it has none, or several.
std::vector<float> context_of(const StudyFile& study) {
  if (study.workloads.members().size() != 1) return {};
  return context_vector(study.workloads.members().front().network);
}

WorkloadLog workload_log(const OtherTrials& other) {
  const std::string name = other.study.workloads.name();
  try {
    return {&other.taught.rows, over_limit(other.study, other.taught.rows), context_of(other.study), name,
            other.taught.drawn_from};
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("learning from {}: {}", name, error.what()), error.hint());
  }
}

}  // namespace

TaughtRows taught_rows(const StudyFile& study, const TrialLog& log) {
  const std::uint64_t most = most_rows_of_a_class(study.training);
  if (log.rows() <= most) return {log.read()};
  const LoggedLimits limits(study, log.group());
  const bool over_limit_is_infeasible = study.training.protocol == "paper";
  const auto key_of = [&](const TrialView& trial) { return Rng(study.seed ^ draw_stream, trial.design).next(); };
  DrawnFrom drawn_from{log.rows(), log.feasible(), 0, 0, log.fingerprint()};
  Draw feasible(most), infeasible(most);
  const auto draw_of = [&](const TrialView& trial, bool is_within) -> Draw& {
    return trial.is_complete() && (is_within || !over_limit_is_infeasible) ? feasible : infeasible;
  };
  log.each([&](const TrialView& trial) {
    const bool is_within = limits.met(trial);
    drawn_from.over_limit += is_within ? 0 : 1;
    Draw& draw = draw_of(trial, is_within);
    drawn_from.taught_as_feasible += &draw == &feasible ? 1 : 0;
    draw.add(key_of(trial));
  });
  feasible.finish();
  infeasible.finish();
  const std::size_t drawn = feasible.count() + infeasible.count();
  if (drawn == drawn_from.rows) return {log.read()};
  TaughtRows taught{{log.group(), {}, {}, {}, {""}, {}, 0}};
  Dataset& rows = taught.rows;
  const std::vector<std::size_t> columns = metrics_asked_about(study, log.group());
  rows.group.metrics.clear();
  for (const std::size_t column : columns) rows.group.metrics.push_back(log.group().metrics[column]);
  rows.reserve(drawn);
  ReasonNumbers reasons(rows.reason_names);
  std::vector<double> metrics(columns.size());
  log.each([&](const TrialView& trial) {
    // Only the published protocol asks for the limits again, which takes long.
    const Draw& draw = draw_of(trial, over_limit_is_infeasible && limits.met(trial));
    if (!draw.has_drawn(key_of(trial))) return;
    for (std::size_t m = 0; m < columns.size(); ++m) metrics[m] = trial.metrics[columns[m]];
    rows.append({trial.design, trial.state, trial.reason, metrics}, reasons);
  });
  taught.drawn_from = std::move(drawn_from);
  return taught;
}

TrainingTask training_task(const StudyFile& study, const TaughtRows& taught, std::span<const OtherTrials> others) {
  const Dataset& data = taught.rows;
  TrainingTask task;
  task.drawn_from = taught.drawn_from;
  task.objective = study.objective;
  task.direction = study.direction;
  task.over_limit = over_limit(study, data);
  if (!others.empty()) task.context = context_of(study);
  for (const OtherTrials& other : others) task.others.push_back(workload_log(other));

  const std::vector<std::string> formulas = formulas_of(study);
  const auto learn = [&](const std::string& name) {
    if (name != study.objective && !is_listed(formulas, name) && !is_listed(task.also_predict, name)) {
      task.also_predict.push_back(name);
    }
  };
  std::vector<BoundConstraint> by_parameters;
  for (const Constraint& constraint : study.constraints) {
    BoundConstraint bound(constraint, data.group.space, data.group.metrics);
    for (const std::size_t metric : bound.metrics_used()) learn(data.group.metrics[metric]);
    if (bound.needs_only_parameters()) by_parameters.push_back(std::move(bound));
  }
  for (const std::string& name : study.pareto) {
    if (!is_listed(data.group.metrics, name)) {
      throw unknown_name("metric", name, data.group.metrics, study.pareto_place);
    }
    learn(name);
  }
  // So that the table of proposals tells what the combined objective is made of.
  if (study.workloads.has_several()) {
    for (const WorkloadSuite::Member& member : study.workloads.members()) {
      const std::string own = WorkloadSuite::metric_of(member, study.objective);
      if (is_listed(data.group.metrics, own)) learn(own);
    }
  }
  if (!by_parameters.empty()) {
    task.admits = [by_parameters](const Design& design) {
      return std::all_of(by_parameters.begin(), by_parameters.end(),
                         [&](const BoundConstraint& constraint) { return constraint.satisfied(design, {}); });
    };
  }
  return task;
}

SurrogateObjective make_surrogate(const StudyFile& study, std::shared_ptr<const Predictor> predictor,
                                  const std::map<std::string, double>& errors) {
  std::optional<HardwareBinding> binding;
  if (study.simulator) binding.emplace(*study.simulator, predictor->space(), study.fixed);
  std::map<std::string, double> reserve;
  for (const auto& [metric, error] : errors) {
    if (!std::isnan(error)) reserve[metric] = study.search.caution * error;
  }
  return SurrogateObjective(std::move(predictor), study.objective, study.constraints, study.search.min_feasibility,
                            reserve, study.simulator, std::move(binding), study.direction);
}

SurrogateObjective make_surrogate(const StudyFile& study, Model model, const nlohmann::json& report) {
  std::map<std::string, double> errors;
  const nlohmann::json known = report.value("errors", nlohmann::json::object());
  for (const auto& [metric, error] : known.items()) {
    if (error.is_number()) errors[metric] = error.get<double>();
  }
  const std::string& device = study.training.device;
  if (device != "cpu") model = model.with_kernel(device_kernel(device));
  return make_surrogate(study, std::make_shared<const ModelPredictor>(std::move(model), context_of(study)), errors);
}

double withheld_kendall(const nlohmann::json& report) {
  const nlohmann::json& kendall = report.at("candidates").at(report.at("chosen").get<std::size_t>()).at("kendall");
  return kendall.is_number() ? kendall.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace corbel
