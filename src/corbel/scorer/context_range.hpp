#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <utility>
#include <vector>

namespace corbel {

/// The contexts of several workloads as the gate of a network sees them: how they differ. What they share is left out,
/// since contexts of networks point nearly the same way. Immutable.
class ContextRange {
 public:
  /// Of the workloads whose rows teach.
  /// @param contexts  at least one, all of one size
  /// @throws Error{invalid_input} for a context that is not finite
  static ContextRange of(std::span<const std::vector<float>> contexts);

  std::size_t size() const { return bounds_.size(); }
  /// Per number of the context its place between the least and the largest of those known, from −1 to 1, times 5 / V
  /// for the V numbers that differ at all; 0 where it does not. A context beyond those known counts as the nearest of
  /// them.
  /// @param context  [size()]
  std::vector<float> inputs(std::span<const float> context) const;

  friend void to_json(nlohmann::json& json, const ContextRange& range);
  /// @throws nlohmann::json::exception or Error{corrupt}
  static ContextRange from_json(const nlohmann::json& json);

 private:
  std::vector<std::pair<float, float>> bounds_;  // of asinh(context)
};

}  // namespace corbel
