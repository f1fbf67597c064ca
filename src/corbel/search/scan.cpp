#include "corbel/search/scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <numeric>

#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/random.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/base/units.hpp"
#include "corbel/search/optimise.hpp"
#include "corbel/search/scan_state.hpp"
#include "corbel/search/space_walk.hpp"

namespace corbel {

namespace {

// Part of what a state means: another number makes other stretches. Few enough designs that little is lost when a scan
// is killed and that the shards of a small space are balanced, enough that handing them out costs nothing.
constexpr std::uint64_t stretch_designs = 4096;
// A stretch also ends after so many boxes that are refused, so that one is found in a fraction of a millisecond.
constexpr int stretch_boxes = 1024;
// Smaller boxes are not worth a question: their designs are asked about one by one.
constexpr std::uint64_t smallest_box = 32;
// Shorter runs of admitted designs are collected into batches, so that few calls score many designs.
constexpr std::uint64_t shortest_range = 64;

constexpr double seconds_between_merges = 0.1;
constexpr double seconds_between_states = 1;

/// Designs begin … end − 1, which one thread scans in one go.
struct Stretch {
  std::uint64_t index = 0;
  DesignId begin = 0, end = 0;
};

/// Divides the enumeration into stretches, the same ones wherever it starts.
class Stretches {
 public:
  /// @param index  of the stretch that begins with the design `position`
  Stretches(const SearchDomain& domain, std::uint64_t index, DesignId position)
      : walk_(domain, position, domain.space.size(), stretch_designs),
        size_(domain.space.size()),
        index_(index),
        position_(position) {}

  std::optional<Stretch> next() {
    if (position_ == size_) return std::nullopt;
    const DesignId begin = position_;
    std::uint64_t wanted = stretch_designs;
    int refused = 0;
    while (wanted > 0 && refused < stretch_boxes) {
      if (run_.count == 0) {
        const std::optional<SpaceRun> run = walk_.next();
        if (!run) break;
        run_ = *run;
      }
      const bool none = run_.admitted == Coverage::none;
      const std::uint64_t taken = none ? run_.count : std::min(run_.count, wanted);
      if (none) {
        ++refused;
      } else {
        wanted -= taken;
      }
      run_.count -= taken;
      position_ += taken;
    }
    return Stretch{index_++, begin, position_};
  }

  std::uint64_t index() const { return index_; }
  DesignId position() const { return position_; }

 private:
  SpaceWalk walk_;
  SpaceRun run_;  // what is left of it
  std::uint64_t size_;
  std::uint64_t index_;
  DesignId position_;
};

/// Of every `count` stretches in a row each shard has one, which one is drawn: what repeats along the enumeration does
/// not favour a shard.
bool belongs_to(const Stretch& stretch, const ScanShard& shard) {
  const std::uint64_t turn = Rng(stretch.index / shard.count).below(shard.count);
  return (stretch.index + turn) % shard.count == shard.index - 1;
}

/// What some stretches hold.
struct Findings {
  explicit Findings(std::size_t keep) : top(keep) {}
  TopDesigns top;
  std::uint64_t scored = 0, failed = 0, in_boxes = 0;
  double best = std::numeric_limits<double>::infinity();
};

/// Scores stretches for one thread.
class StretchScanner {
 public:
  StretchScanner(const Objective& objective, const SearchDomain& domain, Monitor& monitor)
      : objective_(objective),
        domain_(domain),
        monitor_(monitor),
        // What the objective likes, but never so few that a call costs more than what it does.
        block_(std::max<std::size_t>(256, objective.preferred_batch())) {}

  /// Counts are added when the stretch is done; the best of one that is broken off may stay.
  void scan(const Stretch& stretch, Findings& findings) {
    ranges_.clear();
    ids_.clear();
    scored_ = failed_ = 0;
    std::uint64_t in_boxes = 0;
    SpaceWalk walk(domain_, stretch.begin, stretch.end, smallest_box);
    while (const std::optional<SpaceRun> run = walk.next()) {
      switch (run->admitted) {
        case Coverage::none:
          in_boxes += run->count;
          break;
        case Coverage::all:
          admit(run->first, run->count);
          break;
        case Coverage::some:
          ask_each(*run);
          break;
      }
    }
    for (const auto& [first, count] : ranges_) {
      if (count < shortest_range) {
        for (DesignId id = first; id < first + count; ++id) collect(id, findings);
        continue;
      }
      for (std::uint64_t done = 0; done < count; done += block_) {
        monitor_.check();
        scores_.assign(static_cast<std::size_t>(std::min<std::uint64_t>(block_, count - done)), Score{});
        objective_.score_range(first + done, scores_);
        for (std::size_t i = 0; i < scores_.size(); ++i) note(first + done + i, scores_[i], findings);
      }
    }
    score_collected(findings);
    findings.scored += scored_;
    findings.failed += failed_;
    findings.in_boxes += in_boxes;
  }

