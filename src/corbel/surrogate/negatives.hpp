#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_set>
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

/// Designs that differ from one of `parents` in one to three parameters.
/// @return at most `count`, admitted by the domain, no two the same, none of the parents; fewer where few are to be
/// found Deterministic for a seed.
std::vector<Design> mutate_designs(const SearchDomain& domain, std::span<const Design> parents, std::size_t count,
                                   std::uint64_t seed);

/// Leaves out what the domain does not admit and what is there already, in `designs` or in `known`.
/// @param known  ascending
void keep_new(const SearchDomain& domain, std::span<const DesignId> known, std::vector<Design>& designs);

/// `kept` with `found` behind it, at most `most` in all: the oldest make room. A design found again is new again.
void add_to_kept(const DesignSpace& space, std::span<const Design> found, std::size_t most, std::vector<Design>& kept);

}  // namespace corbel
