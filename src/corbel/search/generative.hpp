#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "corbel/search/strategy.hpp"

namespace corbel {

inline constexpr std::array generative_options{
    StrategyOption{"starts", 20, 1, 100000, "random designs before the first model", true},
    StrategyOption{"quantile", 0.2, 0, 1, "the largest share of the designs that a model takes for good ones"},
    StrategyOption{"candidates", 8, 1, 10000, "samples of the model of which the most promising is proposed", true},
    StrategyOption{"memory", 256, 1, 100000, "latest designs that the good ones are told apart from", true},
    StrategyOption{"exploration", 0.05, 0, 1, "share of the uniform distribution in that of every parameter"},
    StrategyOption{"patience", 200, 1, 1e9, "evaluations without progress after which the search restarts", true},
};

/// A learned distribution over designs: dependency trees of the good designs, Chow and Liu 1968 (IEEE Transactions on
/// Information Theory 14, 462-467) as in COMIT, Baluja and Davies 1997. docs/strategies/generative.md
/// @param options  a value for each of generative_options
std::unique_ptr<StrategyImplementation> make_generative(const SearchDomain& domain, const StrategyOptions& options,
                                                        std::uint64_t seed);

}  // namespace corbel
