#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "corbel/search/strategy.hpp"

namespace corbel {

/// Those named like a strategy are the members: how many of it there are at the start.
inline constexpr std::array population_options{
    StrategyOption{"random", 0, 0, 100, "members of strategy `random`", true},
    StrategyOption{"evolution", 1, 0, 100, "members of strategy `evolution`", true},
    StrategyOption{"firefly", 1, 0, 100, "members of strategy `firefly`", true},
    StrategyOption{"local_search", 1, 0, 100, "members of strategy `local_search`", true},
    StrategyOption{"generative", 1, 0, 100, "members of strategy `generative`", true},
    StrategyOption{"bayesian", 1, 0, 100, "members of strategy `bayesian`", true},
    StrategyOption{"starts", 20, 1, 100000, "random designs before the members are asked", true},
    StrategyOption{"decay", 0.97, 0, 1, "what an evaluation leaves of the credit of earlier ones"},
    StrategyOption{"temperature", 0.1, 1e-3, 1000, "of the softmax of credits: higher is closer to equal shares"},
    StrategyOption{"adaptive", 1, 0, 1, "1: the members' options evolve; 0: they stay", true},
    StrategyOption{"variants", 4, 0, 100, "members with evolved options, beside those of the start", true},
    StrategyOption{"period", 50, 1, 1e9, "evaluations after which a member with evolved options joins", true},
};

/// Population-based black-box optimisation over the other strategies: Angermueller et al. 2020 (arXiv 2006.03227),
/// P3BO and Adaptive-P3BO. docs/strategies/population.md
/// @param options  a value for each of population_options
/// @throws Error{invalid_input} if they ask for no member at all
std::unique_ptr<StrategyImplementation> make_population(const SearchDomain& domain, const StrategyOptions& options,
                                                        std::uint64_t seed);

}  // namespace corbel
