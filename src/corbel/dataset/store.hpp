#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/dataset/dataset.hpp"
#include "corbel/dataset/store_location.hpp"

namespace corbel {

/// Trials in a SQLite file (WAL) or a PostgreSQL database. Rows are durable when a call returns; a killed process loses
/// at most the call it was in, never part of one. Safe with several processes; one Store per thread.
/// Every member throws Error{file_access} (locked, disk full, opened read-only, server gone) or Error{corrupt} naming
/// the store. After the server was gone, reconnect(); to repeat a call that failed so is safe.
/// Schema: docs/formats/store.md.
class Store {
 public:
  enum class Mode {
    read_only,
    read_write,
    snapshot,  ///< reads the store as it was at the first look, whatever others write
  };
  using GroupId = std::int64_t;

  /// Makes the file, and missing parent folders, or the tables in an existing database, when absent and mode is
  /// read_write. Read-only works on a read-only file system too, unless a crashed writer left rows in the -wal file
  /// that only a writer can bring home.
  /// @param patience  how long a call waits for another process that is writing
  /// @throws Error{not_found}; Error{file_access} (a folder, read-only place, locked; a server that cannot be reached,
  ///         wrong password, missing permission); Error{corrupt} (not a Corbel store, damaged); Error{mismatch} for a
  ///         store of a newer version
  Store(const StoreLocation& location, Mode mode, std::chrono::milliseconds patience = std::chrono::minutes(1));
  /// The store opened for reading, or nothing where none has been made yet. @throws as the constructor otherwise
  static std::optional<Store> if_there(const StoreLocation& location, Mode mode = Mode::read_only,
                                       std::chrono::milliseconds patience = std::chrono::minutes(1));
  ~Store();
  Store(Store&&) noexcept;

  const StoreLocation& location() const;

  /// Opens the store anew, after its server was gone. No batch may be open. @throws as the constructor
  void reconnect();

  /// The id of the group of this space, simulator and workload; nothing if it was never made.
  std::optional<GroupId> find_group(const TrialGroup& group) const;
  /// The group's id; made if absent. Space, simulator and workload are compared by fingerprint; its metrics must equal
  /// those stored. @throws Error{mismatch}
  GroupId group(const TrialGroup& group);
  /// As group(), but a group that lacks some of these metrics gets them, NaN in all of its trials, and keeps those it
  /// has beyond them. For results that are told, where what is measured may grow.
  GroupId widened_group(const TrialGroup& group);
  /// @throws Error{not_found} for an id that group() never gave
  TrialGroup describe(GroupId group) const;
  struct GroupSummary {
    GroupId id;
    TrialGroup group;
    std::uint64_t complete, infeasible, failed, pending;
  };
  /// Counts every trial: with millions of them, group_ids() is quicker.
  std::vector<GroupSummary> groups() const;
  std::vector<GroupId> group_ids() const;

  /// Writes trials in one transaction. A design that is already complete or infeasible keeps its row; one in any other
  /// state is replaced, and counts one attempt more if it had failed. Returns how many rows were new or replaced.
  /// @throws Error{invalid_input} for a design outside the space or another number of metrics (none at all is fine
  ///         unless the trial is complete: NaN is stored)
  std::uint64_t record(GroupId group, std::span<const Trial> trials);
  /// Finished (complete or infeasible) trials of the group, in memory.
  Dataset read(GroupId group) const;
  enum class Read {
    finished,
    states,  ///< of all trials, whatever state they are in; without reason and metrics
  };
  /// The group's trials one by one, by design, as they are at the first; until the last no write begins on this store.
  /// The cursor must not outlive the store.
  std::unique_ptr<TrialCursor> open(GroupId group, Read what = Read::finished) const;
  /// Rows of imported logs that repeated a design of the same log with the same results.
  std::uint64_t repeated(GroupId group) const;
  /// Ids of the group's trials in one of the finished states, ascending.
  std::vector<DesignId> finished(GroupId group) const;
  /// The group's trials in one of the other states, by design.
  std::vector<Trial> unfinished(GroupId group) const;
  /// Those of these designs that have a trial in any state, in the order asked.
  std::vector<Trial> find(GroupId group, std::span<const DesignId> designs) const;
  /// Deletes the group's trials.
  void clear(GroupId group);

  /// True if another connection or process has written since the last call (or since opening).
  bool changed_elsewhere();

  /// A small text kept with the store (which step finished with which inputs, …); "" if absent.
  std::string note(std::string_view key) const;
  void set_note(std::string_view key, std::string_view value);
  /// Those whose key begins so, by key, with their values.
  std::vector<std::pair<std::string, std::string>> notes(std::string_view prefix) const;
  void forget_notes(std::string_view prefix);

  /// What Batch::keep_statistics() kept of the group's trials; "" if they have changed since, or another version of its
  /// text was kept.
  std::string statistics(GroupId group, int version) const;

  class Batch;

 private:
  /// @param before  how many metrics the group has
  void widen(GroupId group, std::size_t before, const std::vector<std::string>& metrics);
  struct Data;
  std::unique_ptr<Data> data_;
};

/// Many writes as one: commit() stores them all; destroyed before, none, groups made meanwhile included. Writers in
/// other processes wait; readers see the state before. One at a time per Store, which must outlive it.
class Store::Batch {
 public:
  explicit Batch(Store& store);
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  enum class Put {
    added,     ///< new, or replaces an unfinished trial
    repeated,  ///< the same result came earlier in this import
    present,   ///< the same result was in the store
    differs,   ///< the design has another result, which stays
  };
  /// What became of each, as if they came one after the other; many at once are many times faster in PostgreSQL.
  /// @throws as record()
  std::vector<Put> put(GroupId group, std::span<const Trial> trials);
  Put put(GroupId group, const Trial& trial) { return put(group, std::span(&trial, 1)).front(); }

  /// Trials put from here on come from this log; counted apart in Put::repeated.
  void start_import(GroupId group, std::string_view file);
  /// Keeps what became of the log; forgets the import if it added nothing.
  void finish_import(std::uint64_t rows, std::uint64_t added, std::uint64_t repeated);

  /// Keeps a text about the group's finished trials for as long as nobody adds any.
  void keep_statistics(GroupId group, int version, std::string_view text);

  void commit();

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
