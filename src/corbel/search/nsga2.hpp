#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "corbel/search/pareto.hpp"

namespace corbel {

inline constexpr std::array nsga2_options{
    StrategyOption{"population", 64, 4, 100000, "designs that survive, and may become parents", true},
    StrategyOption{"crossover", 0.9, 0, 1, "probability that a child mixes two parents"},
    StrategyOption{"jump", 0.2, 0, 1, "probability that an ordered parameter jumps anywhere instead of one step"},
};

/// NSGA-II: Deb, Pratap, Agarwal and Meyarivan 2002. Non-dominated sorting with constraint domination, crowding
/// distance, binary tournaments; its real-valued operators are replaced by uniform crossover and steps on the grid.
/// Survivors are chosen whenever results are told, so that the batch is the number of children per generation.
/// @param options  of nsga2_options; those not given take their defaults
/// @throws Error{invalid_input} for an unknown option or a value outside its range
std::unique_ptr<ParetoMethod> make_nsga2(const SearchDomain& domain, const StrategyOptions& options,
                                         std::uint64_t seed);

}  // namespace corbel
