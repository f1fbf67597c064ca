#include "corbel/surrogate/forest.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/regression/boosted_trees.hpp"
#include "corbel/scorer/trees.hpp"
#include "corbel/search/design_features.hpp"

namespace corbel {

Forest Forest::fit(const DesignSpace& space, const TrainingData& data, double share, std::uint64_t seed) {
  if (share == 0) return {};
  const DesignFeatures features(space);
  const std::size_t metrics = data.metrics.size();
  // A space without a choice has no columns, and a regressor wants one.
  Matrix rows(std::max<std::size_t>(1, features.columns()));
  std::vector<double> targets, row(rows.columns());
  for (const std::size_t i : data.feasible) {
    const float target = data.targets[i * metrics];
    if (std::isnan(target)) continue;
    features.write(data.designs[i], std::span(row).first(features.columns()));
    rows.append(row);
    targets.push_back(target);
  }
  BoostedTreesOptions options;
  options.rounds = 400;
  options.depth = 6;
  options.learning_rate = 0.05;
  options.row_share = 0.8;
  options.column_share = 0.8;
  options.seed = seed;
  BoostedTrees trees(options);
  trees.fit(rows, targets);
  return {share, Trees::tensors(space, features, trees.trees())};
}

void Forest::add_to(nlohmann::json& metadata, TensorMap& all) const {
  if (share == 0) return;
  metadata["trees"] = {{"share", share}};
  all.insert(tensors.begin(), tensors.end());
}

}  // namespace corbel
