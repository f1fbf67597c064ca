#include "corbel/dataset/dataset.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "corbel/base/error.hpp"
#include "corbel/dataset/log_fingerprint.hpp"

namespace corbel {

std::string_view to_string(TrialState state) {
  constexpr std::array<std::string_view, 6> names = {"waiting",    "running", "complete",
                                                     "infeasible", "failed",  "abandoned"};
  return names[static_cast<std::size_t>(state)];
}

std::uint16_t ReasonNumbers::of(std::string_view reason) {
  if (const auto known = numbers_.find(reason); known != numbers_.end()) return known->second;
  constexpr std::size_t most = std::numeric_limits<std::uint16_t>::max() - 1;
  const bool full = names_.size() >= most;
  const auto [entry, is_new] =
      numbers_.try_emplace(std::string(full ? "other" : reason), static_cast<std::uint16_t>(names_.size()));
  if (is_new) names_.push_back(entry->first);
  return entry->second;
}

std::size_t Dataset::feasible() const {
  return static_cast<std::size_t>(std::count(states.begin(), states.end(), TrialState::complete));
}

std::size_t metric_index(const TrialGroup& group, std::string_view name) {
  const auto found = std::ranges::find(group.metrics, name);
  if (found == group.metrics.end()) throw unknown_name("metric", name, group.metrics);
  return static_cast<std::size_t>(found - group.metrics.begin());
}

void Dataset::reserve(std::size_t rows) {
  designs.reserve(rows);
  states.reserve(rows);
  reasons.reserve(rows);
  metrics.reserve(rows * group.metrics.size());
}

void Dataset::append(const TrialView& trial, ReasonNumbers& numbers) {
  designs.push_back(trial.design);
  states.push_back(trial.state);
  reasons.push_back(numbers.of(trial.reason));
  metrics.insert(metrics.end(), trial.metrics.begin(), trial.metrics.end());
}

std::string Dataset::fingerprint() const {
  LogFingerprint all(group);
  for (std::size_t i = 0; i < rows(); ++i) all.add(row(i));
  return all.finish();
}

}  // namespace corbel