 private:
  void admit(DesignId first, std::uint64_t count) {
    if (!ranges_.empty() && ranges_.back().first + ranges_.back().second == first) {
      ranges_.back().second += count;
    } else {
      ranges_.emplace_back(first, count);
    }
  }

  void ask_each(const SpaceRun& run) {
    domain_.space.design(run.first, design_);
    for (DesignId id = run.first; id < run.first + run.count; ++id) {
      if (domain_.admits(design_)) admit(id, 1);
      domain_.space.advance(design_);
    }
  }

  void collect(DesignId id, Findings& findings) {
    if (designs_.size() < block_) designs_.resize(block_);
    domain_.space.design(id, designs_[ids_.size()]);
    ids_.push_back(id);
    if (ids_.size() == block_) score_collected(findings);
  }

  void score_collected(Findings& findings) {
    if (ids_.empty()) return;
    monitor_.check();
    scores_.assign(ids_.size(), Score{});
    objective_.score(std::span(designs_).first(ids_.size()), scores_);
    for (std::size_t i = 0; i < ids_.size(); ++i) note(ids_[i], scores_[i], findings);
    ids_.clear();
  }

  void note(DesignId id, const Score& score, Findings& findings) {
    ++scored_;
    if (score.failed()) {
      ++failed_;
      return;
    }
    if (!findings.top.would_enter(score)) return;
    domain_.space.design(id, design_);
    findings.top.offer(design_, id, score);
    if (score.feasible() && score.objective < findings.best) findings.best = score.objective;
  }

  const Objective& objective_;
  const SearchDomain& domain_;
  Monitor& monitor_;
  std::size_t block_;
  std::vector<std::pair<DesignId, std::uint64_t>> ranges_;  // admitted designs: the first, how many
  std::vector<DesignId> ids_;                               // collected from short ranges
  std::vector<Design> designs_;                             // theirs, and spare ones
  std::vector<Score> scores_;
  Design design_;
  std::uint64_t scored_ = 0, failed_ = 0;  // of this stretch
};

std::string state_key(const DesignSpace& space, const ScanOptions& options) {
  return fingerprint(fmt::format("{} {} {}/{} {} {}", space.fingerprint(), options.keep, options.shard.index,
                                 options.shard.count, stretch_designs, options.key));
}

/// A scan under way: hands out stretches and gathers what they hold. Thread-safe.
class Scan {
 public:
  Scan(const Objective& objective, const SearchDomain& domain, const ScanOptions& options, Monitor& monitor)
      : objective_(objective),
        domain_(domain),
        options_(options),
        monitor_(monitor),
        key_(state_key(domain.space, options)),
        known_(options.keep) {
    if (!options.state.empty()) resume();
    stretches_.emplace(domain, state_.next_stretch, state_.next_design);
    earlier_seconds_ = state_.result.seconds;
  }

  ScanResult run() {
    if (state_.complete) return state_.result;
    const std::size_t threads = options_.threads == 0 ? available_cores() : options_.threads;
    try {
      parallel_for(threads, threads, 1, [&](std::size_t, std::size_t) { work(); });
    } catch (...) {
      write_state();
      throw;
    }
    state_.complete = true;
    write_state();
    return state_.result;
  }

 private:
  void resume() {
    switch (read_scan_state(options_.state, key_, domain_.space, state_)) {
      case ScanStateFile::none:
        return;
      case ScanStateFile::usable:
        break;
      case ScanStateFile::damaged:
        return monitor_.message(fmt::format("{} is damaged: the scan starts anew", options_.state.filename().string()));
      case ScanStateFile::other_key:
        if (!state_.complete) {
          monitor_.message("an interrupted scan was of another model, limits or options: this one starts anew");
        }
        state_ = {};
        return;
    }
    for (const Evaluation& each : state_.result.best) offer(each);
    handed_out_ = state_.covered;
    if (!state_.complete && state_.covered > 0) {
      monitor_.message(
          fmt::format("the scan goes on: {} of {} designs are done", count_text(state_.covered), count_text(total())));
    }
  }

  void offer(const Evaluation& each) {
    known_.top.offer(each.design, domain_.space.id(each.design), each.score);
    if (each.score.feasible()) known_.best = std::min(known_.best, each.score.objective);
  }

  /// What one thread does.
  void work() {
    StretchScanner scanner(objective_, domain_, monitor_);
    Findings findings(0);
    std::vector<Stretch> done;
    Stopwatch merged;
    merge(findings, done);
    try {
      while (const std::optional<Stretch> stretch = next()) {
        scanner.scan(*stretch, findings);
        done.push_back(*stretch);
        if (merged.seconds() < seconds_between_merges) continue;
        merge(findings, done);
        merged = {};
        write_state_if_due();
      }
    } catch (...) {
      stop_ = true;
      merge(findings, done);
      throw;
    }
    merge(findings, done);
  }

  /// The next stretch of the shard that is not done.
  std::optional<Stretch> next() {
    const std::lock_guard lock(mutex_);
    while (!stop_) {
      monitor_.check();
      const std::optional<Stretch> stretch = stretches_->next();
      if (!stretch) return std::nullopt;
      if (!belongs_to(*stretch, options_.shard) || state_.finished.contains(stretch->index)) continue;
      open_.emplace(stretch->index, stretch->begin);
      handed_out_ += stretch->end - stretch->begin;
      return stretch;
    }
    return std::nullopt;
  }

