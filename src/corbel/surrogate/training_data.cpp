#include "corbel/surrogate/training_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

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

// Rows of its own at which a workload's deviation is as well known from them as from the other workloads': of n rows it
// is off by 1/√(2n), and those of workloads differ by about a fifth.
constexpr double scale_prior_rows = 10;

struct Source {
  const Dataset& log;
  const std::vector<std::uint8_t>& over_limit;
  const std::optional<DrawnFrom>& drawn_from;
  std::string name;
  std::size_t first = 0;             // row
  std::vector<std::size_t> columns;  // of each metric; empty without rows

  std::size_t end() const { return first + log.rows(); }
  bool is_over(std::size_t row) const { return !over_limit.empty() && over_limit[row - first] != 0; }
  double metric(std::size_t row, std::size_t k) const { return log.metric(row - first, columns[k]); }
};

std::vector<Source> sources_of(const Dataset& dataset, const TrainingTask& task,
                               const std::vector<std::string>& metrics) {
  std::vector<Source> sources = {{dataset, task.over_limit, task.drawn_from, {}, 0, {}}};
  for (const WorkloadLog& other : task.others) {
    sources.push_back(
        {*other.log, other.over_limit, other.drawn_from, fmt::format("workload `{}`: ", other.name), 0, {}});
    if (other.log->group.space.fingerprint() != dataset.group.space.fingerprint()) {
      throw Error(ErrorCode::mismatch, sources.back().name + "its log is of another design space",
                  "give logs of one design space");
    }
    if (other.context.size() != task.context.size()) {
      throw Error(ErrorCode::mismatch,
                  fmt::format("{}a context of {} numbers, where that of the target has {}", sources.back().name,
                              other.context.size(), task.context.size()),
                  "give every workload a context of one size, or none of them any");
    }
  }
  std::size_t rows = 0;
  for (Source& source : sources) {
    source.first = rows;
    rows += source.log.rows();
    if (!source.over_limit.empty() && source.over_limit.size() != source.log.rows()) {
      throw Error(ErrorCode::mismatch, fmt::format("{}{} limit flags for {} rows", source.name,
                                                   source.over_limit.size(), source.log.rows()));
    }
    if (source.log.rows() == 0 && sources.size() > 1) continue;
    for (const std::string& metric : metrics) {
      try {
        source.columns.push_back(source.log.metric_index(metric));
      } catch (const Error& error) {
        throw Error(error.code(), source.name + error.what(), error.hint());
      }
    }
  }
  return sources;
}

/// Moves what few values say of the deviation towards that of the other workloads.
void shrink_scales(std::vector<MetricTransform>& transforms, const std::vector<std::size_t>& counts) {
  double sum = 0, known = 0;
  bool is_log = true, is_plain = true;
  for (std::size_t w = 0; w < transforms.size(); ++w) {
    if (counts[w] == 0) continue;
    (transforms[w].log ? is_plain : is_log) = false;
    if (static_cast<double>(counts[w]) < scale_prior_rows) continue;
    sum += transforms[w].scale;
    ++known;
  }
  // Deviations of values and of logarithms do not compare.
  if (known == 0 || !(is_log || is_plain)) return;
  const double usual = sum / known;
  for (std::size_t w = 0; w < transforms.size(); ++w) {
    const auto count = static_cast<double>(counts[w]);
    const double share = count / (count + scale_prior_rows);
    const double deviation = std::hypot(std::sqrt(share) * transforms[w].scale, std::sqrt(1 - share) * usual);
    transforms[w].scale = std::copysign(deviation, transforms[w].scale);
  }
}

/// Of a workload without rows. Which of two designs is better does not depend on it.
MetricTransform mean_transform(const std::vector<MetricTransform>& transforms, const std::vector<std::size_t>& counts) {
  MetricTransform mean{true, 0, 0};
  for (std::size_t w = 0; w < transforms.size(); ++w) {
    if (counts[w] > 0 && !transforms[w].log) mean.log = false;
  }
  double known = 0;
  for (std::size_t w = 0; w < transforms.size(); ++w) {
    if (counts[w] > 0 && transforms[w].log == mean.log) ++known;
  }
  for (std::size_t w = 0; w < transforms.size(); ++w) {
    if (counts[w] == 0 || transforms[w].log != mean.log) continue;
    mean.mean += transforms[w].mean / known;
    mean.scale += transforms[w].scale / known;
  }
  return mean;
}

