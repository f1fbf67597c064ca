#pragma once

#include <string>

#include "corbel/dataset/dataset.hpp"

namespace corbel {

/// Of rows as they come, by design, and their group, in memory that grows by some 40 bytes for 4,096 rows: a digest
/// per block of rows, then one of the digests. Internal to this floor.
class LogFingerprint {
 public:
  explicit LogFingerprint(const TrialGroup& group);
  void add(const TrialView& trial);
  std::string finish();

 private:
  void close_block();
  std::string digests_, block_;
  std::size_t rows_in_block_ = 0;
};

}  // namespace corbel
