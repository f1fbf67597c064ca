#include "corbel/surrogate/step_cost.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/random.hpp"
#include "corbel/base/statistics.hpp"
#include "corbel/surrogate/internal/training_operations.hpp"
#include "corbel/surrogate/learner.hpp"
#include "corbel/surrogate/plain_network.hpp"

namespace corbel {
namespace {

constexpr std::size_t least_runs = 5;
constexpr double learning_rate = 1e-4;
// Single precision in another order; sums over thousands of rows differ in the fifth digit.
constexpr double most_error = 1e-3;

NetworkSpec spec_of(const std::string& network) {
  NetworkSpec spec;
  std::string known;
  for (const auto& [name, kind] : network_kinds) {
    spec.kind = kind;
    if (network == name) return spec;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  throw Error(ErrorCode::invalid_input, fmt::format("unknown network `{}`", network), known);
}

Batch random_batch(const DesignSpace& space, std::size_t rows, std::uint64_t seed) {
  Rng rng(seed);
  Batch batch;
  for (std::vector<Design>* designs : {&batch.feasible, &batch.infeasible, &batch.negatives}) {
    for (std::size_t i = 0; i < rows; ++i) designs->push_back(space.random(rng));
  }
  for (std::size_t i = 0; i < rows; ++i) batch.feasible_targets.push_back(static_cast<float>(rng.normal()));
  batch.infeasible_targets.assign(rows, std::numeric_limits<float>::quiet_NaN());
  return batch;
}

double difference(const TensorMap& found, const TensorMap& expected) {
  double error = 0, size = 0;
  for (const auto& [name, tensor] : expected) {
    const std::vector<float>& values = found.at(name).values;
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      error += std::pow(static_cast<double>(values[i]) - tensor.values[i], 2);
      size += std::pow(static_cast<double>(tensor.values[i]), 2);
    }
  }
  return std::sqrt(error / size);
}

// Multiplications and additions of the dense layers and of attention's products, thrice: forwards, and for the
// gradients of inputs and weights.
double operations_of(const NetworkSpec& spec, const DesignSpace& space, std::size_t rows) {
  const auto tokens = static_cast<double>(space.dimensions());
  double per_row = 0;
  for (const auto& [name, shape] : tensor_shapes(spec, space)) {
    if (shape.size() != 2 || name.starts_with("input.")) continue;
    const bool is_of_tokens = name.starts_with("layer.") || name.starts_with("lstm.");
    per_row += static_cast<double>(shape[0] * shape[1]) * (is_of_tokens ? tokens : 1);
  }
  if (spec.kind == NetworkKind::attention) {
    per_row += static_cast<double>(2 * spec.layers * spec.embedding) * tokens * tokens;
  }
  return 6 * per_row * static_cast<double>(rows);
}

double milliseconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

StepCost measure_step(const StepCostOptions& options, Monitor& monitor) {
  const DesignSpace space = DesignSpace::edge();
  const NetworkSpec spec = spec_of(options.network);
  const double dropout = spec.kind == NetworkKind::attention ? TrainingOptions{}.dropout : 0;
  const LossOptions loss{{0.1, 0.1}, 2.0, 0.0};
  const Batch batch = random_batch(space, options.rows, options.seed);
  const Learner::SingleThread single_thread;
  Learner learner(space, spec, dropout, {}, options.seed, {"adam", std::make_shared<Team>(options.threads)});
  TensorMap tensors;
  learner.export_tensors("", 0, tensors);
  PlainNetwork plain(space, spec, tensors, "", dropout);

  StepCost cost;
  cost.kernel = training_operations().front().name;
  cost.libtorch_function = plain.linear_function();
  std::vector<float> gradient;
  TensorMap expected;
  const double found_loss = learner.losses(batch, loss, &gradient).total;
  const double expected_loss = plain.losses(batch, loss, &expected).total;
  cost.loss_error = std::abs(found_loss - expected_loss) / std::abs(expected_loss);
  cost.gradient_error = difference(learner.by_name(gradient), expected);
  if (!(cost.loss_error <= most_error && cost.gradient_error <= most_error)) {
    throw Error(ErrorCode::mismatch,
                fmt::format("the training step is not that of LibTorch: loss off by {:.1e}, gradient by {:.1e}",
                            cost.loss_error, cost.gradient_error),
                "this is a fault of the program: please report it");
  }

  std::vector<double> own, of_libtorch;
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  learner.step(batch, loss, learning_rate);
  plain.step(batch, loss, learning_rate);
  while (own.size() < least_runs || seconds() < options.seconds) {
    monitor.check();
    own.push_back(milliseconds_of([&] { learner.step(batch, loss, learning_rate); }));
    const PlainNetwork::Threads threads(options.threads);
    of_libtorch.push_back(milliseconds_of([&] { plain.step(batch, loss, learning_rate); }));
  }
  cost.runs = own.size();
  cost.step_ms = median(own);
  cost.step_ms_min = *std::min_element(own.begin(), own.end());
  cost.step_ms_max = *std::max_element(own.begin(), own.end());
  cost.libtorch_step_ms = median(of_libtorch);
  cost.libtorch_step_ms_min = *std::min_element(of_libtorch.begin(), of_libtorch.end());
  cost.libtorch_step_ms_max = *std::max_element(of_libtorch.begin(), of_libtorch.end());
  cost.gflops = operations_of(spec, space, 3 * options.rows) / cost.step_ms / 1e6;
  return cost;
}

}  // namespace corbel
