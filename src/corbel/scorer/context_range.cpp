#include "corbel/scorer/context_range.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

// Sum of the inputs' sizes. By Adam every weight moves as far as the learning rate in a step, so this says how many
// times that far a gate can move, whatever the size of the context: by 1 in a few hundred steps at 1e-3.
constexpr float gate_speed = 5;

}  // namespace

ContextRange ContextRange::of(std::span<const std::vector<float>> contexts) {
  ContextRange range;
  for (const std::vector<float>& context : contexts) {
    for (std::size_t c = 0; c < context.size(); ++c) {
      const float value = std::asinh(context[c]);
      if (!std::isfinite(value)) {
        throw Error(ErrorCode::invalid_input, fmt::format("number {} of a workload's context vector is not finite", c),
                    "give every workload a context of finite numbers, or none");
      }
      if (range.bounds_.size() == c) range.bounds_.emplace_back(value, value);
      range.bounds_[c].first = std::min(range.bounds_[c].first, value);
      range.bounds_[c].second = std::max(range.bounds_[c].second, value);
    }
  }
  return range;
}

std::vector<float> ContextRange::inputs(std::span<const float> context) const {
  const auto differing =
      std::count_if(bounds_.begin(), bounds_.end(), [](const auto& bound) { return bound.first < bound.second; });
  const float unit = gate_speed / static_cast<float>(std::max<std::ptrdiff_t>(1, differing));
  std::vector<float> inputs(bounds_.size(), 0);
  for (std::size_t c = 0; c < inputs.size(); ++c) {
    const auto [low, high] = bounds_[c];
    if (!(low < high)) continue;
    const float value = std::clamp(std::asinh(context[c]), low, high);
    inputs[c] = unit * (2 * (value - low) / (high - low) - 1);
  }
  return inputs;
}

void to_json(nlohmann::json& json, const ContextRange& range) {
  json = range.bounds_;
}

ContextRange ContextRange::from_json(const nlohmann::json& json) {
  ContextRange range;
  range.bounds_ = json.get<std::vector<std::pair<float, float>>>();
  for (const auto& [low, high] : range.bounds_) {
    if (!std::isfinite(low) || !std::isfinite(high) || low > high) {
      throw Error(ErrorCode::corrupt, "the range of the contexts is not one of finite numbers");
    }
  }
  return range;
}

}  // namespace corbel
