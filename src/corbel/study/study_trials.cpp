#include "corbel/study/study_trials.hpp"

#include <algorithm>
#include <unordered_map>

#include "corbel/dataset/combine.hpp"

namespace corbel {
namespace {

Outcome outcome_of(Trial trial) {
  const OutcomeState state = trial.state == TrialState::complete     ? OutcomeState::complete
                             : trial.state == TrialState::infeasible ? OutcomeState::infeasible
                             : trial.state == TrialState::abandoned  ? OutcomeState::abandoned
                                                                     : OutcomeState::failed;
  return {state, std::move(trial.reason), "", std::move(trial.metrics)};
}

}  // namespace

std::vector<TrialGroup> StudyTrials::groups() const {
  std::vector<TrialGroup> groups;
  for (const WorkloadSuite::Member& member : study_.workloads.members()) {
    groups.push_back(trial_group(*study_.space, *study_.simulator, &member.network, study_.fixed));
  }
  if (groups.empty()) groups.push_back(trial_group(*study_.space, *study_.simulator, nullptr, study_.fixed));
  return groups;
}

std::vector<SweepTarget> StudyTrials::targets(Store& store) const {
  std::vector<SweepTarget> targets;
  for (const TrialGroup& group : groups()) targets.push_back({store.group(group), nullptr});
  const auto& members = study_.workloads.members();
  for (std::size_t i = 0; i < members.size(); ++i) targets[i].network = &members[i].network;
  return targets;
}

void StudyTrials::sweep(Store& store, Monitor& monitor) const {
  SweepOptions options;
  options.designs = std::min<std::uint64_t>(study_.sweep_designs, study_.space->size());
  options.seed = study_.seed;
  options.threads = study_.threads;
  const HardwareBinding binding(*study_.simulator, *study_.space, study_.fixed);
  corbel::sweep(store, targets(store), *study_.simulator, binding, options, monitor);
}

std::optional<Dataset> StudyTrials::read(const Store& store) const {
  const std::vector<Store::GroupSummary> present = store.groups();
  std::vector<Dataset> parts;
  for (const TrialGroup& wanted : groups()) {
    const auto found = std::ranges::find_if(present, [&](const Store::GroupSummary& summary) {
      return summary.group.space == wanted.space &&
             summary.group.simulator_fingerprint == wanted.simulator_fingerprint &&
             summary.group.workload_fingerprint == wanted.workload_fingerprint;
    });
    if (found == present.end()) return std::nullopt;
    parts.push_back(store.read(found->id));
  }
  if (!study_.workloads.has_several()) return std::move(parts.front());
  return combine(study_.workloads, study_.simulator->metrics(), parts);
}

std::vector<StudyTrials::Standing> StudyTrials::standing(Store& store, std::span<const Design> designs) const {
  std::vector<DesignId> ids;
  for (const Design& design : designs) ids.push_back(study_.space->id(design));
  std::vector<Standing> standing(designs.size(), {true, 0, ""});
  for (const SweepTarget& target : targets(store)) {
    std::unordered_map<DesignId, Trial> known;
    for (Trial& trial : store.find(target.group, ids)) known.emplace(trial.design, std::move(trial));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto found = known.find(ids[i]);
      if (found != known.end() && is_settled(found->second.state)) continue;
      standing[i].finished = false;
      if (found == known.end() || found->second.state != TrialState::failed) continue;
      if (found->second.attempt < standing[i].failures) continue;
      standing[i].failures = found->second.attempt;
      standing[i].reason = found->second.reason;
    }
  }
  return standing;
}

std::vector<Outcome> StudyTrials::simulate(Store& store, std::span<const Design> designs, Monitor& monitor) const {
  const HardwareBinding binding(*study_.simulator, *study_.space, study_.fixed);
  std::vector<std::vector<Outcome>> of_designs(designs.size());
  for (const SweepTarget& target : targets(store)) {
    std::vector<Trial> trials = simulate_designs(store, target.group, *study_.simulator, binding, target.network,
                                                 designs, study_.threads, monitor);
    for (std::size_t i = 0; i < trials.size(); ++i) of_designs[i].push_back(outcome_of(std::move(trials[i])));
  }
  std::vector<Outcome> outcomes;
  for (const std::vector<Outcome>& of_networks : of_designs) {
    outcomes.push_back(study_.workloads.combine(study_.simulator->metrics(), of_networks));
  }
  return outcomes;
}

}  // namespace corbel
