#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace corbel {

/// xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64. The same numbers on every machine and compiler,
/// which the standard distributions do not promise (normal() and laplace(): up to the last bit of std::log).
/// A value: copies continue identically. Not thread-safe.
class Rng {
 public:
  explicit Rng(std::uint64_t seed = 0);
  /// An independent stream for a purpose or a worker: same seed and stream, same numbers.
  Rng(std::uint64_t seed, std::uint64_t stream);

  std::uint64_t next();                      ///< 64 random bits
  std::uint64_t below(std::uint64_t bound);  ///< uniform in [0, bound), unbiased; bound > 0
  double uniform();                          ///< uniform in [0, 1)
  double normal();                           ///< standard normal
  double laplace(double scale);              ///< Laplace with location 0
  bool chance(double probability) { return uniform() < probability; }

  /// Fisher-Yates, in place.
  template <class Container>
  void shuffle(Container& values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }

  std::string save() const;           ///< the state as text, for resume
  void load(std::string_view state);  ///< @throws Error{corrupt} if it is not such a text
  bool operator==(const Rng&) const = default;

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace corbel