// Withholds of one workload, if it has enough. @param usable  rows of all workloads with the objective
void withhold_of(const Source& source, const std::vector<std::size_t>& infeasible, std::size_t usable, double withhold,
                 std::uint64_t seed, TrainingData& data) {
  std::vector<std::size_t> candidates;
  for (std::size_t row = source.first; row < source.end(); ++row) {
    if (std::isfinite(data.objective[row]) && !source.is_over(row)) candidates.push_back(row);
  }
  const auto share = static_cast<std::size_t>(withhold * static_cast<double>(candidates.size()));
  if (share < min_withheld || usable - share < min_withheld) return;
  std::stable_sort(candidates.begin(), candidates.end(), [&](std::size_t a, std::size_t b) {
    return is_better(data.direction, data.objective[a], data.objective[b]);
  });
  data.withheld_feasible.insert(data.withheld_feasible.end(), candidates.begin(),
                                candidates.begin() + static_cast<std::ptrdiff_t>(share));
  std::vector<std::size_t> shuffled;
  std::copy_if(infeasible.begin(), infeasible.end(), std::back_inserter(shuffled),
               [&](std::size_t row) { return row >= source.first && row < source.end(); });
  Rng(seed, withhold_stream).shuffle(shuffled);
  const auto infeasible_share = static_cast<std::size_t>(withhold * static_cast<double>(shuffled.size()));
  shuffled.resize(infeasible_share);
  std::sort(shuffled.begin(), shuffled.end());
  data.withheld_infeasible.insert(data.withheld_infeasible.end(), shuffled.begin(), shuffled.end());
}

}  // namespace

TrainingData prepare_training_data(const Dataset& dataset, const TrainingTask& task, bool over_limit_is_infeasible,
                                   double withhold, std::uint64_t seed) {
  TrainingData data(dataset.group.space);
  data.metrics.push_back(task.objective);
  data.direction = task.direction;
  for (const std::string& name : task.also_predict) {
    if (std::find(data.metrics.begin(), data.metrics.end(), name) == data.metrics.end()) data.metrics.push_back(name);
  }
  const std::size_t metrics = data.metrics.size();
  const std::vector<Source> sources = sources_of(dataset, task, data.metrics);
  const std::size_t rows = sources.back().end();

  std::vector<std::size_t> feasible, infeasible;
  std::size_t usable = 0;
  data.designs.reserve(rows);
  data.workloads.resize(rows);
  data.objective.assign(rows, nan);
  for (std::size_t w = 0; w < sources.size(); ++w) {
    const Source& source = sources[w];
    const std::size_t feasible_before = feasible.size();
    for (std::size_t row = source.first; row < source.end(); ++row) {
      data.workloads[row] = static_cast<std::uint32_t>(w);
      data.designs.push_back(source.log.designs[row - source.first]);
      const bool simulated = source.log.states[row - source.first] == TrialState::complete;
      if (!simulated || (over_limit_is_infeasible && source.is_over(row))) {
        infeasible.push_back(row);
        continue;
      }
      feasible.push_back(row);
      const double value = source.metric(row, 0);
      if (!std::isfinite(value)) continue;
      data.objective[row] = value;
      ++usable;
    }
    const auto drawn = static_cast<double>(feasible.size() - feasible_before);
    const double others = static_cast<double>(source.log.rows()) - drawn;
    const auto& from = source.drawn_from;
    const double all = from ? static_cast<double>(from->taught_as_feasible) : drawn;
    const double all_others = from ? static_cast<double>(from->rows) - all : others;
    data.feasible_stands_for.push_back(drawn > 0 ? all / drawn : 1);
    data.infeasible_stands_for.push_back(others > 0 ? all_others / others : 1);
  }
  if (usable < 3) {
    throw Error(ErrorCode::too_little_data,
                fmt::format("{} of {} rows{} have a finite `{}`{}; training needs at least 3", usable, rows,
                            sources.size() > 1 ? fmt::format(" of {} workloads", sources.size()) : "", task.objective,
                            over_limit_is_infeasible ? " within the limits" : ""),
                "simulate or import more designs, or pick a metric that the log has");
  }

  withhold_of(sources[0], infeasible, usable, withhold, seed, data);
  if (data.withheld_feasible.empty()) {
    for (std::size_t w = 1; w < sources.size(); ++w) {
      withhold_of(sources[w], infeasible, usable - data.withheld_feasible.size(), withhold, seed, data);
    }
  }
  std::vector<std::uint8_t> withheld(rows, 0);
  for (const std::size_t row : data.withheld_feasible) withheld[row] = 1;
  for (const std::size_t row : data.withheld_infeasible) withheld[row] = 1;
  const auto keep = [&](std::size_t row) { return withheld[row] == 0; };
  std::copy_if(feasible.begin(), feasible.end(), std::back_inserter(data.feasible), keep);
  std::copy_if(infeasible.begin(), infeasible.end(), std::back_inserter(data.infeasible), keep);

  std::vector<std::size_t> counts;  // fitted objectives of each workload
  for (const Source& source : sources) {
    std::vector<double> fitted;
    for (std::size_t row = source.first; row < source.end(); ++row) {
      if (keep(row) && std::isfinite(data.objective[row])) fitted.push_back(data.objective[row]);
    }
    data.objective_transforms.push_back(MetricTransform::fit(fitted, data.direction));
    counts.push_back(fitted.size());
  }
  if (sources.size() > 1) {
    shrink_scales(data.objective_transforms, counts);
    data.is_scale_guessed = counts[0] == 0;
    if (data.is_scale_guessed) data.objective_transforms[0] = mean_transform(data.objective_transforms, counts);
  }
  data.transforms.push_back(data.objective_transforms[0]);
  data.targets.assign(rows * metrics, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t k = 0; k < metrics; ++k) {
    const auto value_of = [&](std::size_t row) {
      return k == 0 ? data.objective[row] : sources[data.workloads[row]].metric(row, k);
    };
    if (k > 0) {
      std::vector<double> fitted;
      for (std::size_t row = 0; row < rows; ++row) {
        if (keep(row)) fitted.push_back(value_of(row));
      }
      data.transforms.push_back(MetricTransform::fit(fitted));
    }
    for (std::size_t row = 0; row < rows; ++row) {
      const double value = value_of(row);
      const MetricTransform& transform = k == 0 ? data.objective_transforms[data.workloads[row]] : data.transforms[k];
      // A withheld row may be the only one that is not positive, where the rest is learnt by logarithm.
      if (!std::isfinite(value) || (transform.log && value <= 0)) continue;
      data.targets[row * metrics + k] =
          static_cast<float>(std::clamp(transform.normalise(value), -max_target, max_target));
    }
  }
  double worst = 0;
  for (const std::size_t row : data.feasible) {
    const double target = data.targets[row * metrics];
    if (target > worst) worst = target;
  }
  data.infeasible_level = std::min(worst, max_infeasible_level) + infeasible_margin;
  return data;
}

