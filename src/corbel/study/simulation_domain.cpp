#include "corbel/study/simulation_domain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

namespace corbel {
namespace {

/// Limits on metrics that need no workload, exactly.
class HardwareLimits {
 public:
  HardwareLimits(const StudyFile& study, const Question& question)
      : simulator_(study.simulator),
        binding_(*study.simulator, question.space(), study.fixed),
        metrics_(question.metrics().size()) {
    const auto of_simulator = simulator_->metrics();
    for (std::size_t i = 0; i < of_simulator.size(); ++i) {
      if (of_simulator[i].needs_workload) continue;
      const auto found = std::find(question.metrics().begin(), question.metrics().end(), of_simulator[i].name);
      if (found == question.metrics().end()) continue;
      places_.emplace_back(i, static_cast<std::size_t>(found - question.metrics().begin()));
    }
    const auto is_static = [&](std::size_t metric) {
      return std::any_of(places_.begin(), places_.end(), [&](const auto& place) { return place.second == metric; });
    };
    for (const BoundConstraint& constraint : question.constraints()) {
      const auto& used = constraint.metrics_used();
      if (!used.empty() && std::all_of(used.begin(), used.end(), is_static)) constraints_.push_back(constraint);
    }
  }

  bool empty() const { return constraints_.empty(); }

  /// Whether none is known to be broken.
  bool admit(const Design& design) const {
    const std::vector<double> known = simulator_->static_metrics(binding_.hardware(design));
    std::vector<double> metrics(metrics_, std::numeric_limits<double>::quiet_NaN());
    for (const auto& [from, to] : places_) metrics[to] = known[from];
    return std::all_of(constraints_.begin(), constraints_.end(), [&](const BoundConstraint& constraint) {
      return constraint.satisfied(design, metrics) || std::isnan(constraint.margin(design, metrics));
    });
  }

 private:
  std::shared_ptr<const Simulator> simulator_;
  HardwareBinding binding_;
  std::size_t metrics_;
  std::vector<std::pair<std::size_t, std::size_t>> places_;  // of the simulator's metrics, among the question's
  std::vector<BoundConstraint> constraints_;
};

}  // namespace

Question simulated_question(const StudyFile& study) {
  std::vector<std::string> names;
  for (const MetricInfo& metric : study.simulated_metrics()) names.push_back(metric.name);
  return Question(*study.space, std::move(names), study.objective, study.constraints, study.objective_place,
                  study.direction);
}

SearchDomain simulation_domain(const StudyFile& study, const Question& question) {
  SearchDomain domain{question.space(), [question](const Design& design) { return question.admits(design); }};
  if (!study.simulator || !study.simulator->needs_workload()) return domain;
  const auto limits = std::make_shared<const HardwareLimits>(study, question);
  if (limits->empty()) return domain;
  domain.admits = [question, limits](const Design& design) { return question.admits(design) && limits->admit(design); };
  return domain;
}

}  // namespace corbel
