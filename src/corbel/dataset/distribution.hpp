#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace corbel {

/// How finite numbers are distributed, in memory that does not grow with them: counts in bins of 0.4 % (256 between a
/// power of two and the next), each with its extremes. Internal to this floor.
class Distribution {
 public:
  void add(double value);
  std::uint64_t count() const { return count_; }
  double min() const { return min_; }  ///< of at least one value, as max() and centre()
  double max() const { return max_; }
  /// Some value between the extremes.
  double centre() const { return min_ / 2 + max_ / 2; }
  /// The first jump between positive values, with none between them, by this factor (over 1.004) with at least 1 % of
  /// the values on each side, and two: what lies before and behind it.
  std::optional<std::pair<double, double>> find_gap(double factor) const;

  /// A range of values that holds the one of this rank (from 0, ascending), and how many lie below it.
  struct Range {
    double min, max;
    std::uint64_t below, count;
  };
  Range range_of(std::uint64_t rank) const;

 private:
  struct Bin {
    std::uint64_t count = 0;
    double min = std::numeric_limits<double>::infinity(), max = -min;
  };
  static constexpr std::size_t bins_per_page = 256, pages = 4096;  ///< a page is one sign and exponent
  std::uint64_t count_ = 0;
  double min_ = std::numeric_limits<double>::infinity(), max_ = -min_;
  std::vector<std::unique_ptr<std::array<Bin, bins_per_page>>> pages_;
};

/// Finds the exact median of numbers that are shown to it again and again, in bounded memory: mostly one showing.
class MedianSearch {
 public:
  /// @param values  the distribution of the numbers
  explicit MedianSearch(const Distribution& values);
  bool is_done() const { return is_done_; }
  void add(double value);
  /// Call after each showing of all the numbers.
  void narrow();
  /// Of an even number of values the mean of the two in the middle; NaN without values.
  double median() const;

 private:
  /// One rank that is looked for.
  struct Rank {
    std::uint64_t rank = 0;
    Distribution::Range range{};
    std::vector<double> values;  ///< in the range, while there are few
    Distribution finer;          ///< of the range moved to 0 and stretched, when there are many
    bool is_many = false;
  };
  static bool is_found(const Rank& rank) { return rank.range.min == rank.range.max; }
  void narrow(Rank& rank) const;

  std::uint64_t count_;
  std::array<Rank, 2> ranks_;
  bool is_done_ = false;
};

}  // namespace corbel
