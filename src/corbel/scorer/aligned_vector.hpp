#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace corbel {

/// Allocates at multiples of a cache line, so that a load of a whole one never touches two.
template <class Value>
struct CacheLineAllocator {
  using value_type = Value;
  static constexpr std::align_val_t alignment{64};

  CacheLineAllocator() = default;
  template <class Other>
  CacheLineAllocator(const CacheLineAllocator<Other>&) {}
  Value* allocate(std::size_t n) { return static_cast<Value*>(::operator new(n * sizeof(Value), alignment)); }
  void deallocate(Value* at, std::size_t) { ::operator delete(at, alignment); }
  bool operator==(const CacheLineAllocator&) const = default;
};

/// A vector that begins at a cache line.
template <class Value>
using AlignedVector = std::vector<Value, CacheLineAllocator<Value>>;

}  // namespace corbel
