#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "corbel/scorer/context_range.hpp"
#include "corbel/scorer/network_spec.hpp"
#include "corbel/scorer/safetensors.hpp"
#include "corbel/search/strategy.hpp"
#include "corbel/surrogate/forest.hpp"
#include "corbel/surrogate/learner.hpp"
#include "corbel/surrogate/trainer.hpp"
#include "corbel/surrogate/training_data.hpp"

namespace corbel {

/// One network to train: a candidate of the grid, or a member of the final ensemble.
struct RunSettings {
  const TrainingOptions& options;
  const TrainingData& data;
  const SearchDomain& domain;
  const NetworkSpec& spec;
  const WorkloadContexts& contexts;
  const Forest& forest;        ///< beside the network where it is judged
  std::shared_ptr<Team> team;  ///< of all runs
  Conservatism weights;
  std::uint64_t seed;
  std::uint64_t steps;               ///< stop here; the learning rate's schedule is that of options.steps
  bool selects;                      ///< keep the checkpoint that is best on the withheld rows, not the last
  std::filesystem::path checkpoint;  ///< where the state is kept while it trains
  std::string key;                   ///< a checkpoint with another key is not used
  double seconds = std::numeric_limits<double>::infinity();  ///< stop after so long, at the earliest after one step
};

inline constexpr double not_known = std::numeric_limits<double>::quiet_NaN();

/// Where a run stood at a checkpoint.
struct TrainingPoint {
  std::uint64_t step = 0;
  Losses losses;  ///< means since the point before
  /// On the withheld rows; NaN where not known.
  double kendall = not_known, infeasible_auc = not_known, score = not_known;
};
void to_json(nlohmann::json& json, const TrainingPoint& point);
void from_json(const nlohmann::json& json, TrainingPoint& point);

struct RunResult {
  TensorMap tensors;       ///< of one member, without prefix
  std::uint64_t step = 0;  ///< at which they were taken
  /// On the withheld rows; NaN where not known.
  double kendall = not_known, infeasible_auc = not_known, score = not_known;
  std::vector<double> predicted;  ///< objective of the withheld feasible rows
  bool diverged = false;          ///< stopped since the parameters were no longer finite
  std::vector<TrainingPoint> history;
};

class Monitor;

/// What several runs report together.
struct RunProgress {
  Monitor& monitor;
  std::uint64_t total;  ///< steps of all runs
  std::atomic<std::uint64_t> done = 0;
};

/// Trains, or goes on from the checkpoint; the result is the same. A checkpoint that cannot be read is started over.
/// @throws Error{interrupted} after keeping a checkpoint
RunResult run_training(const RunSettings& settings, RunProgress& progress);

/// What a model file says besides its tensors, as far as a model needs it to run.
nlohmann::json model_metadata(const DesignSpace& space, const TrainingData& data, const NetworkSpec& spec,
                              const WorkloadContexts& contexts, std::int64_t members);

}  // namespace corbel
