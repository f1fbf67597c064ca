#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "corbel/dataset/dataset.hpp"

namespace corbel {

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
  std::vector<ValueCoverage> values;  ///< in the parameter's order
};
struct ReasonCount {
  std::string reason;
  std::uint64_t rows = 0;
};

/// What a log holds and what to doubt about it.
struct Inspection {
  std::uint64_t rows = 0, feasible = 0, infeasible = 0, duplicates = 0;
  std::uint64_t space_size = 0;
  std::vector<ReasonCount> reasons;  ///< most frequent first
  std::vector<MetricSummary> metrics;
  std::vector<ParameterCoverage> parameters;
  /// Things to look at: a parameter value never logged, a metric that is constant, negative or spans so many orders of
  /// magnitude that its unit must be mixed, no infeasible rows, latency in ms that looks like µs, …
  std::vector<std::string> warnings;
};
Inspection inspect(const Dataset& dataset);
nlohmann::json to_json(const Inspection& inspection);

}  // namespace corbel