double TrainingData::on_scale_of(std::uint32_t workload, double predicted) const {
  if (workload == 0) return predicted;
  return objective_transforms[workload].restore(objective_transforms[0].normalise(predicted));
}

std::vector<std::size_t> TrainingData::of_workload(std::span<const std::size_t> rows, std::uint32_t workload) const {
  std::vector<std::size_t> its_own;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(its_own),
               [&](std::size_t row) { return workloads[row] == workload; });
  return its_own;
}

RowSampler::RowSampler(std::span<const std::size_t> rows, std::uint64_t seed, std::uint64_t stream)
    : rows_(rows.begin(), rows.end()),
      seed_(seed),
      stream_(stream),
      epoch_(std::numeric_limits<std::uint64_t>::max()) {}

void RowSampler::sample(std::uint64_t step, std::size_t count, std::vector<std::size_t>& out) {
  sample_between(step * count, (step + 1) * count, out);
}

void RowSampler::sample_between(std::uint64_t first, std::uint64_t end, std::vector<std::size_t>& out) {
  if (rows_.empty()) return;
  for (std::uint64_t position = first; position < end; ++position) {
    const std::uint64_t epoch = position / rows_.size();
    if (epoch != epoch_) {
      order_ = rows_;
      Rng(seed_, stream_ + (epoch << 16)).shuffle(order_);
      epoch_ = epoch;
    }
    out.push_back(order_[position % rows_.size()]);
  }
}

WorkloadSampler::WorkloadSampler(const TrainingData& data, Of rows, std::uint64_t seed, std::uint64_t stream) {
  std::vector<double> fitted(data.objective_transforms.size(), 0);  // rows of each workload, of either class
  for (const std::size_t row : data.feasible)
    fitted[data.workloads[row]] += data.feasible_stands_for[data.workloads[row]];
  for (const std::size_t row : data.infeasible) {
    fitted[data.workloads[row]] += data.infeasible_stands_for[data.workloads[row]];
  }
  const double largest = *std::max_element(fitted.begin(), fitted.end());
  const bool feasible = rows == Of::feasible;
  for (std::uint32_t w = 0; w < fitted.size(); ++w) {
    const std::vector<std::size_t> its_own = data.of_workload(feasible ? data.feasible : data.infeasible, w);
    if (its_own.empty()) continue;
    const double stands_for = feasible ? data.feasible_stands_for[w] : data.infeasible_stands_for[w];
    const double weight = static_cast<double>(its_own.size()) * stands_for * std::sqrt(largest / fitted[w]);
    weight_ += weight;
    parts_.push_back({RowSampler(its_own, seed, stream + (std::uint64_t{w} << 48)), weight});
  }
  for (Part& part : parts_) part.share /= weight_;
}

void WorkloadSampler::sample(std::uint64_t step, std::size_t count, std::vector<std::size_t>& out) {
  for (Part& part : parts_) {
    const auto until = [&](std::uint64_t steps) {
      return static_cast<std::uint64_t>(part.share * static_cast<double>(steps * count));
    };
    part.rows.sample_between(until(step), until(step + 1), out);
  }
}

}  // namespace corbel
