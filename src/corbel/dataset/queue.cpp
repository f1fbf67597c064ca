#include "corbel/dataset/queue.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/dataset/database.hpp"
#include "corbel/dataset/trial_table.hpp"
#include "corbel/version.hpp"

namespace corbel {
namespace {

// The numbers of TrialState in the SQL below: 0 waiting, 1 running, 2 complete, 3 infeasible, 4 failed, 5 abandoned.
static_assert(static_cast<int>(TrialState::waiting) == 0 && static_cast<int>(TrialState::running) == 1 &&
              static_cast<int>(TrialState::complete) == 2 && static_cast<int>(TrialState::failed) == 4 &&
              static_cast<int>(TrialState::abandoned) == 5);

/// Rows of one transaction: more would save little, and keep others waiting.
constexpr std::size_t rows_at_once = 1024;

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

/// As Dialect::numbers takes them.
std::string json_array(std::span<const DesignId> designs) {
  return fmt::format("[{}]", fmt::join(designs, ","));
}

/// What a row keeps of a trial's numbers.
std::string_view bytes_of(const std::vector<double>& metrics) {
  return {reinterpret_cast<const char*>(metrics.data()), metrics.size() * sizeof(double)};
}

/// What a count gave. The statement is read to its end: SQLite would otherwise keep reading as of now.
std::uint64_t only_number(Statement& statement) {
  std::uint64_t number = 0;
  while (statement.step()) number = static_cast<std::uint64_t>(statement.integer(0));
  return number;
}

}  // namespace

struct TrialQueue::Data {
  Data(StoreLocation its_location, std::string its_id, std::chrono::milliseconds its_patience)
      : location(std::move(its_location)), id(std::move(its_id)), patience(its_patience) {
    connect();
  }

  void connect() {
    // Where this fails, what is there goes on saying that it is lost.
    std::unique_ptr<Database> opened = open_database(location, true, patience);
    opened->execute(opened->dialect().few_of_many);
    statements.clear();
    database = std::move(opened);
  }

  /// A statement that is prepared once for this connection, ready to be bound. {now}, {started} and {skip_locked} are
  /// the backend's.
  Statement& statement(const char* sql) {
    auto found = statements.find(sql);
    if (found == statements.end()) {
      found = statements.emplace(sql, Statement(*database, in_dialect(sql))).first;
    }
    found->second.reset();
    return found->second;
  }

  std::string in_dialect(std::string_view sql) const {
    const Dialect& dialect = database->dialect();
    return fmt::format(fmt::runtime(sql), fmt::arg("now", dialect.now_ms), fmt::arg("started", dialect.started_ms),
                       fmt::arg("skip_locked", dialect.skip_locked), fmt::arg("numbers", dialect.numbers));
  }

  /// One transaction beside those of others; again if it was undone for the sake of another.
  template <class Work>
  auto transact(const Work& work) {
    for (int attempt = 1;; ++attempt) {
      try {
        Transaction transaction(*database, Transaction::Kind::shared);
        if constexpr (std::is_void_v<decltype(work())>) {
          work();
          transaction.commit();
          return;
        } else {
          auto result = work();
          transaction.commit();
          return result;
        }
      } catch (const DatabaseError& error) {
        constexpr int most_attempts = 10;
        if (error.failure() != DatabaseError::Failure::conflict || attempt == most_attempts) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(5 * attempt));
      }
    }
  }

  /// The lease, and with it the lock of the worker's row: whoever takes this worker for lost waits, and the other way
  /// round. False if it has been taken for lost.
  bool renew() {
    statement("UPDATE workers SET last_seen = {now}, expires = {now} + lease WHERE id = ?1 AND state = 'working'")
        .bind(1, id)
        .run();
    if (database->changes() > 0) return true;
    statement("UPDATE workers SET last_seen = {now}, expires = {now} + lease, state = 'working' WHERE id = ?1")
        .bind(1, id)
        .run();
    lease_ran_out = true;
    return false;
  }

