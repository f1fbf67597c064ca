#include "corbel/surrogate/internal/optimizer.hpp"

#include <fmt/format.h>

#include <cmath>

#include "corbel/base/error.hpp"
#include "corbel/surrogate/internal/stored_tensor.hpp"

namespace corbel {

Optimizer::Optimizer(std::string_view name, std::int64_t size)
    : kind_(Kind::adam), first_moment_(torch::zeros({size})), second_moment_(torch::zeros({size})) {
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
      first_moment_.mul_(decay1).add_(gradient, 1 - decay1);
      second_moment_.mul_(decay2).addcmul_(gradient, gradient, 1 - decay2);
      const torch::Tensor denominator = (second_moment_.sqrt() / std::sqrt(1 - std::pow(decay2, count))).add_(epsilon);
      parameters.addcdiv_(first_moment_, denominator, -learning_rate / (1 - std::pow(decay1, count)));
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
  std::copy(first.begin(), first.end(), first_moment_.data_ptr<float>());
  std::copy(second.begin(), second.end(), second_moment_.data_ptr<float>());
}

}  // namespace corbel
