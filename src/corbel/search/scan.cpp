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
#include "corbel/search/screening.hpp"
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

// Few calls score what passes a screen, but not so few that the bar lags behind.
constexpr std::size_t passed_batch = 512;

/// Designs begin … end − 1, which one thread scans in one go.
struct Stretch {
  std::uint64_t index = 0;
  DesignId begin = 0, end = 0;
  double tolerance = 0;  ///< of the screen, if there is one
  std::uint64_t scored = 0, failed = 0, in_boxes = 0;
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
    return Stretch{.index = index_++, .begin = begin, .end = position_};
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
  double best = std::numeric_limits<double>::infinity();
  std::uint64_t rescored = 0;
  double error = 0;  ///< of the screen, the largest that was seen
};

/// Scores stretches for one thread.
class StretchScanner {
 public:
  /// @param bar  of the screen: what is worse is not among the best of the whole space
  StretchScanner(const Objective& objective, const SearchDomain& domain, const std::optional<Score>& bar,
                 Monitor& monitor)
      : objective_(objective),
        screen_(objective.screen()),
        domain_(domain),
        bar_(bar),
        monitor_(monitor),
        // What the objective likes, but never so few that a call costs more than what it does.
        block_(screen_ != nullptr ? stretch_designs : std::max<std::size_t>(256, objective.preferred_batch())) {}

  /// Counts are the stretch's; the best of one that is broken off may stay. What passed a screen is pending().
  void scan(Stretch& stretch, Findings& findings) {
    ranges_.clear();
    ids_.clear();
    stretch_ = &stretch;
    SpaceWalk walk(domain_, stretch.begin, stretch.end, smallest_box);
    while (const std::optional<SpaceRun> run = walk.next()) {
      switch (run->admitted) {
        case Coverage::none:
          stretch.in_boxes += run->count;
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
        score_range(first + done, static_cast<std::size_t>(std::min<std::uint64_t>(block_, count - done)), findings);
      }
    }
    score_collected(findings);
    if (passed_.size() >= passed_batch) score_passed(findings);
  }

  /// Whether designs of stretches that were scanned wait to be scored.
  bool pending() const { return !passed_.empty(); }
  void score_passed(Findings& findings) {
    for (std::size_t first = 0; first < passed_.size(); first += passed_batch) {
      monitor_.check();
      const std::size_t n = std::min(passed_batch, passed_.size() - first);
      if (designs_.size() < n) designs_.resize(n);
      for (std::size_t i = 0; i < n; ++i) domain_.space.design(passed_[first + i], designs_[i]);
      scores_.assign(n, Score{});
      findings.error = std::max(findings.error, screen_->rescore(std::span(designs_).first(n), scores_));
      findings.rescored += n;
      for (std::size_t i = 0; i < n; ++i) note(passed_[first + i], scores_[i], findings);
    }
    passed_.clear();
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

  /// What a design must reach to be scored; nothing: any is.
  std::optional<Score> bar(const Findings& findings) const {
    const std::optional<Score> own = findings.top.bar();
    if (!own || !bar_) return own ? own : bar_;
    return better(*own, *bar_) ? own : bar_;
  }

  void score_range(DesignId first, std::size_t n, Findings& findings) {
    stretch_->scored += n;
    if (screen_ == nullptr) {
      scores_.assign(n, Score{});
      objective_.score_range(first, scores_);
      for (std::size_t i = 0; i < n; ++i) count(first + i, scores_[i], findings);
      return;
    }
    if (const std::optional<Score> least = bar(findings)) {
      screen_->pass_range(first, n, *least, stretch_->tolerance, passed_);
      return;
    }
    for (std::size_t i = 0; i < n; ++i) passed_.push_back(first + i);
    score_passed(findings);
  }

  void score_collected(Findings& findings) {
    if (ids_.empty()) return;
    monitor_.check();
    stretch_->scored += ids_.size();
    const std::span<const Design> designs = std::span(designs_).first(ids_.size());
    if (screen_ == nullptr) {
      scores_.assign(ids_.size(), Score{});
      objective_.score(designs, scores_);
      for (std::size_t i = 0; i < ids_.size(); ++i) count(ids_[i], scores_[i], findings);
    } else if (const std::optional<Score> least = bar(findings)) {
      screen_->pass(designs, ids_, *least, stretch_->tolerance, passed_);
    } else {
      passed_.insert(passed_.end(), ids_.begin(), ids_.end());
      score_passed(findings);
    }
    ids_.clear();
  }

  void count(DesignId id, const Score& score, Findings& findings) {
    if (score.failed()) {
      ++stretch_->failed;
    } else {
      note(id, score, findings);
    }
  }

  void note(DesignId id, const Score& score, Findings& findings) {
    if (score.failed() || !findings.top.would_enter(score)) return;
    domain_.space.design(id, design_);
    findings.top.offer(design_, id, score);
    if (score.feasible() && score.objective < findings.best) findings.best = score.objective;
  }

  const Objective& objective_;
  const Screen* screen_;
  const SearchDomain& domain_;
  const std::optional<Score>& bar_;
  Monitor& monitor_;
  std::size_t block_;
  Stretch* stretch_ = nullptr;                              // the one that is scanned
  std::vector<std::pair<DesignId, std::uint64_t>> ranges_;  // admitted designs: the first, how many
  std::vector<DesignId> ids_;                               // collected from short ranges
  std::vector<Design> designs_;                             // theirs, and spare ones
  std::vector<DesignId> passed_;                            // the screen
  std::vector<Score> scores_;
  Design design_;
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
    earlier_seconds_ = state_.result.seconds;
    stretches_.emplace(domain, state_.next_stretch, state_.next_design);
  }

