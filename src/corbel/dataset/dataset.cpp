#include "corbel/dataset/dataset.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"

namespace corbel {
namespace {

void append(std::string& out, std::string_view text) {
  out += std::to_string(text.size());
  out += ':';
  out += text;
}

void append(std::string& out, std::uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(number >> shift & 0xff);
}

// All NaNs are one, and -0 is 0: what compares equal must hash equal.
void append(std::string& out, double number) {
  if (std::isnan(number)) number = std::numeric_limits<double>::quiet_NaN();
  if (number == 0) number = 0;
  append(out, std::bit_cast<std::uint64_t>(number));
}

}  // namespace

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

std::size_t Dataset::metric_index(std::string_view name) const {
  const auto found = std::find(group.metrics.begin(), group.metrics.end(), name);
  if (found == group.metrics.end()) throw unknown_name("metric", name, group.metrics);
  return static_cast<std::size_t>(found - group.metrics.begin());
}

Dataset Dataset::without(const std::unordered_set<DesignId>& left_out) const {
  Dataset kept = *this;
  const std::size_t width = group.metrics.size();
  std::size_t count = 0;
  for (std::size_t row = 0; row < rows(); ++row) {
    if (left_out.contains(designs[row])) continue;
    kept.designs[count] = designs[row];
    kept.states[count] = states[row];
    kept.reasons[count] = reasons[row];
    std::copy_n(metrics.begin() + static_cast<std::ptrdiff_t>(row * width), width,
                kept.metrics.begin() + static_cast<std::ptrdiff_t>(count * width));
    ++count;
  }
  kept.designs.resize(count);
  kept.states.resize(count);
  kept.reasons.resize(count);
  kept.metrics.resize(count * width);
  return kept;
}

std::string Dataset::fingerprint() const {
  // Two levels keep memory flat: a digest per block of rows, then one of the digests.
  constexpr std::size_t block = 4096;
  std::string digests;
  append(digests, group.space.fingerprint());
  append(digests, group.simulator_fingerprint);
  append(digests, group.workload_fingerprint);
  for (const std::string& name : group.metrics) append(digests, name);
  std::string bytes;
  for (std::size_t first = 0; first < rows(); first += block) {
    bytes.clear();
    for (std::size_t row = first; row < std::min(rows(), first + block); ++row) {
      append(bytes, designs[row]);
      bytes += static_cast<char>(states[row]);
      append(bytes, reason_names[reasons[row]]);
      for (std::size_t m = 0; m < group.metrics.size(); ++m) append(bytes, metric(row, m));
    }
    append(digests, corbel::fingerprint(bytes));
  }
  return corbel::fingerprint(digests);
}

}  // namespace corbel
