#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <vector>

#include "corbel/base/random.hpp"
#include "corbel/space/design_space.hpp"

namespace corbel {

/// Designs relaxed to a distribution over the values of each parameter, as logits [n × values]: what gradients need.
class Relaxation {
 public:
  /// Of a parameter with more values than this so many are on offer, evenly spaced.
  static constexpr std::uint32_t most_values = 1024, offered_values = 64;

  explicit Relaxation(const DesignSpace& space);

  struct Value {
    std::size_t parameter;
    std::uint32_t index;
  };
  /// All that are on offer, parameter by parameter.
  std::span<const Value> values() const { return values_; }

  /// Each parameter has its value of the design, or the nearest on offer, with probability 1/2 but for noise, which
  /// tells equal designs apart.
  torch::Tensor around(std::span<const Design> designs, Rng& noise) const;
  /// [n × values], of each parameter summing to 1
  torch::Tensor probabilities(const torch::Tensor& logits) const;
  /// The most probable values.
  std::vector<Design> round(const torch::Tensor& logits) const;

 private:
  std::vector<Value> values_;
  std::vector<std::size_t> first_;  // of each parameter in values_, and their number behind
};

}  // namespace corbel
