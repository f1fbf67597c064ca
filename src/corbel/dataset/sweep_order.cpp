#include "corbel/dataset/sweep_order.hpp"

#include <algorithm>
#include <memory>

#include "corbel/base/stopwatch.hpp"

namespace corbel {
namespace {

// Two megabytes, and a scan of the store for every 17 million designs that a sweep goes through.
constexpr std::uint64_t window = std::uint64_t{1} << 24;
// One megabyte, and a scan for every so many designs that only some of the groups have.
constexpr std::size_t most_begun = std::size_t{1} << 16;

}  // namespace

SweepOrder::SweepOrder(const Store& store, std::vector<Store::GroupId> groups, std::uint64_t space_size,
                       std::uint64_t seed)
    : store_(store), groups_(std::move(groups)), order_(space_size, seed), size_(space_size) {}

void SweepOrder::scan(const std::function<void()>& check) {
  const Stopwatch time;
  rows_ = 0;
  window_begin_ = position_;
  window_end_ = window_begin_ + std::min(window, size_ - window_begin_);
  left_out_.assign(window_end_ - window_begin_, false);
  begun_.clear();
  next_begun_ = 0;
  has_more_begun_ = false;

  std::vector<std::unique_ptr<TrialCursor>> cursors;
  std::vector<TrialView> trials(groups_.size());
  std::vector<bool> is_there;
  for (std::size_t k = 0; k < groups_.size(); ++k) {
    cursors.push_back(store_.open(groups_[k], Store::Read::states));
    is_there.push_back(cursors[k]->next(trials[k]));
  }
  for (std::uint64_t read = 1; std::ranges::find(is_there, true) != is_there.end(); ++read) {
    if (check && read % 65'536 == 0) check();
    DesignId design = size_;
    for (std::size_t k = 0; k < groups_.size(); ++k) {
      if (is_there[k]) design = std::min(design, trials[k].design);
    }
    std::size_t finished = 0;
    bool failed = false, abandoned = false;
    for (std::size_t k = 0; k < groups_.size(); ++k) {
      if (!is_there[k] || trials[k].design != design) continue;
      finished += is_finished(trials[k].state) ? 1 : 0;
      failed = failed || trials[k].state == TrialState::failed;
      abandoned = abandoned || trials[k].state == TrialState::abandoned;
      is_there[k] = cursors[k]->next(trials[k]);
    }
    add(design, finished, failed, abandoned);
  }
  keep_least_begun();
  std::ranges::sort(begun_);
  wants_scan_ = false;
  scan_seconds_ = time.seconds();
}

void SweepOrder::add(DesignId design, std::size_t finished, bool failed, bool abandoned) {
  const bool is_done = finished == groups_.size();
  rows_ += is_done ? 1 : 0;
  bool is_left_out = is_done || abandoned;
  // What failed somewhere, or was begun by others since, has its turn in the order of the permutation.
  if (!is_left_out && !failed && finished > 0 && !is_past_begun_) {
    const std::uint64_t key = order_.at(design);
    if (!last_begun_ || key > *last_begun_) {
      is_left_out = true;
      begun_.emplace_back(key, design);
      if (begun_.size() == 2 * most_begun) keep_least_begun();
    }
  }
  if (!is_left_out) return;
  const std::uint64_t position = order_.position_of(design);
  if (position >= window_begin_ && position < window_end_) left_out_[position - window_begin_] = true;
}

void SweepOrder::keep_least_begun() {
  if (begun_.size() <= most_begun) return;
  std::ranges::nth_element(begun_, begun_.begin() + static_cast<std::ptrdiff_t>(most_begun));
  begun_.resize(most_begun);
  has_more_begun_ = true;
}

void SweepOrder::has_failed(DesignId design) {
  if (order_.position_of(design) >= position_) failed_.insert(design);
}

bool SweepOrder::next(DesignId& design) {
  if (wants_scan_) return false;
  if (next_begun_ < begun_.size()) {
    last_begun_ = begun_[next_begun_].first;
    design = begun_[next_begun_++].second;
    return true;
  }
  wants_scan_ = has_more_begun_;
  is_past_begun_ = !has_more_begun_;
  while (!wants_scan_ && position_ < size_) {
    if (position_ == window_end_) {
      wants_scan_ = true;
      break;
    }
    const std::uint64_t position = position_++;
    if (left_out_[position - window_begin_]) continue;
    design = order_.at(position);
    if (failed_.empty() || !failed_.contains(design)) return true;
  }
  return false;
}

}  // namespace corbel
