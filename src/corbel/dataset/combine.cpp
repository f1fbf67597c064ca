#include "corbel/dataset/combine.hpp"

#include <cassert>
#include <vector>

namespace corbel {
namespace {

void read_outcome(const Dataset& data, std::size_t row, Outcome& out) {
  const std::size_t width = data.group.metrics.size();
  out.state = data.states[row] == TrialState::complete ? OutcomeState::complete : OutcomeState::infeasible;
  out.reason = data.reason_names[data.reasons[row]];
  const auto first = data.metrics.begin() + static_cast<std::ptrdiff_t>(row * width);
  out.metrics.assign(first, first + static_cast<std::ptrdiff_t>(width));
}

}  // namespace

Dataset combine(const WorkloadSuite& suite, std::span<const MetricInfo> of_simulator,
                std::span<const Dataset> of_networks) {
  assert(of_networks.size() == suite.members().size() && !of_networks.empty());
  const TrialGroup& like = of_networks.front().group;
  Dataset all{{like.space, like.simulator, like.simulator_fingerprint, suite.name(), suite.fingerprint(), {}},
              {},
              {},
              {},
              {""},
              {},
              0};
  for (const MetricInfo& metric : suite.metrics(of_simulator)) all.group.metrics.push_back(metric.name);

  ReasonNumbers reasons(all.reason_names);
  std::vector<std::size_t> rows(of_networks.size(), 0);
  std::vector<Outcome> outcomes(of_networks.size());
  for (std::size_t row = 0; row < of_networks.front().rows(); ++row) {
    const DesignId id = of_networks.front().designs[row];
    bool everywhere = true;
    for (std::size_t k = 0; k < of_networks.size(); ++k) {
      const std::vector<DesignId>& designs = of_networks[k].designs;
      while (rows[k] < designs.size() && designs[rows[k]] < id) ++rows[k];
      everywhere = everywhere && rows[k] < designs.size() && designs[rows[k]] == id;
    }
    if (!everywhere) continue;
    for (std::size_t k = 0; k < of_networks.size(); ++k) read_outcome(of_networks[k], rows[k], outcomes[k]);
    const Outcome outcome = suite.combine(of_simulator, outcomes);
    all.designs.push_back(id);
    all.states.push_back(outcome.state == OutcomeState::complete ? TrialState::complete : TrialState::infeasible);
    all.reasons.push_back(reasons.of(outcome.reason));
    all.metrics.insert(all.metrics.end(), outcome.metrics.begin(), outcome.metrics.end());
  }
  return all;
}

}  // namespace corbel
