#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "corbel/search/strategy.hpp"

namespace corbel {

inline constexpr std::array evolution_options{
    StrategyOption{"population", 48, 2, 100000,
                   "designs that may become parents; the oldest leaves, unless it is the best", true},
    StrategyOption{"tournament", 12, 1, 100000, "members drawn, of which the best becomes a parent", true},
    StrategyOption{"crossover", 0.5, 0, 1, "probability that a child mixes two parents"},
    StrategyOption{"jump", 0.2, 0, 1, "probability that an ordered parameter jumps anywhere instead of one step"},
    StrategyOption{"patience", 500, 1, 1e9, "evaluations without progress after which the population restarts", true},
};

/// Regularized evolution: Real et al. 2019 (arXiv 1802.01548), algorithm 1. docs/strategies/evolution.md
/// @param options  a value for each of evolution_options
std::unique_ptr<StrategyImplementation> make_evolution(const SearchDomain& domain, const StrategyOptions& options,
                                                       std::uint64_t seed);

}  // namespace corbel
