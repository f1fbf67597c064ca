#include "corbel/surrogate/losses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "corbel/base/error.hpp"

namespace corbel {

Penalty penalty_of(const TrainingOptions& options) {
  if (options.penalty.empty()) return options.protocol == "paper" ? Penalty::published : Penalty::hinge;
  for (const auto& [name, penalty] : penalties) {
    if (options.penalty == name) return penalty;
  }
  throw Error(ErrorCode::invalid_input, fmt::format("unknown penalty `{}`", options.penalty),
              "hinge, softplus, gap or published");
}

void DualVariable::ascend(double gap) {
  constexpr float decay1 = 0.9F, decay2 = 0.999F, epsilon = 1e-8F;
  if (!std::isfinite(gap)) return;
  // A gap beyond this says no more, and its square must stay finite.
  const auto slope = static_cast<float>(std::clamp(gap - allowed_gap, -1e6, 1e6));
  steps_ += 1;
  first_moment_ = decay1 * first_moment_ + (1 - decay1) * slope;
  second_moment_ = decay2 * second_moment_ + (1 - decay2) * slope * slope;
  const float first = first_moment_ / (1 - std::pow(decay1, steps_));
  const float second = second_moment_ / (1 - std::pow(decay2, steps_));
  value_ = std::max(0.0F, value_ + static_cast<float>(rate) * first / (std::sqrt(second) + epsilon));
}

std::vector<float> DualVariable::save() const {
  return {value_, first_moment_, second_moment_, steps_};
}

void DualVariable::load(std::span<const float> state) {
  const bool is_valid = state.size() == 4 &&
                        std::all_of(state.begin(), state.end(), [](float value) { return std::isfinite(value); }) &&
                        state[0] >= 0 && state[2] >= 0 && state[3] >= 0;
  if (!is_valid) throw Error(ErrorCode::corrupt, "not the state of a dual variable");
  value_ = state[0];
  first_moment_ = state[1];
  second_moment_ = state[2];
  steps_ = state[3];
}

AffineMap fit_affine(std::span<const float> outputs, std::span<const float> targets) {
  // Of the slope that would give the outputs the targets' deviation, the part that is left where they do not correlate.
  constexpr double least_correlation = 0.05;
  // Outputs that hardly differ are not blown up to the targets' deviation.
  constexpr double least_deviation = 0.01;
  double count = 0, output_mean = 0, target_mean = 0;
  const std::size_t n = std::min(outputs.size(), targets.size());
  const auto is_known = [&](std::size_t i) { return std::isfinite(outputs[i]) && std::isfinite(targets[i]); };
  for (std::size_t i = 0; i < n; ++i) {
    if (!is_known(i)) continue;
    ++count;
    output_mean += outputs[i];
    target_mean += targets[i];
  }
  if (count == 0) return {};
  output_mean /= count;
  target_mean /= count;
  double output_square = 0, target_square = 0, product = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (!is_known(i)) continue;
    const double output = outputs[i] - output_mean, target = targets[i] - target_mean;
    output_square += output * output;
    target_square += target * target;
    product += output * target;
  }
  const double output_deviation = std::max(std::sqrt(output_square / count), least_deviation);
  const double target_deviation = std::sqrt(target_square / count);
  const double scales = output_deviation * target_deviation * count;
  const double correlation = scales > 0 ? std::clamp(product / scales, least_correlation, 1.0) : least_correlation;
  const double slope = correlation * target_deviation / output_deviation;
  return {slope, target_mean - slope * output_mean};
}

}  // namespace corbel
