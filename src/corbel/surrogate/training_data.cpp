#include "corbel/surrogate/training_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "corbel/base/error.hpp"
#include "corbel/base/random.hpp"

namespace corbel {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
// Infeasible designs are pushed this far beyond the worst design that simulated, as in the reference experiments.
constexpr double infeasible_margin = 0.5;
// … but never further than a few deviations: one slow outlier must not become the aim of thousands of rows.
constexpr double max_infeasible_level = 3;

constexpr std::uint64_t withhold_stream = 0x77697468;

}  // namespace

TrainingData prepare_training_data(const Dataset& dataset, const TrainingTask& task, bool over_limit_is_infeasible,
                                   double withhold, std::uint64_t seed) {
  const DesignSpace& space = dataset.group.space;
  const std::size_t rows = dataset.rows();
  if (!task.over_limit.empty() && task.over_limit.size() != rows) {
    throw Error(ErrorCode::mismatch, fmt::format("{} limit flags for {} rows", task.over_limit.size(), rows));
  }
  TrainingData data;
  data.metrics.push_back(task.objective);
  for (const std::string& name : task.also_predict) {
    if (std::find(data.metrics.begin(), data.metrics.end(), name) == data.metrics.end()) data.metrics.push_back(name);
  }
  std::vector<std::size_t> columns;
  for (const std::string& name : data.metrics) columns.push_back(dataset.metric_index(name));

  const auto over_limit = [&](std::size_t row) { return !task.over_limit.empty() && task.over_limit[row] != 0; };
  std::vector<std::size_t> candidates, infeasible;
  std::vector<std::size_t> feasible;
  std::size_t usable = 0;
  data.designs.resize(rows);
  data.objective.assign(rows, nan);
  for (std::size_t row = 0; row < rows; ++row) {
    space.design(dataset.designs[row], data.designs[row]);
    const bool simulated = dataset.states[row] == TrialState::complete;
    if (!simulated || (over_limit_is_infeasible && over_limit(row))) {
      infeasible.push_back(row);
      continue;
    }
    feasible.push_back(row);
    const double value = dataset.metric(row, columns[0]);
    if (!std::isfinite(value)) continue;
    data.objective[row] = value;
    ++usable;
    if (!over_limit(row)) candidates.push_back(row);
  }
  if (usable < 3) {
    throw Error(ErrorCode::too_little_data,
                fmt::format("{} of {} rows have a finite `{}`{}; training needs at least 3", usable, rows,
                            task.objective, over_limit_is_infeasible ? " within the limits" : ""),
                "simulate or import more designs, or pick a metric that the log has");
  }

  std::vector<std::uint8_t> withheld(rows, 0);
  const auto share = static_cast<std::size_t>(withhold * static_cast<double>(candidates.size()));
  if (share >= min_withheld && usable - share >= min_withheld) {
    std::stable_sort(candidates.begin(), candidates.end(),
                     [&](std::size_t a, std::size_t b) { return data.objective[a] < data.objective[b]; });
    data.withheld_feasible.assign(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(share));
    std::vector<std::size_t> shuffled = infeasible;
    Rng(seed, withhold_stream).shuffle(shuffled);
    const auto infeasible_share = static_cast<std::size_t>(withhold * static_cast<double>(infeasible.size()));
    data.withheld_infeasible.assign(shuffled.begin(), shuffled.begin() + static_cast<std::ptrdiff_t>(infeasible_share));
    std::sort(data.withheld_infeasible.begin(), data.withheld_infeasible.end());
    for (const std::size_t row : data.withheld_feasible) withheld[row] = 1;
    for (const std::size_t row : data.withheld_infeasible) withheld[row] = 1;
  }
  const auto keep = [&](std::size_t row) { return withheld[row] == 0; };
  std::copy_if(feasible.begin(), feasible.end(), std::back_inserter(data.feasible), keep);
  std::copy_if(infeasible.begin(), infeasible.end(), std::back_inserter(data.infeasible), keep);

  data.targets.assign(rows * columns.size(), std::numeric_limits<float>::quiet_NaN());
  for (std::size_t k = 0; k < columns.size(); ++k) {
    const auto value_of = [&](std::size_t row) {
      return k == 0 ? data.objective[row] : dataset.metric(row, columns[k]);
    };
    std::vector<double> fitted;
    for (std::size_t row = 0; row < rows; ++row) {
      if (keep(row)) fitted.push_back(value_of(row));
    }
    const MetricTransform transform = MetricTransform::fit(fitted);
    for (std::size_t row = 0; row < rows; ++row) {
      const double value = value_of(row);
      // A withheld row may be the only one that is not positive, where the rest is learnt by logarithm.
      if (!std::isfinite(value) || (transform.log && value <= 0)) continue;
      data.targets[row * columns.size() + k] =
          static_cast<float>(std::clamp(transform.normalise(value), -max_target, max_target));
    }
    data.transforms.push_back(transform);
  }
  double worst = 0;
  for (const std::size_t row : data.feasible) {
    const double target = data.targets[row * columns.size()];
    if (target > worst) worst = target;
  }
  data.infeasible_level = std::min(worst, max_infeasible_level) + infeasible_margin;
  return data;
}

RowSampler::RowSampler(std::span<const std::size_t> rows, std::uint64_t seed, std::uint64_t stream)
    : rows_(rows.begin(), rows.end()),
      seed_(seed),
      stream_(stream),
      epoch_(std::numeric_limits<std::uint64_t>::max()) {}

void RowSampler::sample(std::uint64_t step, std::size_t count, std::vector<std::size_t>& out) {
  if (rows_.empty()) return;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t position = step * count + i;
    const std::uint64_t epoch = position / rows_.size();
    if (epoch != epoch_) {
      order_ = rows_;
      Rng(seed_, stream_ + (epoch << 16)).shuffle(order_);
      epoch_ = epoch;
    }
    out.push_back(order_[position % rows_.size()]);
  }
}

}  // namespace corbel
