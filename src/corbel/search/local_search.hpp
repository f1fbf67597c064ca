#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "corbel/search/strategy.hpp"

namespace corbel {

inline constexpr std::array local_search_options{
    StrategyOption{"starts", 10, 1, 100000, "random designs of which the best is the start of a climb", true},
    StrategyOption{"kick", 3, 1, 1000, "parameters that a kick changes", true},
    StrategyOption{"jump", 0.2, 0, 1,
                   "probability that a kick moves an ordered parameter anywhere instead of one step"},
    StrategyOption{"patience", 10, 1, 1e9, "kicks without progress after which the search restarts", true},
};

/// Iterated local search: Lourenço, Martin and Stützle, Iterated Local Search, Handbook of Metaheuristics 2003.
/// docs/strategies/local_search.md
/// @param options  a value for each of local_search_options
std::unique_ptr<StrategyImplementation> make_local_search(const SearchDomain& domain, const StrategyOptions& options,
                                                          std::uint64_t seed);

}  // namespace corbel
