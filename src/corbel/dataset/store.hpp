#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "corbel/dataset/dataset.hpp"

namespace corbel {

/// Trials in a SQLite file (WAL). Rows are durable when a call returns; a killed process loses at most the call it was
/// in, never part of one. Safe with several processes; one Store per thread.
/// Schema: docs/formats/store.md.
class Store {
 public:
  enum class Mode { read_only, read_write };
  using GroupId = std::int64_t;

  /// Makes the file when absent and mode is read_write.
  /// @throws Error{not_found}; Error{file_access} (read-only folder, locked); Error{corrupt} (not a Corbel store,
  ///         damaged); Error{mismatch} for a store of a newer version
  Store(const std::filesystem::path& path, Mode mode);
  ~Store();
  Store(Store&&) noexcept;

  /// The group's id; made if absent. Its metrics must equal those stored. @throws Error{mismatch}
  GroupId group(const TrialGroup& group);
  struct GroupSummary {
    GroupId id;
    TrialGroup group;
    std::uint64_t complete, infeasible, failed, pending;
  };
  std::vector<GroupSummary> groups() const;

  /// Writes finished trials in one transaction. A design that is already complete or infeasible keeps its row; a
  /// waiting, running or failed one is replaced. Returns how many rows were new or replaced.
  std::uint64_t record(GroupId group, std::span<const Trial> trials);
  /// Finished (complete or infeasible) trials of the group.
  Dataset read(GroupId group) const;
  /// Ids of the group's trials in one of the finished states, ascending.
  std::vector<DesignId> finished(GroupId group) const;
  /// Deletes the group's trials.
  void clear(GroupId group);

  /// A small text kept with the store (which step finished with which inputs, …); "" if absent.
  std::string note(std::string_view key) const;
  void set_note(std::string_view key, std::string_view value);

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
