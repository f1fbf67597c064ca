#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "corbel/search/strategy.hpp"

namespace corbel {

inline constexpr std::array firefly_options{
    StrategyOption{"pool", 0, 0, 10000, "flies; 0: 10 + (n^1.2 + n) / 2 for n parameters, at most 100", true},
    StrategyOption{"perturbation", 0.1, 1e-3, 1, "scale of a new fly's noise, as a share of a parameter's range"},
    StrategyOption{"attraction", 1, 0, 1, "pull of a better fly at distance 0"},
    StrategyOption{"repulsion", 0.02, 0, 1, "push of a worse fly at distance 0"},
};

/// Firefly search in the form of the eagle strategy: Yang and Deb 2010 (arXiv 1003.1466), with the pool rules of OSS
/// Vizier's eagle strategy. docs/strategies/firefly.md
/// @param options  a value for each of firefly_options
std::unique_ptr<StrategyImplementation> make_firefly(const SearchDomain& domain, const StrategyOptions& options,
                                                     std::uint64_t seed);

}  // namespace corbel
