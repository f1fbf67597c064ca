#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "corbel/dataset/store.hpp"

namespace corbel {

/// How far a group's trials are.
struct GroupStatus {
  Store::GroupId id = 0;
  std::string simulator, workload;
  std::array<std::int64_t, 6> trials{};          ///< by the number of their state
  std::map<std::string, std::int64_t> failures;  ///< of those failed and abandoned, by reason
  std::int64_t of(TrialState state) const { return trials[static_cast<std::size_t>(state)]; }
};

struct WorkerStatus {
  std::string id, host;
  std::int64_t pid = 0, threads = 0;
  std::string version;                           ///< of Corbel
  std::string state;                             ///< working; lost: its lease has run out; stopped
  std::string note;                              ///< what it has to say
  double started_seconds = 0, seen_seconds = 0;  ///< ago
  std::int64_t done = 0, failed = 0;             ///< trials that counted
  std::int64_t recent = 0;                       ///< of the last minute, when it was last seen
};

/// What the workers of a store are about, as of one moment, by the server's clock.
struct QueueStatus {
  std::vector<GroupStatus> groups;
  std::vector<WorkerStatus> workers;  ///< by id; without those that stopped, or were lost, more than a day ago

  std::int64_t of(TrialState state) const;  ///< in all groups
  double trials_per_second() const;         ///< of all that work, over the last minute
  /// Until all that wait or run are done at this rate; infinite where nobody works.
  double seconds_left() const;
};

/// Counts every trial. @throws as Store's constructor, reading
QueueStatus queue_status(const StoreLocation& location);

}  // namespace corbel
