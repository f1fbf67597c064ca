#include "corbel/dataset/trial_group.hpp"

#include <algorithm>

#include "corbel/base/hash.hpp"

namespace corbel {

TrialGroup trial_group(const DesignSpace& space, const Simulator& simulator, const Network* network,
                       std::vector<std::pair<std::string, std::string>> fixed) {
  TrialGroup group{space, simulator.name(), simulator.fingerprint(), "", "", {}};
  if (!fixed.empty()) {
    std::ranges::sort(fixed);
    std::string text = group.simulator_fingerprint;
    for (const auto& [name, value] : fixed) text += name + "=" + value + ";";
    group.simulator_fingerprint = fingerprint(text);
  }
  if (network != nullptr) {
    group.workload = network->name;
    group.workload_fingerprint = network->fingerprint();
  }
  for (const MetricInfo& metric : simulator.metrics()) group.metrics.push_back(metric.name);
  return group;
}

}  // namespace corbel
