#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "corbel/study/learning.hpp"
#include "corbel/study/offline_experiment.hpp"

namespace corbel {

/// What a method has made of a log.
struct OfflineModel {
  std::shared_ptr<const Objective> objective;  ///< ranks any design; null where `best` says it all
  std::vector<DesignId> best;                  ///< best first
  /// Predicted probability that each design runs; null for methods that predict none.
  std::function<std::vector<double>(std::span<const Design>)> feasibility;
  double kendall = 0;  ///< predicted against true objective of the withheld rows; NaN without
};

/// What a method may learn from.
struct OfflineTask {
  const StudyFile& study;  ///< objective and limits
  const Question& question;
  const Dataset& log;
  std::span<const OtherTrials> others;  ///< teach a learner, too
  std::uint64_t seed;
  std::filesystem::path folder;  ///< for a model and its checkpoints; one of its own
};

/// Fits one method on one thread. @throws Error{too_little_data} where the log is not enough for it; Error{interrupted}
OfflineModel fit_offline(const OfflineMethod& method, const OfflineTask& task, Monitor& monitor);

}  // namespace corbel
