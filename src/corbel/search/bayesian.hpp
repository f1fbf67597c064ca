#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "corbel/search/strategy.hpp"

namespace corbel {

inline constexpr std::array bayesian_options{
    StrategyOption{"initial", 20, 2, 100000, "random designs before the first model", true},
    StrategyOption{"candidates", 500, 10, 100000, "designs whose expected improvement is followed", true},
    StrategyOption{"rows", 1000, 20, 10000, "observations in a model; of more, half are the best", true},
};

/// Bayesian optimisation with Gaussian processes of objective and violation, and feasibility-weighted expected
/// improvement. docs/strategies/bayesian.md
/// @param options  a value for each of bayesian_options
std::unique_ptr<StrategyImplementation> make_bayesian(const SearchDomain& domain, const StrategyOptions& options,
                                                      std::uint64_t seed);

}  // namespace corbel
