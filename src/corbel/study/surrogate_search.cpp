#include "corbel/study/surrogate_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/random.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/base/units.hpp"
#include "corbel/study/surrogate_objective.hpp"
#include "corbel/version.hpp"

namespace corbel {
namespace {

/// A whole space up to this size is scanned by "auto": it takes seconds and the result is exact.
constexpr std::uint64_t auto_scan_limit = 2'000'000;

std::string method_of(const SearchSettings& settings, const DesignSpace& space) {
  if (settings.method != "auto") return settings.method;
  return space.size() <= auto_scan_limit ? "scan" : "firefly";
}

/// Whether a strategy may be shown only designs within the limits that formulas decide: it then finds better ones with
/// the same budget. Where hardly any design is, drawing them costs more than to score what is off and learn from that.
bool formulas_are_met_often(const SurrogateObjective& objective) {
  constexpr int drawn = 4096;
  Rng rng(0);
  for (int i = 0; i < drawn; ++i) {
    if (objective.meets_formulas(objective.space().random(rng))) return true;
  }
  return false;
}

SurrogateFindings whole(ScanResult scanned, std::uint64_t shards) {
  SurrogateFindings findings;
  findings.result.best = std::move(scanned.best);
  findings.result.scored = scanned.scored;
  findings.result.failed = scanned.failed;
  findings.result.exhaustive = scanned.failed == 0;
  findings.pruned = scanned.pruned;
  findings.shards = shards;
  findings.ranked_by = std::move(scanned.ranked_by);
  findings.rescored = scanned.rescored;
  findings.tolerance = scanned.tolerance;
  findings.seconds = scanned.seconds;
  return findings;
}

}  // namespace

SurrogateSearch::SurrogateSearch(const StudyFile& study, const SurrogateObjective& objective, const TrialLog& log,
                                 const std::string& key)
    : study_(study),
      objective_(objective),
      method_(method_of(study.search, objective.space())),
      scan_key_(
          fingerprint(fmt::format("{} {} {} {} {}", version, key, log.fingerprint(),
                                  format_number(study.search.min_feasibility), format_number(study.search.caution)))) {
  log.each([&](const TrialView& trial) { logged_.push_back(trial.design); });
}

SearchDomain SurrogateSearch::domain() const {
  SearchDomain domain = make_domain(objective_.space(), objective_.constraints(), logged_);
  if (!objective_.has_formula_limits() || (method_ != "scan" && !formulas_are_met_often(objective_))) return domain;
  // The network is not asked about what a formula rules out.
  SearchDomain exact = domain;
  exact.admits = [domain, this](const Design& design) {
    return (!domain.admits || domain.admits(design)) && objective_.meets_formulas(design);
  };
  exact.admits_box = [domain, this](const DesignBox& box) {
    const Coverage others = !domain.admits       ? Coverage::all
                            : !domain.admits_box ? Coverage::some
                                                 : domain.admits_box(box);
    if (others == Coverage::none) return Coverage::none;
    return std::min(others, objective_.formula_coverage(box));
  };
  return exact;
}

SurrogateFindings SurrogateSearch::run(Monitor& monitor) const {
  if (method_ == "scan") return whole(scan_shard({1, 1}, monitor), 1);
  const Stopwatch time;
  Strategy strategy = make_strategy(method_, domain(), study_.search.options, study_.seed);
  SurrogateFindings findings;
  findings.result =
      optimise(objective_, strategy, {.budget = study_.search.budget, .keep = study_.search.proposals}, monitor);
  findings.seconds = time.seconds();
  return findings;
}

ScanOptions SurrogateSearch::scan_options(const ScanShard& shard) const {
  const std::string name = fmt::format("shard-{}-of-{}.json", shard.index, shard.count);
  return {.keep = study_.search.proposals,
          .threads = study_.threads,
          .shard = shard,
          .state = study_.output / "scan" / name,
          .key = scan_key_};
}

ScanResult SurrogateSearch::scan_shard(const ScanShard& shard, Monitor& monitor) const {
  const ScanOptions options = scan_options(shard);
  try {
    const FileLock lock(std::filesystem::path(options.state).replace_extension(".lock"));
    return scan(objective_, domain(), options, monitor);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::file_access || shard.count == 1) throw;
    throw Error(error.code(), fmt::format("shard {} of {}: {}", shard.index, shard.count, error.what()), error.hint());
  }
}

std::vector<std::uint64_t> SurrogateSearch::missing_shards(std::uint64_t count) const {
  std::vector<std::uint64_t> missing;
  for (std::uint64_t index = 1; index <= count; ++index) {
    if (!finished_scan(objective_.space(), scan_options({index, count}))) missing.push_back(index);
  }
  return missing;
}

SurrogateFindings SurrogateSearch::merge_shards(std::uint64_t count) const {
  std::vector<ScanResult> parts;
  for (std::uint64_t index = 1; index <= count; ++index) {
    std::optional<ScanResult> part = finished_scan(objective_.space(), scan_options({index, count}));
    if (!part) {
      throw Error(ErrorCode::not_found, fmt::format("shard {} of {} is not finished", index, count),
                  fmt::format("corbel search STUDY --strategy scan --shard {}/{}", index, count));
    }
    parts.push_back(std::move(*part));
  }
  return whole(merge_scans(objective_.space(), parts, study_.search.proposals), count);
}

}  // namespace corbel
