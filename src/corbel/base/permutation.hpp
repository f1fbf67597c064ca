#pragma once

#include <array>
#include <cstdint>

namespace corbel {

/// A pseudo-random order of 0 … size − 1 that a seed decides: the number at a position is computed, not remembered, so
/// a draw without replacement from 2^63 designs needs no memory and no redraws. A balanced Feistel network with cycle
/// walking (Black and Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002, section 4). A value; thread-safe.
class Permutation {
 public:
  /// @param size  in [1, 2^63]
  Permutation(std::uint64_t size, std::uint64_t seed);
  /// @param position  below size
  std::uint64_t at(std::uint64_t position) const;
  /// The position at which the order has this number. @param number  below size
  std::uint64_t position_of(std::uint64_t number) const;

 private:
  static constexpr int rounds = 10;  // with 6, pairs of draws from a dozen designs are visibly uneven
  std::uint64_t size_;
  int half_bits_;
  std::array<std::uint64_t, rounds> keys_;
};

}  // namespace corbel