  /// Trials of workers whose lease has run out wait again.
  void expire() {
    std::vector<std::string> lost;
    Statement& silent = statement(
        "SELECT id FROM workers WHERE state = 'working' AND expires < {now} AND {started} + lease < {now} "
        "AND id <> ?1 ORDER BY id{skip_locked}");
    silent.bind(1, id);
    while (silent.step()) lost.emplace_back(silent.text(0));
    for (const std::string& worker : lost) {
      // Where the last try was lost, too, the trial is given up.
      statement(
          "UPDATE trials SET losses = coalesce(losses, 0) + 1, "
          "state = CASE WHEN coalesce(losses, 0) + 1 >= ?2 THEN 5 ELSE 0 END, "
          "reason = CASE WHEN coalesce(losses, 0) + 1 >= ?2 THEN 'worker_lost' ELSE '' END "
          "WHERE lease_owner = ?1 AND state = 1")
          .bind(1, worker)
          .bind(2, std::int64_t{most_losses})
          .run();
      statement("UPDATE workers SET state = 'lost' WHERE id = ?1").bind(1, worker).run();
    }
  }

  /// Takes designs of the group that wait and, with `suspect`, were lost before.
  std::vector<DesignId> take(GroupId group, std::size_t most, bool suspect) {
    // By the keys that were picked and not by ?1: see PostgresTrials::finish().
    Statement& take =
        statement(suspect ? "WITH picked AS MATERIALIZED (SELECT group_id AS its_group, design AS id FROM trials WHERE "
                            "group_id = ?1 AND state = 0 AND losses IS NOT NULL ORDER BY losses, design LIMIT "
                            "?2{skip_locked}) UPDATE trials SET state = 1, lease_owner = ?3 FROM picked "
                            "WHERE group_id = picked.its_group AND design = picked.id RETURNING design"
                          : "WITH picked AS MATERIALIZED (SELECT group_id AS its_group, design AS id FROM trials WHERE "
                            "group_id = ?1 AND state = 0 AND losses IS NULL ORDER BY design LIMIT ?2{skip_locked}) "
                            "UPDATE trials SET state = 1, lease_owner = ?3 FROM picked "
                            "WHERE group_id = picked.its_group AND design = picked.id RETURNING design");
    take.bind(1, group).bind(2, static_cast<std::int64_t>(most)).bind(3, id);
    std::vector<DesignId> designs;
    while (take.step()) designs.push_back(static_cast<DesignId>(take.integer(0)));
    std::ranges::sort(designs);
    return designs;
  }

  std::size_t metrics_of(GroupId group) {
    const auto known = widths.find(group);
    if (known != widths.end()) return known->second;
    // On this connection: servers count them.
    Statement& names = statement("SELECT metrics FROM groups WHERE id = ?1");
    names.bind(1, group);
    if (!names.step()) {
      throw Error(ErrorCode::not_found, location.text() + ": has no group of trials " + std::to_string(group),
                  "run the command that hands out again");
    }
    const nlohmann::json metrics = nlohmann::json::parse(names.text(0), nullptr, /*allow_exceptions=*/false);
    names.reset();
    if (!metrics.is_array()) {
      throw Error(ErrorCode::corrupt, location.text() + ": damaged: a group without metrics",
                  "look with `corbel store check`");
    }
    return widths.emplace(group, metrics.size()).first->second;
  }

  StoreLocation location;
  std::string id;
  std::chrono::milliseconds patience;
  std::unique_ptr<Database> database;
  std::map<const char*, Statement> statements;  // by the literal
  std::map<GroupId, std::size_t> widths;        // how many metrics a group has
  bool lease_ran_out = false;                   // since the last heartbeat
};

TrialQueue::TrialQueue(StoreLocation location, std::string worker, std::chrono::milliseconds patience)
    : data_(std::make_unique<Data>(std::move(location), std::move(worker), patience)) {}
TrialQueue::~TrialQueue() = default;
TrialQueue::TrialQueue(TrialQueue&&) noexcept = default;

const StoreLocation& TrialQueue::location() const {
  return data_->location;
}

void TrialQueue::reconnect() {
  data_->connect();
}

std::string TrialQueue::worker_id() {
  static const std::string digits = fmt::format("{:08x}", std::random_device()());
  return fmt::format("{}-{}-{}", host_name(), getpid(), digits);
}

void TrialQueue::set_job(GroupId group, std::string_view spec) {
  data_->transact([&] {
    data_
        ->statement(
            "INSERT INTO jobs(group_id, spec) VALUES(?1, ?2) ON CONFLICT (group_id) DO UPDATE SET spec = "
            "excluded.spec")
        .bind(1, group)
        .bind(2, spec)
        .run();
  });
}