  /// Adds what a thread has found, and lets it go on from what all have: most designs are then refused at once.
  void merge(Findings& findings, std::vector<Stretch>& done) {
    const std::lock_guard lock(mutex_);
    known_.top.merge(findings.top);
    known_.best = std::min(known_.best, findings.best);
    ScanResult& result = state_.result;
    result.scored += findings.scored;
    result.failed += findings.failed;
    result.in_boxes += findings.in_boxes;
    for (const Stretch& stretch : done) {
      state_.covered += stretch.end - stretch.begin;
      state_.finished.insert(stretch.index);
      open_.erase(stretch.index);
    }
    done.clear();
    move_on();
    findings = Findings(options_.keep);
    findings.top = known_.top;
    monitor_.progress("scan", state_.covered, total(),
                      std::isinf(known_.best) ? "" : "best " + format_for_people(known_.best));
  }

  /// Forgets the stretches before the first that is not done.
  void move_on() {
    state_.next_stretch = open_.empty() ? stretches_->index() : open_.begin()->first;
    state_.next_design = open_.empty() ? stretches_->position() : open_.begin()->second;
    state_.finished.erase(state_.finished.begin(), state_.finished.lower_bound(state_.next_stretch));
  }

  /// Designs of the shard, as far as that is known.
  std::uint64_t total() const {
    const DesignId position = stretches_ ? stretches_->position() : state_.next_design;
    return handed_out_ + (domain_.space.size() - position) / options_.shard.count;
  }

  void write_state_if_due() {
    if (options_.state.empty()) return;
    const std::unique_lock writing(writing_, std::try_to_lock);
    if (!writing || written_.seconds() < seconds_between_states) return;
    write_snapshot();
  }

  void write_state() {
    const std::lock_guard writing(writing_);
    write_snapshot();
  }

  /// Under `writing_`, so that no older state replaces a newer one.
  void write_snapshot() {
    ScanState snapshot;
    {
      const std::lock_guard lock(mutex_);
      move_on();
      ScanResult& result = state_.result;
      result.best = known_.top.sorted();
      result.pruned = state_.covered - result.scored;
      result.seconds = earlier_seconds_ + time_.seconds();
      snapshot = state_;
    }
    if (!options_.state.empty()) write_scan_state(options_.state, key_, domain_.space, snapshot);
    written_ = {};
  }

  const Objective& objective_;
  const SearchDomain& domain_;
  const ScanOptions& options_;
  Monitor& monitor_;
  const std::string key_;
  const Stopwatch time_;
  double earlier_seconds_ = 0;
  std::atomic<bool> stop_ = false;

  std::mutex mutex_;  // of all below
  ScanState state_;
  Findings known_;  // top and best of all that is done
  std::optional<Stretches> stretches_;
  std::map<std::uint64_t, DesignId> open_;  // stretches handed out and not done: where they begin
  std::uint64_t handed_out_ = 0;            // designs of the stretches handed out

  std::mutex writing_;
  Stopwatch written_;
};

}  // namespace

ScanResult scan(const Objective& objective, const SearchDomain& domain, const ScanOptions& options, Monitor& monitor) {
  if (domain.space.fingerprint() != objective.space().fingerprint()) {
    throw Error(ErrorCode::mismatch, "the scan's domain is of another design space than the objective's",
                "scan the space of the objective");
  }
  if (options.shard.index < 1 || options.shard.index > options.shard.count) {
    throw Error(ErrorCode::invalid_input,
                fmt::format("there is no shard {} of {}", options.shard.index, options.shard.count),
                "shards are numbered from 1");
  }
  return Scan(objective, domain, options, monitor).run();
}

std::optional<ScanResult> finished_scan(const DesignSpace& space, const ScanOptions& options) {
  ScanState state;
  if (read_scan_state(options.state, state_key(space, options), space, state) != ScanStateFile::usable) return {};
  return state.complete ? std::optional(std::move(state.result)) : std::nullopt;
}

ScanResult merge_scans(const DesignSpace& space, std::span<const ScanResult> shards, std::size_t keep) {
  ScanResult all;
  TopDesigns top(keep);
  for (const ScanResult& shard : shards) {
    all.scored += shard.scored;
    all.failed += shard.failed;
    all.pruned += shard.pruned;
    all.in_boxes += shard.in_boxes;
    all.seconds += shard.seconds;
    for (const Evaluation& each : shard.best) top.offer(each.design, space.id(each.design), each.score);
  }
  if (all.scored + all.pruned != space.size()) {
    throw Error(
        ErrorCode::mismatch,
        fmt::format("the shards of the scan hold {} designs, the space {}", all.scored + all.pruned, space.size()),
        "scan all shards with the same version of this program");
  }
  all.best = top.sorted();
  return all;
}

}  // namespace corbel
