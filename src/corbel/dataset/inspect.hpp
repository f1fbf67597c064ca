#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "corbel/dataset/store.hpp"
#include "corbel/dataset/trial_log.hpp"

namespace corbel {

/// Of the finite values of a metric on feasible rows; all NaN where there are none.
struct MetricSummary {
  std::string name, unit;
  std::uint64_t count = 0;
  double min = 0, median = 0, mean = 0, max = 0;
};
struct ValueCoverage {
  std::string label;
  std::uint64_t rows = 0, infeasible = 0;
};
struct ParameterCoverage {
  std::string name, unit;
  /// In the parameter's order; of a parameter with over 4,096 values, only those that were logged, and none if these
  /// are over 4,096 too.
  std::vector<ValueCoverage> values;
};
struct ReasonCount {
  std::string reason;
  std::uint64_t rows = 0;
};

/// What a log holds and what to doubt about it.
struct Inspection {
  std::uint64_t rows = 0, feasible = 0, infeasible = 0;
  std::uint64_t duplicates = 0;  ///< rows of imported logs that repeated a row of the same log; not among `rows`
  std::uint64_t space_size = 0;
  std::vector<ReasonCount> reasons;  ///< of infeasible rows, most frequent first
  std::vector<MetricSummary> metrics;
  std::vector<ParameterCoverage> parameters;
  /// Things to look at, one line each, worst first: no feasible or no infeasible rows, a parameter value never logged
  /// or never feasible, a metric that is constant, negative, missing or spans so many orders of magnitude that its unit
  /// must be mixed, latency in ms that looks like µs, one reason behind nearly every failure, …
  std::vector<std::string> warnings;
};
/// What the store has kept of exactly these rows when they were imported, or by reading all of them, mostly twice, in
/// memory that does not grow with their number.
Inspection inspect(const TrialLog& log);
/// Keeps with the group what inspect() tells of it, as it is inside the batch.
void keep_inspection(Store::Batch& batch, const Store& store, Store::GroupId group);
/// The same with the same names; NaN becomes null.
nlohmann::json to_json(const Inspection& inspection);

}  // namespace corbel
