#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "corbel/dataset/trial_log.hpp"
#include "corbel/search/optimise.hpp"
#include "corbel/search/scan.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

class Monitor;
class SurrogateObjective;

/// What a search on the surrogate came to.
struct SurrogateFindings {
  SearchResult result;
  std::optional<std::uint64_t> pruned;  ///< of a scan: designs that limits, or the log, left out unscored
  std::uint64_t shards = 1;             ///< of a scan
  /// Of a scan in fast arithmetic: its kernel, the designs that were scored again in single precision, and how far off
  /// it was taken to be; see ScanResult.
  std::string ranked_by{};
  std::uint64_t rescored = 0;
  std::optional<double> tolerance{};
  double seconds = 0;  ///< of searching; of a scan, of all shards and over interruptions
};

/// Searches a surrogate as a study asks: with a strategy, or by a scan that resumes, alone or in shards that other
/// processes scan. Designs of the log are not proposed again.
class SurrogateSearch {
 public:
  /// @param log  what the surrogate has learnt from
  /// @param key  of the surrogate and the limits: a scan goes on only under the same
  /// The study and the objective must outlive this; the log is read here.
  SurrogateSearch(const StudyFile& study, const SurrogateObjective& objective, const TrialLog& log,
                  const std::string& key);

  /// "scan" or a strategy: what the study names, or "auto" stands for.
  const std::string& method() const { return method_; }
  /// Where it looks: beside the log, within the limits that are known exactly. Must not outlive this.
  SearchDomain domain() const;
  /// Deterministic for the study's seed. @throws Error{interrupted}: the same search goes on, if it is a scan
  SurrogateFindings run(Monitor& monitor) const;

  /// Scans one shard into the study's output folder, where other processes may scan others at the same time.
  /// @throws as scan(); Error{file_access} if another process scans this one
  ScanResult scan_shard(const ScanShard& shard, Monitor& monitor) const;
  /// Of the shards 1 … count those that are not finished in the study's output folder.
  std::vector<std::uint64_t> missing_shards(std::uint64_t count) const;
  /// What run() would find, from shards that are all finished.
  SurrogateFindings merge_shards(std::uint64_t count) const;

 private:
  ScanOptions scan_options(const ScanShard& shard) const;

  const StudyFile& study_;
  const SurrogateObjective& objective_;
  std::vector<DesignId> logged_;
  std::string method_;
  std::string scan_key_;
};

}  // namespace corbel
