#pragma once

#include <cstdint>
#include <memory>

#include "corbel/search/strategy.hpp"

namespace corbel {

/// Uniform sampling of the domain without replacement. docs/strategies/random.md
std::unique_ptr<StrategyImplementation> make_random(const SearchDomain& domain, const StrategyOptions& options,
                                                    std::uint64_t seed);

}  // namespace corbel
