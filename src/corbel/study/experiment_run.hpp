#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "corbel/search/strategy.hpp"

namespace corbel {

class Monitor;

/// One search of one method with one seed, as it went.
struct ExperimentRun {
  struct Query {
    DesignId design;
    Score score;
    double seconds;           ///< since the start of the run, when its batch was told
    double strategy_seconds;  ///< the strategy's own share of them
  };
  std::vector<Query> queries;
  bool exhausted = false;  ///< there was nothing left to ask for

  /// Queries until `budget` of them are spent: of all, or of those alone that gave a design within the limits; all that
  /// there are if that is fewer.
  std::size_t spent(std::uint64_t budget, bool feasible_only) const;
  /// The best feasible objective of the first `count` queries; infinite if there is none.
  double best(std::size_t count) const;
};

struct ExperimentRunTask {
  std::string key;  ///< of all that decides the run but the budget
  std::uint64_t budget;
  std::size_t batch;
  /// The budget is of designs within the limits; others are free, up to `most_free_queries` for each.
  bool feasible_only = false;
};
/// A method that finds nothing within the limits must end too.
inline constexpr std::uint64_t most_free_queries = 100;

/// Runs until the budget is spent or the space exhausted. Each batch is appended to the file when it is told; a file
/// of the same key is gone on with, by asking the strategy for the same designs again; another or a damaged one is
/// replaced. What it returns is the same either way, but for the times.
/// @param strategy   fresh
/// @param told       called with the queries of each batch that the budget counts
/// @throws Error{interrupted}; Error{file_access} naming the file
ExperimentRun run_or_resume(const std::filesystem::path& file, const ExperimentRunTask& task, Strategy strategy,
                            const Objective& objective, const std::function<void(std::size_t)>& told,
                            const Monitor& monitor);

}  // namespace corbel
