#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "corbel/search/strategy.hpp"

namespace corbel {

inline constexpr std::array model_based_options{
    StrategyOption{"initial", 24, 2, 100000, "random designs before the first model", true},
    StrategyOption{"exploration", 1, 0, 10, "how much what the regressors disagree about is worth trying"},
    StrategyOption{"refit", 0.05, 0, 1, "new results before the models are fitted anew, as a share of those they know"},
};

/// Model-based optimisation: several regressors are fitted to what was told, those that cross-validate well make an
/// ensemble, and evolution optimises it. Apollo (Yazdanbakhsh et al. 2021, arXiv 2102.01723); Angermueller et al. 2020
/// (DyNA PPO), section 3.2. docs/strategies/model_based.md
/// @param options  a value for each of model_based_options
std::unique_ptr<StrategyImplementation> make_model_based(const SearchDomain& domain, const StrategyOptions& options,
                                                         std::uint64_t seed);

}  // namespace corbel
