#include "corbel/study/study_trials.hpp"

#include <algorithm>
#include <unordered_map>

#include "corbel/dataset/combine.hpp"
#include "corbel/dataset/job.hpp"
#include "corbel/dataset/sweep.hpp"

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

std::vector<Store::GroupId> StudyTrials::group_ids(Store& store) const {
  std::vector<Store::GroupId> ids;
  for (const TrialGroup& group : groups()) ids.push_back(store.group(group));
  return ids;
}

std::unique_ptr<Executor> StudyTrials::make_executor(Store& store) const {
  const HardwareBinding binding(*study_.simulator, *study_.space, study_.fixed);
  const std::vector<Store::GroupId> ids = group_ids(store);
  const auto& members = study_.workloads.members();
  const auto network_of = [&](std::size_t i) { return members.empty() ? nullptr : &members[i].network; };
  std::vector<ExecutorTarget> targets;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    targets.push_back({ids[i], GroupSimulator(store.describe(ids[i]), *study_.simulator, binding, network_of(i))});
  }
  // Others reach a file only from this machine, and there threads are quicker.
  if (store.location().is_file() && !study_.hands_out) {
    return local_executor(store, std::move(targets), study_.threads, SweepOptions().batch);
  }
  std::vector<std::string> jobs;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    JobSpec job{study_.simulator_settings, std::filesystem::absolute(study_.file), study_.fixed, std::nullopt};
    if (network_of(i) != nullptr) job.network = *network_of(i);
    jobs.push_back(job.to_text());
  }
  return queue_executor(store, std::move(targets), jobs, {!study_.hands_out, study_.threads});
}

Executor& StudyTrials::executor(Store& store) {
  if (!executor_) executor_ = make_executor(store);
  return *executor_;
}

void StudyTrials::sweep(Store& store, Monitor& monitor) {
  SweepOptions options;
  options.designs = std::min<std::uint64_t>(study_.sweep_designs, study_.space->size());
  options.seed = study_.seed;
  corbel::sweep(store, executor(store), options, monitor);
}

std::optional<TrialLog> StudyTrials::log(std::shared_ptr<const Store> store) const {
  std::vector<TrialLog> parts;
  for (const TrialGroup& wanted : groups()) {
    const std::optional<Store::GroupId> found = store->find_group(wanted);
    if (!found) return std::nullopt;
    parts.emplace_back(store, *found);
  }
  if (!study_.workloads.has_several()) return std::move(parts.front());
  return combine(study_.workloads, study_.simulator->metrics(), std::move(parts));
}

std::vector<StudyTrials::Standing> StudyTrials::standing(Store& store, std::span<const Design> designs) const {
  std::vector<DesignId> ids;
  for (const Design& design : designs) ids.push_back(study_.space->id(design));
  std::vector<Standing> standing(designs.size(), {true, 0, ""});
  for (const Store::GroupId group : group_ids(store)) {
    std::unordered_map<DesignId, Trial> known;
    for (Trial& trial : store.find(group, ids)) known.emplace(trial.design, std::move(trial));
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

std::vector<Outcome> StudyTrials::simulate(Store& store, std::span<const Design> designs, Monitor& monitor) {
  std::vector<std::vector<Outcome>> of_designs(designs.size());
  for (std::vector<Trial>& trials : simulate_designs(store, executor(store), designs, monitor)) {
    for (std::size_t i = 0; i < trials.size(); ++i) of_designs[i].push_back(outcome_of(std::move(trials[i])));
  }
  std::vector<Outcome> outcomes;
  for (const std::vector<Outcome>& of_networks : of_designs) {
    outcomes.push_back(study_.workloads.combine(study_.simulator->metrics(), of_networks));
  }
  return outcomes;
}

}  // namespace corbel