  ScanResult run() {
    if (state_.complete) return state_.result;
    const std::size_t threads = options_.threads == 0 ? available_cores() : options_.threads;
    try {
      if (objective_.screen() != nullptr) calibrate_screen();
      if (state_.covered > 0) {
        monitor_.message(fmt::format("the scan goes on: {} of {} designs are done", count_text(state_.covered),
                                     count_text(total())));
      }
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
  }

  void calibrate_screen() {
    const Calibration found = calibrate(*objective_.screen(), domain_, options_.keep, monitor_);
    state_.result.rescored += found.scored;
    state_.result.ranked_by = objective_.screen()->name();
    if (options_.keep > 0 && found.best.size() == options_.keep) bar_ = found.best.back().score;
    // Those of a shard are its own, and it is not known yet where a design belongs.
    if (options_.shard.count == 1) {
      for (const Evaluation& each : found.best) offer(each);
    }
    if (state_.covered == 0) {
      state_.result.tolerance = found.tolerance;
    } else if (found.tolerance > state_.result.tolerance.value_or(std::numeric_limits<double>::infinity())) {
      start_anew(found.tolerance);
    } else {
      state_.result.tolerance = state_.result.tolerance.value_or(found.tolerance);
    }
  }

  /// What a screen with a narrower tolerance has refused may be among the best.
  void start_anew(double tolerance) {
    monitor_.message("the fast arithmetic is further off than was measured before: the scan starts anew");
    ScanResult& result = state_.result;
    result.tolerance = tolerance;
    result.scored = result.failed = result.pruned = result.in_boxes = 0;
    state_.finished.clear();
    state_.covered = handed_out_ = 0;
    state_.next_stretch = state_.next_design = 0;
    open_.clear();
    stretches_.emplace(domain_, 0, 0);
  }

  void offer(const Evaluation& each) {
    known_.top.offer(each.design, domain_.space.id(each.design), each.score);
    if (each.score.feasible()) known_.best = std::min(known_.best, each.score.objective);
  }

  /// What one thread does.
  void work() {
    StretchScanner scanner(objective_, domain_, bar_, monitor_);
    Findings findings(0);
    std::vector<Stretch> done;
    Stopwatch merged;
    merge(findings, done);
    try {
      for (;;) {
        std::optional<Stretch> stretch = next();
        // What passed a screen may still show that it needs a wider tolerance, and all stretches anew.
        if (!stretch && done.empty()) break;
        if (stretch) {
          scanner.scan(*stretch, findings);
          done.push_back(*stretch);
          if (merged.seconds() < seconds_between_merges) continue;
        }
        if (scanner.pending()) scanner.score_passed(findings);
        merge(findings, done);
        merged = {};
        write_state_if_due();
      }
      merge(findings, done);
    } catch (...) {
      stop_ = true;
      if (scanner.pending()) done.clear();
      merge(findings, done);
      throw;
    }
  }

  /// The next stretch of the shard that is not done.
  std::optional<Stretch> next() {
    const std::lock_guard lock(mutex_);
    while (!stop_) {
      monitor_.check();
      std::optional<Stretch> stretch = stretches_->next();
      if (!stretch) return std::nullopt;
      if (!belongs_to(*stretch, options_.shard) || state_.finished.contains(stretch->index)) continue;
      open_.emplace(stretch->index, stretch->begin);
      handed_out_ += stretch->end - stretch->begin;
      stretch->tolerance = state_.result.tolerance.value_or(0);
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
    result.rescored += findings.rescored;
    if (result.tolerance && findings.error > *result.tolerance) start_anew(tolerance_for(findings.error));
    for (const Stretch& stretch : done) {
      if (stretch.tolerance < result.tolerance.value_or(0)) continue;
      result.scored += stretch.scored;
      result.failed += stretch.failed;
      result.in_boxes += stretch.in_boxes;
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
    return handed_out_ + (domain_.space.size() - stretches_->position()) / options_.shard.count;
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
  std::optional<Score> bar_;  // that designs have reached before the scan begins
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
    all.rescored += shard.rescored;
    if (shard.tolerance) all.tolerance = std::max(all.tolerance.value_or(0), *shard.tolerance);
    if (all.ranked_by.empty()) all.ranked_by = shard.ranked_by;
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
