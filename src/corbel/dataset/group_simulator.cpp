#include "corbel/dataset/group_simulator.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/dataset/trial_group.hpp"

namespace corbel {

GroupSimulator::GroupSimulator(TrialGroup group, const Simulator& simulator, HardwareBinding binding,
                               const Network* network)
    : group_(std::move(group)), simulator_(&simulator), binding_(std::move(binding)), network_(network) {
  if (simulator.needs_workload() && network == nullptr) {
    throw Error(ErrorCode::invalid_input, "simulator `" + simulator.name() + "` needs a workload",
                "name a network to simulate");
  }
  const TrialGroup wanted = trial_group(group_.space, simulator, network);
  if (wanted.simulator != group_.simulator || wanted.metrics != group_.metrics) {
    throw Error(ErrorCode::mismatch,
                "these trials are of simulator `" + group_.simulator + "`, not `" + simulator.name() +
                    "`, or of one with other metrics",
                "simulate into a group of its own");
  }
  if (network != nullptr && wanted.workload_fingerprint != group_.workload_fingerprint) {
    throw Error(ErrorCode::mismatch,
                "these trials are of workload `" + group_.workload + "`, not of this `" + network->name + "`",
                "simulate into a group of its own");
  }
}

std::size_t GroupSimulator::threads(std::size_t wanted) const {
  if (simulator_->jobs() > 0) return simulator_->jobs();
  return wanted > 0 ? wanted : available_cores();
}

GroupSimulator::Result GroupSimulator::simulate(std::span<const DesignId> designs, const Monitor& monitor) const {
  std::vector<Hardware> hardware;
  hardware.reserve(designs.size());
  Design design;
  for (const DesignId id : designs) {
    space().design(id, design);
    hardware.push_back(binding_.hardware(design));
  }
  const std::vector<Outcome> outcomes = simulator_->simulate_until_stopped(hardware, network_, monitor);
  if (outcomes.size() != designs.size()) {
    throw Error(ErrorCode::tool_failure,
                "simulator `" + simulator_->name() + "` gave " + std::to_string(outcomes.size()) + " results for " +
                    std::to_string(designs.size()) + " designs",
                "this is a fault of the simulator or its adapter");
  }
  Result result;
  for (std::size_t i = 0; i < designs.size(); ++i) {
    result.trials.push_back(trial(designs[i], outcomes[i]));
    if (is_finished(result.trials[i].state)) continue;
    result.last_failure = result.trials[i].reason;
    if (!outcomes[i].detail.empty()) result.last_failure += ": " + outcomes[i].detail;
  }
  return result;
}

Trial GroupSimulator::trial(DesignId design, const Outcome& outcome) const {
  Trial trial{design, TrialState::failed, outcome.reason, outcome.metrics};
  const auto fail = [&](const char* reason) {
    trial.state = TrialState::failed;
    trial.reason = reason;
    trial.metrics.clear();
    return trial;
  };
  const std::size_t width = group_.metrics.size();
  const bool none = trial.metrics.empty() && outcome.state != OutcomeState::complete;
  if (!none && trial.metrics.size() != width) return fail("wrong_number_of_metrics");
  const auto is_infinite = [](double value) { return std::isinf(value); };
  const auto is_number = [](double value) { return !std::isnan(value); };
  if (std::ranges::any_of(trial.metrics, is_infinite)) return fail("infinite_metric");
  switch (outcome.state) {
    case OutcomeState::complete:
      if (std::ranges::none_of(trial.metrics, is_number)) return fail("no_metrics");
      trial.state = TrialState::complete;
      trial.reason.clear();
      break;
    case OutcomeState::infeasible:
      trial.state = TrialState::infeasible;
      break;
    case OutcomeState::abandoned:
      trial.state = TrialState::abandoned;
      [[fallthrough]];
    case OutcomeState::failed:
      if (trial.reason.empty()) trial.reason = to_string(outcome.state);
      break;
  }
  if (none) trial.metrics.assign(width, std::numeric_limits<double>::quiet_NaN());
  return trial;
}

}  // namespace corbel
