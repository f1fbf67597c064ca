#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "corbel/base/row_file.hpp"
#include "corbel/dataset/dataset.hpp"

namespace corbel {

/// Puts trials in the order of their designs, and those of one design in the order of their places, in bounded memory:
/// what does not fit goes to a temporary file, which is gone whatever happens. A store takes rows in its own order many
/// times faster than in any other. Internal to this floor.
class TrialSorter {
 public:
  /// @param folder  where the temporary file may be made
  explicit TrialSorter(std::filesystem::path folder, std::size_t memory_bytes = std::size_t{64} << 20);
  ~TrialSorter();
  /// State, reason (its first 65,535 bytes) and metrics are kept. @throws Error{file_access}
  void add(const Trial& trial, const RowPlace& place);
  /// All of them, once. @throws Error{file_access}
  void for_each(const std::function<void(const Trial&, const RowPlace&)>& visit);

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
