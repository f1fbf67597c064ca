#pragma once

#include <string>
#include <vector>

#include "bench_search.hpp"

namespace corbel::cli {

/// What a part of a scan costs beside the networks, on one thread.
struct RankingCost {
  std::string part;
  Spread ns;  ///< per design
  double ratio_to_walk = 0;
};

/// The walk over the space with an objective that costs next to nothing (the baseline, first), the same with a screen,
/// 400 trees of depth 6 along the enumeration and in batches of random designs, and what puts the outputs of three
/// networks and the trees together: to rank, and to predict in units. On the space `edge` with one PE.
/// @throws Error{mismatch} if the ways to compute something differ; Error{interrupted}
std::vector<RankingCost> bench_ranking(const SearchBenchOptions& options, Monitor& monitor);

}  // namespace corbel::cli
