#include "corbel/surrogate/forest.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/regression/boosted_trees.hpp"
#include "corbel/scorer/trees.hpp"
#include "corbel/search/design_features.hpp"

namespace corbel {
namespace {

// More rows teach trees of this depth little, and cost minutes.
constexpr std::size_t most_rows = 100'000;
// A categorical parameter has a column for each value: 400 MB at most.
constexpr std::size_t most_numbers = 50'000'000;

}  // namespace

Forest Forest::fit(const DesignSpace& space, const TrainingData& data, double share, std::uint64_t seed) {
  if (share == 0) return {};
  const DesignFeatures features(space);
  const std::size_t metrics = data.metrics.size();
  // A space without a choice has no columns, and a regressor wants one.
  Matrix rows(std::max<std::size_t>(1, features.columns()));
  std::vector<double> targets, row(rows.columns());
  const std::size_t room = std::min(most_rows, std::max<std::size_t>(1, most_numbers / rows.columns()));
  const std::size_t stride = (data.feasible.size() + room - 1) / room;
  for (std::size_t place = 0; place < data.feasible.size(); place += stride) {
    const std::size_t i = data.feasible[place];
    const float target = data.targets[i * metrics];
    if (std::isnan(target)) continue;
    features.write(data.designs[i], std::span(row).first(features.columns()));
    rows.append(row);
    targets.push_back(target);
  }
  if (targets.empty()) return {};
  BoostedTrees trees(trees_for_logs(seed));
  trees.fit(rows, targets);
  return {share, Trees::tensors(space, features, trees.trees())};
}

void Forest::add_to(nlohmann::json& metadata, TensorMap& all) const {
  if (share == 0) return;
  metadata["trees"] = {{"share", share}};
  all.insert(tensors.begin(), tensors.end());
}

}  // namespace corbel
