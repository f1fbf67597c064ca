#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "corbel/search/pareto.hpp"

namespace corbel {

/// Weight vectors spread evenly over the simplex, all sums 1: those with the coordinates 0, 1/d, …, 1 (Das and Dennis
/// 1998).
std::vector<std::vector<double>> simplex_lattice(std::size_t objectives, std::size_t divisions);

/// A Pareto search by any strategy: one of them for each weight vector of a lattice, which minimises the augmented
/// weighted Chebyshev distance from the ideal point and is told every evaluation (Knowles 2006, ParEGO; Zhang and Li
/// 2007, MOEA/D). Objectives are normalised by the best value and the worst one in the front so far. When these move by
/// more than a twentieth of their range, what the strategies were told no longer holds: they are made anew and told
/// all evaluations anew, each from its worst to its best.
/// @param options  of the strategy
/// @throws Error{invalid_input} for an unknown strategy or option, or a value outside its range
std::unique_ptr<ParetoMethod> make_decomposition(std::string_view strategy, std::size_t objectives,
                                                 const SearchDomain& domain, const StrategyOptions& options,
                                                 std::uint64_t seed);

}  // namespace corbel
