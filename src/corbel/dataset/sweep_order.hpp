#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "corbel/base/permutation.hpp"
#include "corbel/dataset/store.hpp"

namespace corbel {

/// The designs that a sweep over one or several groups has still to run, in their order: first those that some groups
/// have and others were never tried on, then a permutation of the space. What the groups hold is read from the store
/// now and then and never held. Internal to this floor.
class SweepOrder {
 public:
  /// @param groups  of one space
  SweepOrder(const Store& store, std::vector<Store::GroupId> groups, std::uint64_t space_size, std::uint64_t seed);

  /// Reads again what the groups hold; before the first next(), and only where every design that was given is stored.
  /// @param check  called now and then, and may throw
  void scan(const std::function<void()>& check = {});
  /// Designs that were finished in every group at the last scan.
  std::uint64_t rows() const { return rows_; }
  double scan_seconds() const { return scan_seconds_; }

  /// The next design; false where there is none, or none without another scan. Those that are finished in every group,
  /// or abandoned in one, are left out as far as the last scan knew.
  bool next(DesignId& design);
  bool wants_scan() const { return wants_scan_; }
  /// Of a design of next(): it is not given again.
  void has_failed(DesignId design);

 private:
  void add(DesignId design, std::size_t finished, bool failed, bool abandoned);
  void keep_least_begun();

  const Store& store_;
  std::vector<Store::GroupId> groups_;
  Permutation order_;
  std::uint64_t size_;
  std::uint64_t rows_ = 0, position_ = 0;
  double scan_seconds_ = 0;
  bool wants_scan_ = true;
  // Positions of the permutation from window_begin_ on that are not to be given.
  std::uint64_t window_begin_ = 0, window_end_ = 0;
  std::vector<bool> left_out_;
  // (key, design), ascending: random numbers that do not depend on which of them are left, so that an interrupted sweep
  // goes on in the same order. The first of those behind last_begun_.
  std::vector<std::pair<std::uint64_t, DesignId>> begun_;
  std::size_t next_begun_ = 0;
  std::optional<std::uint64_t> last_begun_;
  bool has_more_begun_ = false, is_past_begun_ = false;
  std::unordered_set<DesignId> failed_;  // whose turn in the permutation is still to come
};

}  // namespace corbel
