#include "corbel/dataset/distribution.hpp"

#include <algorithm>
#include <bit>

namespace corbel {
namespace {

/// At most so many values are kept to find a median among them.
constexpr std::uint64_t most_values_kept = 1 << 18;

/// Orders as the number does.
std::uint64_t sortable(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);
  return (bits >> 63) != 0 ? ~bits : bits | std::uint64_t{1} << 63;
}

}  // namespace

void Distribution::add(double value) {
  const std::uint64_t key = sortable(value) >> 44;
  if (pages_.empty()) pages_.resize(pages);
  auto& page = pages_[key / bins_per_page];
  if (!page) page = std::make_unique<std::array<Bin, bins_per_page>>();
  Bin& bin = (*page)[key % bins_per_page];
  ++bin.count;
  bin.min = std::min(bin.min, value);
  bin.max = std::max(bin.max, value);
  ++count_;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
}

std::optional<std::pair<double, double>> Distribution::find_gap(double factor) const {
  const std::uint64_t margin = std::max<std::uint64_t>(2, count_ / 100);
  std::uint64_t below = 0;
  double last = 0;
  for (const auto& page : pages_) {
    if (!page) continue;
    for (const Bin& bin : *page) {
      if (bin.count == 0) continue;
      const bool has_margins = below >= margin && below + margin <= count_;
      if (has_margins && last > 0 && bin.min / last >= factor) return std::pair(last, bin.min);
      below += bin.count;
      last = bin.max;
    }
  }
  return std::nullopt;
}

Distribution::Range Distribution::range_of(std::uint64_t rank) const {
  std::uint64_t below = 0;
  for (const auto& page : pages_) {
    if (!page) continue;
    for (const Bin& bin : *page) {
      if (rank < below + bin.count) return {bin.min, bin.max, below, bin.count};
      below += bin.count;
    }
  }
  return {};
}

MedianSearch::MedianSearch(const Distribution& values) : count_(values.count()) {
  if (count_ == 0) {
    is_done_ = true;
    return;
  }
  ranks_[0].rank = (count_ - 1) / 2;
  ranks_[1].rank = count_ / 2;
  for (Rank& rank : ranks_) {
    rank.range = values.range_of(rank.rank);
    rank.is_many = rank.range.count > most_values_kept;
  }
  is_done_ = std::ranges::all_of(ranks_, is_found);
}

void MedianSearch::add(double value) {
  for (Rank& rank : ranks_) {
    if (value < rank.range.min || value > rank.range.max || is_found(rank)) continue;
    if (rank.is_many) {
      // Bins are finest near 0, so that the range's own floor is where they should begin.
      rank.finer.add(value - rank.range.min);
    } else {
      rank.values.push_back(value);
    }
  }
}

void MedianSearch::narrow(Rank& rank) const {
  const std::uint64_t offset = rank.rank - rank.range.below;
  if (!rank.is_many) {
    const auto middle = rank.values.begin() + static_cast<std::ptrdiff_t>(offset);
    std::nth_element(rank.values.begin(), middle, rank.values.end());
    rank.range.min = rank.range.max = *middle;
    rank.values = {};
    return;
  }
  // Within a bin the difference to its floor is exact (Sterbenz), and so is the way back.
  const Distribution::Range finer = rank.finer.range_of(offset);
  const double floor = rank.range.min;
  rank.range = {floor + finer.min, floor + finer.max, rank.range.below + finer.below, finer.count};
  rank.finer = {};
  rank.is_many = rank.range.count > most_values_kept;
}

void MedianSearch::narrow() {
  for (Rank& rank : ranks_) {
    if (count_ > 0 && !is_found(rank)) narrow(rank);
  }
  is_done_ = count_ == 0 || std::ranges::all_of(ranks_, is_found);
}

double MedianSearch::median() const {
  if (count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  const double low = ranks_[0].range.min, high = ranks_[1].range.min;
  return low == high ? low : low / 2 + high / 2;
}

}  // namespace corbel