void TrialQueue::offer(GroupId group, std::span<const DesignId> designs) {
  const std::vector<double> none(data_->metrics_of(group), std::numeric_limits<double>::quiet_NaN());
  std::vector<DesignId> sorted(designs.begin(), designs.end());
  // All writers touch rows in this order, so that none waits for another that waits for it.
  std::ranges::sort(sorted);
  for (std::size_t first = 0; first < sorted.size(); first += rows_at_once) {
    const std::string some =
        json_array(std::span(sorted).subspan(first, std::min(rows_at_once, sorted.size() - first)));
    data_->transact([&] {
      data_
          ->statement(
              "INSERT INTO trials(group_id, design, state, reason, attempt, metrics) SELECT ?1, CAST(value AS BIGINT), "
              "0, '', 1, ?3 FROM {numbers} WHERE true ON CONFLICT (group_id, design) DO UPDATE SET state = 0, reason "
              "= '', attempt = trials.attempt + 1, lease_owner = NULL, losses = NULL WHERE trials.state = 4")
          .bind(1, group)
          .bind(2, some)
          .bind(3, std::span<const double>(none))
          .run();
    });
  }
}

std::vector<DesignId> TrialQueue::open(GroupId group) {
  std::vector<DesignId> designs;
  // One statement sees one state of the store: between two, a trial could pass from one list to the other. Each half is
  // answered by an index of the few rows in that state, and not, as `group_id = ?1` allows, by that of the group.
  Statement& found = data_->statement(
      "SELECT design FROM trials WHERE group_id = ?1 AND state = 0 UNION ALL "
      "SELECT design FROM trials WHERE group_id + 0 = ?1 AND state = 1 AND lease_owner IS NOT NULL");
  found.bind(1, group);
  while (found.step()) designs.push_back(static_cast<DesignId>(found.integer(0)));
  std::ranges::sort(designs);
  return designs;
}

void TrialQueue::expire() {
  data_->transact([&] { data_->expire(); });
}

std::uint64_t TrialQueue::live_workers() {
  Statement& count =
      data_->statement("SELECT count(*) FROM workers WHERE state = 'working' AND expires >= {now} AND id <> ?1");
  return only_number(count.bind(1, data_->id));
}

void TrialQueue::enter(std::size_t threads, std::chrono::milliseconds lease) {
  const std::string host = host_name();
  data_->transact([&] {
    data_
        ->statement(
            "INSERT INTO workers(id, host, pid, version, threads, state, started, last_seen, lease, expires, done, "
            "failed, recent, note) VALUES(?1, ?2, ?3, ?4, ?5, 'working', {now}, {now}, ?6, {now} + ?6, 0, 0, 0, '') "
            "ON CONFLICT (id) DO UPDATE SET state = 'working', threads = excluded.threads, last_seen = "
            "excluded.last_seen, lease = excluded.lease, expires = excluded.expires")
        .bind(1, data_->id)
        .bind(2, host)
        .bind(3, std::int64_t{getpid()})
        .bind(4, version)
        .bind(5, static_cast<std::int64_t>(threads))
        .bind(6, std::int64_t{lease.count()})
        .run();
  });
}

std::vector<TrialQueue::GroupId> TrialQueue::waiting_groups() {
  std::vector<GroupId> groups;
  // As an EXISTS, PostgreSQL would make a join of it, which reads all that wait.
  Statement& waiting = data_->statement(
      "SELECT group_id FROM jobs WHERE (SELECT 1 FROM trials WHERE trials.group_id = jobs.group_id AND state = 0 "
      "LIMIT 1) = 1 ORDER BY group_id");
  while (waiting.step()) groups.push_back(waiting.integer(0));
  return groups;
}

TrialQueue::Claim TrialQueue::claim(std::span<const GroupId> groups, std::size_t most, std::size_t suspects) {
  return data_->transact([&]() -> Claim {
    data_->renew();
    data_->expire();
    for (const bool suspect : {false, true}) {
      for (const GroupId group : groups) {
        std::vector<DesignId> designs = data_->take(group, suspect ? suspects : most, suspect);
        if (!designs.empty()) return {group, std::move(designs)};
      }
    }
    return {};
  });
}

