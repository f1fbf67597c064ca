#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "corbel/space/design_space.hpp"

namespace corbel {

/// What a search knows of a design. Lower is better.
struct Score {
  double objective = std::numeric_limits<double>::quiet_NaN();  ///< NaN where the design has none (infeasible)
  /// 0 when every constraint is met and the design is feasible; otherwise how far off, > 0. NaN where nothing became
  /// known of the design, since its evaluation failed.
  double violation = 0;
  bool feasible() const { return violation <= 0; }
  bool failed() const { return std::isnan(violation); }
  static Score failure() {
    return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  }
};

/// Feasible designs by objective, then infeasible ones by violation. A strict weak order: NaN objectives come last
/// among the feasible.
bool better(const Score& a, const Score& b);

/// What a search minimises: a surrogate, a simulator, a table. Owned by this floor, implemented by others, so that
/// strategies and the scan of a whole space use the same compiled scorer. Thread-safe, deterministic.
class Objective {
 public:
  virtual ~Objective() = default;
  virtual const DesignSpace& space() const = 0;
  /// @param designs  [n] designs of space()
  /// @param out      [n]
  virtual void score(std::span<const Design> designs, std::span<Score> out) const = 0;
  /// Scores the designs first … first + out.size() − 1 of the enumeration. By default through score();
  /// implementations that share work between neighbours override it.
  virtual void score_range(DesignId first, std::span<Score> out) const;
  /// The batch size at which score() is fastest.
  virtual std::size_t preferred_batch() const { return 256; }
};

/// An objective from a function of one design, for tests and small uses.
std::unique_ptr<Objective> make_objective(DesignSpace space, std::function<Score(const Design&)> function);

}  // namespace corbel
