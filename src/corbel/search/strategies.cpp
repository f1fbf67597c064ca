#include <algorithm>
#include <array>

#include "corbel/base/error.hpp"
#include "corbel/search/bayesian.hpp"
#include "corbel/search/evolution.hpp"
#include "corbel/search/firefly.hpp"
#include "corbel/search/generative.hpp"
#include "corbel/search/local_search.hpp"
#include "corbel/search/model_based.hpp"
#include "corbel/search/population.hpp"
#include "corbel/search/random.hpp"
#include "corbel/search/sequential_strategy.hpp"

namespace corbel {

std::span<const StrategyInfo> strategies() {
  static constexpr std::array table{
      StrategyInfo{"random", "uniform sampling without replacement: the baseline", "folklore", {}, make_random},
      StrategyInfo{"evolution", "regularized evolution with crossover and restarts",
                   "Real et al. 2019 (arXiv 1802.01548), algorithm 1", evolution_options, make_evolution},
      StrategyInfo{"firefly", "fireflies attracted by better ones, with noise that adapts: the default",
                   "Yang and Deb 2010 (arXiv 1003.1466); OSS Vizier's eagle strategy", firefly_options, make_firefly},
      StrategyInfo{"local_search", "iterated local search: climbs to better neighbours, kicks and restarts",
                   "Lourenço, Martin and Stützle 2003, first improvement", local_search_options, make_local_search},
      StrategyInfo{"bayesian", "Gaussian processes of objective and feasibility, expected improvement",
                   "Gardner et al. 2014; Gelbart et al. 2014 (arXiv 1403.5607)", bayesian_options, make_bayesian},
      StrategyInfo{"model_based", "an ensemble of regressors that cross-validate well, optimised by evolution",
                   "Apollo, Yazdanbakhsh et al. 2021 (arXiv 2102.01723)", model_based_options, make_model_based},
      StrategyInfo{"generative", "a distribution learned from the good designs, as a tree of dependencies",
                   "Chow and Liu 1968; COMIT, Baluja and Davies 1997", generative_options, make_generative},
      StrategyInfo{"population", "several strategies at once, each asked as much as it has earned",
                   "P3BO, Angermueller et al. 2020 (arXiv 2006.03227)", population_options, make_population},
  };
  return table;
}

Strategy make_strategy(std::string_view id, const SearchDomain& domain, const StrategyOptions& options,
                       std::uint64_t seed) {
  const auto table = strategies();
  const auto row = std::find_if(table.begin(), table.end(), [id](const StrategyInfo& info) { return info.id == id; });
  if (row == table.end()) {
    std::vector<std::string> names;
    for (const StrategyInfo& info : table) names.emplace_back(info.id);
    throw unknown_name("strategy", id, names);
  }
  return Strategy(std::string(id), row->make(domain, complete_options(id, row->options, options), seed));
}

}  // namespace corbel
