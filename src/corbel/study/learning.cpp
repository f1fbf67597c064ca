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
  const LoggedLimits limits(study, data);
  std::vector<std::uint8_t> over;
  for (std::size_t row = 0; row < data.rows(); ++row) over.push_back(limits.met(row) ? 0 : 1);
  return over;
}

/// What tells the study's network from others; empty if it has none, or several.
std::vector<float> context_of(const StudyFile& study) {
  if (study.workloads.members().size() != 1) return {};
  return context_vector(study.workloads.members().front().network);
}

WorkloadLog workload_log(const OtherTrials& other) {
  const std::string name = other.study.workloads.name();
  try {
    return {&other.log, over_limit(other.study, other.log), context_of(other.study), name};
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("learning from {}: {}", name, error.what()), error.hint());
  }
}

}  // namespace

TrainingTask training_task(const StudyFile& study, const Dataset& data, std::span<const OtherTrials> others) {
  TrainingTask task;
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