std::uint64_t TrialQueue::finish(GroupId group, std::span<const Trial> trials) {
  const std::size_t width = data_->metrics_of(group);
  const std::vector<double> none(width, std::numeric_limits<double>::quiet_NaN());
  std::vector<TrialRow> rows;
  std::vector<DesignId> designs;
  for (const Trial& trial : trials) {
    rows.push_back({trial.design, static_cast<std::int64_t>(trial.state), trial.reason, 0, 0,
                    bytes_of(trial.metrics.empty() ? none : trial.metrics)});
    designs.push_back(trial.design);
  }
  std::ranges::sort(rows, {}, &TrialRow::design);
  const std::string all = json_array(designs);
  return data_->transact([&] {
    data_->renew();
    const std::vector<bool> written = data_->database->trials()->finish(group, data_->id, rows);
    std::int64_t done = 0, failed = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!written[i]) continue;
      ++(rows[i].state >= static_cast<std::int64_t>(TrialState::failed) ? failed : done);
    }
    if (done + failed > 0) {
      data_->statement("UPDATE workers SET done = done + ?2, failed = failed + ?3 WHERE id = ?1")
          .bind(1, data_->id)
          .bind(2, done)
          .bind(3, failed)
          .run();
      data_->statement("DELETE FROM statistics WHERE group_id = ?1").bind(1, group).run();
    }
    if (done + failed == static_cast<std::int64_t>(rows.size())) return static_cast<std::uint64_t>(rows.size());
    // Said before, and the answer was lost; or others'.
    Statement& mine = data_->statement(
        "SELECT count(*) FROM trials WHERE group_id = ?1 AND lease_owner = ?3 AND state > 1 AND reason <> "
        "'worker_lost' AND design IN (SELECT CAST(value AS BIGINT) FROM {numbers})");
    return only_number(mine.bind(1, group).bind(2, all).bind(3, data_->id));
  });
}

bool TrialQueue::heartbeat(std::uint64_t finished_last_minute, std::string_view note) {
  data_->transact([&] {
    data_->renew();
    data_->statement("UPDATE workers SET recent = ?2, note = ?3 WHERE id = ?1")
        .bind(1, data_->id)
        .bind(2, static_cast<std::int64_t>(finished_last_minute))
        .bind(3, note)
        .run();
  });
  return !std::exchange(data_->lease_ran_out, false);
}

std::vector<TrialQueue::Claim> TrialQueue::held() {
  std::vector<Claim> claims;
  Statement& running = data_->statement(
      "SELECT group_id, design FROM trials WHERE lease_owner = ?1 AND state = 1 ORDER BY group_id, design");
  running.bind(1, data_->id);
  while (running.step()) {
    if (claims.empty() || claims.back().group != running.integer(0)) claims.push_back({running.integer(0), {}});
    claims.back().designs.push_back(static_cast<DesignId>(running.integer(1)));
  }
  return claims;
}

void TrialQueue::release(const Claim& claim) {
  if (claim.designs.empty()) return;
  const std::string designs = json_array(claim.designs);
  data_->transact([&] {
    data_->renew();
    data_
        ->statement(
            "UPDATE trials SET state = 0, lease_owner = NULL WHERE group_id + 0 = ?1 AND lease_owner = ?3 AND "
            "state = 1 AND design IN (SELECT CAST(value AS BIGINT) FROM {numbers})")
        .bind(1, claim.group)
        .bind(2, designs)
        .bind(3, data_->id)
        .run();
  });
}

void TrialQueue::leave() {
  data_->transact([&] {
    data_->renew();
    data_->statement("UPDATE trials SET state = 0, lease_owner = NULL WHERE lease_owner = ?1 AND state = 1")
        .bind(1, data_->id)
        .run();
    data_
        ->statement(
            "UPDATE workers SET state = 'stopped', last_seen = {now}, expires = {now}, recent = 0 WHERE id = ?1")
        .bind(1, data_->id)
        .run();
  });
}

std::string TrialQueue::job(GroupId group) {
  Statement& found = data_->statement("SELECT spec FROM jobs WHERE group_id = ?1");
  found.bind(1, group);
  std::string spec;
  while (found.step()) spec = found.text(0);
  return spec;
}

}  // namespace corbel
