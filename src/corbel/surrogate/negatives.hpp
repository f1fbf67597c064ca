#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "corbel/scorer/model.hpp"
#include "corbel/search/strategy.hpp"

namespace corbel {

/// Designs that a strategy finds when it minimises what the model predicts now: the x⁻ ~ Opt(f) of PRIME (arXiv
/// 2110.11346, eq. 2). The strategy starts from `seeds` with their predicted values; none of them is returned.
/// @return at most `count`, best predicted first; fewer in an exhausted space
/// Deterministic for a seed.
std::vector<Design> find_negatives(const Model& model, std::span<const float> context, const SearchDomain& domain,
                                   const std::string& strategy, std::span<const Design> seeds, std::size_t count,
                                   std::uint64_t seed);

}  // namespace corbel
