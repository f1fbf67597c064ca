#include "corbel/regression/regressor.hpp"

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <cmath>

#include "corbel/base/error.hpp"
#include "corbel/regression/boosted_trees.hpp"
#include "corbel/regression/nearest_neighbours.hpp"
#include "corbel/regression/ridge.hpp"

namespace corbel {

std::span<const RegressorInfo> regressors() {
  static constexpr std::array table{
      RegressorInfo{"boosted_trees", "gradient-boosted regression trees (XGBoost)",
                    [](std::uint64_t seed) -> std::unique_ptr<Regressor> {
                      return std::make_unique<BoostedTrees>(BoostedTreesOptions{.seed = seed});
                    }},
      RegressorInfo{"ridge", "linear in the features",
                    [](std::uint64_t) -> std::unique_ptr<Regressor> {
                      return std::make_unique<Ridge>(RidgeOptions{.quadratic = false});
                    }},
      RegressorInfo{"quadratic", "linear in the features, their squares and their products",
                    [](std::uint64_t) -> std::unique_ptr<Regressor> {
                      return std::make_unique<Ridge>(RidgeOptions{.quadratic = true});
                    }},
      RegressorInfo{"nearest_neighbours", "mean of the nearest rows",
                    [](std::uint64_t) -> std::unique_ptr<Regressor> { return std::make_unique<NearestNeighbours>(); }},
  };
  return table;
}

void check_examples(const Matrix& features, std::span<const double> targets) {
  assert(features.rows() == targets.size());
  if (targets.empty()) throw Error(ErrorCode::too_little_data, "a regressor was given no rows to learn from");
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (!std::isfinite(targets[i]))
      throw Error(ErrorCode::invalid_input, fmt::format("the target of row {} is {}", i, targets[i]),
                  "leave out rows without a finite target");
    for (const double value : features.row(i))
      if (!std::isfinite(value))
        throw Error(ErrorCode::invalid_input, fmt::format("a feature of row {} is {}", i, value),
                    "leave out rows without finite features");
  }
}

}  // namespace corbel
