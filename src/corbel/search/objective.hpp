#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
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

/// A cheaper look at the designs of an objective, which is off by a little: a scan ranks with it, and scores only what
/// may be among the best. Errors and tolerances are in a unit of the screen's own. Thread-safe, deterministic.
class Screen {
 public:
  virtual ~Screen() = default;
  /// What it computes with, in a word or two.
  virtual std::string name() const = 0;
  /// Appends those of the designs first … first + n − 1 whose score may be `bar` or better, if the screen is off by no
  /// more than `tolerance` on any of them.
  virtual void pass_range(DesignId first, std::size_t n, const Score& bar, double tolerance,
                          std::vector<DesignId>& passed) const = 0;
  /// The same for any designs. @param ids  theirs
  virtual void pass(std::span<const Design> designs, std::span<const DesignId> ids, const Score& bar, double tolerance,
                    std::vector<DesignId>& passed) const = 0;
  /// What the objective's score() gives.
  /// @return by how much the screen is off on these designs at most; not NaN
  virtual double rescore(std::span<const Design> designs, std::span<Score> out) const = 0;
};

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
  /// A cheaper look at its designs, which lives as long as this; null: there is none. One that has a screen never fails
  /// to score a design.
  virtual const Screen* screen() const { return nullptr; }
};

/// An objective from a function of one design, for tests and small uses.
std::unique_ptr<Objective> make_objective(DesignSpace space, std::function<Score(const Design&)> function);

}  // namespace corbel
