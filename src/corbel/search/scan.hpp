#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "corbel/search/strategy.hpp"

namespace corbel {

class Monitor;

/// One of `count` parts of a scan that together are the whole, from 1.
struct ScanShard {
  std::uint64_t index = 1, count = 1;
  bool operator==(const ScanShard&) const = default;
};

struct ScanOptions {
  std::size_t keep = 256;   ///< best designs to return
  std::size_t threads = 0;  ///< 0: all cores
  ScanShard shard{};
  /// The file that keeps what is done, written every few seconds, so that the same scan goes on where it was
  /// interrupted or killed, and has its result at once when it was finished; "": none. docs/scan.md.
  std::filesystem::path state{};
  /// Of everything that decides which designs are admitted and how they score: a state of another key is not used.
  std::string key{};
};

struct ScanResult {
  /// Best first, at most `keep`, feasible before infeasible; ties by the smaller design id. With a screen, of a shard
  /// only those that may be among the best of the whole.
  std::vector<Evaluation> best;
  std::uint64_t scored = 0;    ///< designs scored, failed ones included
  std::uint64_t failed = 0;    ///< of these, evaluations that failed: not among the best
  std::uint64_t pruned = 0;    ///< designs of the shard that the domain does not admit: not scored
  std::uint64_t in_boxes = 0;  ///< of these, refused with all others of a box, without looking at each
  double seconds = 0;          ///< of scanning, over all interruptions
  /// Where a screen ranked, its name, how many designs were scored since it could not rule them out or to measure its
  /// errors, and how far off it was taken to be. How many depends on threads and interruptions.
  std::string ranked_by{};
  std::uint64_t rescored = 0;
  std::optional<double> tolerance{};
};

/// Scores every admitted design of the space, or of a shard of it, in parallel, and keeps the best: the first is the
/// exact optimum of the objective. Boxes of designs that cannot be admitted are left out as a whole.
/// If the objective has a screen, that looks at every design, and only those are scored that may be among the best of
/// the whole space: all that is kept are scores. They are those of a scan without the screen if it is nowhere off by
/// more than the tolerance, twice the largest error on a sample. A larger error on any design that is scored widens the
/// tolerance, and the scan starts anew.
/// Memory does not depend on the size of the space, nor the result on threads or interruptions; the shards of a scan
/// may run anywhere and at any time, and merge_scans() makes of their results that of the whole. They are interleaved
/// in stretches of as many designs that may be admitted, so that each has as much to do wherever designs are pruned.
/// @throws Error{interrupted}; Error{mismatch} if the domain's space is not the objective's; Error{invalid_input} for a
///         shard that there is not; Error{file_access} if the state cannot be written
ScanResult scan(const Objective& objective, const SearchDomain& domain, const ScanOptions& options, Monitor& monitor);

/// The result of a scan of this space that was finished with these options, by its state; nothing if it is not there.
std::optional<ScanResult> finished_scan(const DesignSpace& space, const ScanOptions& options);

/// The result of a whole scan from those of all of its shards.
/// @throws Error{mismatch} if they do not make up the space
ScanResult merge_scans(const DesignSpace& space, std::span<const ScanResult> shards, std::size_t keep);

}  // namespace corbel
