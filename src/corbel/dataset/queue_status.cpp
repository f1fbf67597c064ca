#include "corbel/dataset/queue_status.hpp"

#include <algorithm>
#include <limits>

#include "corbel/base/error.hpp"
#include "corbel/dataset/database.hpp"

namespace corbel {
namespace {

constexpr int first_version_with_workers = 3;

std::vector<GroupStatus> groups_of(const Database& database) {
  std::vector<GroupStatus> groups;
  std::map<Store::GroupId, std::size_t> places;
  Statement names(database, "SELECT id, simulator, workload FROM groups ORDER BY id");
  while (names.step()) {
    places[names.integer(0)] = groups.size();
    groups.push_back({names.integer(0), std::string(names.text(1)), std::string(names.text(2)), {}, {}});
  }
  Statement counts(database,
                   "SELECT group_id, state, CASE WHEN state IN (4, 5) THEN reason ELSE '' END AS why, count(*) FROM "
                   "trials GROUP BY 1, 2, 3");
  while (counts.step()) {
    const auto place = places.find(counts.integer(0));
    const auto state = static_cast<std::size_t>(counts.integer(1));
    if (place == places.end() || state >= 6) {
      throw Error(ErrorCode::corrupt, database.name() + ": damaged: a trial of no group, or in no state",
                  "look with `corbel store check`");
    }
    GroupStatus& group = groups[place->second];
    group.trials[state] += counts.integer(3);
    if (state >= static_cast<std::size_t>(TrialState::failed)) {
      group.failures[std::string(counts.text(2))] += counts.integer(3);
    }
  }
  return groups;
}

std::vector<WorkerStatus> workers_of(const Database& database) {
  std::vector<WorkerStatus> workers;
  const std::string now(database.dialect().now_ms);
  Statement found(database, "SELECT id, host, pid, threads, version, CASE WHEN state = 'working' AND expires < " + now +
                                " THEN 'lost' ELSE state END, note, " + now + " - started, " + now +
                                " - last_seen, done, failed, recent FROM workers WHERE last_seen > " + now +
                                " - 86400000 ORDER BY id");
  while (found.step()) {
    WorkerStatus worker;
    worker.id = found.text(0);
    worker.host = found.text(1);
    worker.pid = found.integer(2);
    worker.threads = found.integer(3);
    worker.version = found.text(4);
    worker.state = found.text(5);
    worker.note = found.text(6);
    worker.started_seconds = static_cast<double>(found.integer(7)) / 1000;
    worker.seen_seconds = static_cast<double>(found.integer(8)) / 1000;
    worker.done = found.integer(9);
    worker.failed = found.integer(10);
    worker.recent = found.integer(11);
    workers.push_back(std::move(worker));
  }
  return workers;
}

}  // namespace

std::int64_t QueueStatus::of(TrialState state) const {
  std::int64_t sum = 0;
  for (const GroupStatus& group : groups) sum += group.of(state);
  return sum;
}

double QueueStatus::trials_per_second() const {
  double sum = 0;
  for (const WorkerStatus& worker : workers) {
    if (worker.state != "working") continue;
    sum += static_cast<double>(worker.recent) / std::min(60.0, std::max(1.0, worker.started_seconds));
  }
  return sum;
}

double QueueStatus::seconds_left() const {
  const auto left = static_cast<double>(of(TrialState::waiting) + of(TrialState::running));
  if (left == 0) return 0;
  const double rate = trials_per_second();
  return rate > 0 ? left / rate : std::numeric_limits<double>::infinity();
}

QueueStatus queue_status(const StoreLocation& location) {
  const std::unique_ptr<Database> database = open_database(location, false, std::chrono::minutes(1));
  const Transaction snapshot(*database, Transaction::Kind::snapshot);
  QueueStatus status;
  status.groups = groups_of(*database);
  // A store of an older version that nobody has written to since knows no workers.
  if (database->version() >= first_version_with_workers) status.workers = workers_of(*database);
  return status;
}

}  // namespace corbel
