#pragma once

#include <cassert>
#include <cstddef>
#include <span>
#include <vector>

namespace corbel {

/// Rows of numbers: one per example, as many as there are features in each.
class Matrix {
 public:
  explicit Matrix(std::size_t columns) : columns_(columns) {}
  Matrix(std::size_t rows, std::size_t columns) : columns_(columns), values_(rows * columns) {}

  std::size_t rows() const { return columns_ == 0 ? 0 : values_.size() / columns_; }
  std::size_t columns() const { return columns_; }
  std::span<const double> row(std::size_t i) const { return std::span(values_).subspan(i * columns_, columns_); }
  std::span<double> row(std::size_t i) { return std::span(values_).subspan(i * columns_, columns_); }
  /// All rows, one behind the other.
  std::span<const double> values() const { return values_; }

  void append(std::span<const double> row) {
    assert(row.size() == columns_);
    values_.insert(values_.end(), row.begin(), row.end());
  }

 private:
  std::size_t columns_;
  std::vector<double> values_;
};

}  // namespace corbel
