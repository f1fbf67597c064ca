#include "corbel/surrogate/internal/optimizer.hpp"

#include <fmt/format.h>

#include <cmath>

#include "corbel/base/error.hpp"
#include "corbel/surrogate/internal/stored_tensor.hpp"
#include "corbel/surrogate/internal/training_operations.hpp"

namespace corbel {

Optimizer::Optimizer(std::string_view name, const torch::Tensor& parameters)
    : kind_(Kind::adam), first_moment_(torch::zeros_like(parameters)), second_moment_(torch::zeros_like(parameters)) {
  if (name == "adam") {
    kind_ = Kind::adam;
  } else if (name == "sgd") {
    kind_ = Kind::sgd;
  } else if (name == "rmsprop") {
    kind_ = Kind::rmsprop;
  } else {
    throw Error(ErrorCode::invalid_input, fmt::format("unknown optimizer `{}`", name), "adam, sgd or rmsprop");
  }
}

void Optimizer::step(torch::Tensor& parameters, const torch::Tensor& gradient, double learning_rate,
                     std::uint64_t step) {
  constexpr double epsilon = 1e-8;
  switch (kind_) {
    case Kind::adam: {
      constexpr double decay1 = 0.9, decay2 = 0.999;
      const auto count = static_cast<double>(step);
      const double rate = learning_rate / (1 - std::pow(decay1, count));
      const double root = 1 / std::sqrt(1 - std::pow(decay2, count));
      if (parameters.is_cpu()) {
        training_operations().front().adam(gradient.data_ptr<float>(), static_cast<std::size_t>(gradient.numel()),
                                           static_cast<float>(rate), static_cast<float>(root),
                                           first_moment_.data_ptr<float>(), second_moment_.data_ptr<float>(),
                                           parameters.data_ptr<float>());
        break;
      }
      first_moment_.mul_(decay1).add_(gradient, 1 - decay1);
      second_moment_.mul_(decay2).addcmul_(gradient, gradient, 1 - decay2);
      parameters.addcdiv_(first_moment_, (second_moment_.sqrt() * root).add_(epsilon), -rate);
      break;
    }
    case Kind::sgd: {
      // The others bound their steps themselves; here one hostile batch could throw the parameters out of all bounds.
      constexpr double momentum = 0.9, longest = 1;
      const double length = gradient.norm().item<double>();
      first_moment_.mul_(momentum).add_(gradient, length > longest ? longest / length : 1);
      parameters.add_(first_moment_, -learning_rate);
      break;
    }
    case Kind::rmsprop: {
      constexpr double decay = 0.99;
      second_moment_.mul_(decay).addcmul_(gradient, gradient, 1 - decay);
      parameters.addcdiv_(gradient, second_moment_.sqrt().add_(epsilon), -learning_rate);
      break;
    }
  }
}

void Optimizer::save(TensorMap& state) const {
  state["first_moment"] = to_stored(first_moment_);
  state["second_moment"] = to_stored(second_moment_);
}

void Optimizer::load(const TensorMap& state) {
  const std::vector<float> first = stored_values(state, "first_moment", first_moment_.numel());
  const std::vector<float> second = stored_values(state, "second_moment", second_moment_.numel());
  first_moment_.copy_(torch::tensor(first));
  second_moment_.copy_(torch::tensor(second));
}

}  // namespace corbel
