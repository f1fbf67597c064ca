#include "corbel/surrogate/forest.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/regression/boosted_trees.hpp"
#include "corbel/scorer/trees.hpp"
#include "corbel/search/design_features.hpp"

namespace corbel {
namespace {

// A categorical parameter has a column for each value: 400 MB at most.
constexpr std::size_t most_numbers = 50'000'000;

// The trees as they are where a feature has a value: a node that tests it becomes the child that it leads to.
RegressionTrees specialised(RegressionTrees trees, std::size_t feature, float value) {
  for (RegressionTree& tree : trees.trees) {
    for (RegressionTree::Node& node : tree.nodes) {
      while (node.feature == static_cast<std::int32_t>(feature)) {
        node = tree.nodes[node.left + (value < node.threshold ? 0 : 1)];
      }
    }
  }
  return trees;
}

}  // namespace

Forest Forest::fit(const DesignSpace& space, const TrainingData& data, double share, std::uint64_t seed) {
  if (share == 0) return {};
  const DesignFeatures features(space);
  const std::size_t metrics = data.metrics.size();
  // A space without a choice has no columns, and a regressor wants one.
  const std::size_t columns = std::max<std::size_t>(1, features.columns());
  const bool tells_target =
      data.workloads[data.feasible.front()] == 0 && data.workloads[data.feasible.back()] != 0;  // in their order
  Matrix rows(columns + (tells_target ? 1 : 0));
  std::vector<double> targets, row(rows.columns());
  const std::size_t room = std::min(most_tree_rows, std::max<std::size_t>(1, most_numbers / rows.columns()));
  const std::size_t stride = (data.feasible.size() + room - 1) / room;
  for (std::size_t place = 0; place < data.feasible.size(); place += stride) {
    const std::size_t i = data.feasible[place];
    const float target = data.targets[i * metrics];
    if (std::isnan(target)) continue;
    features.write(data.design(i), std::span(row).first(features.columns()));
    if (tells_target) row[columns] = data.workloads[i] == 0 ? 1 : 0;
    rows.append(row);
    targets.push_back(target);
  }
  if (targets.empty()) return {};
  BoostedTrees trees(trees_for_logs(seed));
  trees.fit(rows, targets);
  const RegressionTrees learnt = trees.trees();
  if (!tells_target) {
    const TensorMap all = Trees::tensors(space, features, learnt);
    return {share, all, all};
  }
  return {share, Trees::tensors(space, features, specialised(learnt, columns, 1)),
          Trees::tensors(space, features, specialised(learnt, columns, 0))};
}

void Forest::add_to(nlohmann::json& metadata, TensorMap& all, std::uint32_t workload) const {
  if (share == 0) return;
  metadata["trees"] = {{"share", share}};
  const TensorMap& its_own = workload == 0 ? tensors : others;
  all.insert(its_own.begin(), its_own.end());
}

}  // namespace corbel
