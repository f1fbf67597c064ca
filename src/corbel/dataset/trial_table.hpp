#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "corbel/dataset/dataset.hpp"

namespace corbel {

/// A row of the table `trials`.
struct TrialRow {
  DesignId design;
  std::int64_t state;  ///< a TrialState, unless the store is damaged
  std::string_view reason;
  std::int64_t attempt;
  std::int64_t import;       ///< 0: not from a log
  std::string_view metrics;  ///< doubles, little-endian
};

/// How an INSERT into `trials` ends: what put() promises. 2 complete, 3 infeasible, 4 failed: the numbers of
/// TrialState.
inline constexpr std::string_view keep_finished_trials = R"sql(
  ON CONFLICT(group_id, design) DO UPDATE SET state = excluded.state, reason = excluded.reason,
    attempt = CASE WHEN trials.state = 4 AND trials.attempt >= excluded.attempt THEN trials.attempt + 1
                   WHEN trials.attempt > excluded.attempt THEN trials.attempt ELSE excluded.attempt END,
    import_id = excluded.import_id, lease_owner = NULL, losses = NULL, metrics = excluded.metrics
  WHERE trials.state NOT IN (2, 3))sql";
static_assert(static_cast<int>(TrialState::complete) == 2 && static_cast<int>(TrialState::infeasible) == 3 &&
              static_cast<int>(TrialState::failed) == 4);

/// Trials of a store, many at a time: each row costs SQLite a call and PostgreSQL a round trip, so that a backend has
/// its own way. Internal to this floor.
class TrialTable {
 public:
  virtual ~TrialTable() = default;
  /// Writes rows of distinct designs. A trial that is already complete or infeasible stays; one in another state is
  /// replaced, and counts one attempt more if it had failed. @return for each whether it was written
  virtual std::vector<bool> put(std::int64_t group, std::span<const TrialRow> rows) = 0;
  /// Writes what became of trials that wait or run, as far as this worker was the last to claim them. Who finished a
  /// trial stays with it. @return for each whether it was written
  virtual std::vector<bool> finish(std::int64_t group, std::string_view worker, std::span<const TrialRow> rows) = 0;
  /// Tells, in any order, of each of these designs that has a trial. Views hold until the visitor returns.
  virtual void find(std::int64_t group, std::span<const DesignId> designs,
                    const std::function<void(const TrialRow&)>& visit) = 0;
};

}  // namespace corbel
