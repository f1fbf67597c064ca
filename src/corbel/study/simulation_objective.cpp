#include "corbel/study/simulation_objective.hpp"

#include <cassert>
#include <utility>

namespace corbel {

SimulationObjective::SimulationObjective(Question question, RunDesigns run, std::size_t retries)
    : question_(std::move(question)), run_(std::move(run)), retries_(retries) {}

std::vector<Outcome> SimulationObjective::outcomes(std::span<const Design> designs) const {
  std::vector<Outcome> outcomes = run_(designs);
  assert(outcomes.size() == designs.size());
  for (std::size_t retry = 0; retry < retries_; ++retry) {
    std::vector<std::size_t> failed;
    std::vector<Design> again;
    for (std::size_t i = 0; i < designs.size(); ++i) {
      if (outcomes[i].state != OutcomeState::failed) continue;
      failed.push_back(i);
      again.push_back(designs[i]);
    }
    if (failed.empty()) break;
    std::vector<Outcome> retried = run_(again);
    for (std::size_t i = 0; i < failed.size(); ++i) outcomes[failed[i]] = std::move(retried[i]);
  }
  return outcomes;
}

void SimulationObjective::score(std::span<const Design> designs, std::span<Score> out) const {
  const std::vector<Outcome> outcomes = this->outcomes(designs);
  for (std::size_t i = 0; i < designs.size(); ++i) out[i] = question_.score(designs[i], outcomes[i]);
}

}  // namespace corbel
