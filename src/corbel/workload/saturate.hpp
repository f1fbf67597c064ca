#pragma once

#include <cstdint>
#include <initializer_list>

namespace corbel {

/// Products and sums of counts stop at 2^63: where that comes out, the true number does not fit in 63 bits.
inline constexpr std::uint64_t saturated = std::uint64_t{1} << 63;

inline std::uint64_t saturating_product(std::initializer_list<std::int64_t> factors) {
  bool over = false;
  std::uint64_t product = 1;
  for (const std::int64_t factor : factors) {
    if (factor <= 0) return 0;
    std::uint64_t next = 0;
    over = over || __builtin_mul_overflow(product, static_cast<std::uint64_t>(factor), &next) || next >= saturated;
    product = next;
  }
  return over ? saturated : product;
}

inline std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) {
  return a >= saturated || b >= saturated - a ? saturated : a + b;
}

}  // namespace corbel
