#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "corbel/search/strategy.hpp"

namespace corbel {

class Monitor;

/// What a scan knows of a screen before it begins.
struct Calibration {
  double tolerance = 0;            ///< twice the largest error found
  std::vector<Evaluation> best{};  ///< of the admitted designs that were scored, best first, at most `keep`
  std::uint64_t scored = 0;        ///< designs that were scored for it
};

/// Compares a screen with the scores of random designs of the space, and of those around the best of them that the
/// domain admits, round after round: near the optimum, where errors matter, as well as anywhere. Deterministic.
/// @param screen  of an objective of the domain's space
/// @throws Error{interrupted}
Calibration calibrate(const Screen& screen, const SearchDomain& domain, std::size_t keep, Monitor& monitor);

/// The tolerance to use where errors of this size were found.
double tolerance_for(double error);

}  // namespace corbel
