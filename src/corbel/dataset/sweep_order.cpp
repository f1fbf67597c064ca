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

void SweepOrder::scan() {
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
  while (std::ranges::find(is_there, true) != is_there.end()) {
    DesignId design = size_;
    for (std::size_t k = 0; k < groups_.size(); ++k) {
      if (is_there[k]) design = std::min(design, trials[k].design);
    }
    std::size_t finished = 0;
    bool tried = false, abandoned = false;
    for (std::size_t k = 0; k < groups_.size(); ++k) {
      if (!is_there[k] || trials[k].design != design) continue;
      (is_finished(trials[k].state) ? ++finished : std::size_t{tried = true});
      abandoned = abandoned || trials[k].state == TrialState::abandoned;
      is_there[k] = cursors[k]->next(trials[k]);
    }
    add(design, finished, tried, abandoned);
  }
  keep_least_begun();
  std::ranges::sort(begun_);
  scan_seconds_ = time.seconds();
}

void SweepOrder::add(DesignId design, std::size_t finished, bool tried, bool abandoned) {
  const bool is_done = finished == groups_.size();
  rows_ += is_done ? 1 : 0;
  // What failed somewhere, or was begun by others since, has its turn in the order of the permutation.
  const bool is_begun = !is_done && !tried && finished > 0 && !is_past_begun_;
  if (is_begun) {
    const std::uint64_t place = order_.at(design);
    if (!has_given_begun_ || place > last_begun_) begun_.emplace_back(place, design);
    if (begun_.size() == 2 * most_begun) keep_least_begun();
  }
  if (!is_done && !is_begun && !abandoned) return;
  const std::uint64_t position = order_.position_of(design);
  if (position >= window_begin_ && position < window_end_) left_out_[position - window_begin_] = true;
}

void SweepOrder::keep_least_begun() {
  if (begun_.size() <= most_begun) return;
  std::ranges::nth_element(begun_, begun_.begin() + static_cast<std::ptrdiff_t>(most_begun));
  begun_.resize(most_begun);
  has_more_begun_ = true;
}

bool SweepOrder::next_begun(DesignId& design) {
  if (is_past_begun_) return false;
  if (next_begun_ == begun_.size() && has_more_begun_) scan();
  is_past_begun_ = next_begun_ == begun_.size();
  if (is_past_begun_) return false;
  std::tie(last_begun_, design) = begun_[next_begun_++];
  has_given_begun_ = true;
  return true;
}

void SweepOrder::has_failed(DesignId design) {
  if (order_.position_of(design) >= position_) failed_.insert(design);
}

bool SweepOrder::next(DesignId& design) {
  if (next_begun(design)) return true;
  while (position_ < size_) {
    if (position_ == window_end_) scan();
    const std::uint64_t position = position_++;
    if (is_left_out(position)) continue;
    design = order_.at(position);
    if (failed_.empty() || !failed_.contains(design)) return true;
  }
  return false;
}

}  // namespace corbel
