#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corbel/base/statistics.hpp"
#include "corbel/simulator/simulator.hpp"
#include "section.hpp"

namespace corbel {

class Config;

struct ValidationOptions {
  std::filesystem::path data;     ///< folder of the YAML files
  std::uint64_t designs = 20000;  ///< random designs per network, and designs of each search
  std::size_t threads = 0;        ///< 0: all cores
  std::uint64_t seed = 1;
  bool fit = false;  ///< coral: fit the two constants instead of taking them from the file
};

/// Each holds the edge simulator against the published figures in its file (coral.yaml, …).
/// @throws Error{invalid_input} for a fault in the file
Section validate_coral(const ValidationOptions& options);
Section validate_configurations(const ValidationOptions& options);
Section validate_space(const ValidationOptions& options);
Section validate_cliff(const ValidationOptions& options);

struct Comparison {
  std::string_view name, summary;
  Section (*run)(const ValidationOptions&);
};
const std::vector<Comparison>& comparisons();

// --- Shared by the comparisons

/// A target with the range that the file gives under `targets:`, as {min: …, max: …}.
Target target_from(const Config& file, std::string_view key, std::string name, double value);
/// The map under `hardware:`.
Hardware hardware_from(const Config& config, const Simulator& simulator);

/// Outcomes of designs of the space `edge`, a pseudo-random sample without repetition that the seed decides; the same
/// for any number of threads.
struct Sample {
  std::vector<Design> designs;
  std::vector<Outcome> outcomes;
  double seconds = 0;
};
Sample simulate_sample(const Simulator& simulator, const Network& network, const ValidationOptions& options);

/// The place of a metric in Outcome::metrics. @throws Error{not_found}
std::size_t metric_index(const Simulator& simulator, std::string_view name);

double mean(const std::vector<double>& values);  ///< NaN for none
/// Rank correlation; ties take their mean rank.
double spearman(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace corbel
