#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "corbel/dataset/dataset.hpp"
#include "corbel/dataset/store.hpp"

namespace corbel {

class Monitor;

/// The finished trials of a group, by design id, read as often as asked and never held: whatever stands behind it, what
/// reads it need not have room for all of them. The same rows each time. A value; copies share what they read from.
/// One thread at a time.
class TrialLog {
 public:
  /// Begins to read anew. The cursor must not outlive the log's last copy.
  using Open = std::function<std::unique_ptr<TrialCursor>()>;
  /// @param duplicates  as Dataset::duplicates
  TrialLog(TrialGroup group, Open open, std::uint64_t duplicates = 0);

  /// Of rows in memory.
  TrialLog(Dataset dataset);
  /// Of a group of a store; one where others may write is opened as Store::Mode::snapshot, or the rows are others each
  /// time.
  /// @param further  metrics that rows have beside the group's own: NaN
  TrialLog(std::shared_ptr<const Store> store, Store::GroupId group, const std::vector<std::string>& further = {});
  /// The same of a store that outlives this.
  TrialLog(const Store& store, Store::GroupId group);

  /// The same rows, whose reading stops when this monitor asks: each() then throws Error{interrupted}.
  TrialLog watched_by(Monitor& monitor) const;
  /// The rows of all other designs.
  TrialLog without(std::vector<DesignId> left_out) const;

  const TrialGroup& group() const;
  std::unique_ptr<TrialCursor> open() const;
  void each(const std::function<void(const TrialView&)>& visit) const;
  std::uint64_t duplicates() const;
  /// What the store has kept about exactly these rows (Store::statistics); "" if nothing.
  std::string statistics(int version) const;

  bool has_rows() const;
  // The first of these reads all rows.
  std::uint64_t rows() const;
  std::uint64_t feasible() const;
  /// Of all rows and the group: stored with every model trained on them. Not of duplicates().
  const std::string& fingerprint() const;

  /// All rows in memory.
  Dataset read() const;

 private:
  struct Data;
  void count() const;
  std::shared_ptr<Data> data_;
};

}  // namespace corbel
