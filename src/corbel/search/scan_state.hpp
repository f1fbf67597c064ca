#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

#include "corbel/search/scan.hpp"

namespace corbel {

/// What of a scan is done. Stretches are numbered in the order of the enumeration.
struct ScanState {
  std::uint64_t next_stretch = 0;    ///< every stretch of the shard before it is done
  DesignId next_design = 0;          ///< where it begins
  std::set<std::uint64_t> finished;  ///< stretches behind `next_stretch` that are done as well
  std::uint64_t covered = 0;         ///< designs of the shard that were scored or pruned
  ScanResult result;                 ///< of all stretches that are done
  bool complete = false;
};

/// One line of JSON; docs/scan.md.
/// @param key  of everything that the state depends on
void write_scan_state(const std::filesystem::path& file, const std::string& key, const DesignSpace& space,
                      const ScanState& state);

enum class ScanStateFile { none, usable, other_key, damaged };
/// @param state  set if the file is usable, or, but for the best designs, of another key
/// @throws Error{file_access} if it is there and cannot be read
ScanStateFile read_scan_state(const std::filesystem::path& file, const std::string& key, const DesignSpace& space,
                              ScanState& state);

}  // namespace corbel
