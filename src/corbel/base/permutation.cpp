#include "corbel/base/permutation.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

#include "corbel/base/random.hpp"

namespace corbel {
namespace {

// The finaliser of splitmix64 (Steele, Lea and Flood 2014, variant 13): every input bit reaches every output bit.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

}  // namespace

Permutation::Permutation(std::uint64_t size, std::uint64_t seed) : size_(size), keys_{} {
  assert(size >= 1);
  half_bits_ = std::max(1, (static_cast<int>(std::bit_width(size - 1)) + 1) / 2);
  Rng rng(seed);
  for (std::uint64_t& key : keys_) key = rng.next();
}

std::uint64_t Permutation::at(std::uint64_t position) const {
  assert(position < size_);
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t value = position;
  // The network permutes at most four times as many numbers as are wanted; following the cycle of a wanted number until
  // it is inside again permutes the wanted ones.
  do {
    std::uint64_t left = value >> half_bits_, right = value & mask;
    for (const std::uint64_t key : keys_) {
      const std::uint64_t next = left ^ (mix(right ^ key) & mask);
      left = right;
      right = next;
    }
    value = left << half_bits_ | right;
  } while (value >= size_);
  return value;
}

std::uint64_t Permutation::position_of(std::uint64_t number) const {
  assert(number < size_);
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t value = number;
  // The same cycle, backwards.
  do {
    std::uint64_t left = value >> half_bits_, right = value & mask;
    for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) {
      const std::uint64_t previous = right ^ (mix(left ^ *key) & mask);
      right = left;
      left = previous;
    }
    value = left << half_bits_ | right;
  } while (value >= size_);
  return value;
}

}  // namespace corbel
