#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string_view>

#include "corbel/scorer/safetensors.hpp"

namespace corbel {

/// How parameters follow a gradient.
class Optimizer {
 public:
  /// @param name  "adam" (β 0.9, 0.999, ε 1e-8), "sgd" (momentum 0.9, gradient clipped at a norm of 1) or "rmsprop"
  ///              (decay 0.99, ε 1e-8)
  /// @param parameters  that it will move
  /// @throws Error{invalid_input} for another name
  Optimizer(std::string_view name, const torch::Tensor& parameters);

  /// Moves the parameters one step.
  /// @param step  of this training, from 1
  void step(torch::Tensor& parameters, const torch::Tensor& gradient, double learning_rate, std::uint64_t step);

  /// Adds everything needed to go on.
  void save(TensorMap& state) const;
  /// @throws Error{corrupt} if it is not the state of such an optimizer
  void load(const TensorMap& state);

 private:
  enum class Kind { adam, sgd, rmsprop };
  Kind kind_;
  torch::Tensor first_moment_, second_moment_;
};

}  // namespace corbel
