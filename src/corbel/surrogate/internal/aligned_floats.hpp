#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace corbel {

/// Numbers that start at a cache line, so that no register is loaded from two of them. Not set at first.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(std::size_t size)
      : size_(size), values_(static_cast<float*>(::operator new(size * sizeof(float), line))) {}

  /// Room for so many; what was there may be gone.
  void make_room(std::size_t size) {
    if (size > size_) *this = AlignedFloats(size);
  }
  float* data() const { return values_.get(); }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::align_val_t line{64};
  struct Free {
    void operator()(float* values) const { ::operator delete(values, line); }
  };
  std::size_t size_ = 0;
  std::unique_ptr<float, Free> values_;
};

}  // namespace corbel
