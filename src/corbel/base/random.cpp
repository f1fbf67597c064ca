#include "corbel/base/random.hpp"

#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

__extension__ using Uint128 = unsigned __int128;

std::uint64_t splitmix64(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

}  // namespace

Rng::Rng(std::uint64_t seed) {
  for (std::uint64_t& word : state_) word = splitmix64(seed);
}

Rng::Rng(std::uint64_t seed, std::uint64_t stream) {
  // Both are scrambled before they meet: neighbouring seeds and streams must not start near each other in
  // splitmix64's single cycle.
  std::uint64_t mixed = splitmix64(seed) ^ std::rotl(splitmix64(stream), 32);
  for (std::uint64_t& word : state_) word = splitmix64(mixed);
}

std::uint64_t Rng::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Rng::below(std::uint64_t bound) {
  assert(bound > 0);
  // Lemire, "Fast random integer generation in an interval" (2019): a division only where a bias is possible.
  Uint128 product = Uint128{next()} * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < threshold) product = Uint128{next()} * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Rng::uniform() {
  return static_cast<double>(next() >> 11) * 0x1p-53;
}

double Rng::normal() {
  // Marsaglia's polar method. Its second number is dropped, so that the generator's words are its whole state.
  for (;;) {
    const double x = 2 * uniform() - 1;
    const double y = 2 * uniform() - 1;
    const double square = x * x + y * y;
    if (square > 0 && square < 1) return x * std::sqrt(-2 * std::log(square) / square);
  }
}

double Rng::laplace(double scale) {
  const std::uint64_t bits = next();
  // Half a step off zero, since the logarithm of zero is infinite.
  const double magnitude = -std::log((static_cast<double>(bits >> 12) + 0.5) * 0x1p-52);
  return (bits & 1) != 0 ? scale * magnitude : -scale * magnitude;
}

std::string Rng::save() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint64_t word : state_) {
    for (int shift = 60; shift >= 0; shift -= 4) text += digits[(word >> shift) & 15];
  }
  return text;
}

void Rng::load(std::string_view state) {
  std::array<std::uint64_t, 4> words{};
  bool good = state.size() == 64;
  for (std::size_t i = 0; good && i < words.size(); ++i) {
    const char* first = state.data() + 16 * i;
    const auto [end, failure] = std::from_chars(first, first + 16, words[i], 16);
    good = failure == std::errc{} && end == first + 16;
  }
  // All zero is the one state the generator never leaves.
  if (!good || words == std::array<std::uint64_t, 4>{}) {
    throw Error(ErrorCode::corrupt, in_quotes(state) + " is not a saved state of the random number generator");
  }
  state_ = words;
}

}  // namespace corbel
