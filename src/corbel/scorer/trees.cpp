#include "corbel/scorer/trees.hpp"

#include <fmt/format.h>

#include <cmath>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

constexpr std::size_t node_width = 4;

Error damaged(const std::string& what) {
  return Error(ErrorCode::corrupt, "the trees " + what);
}

const StoredTensor& tensor_of(const TensorMap& tensors, std::string_view name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw damaged(fmt::format("lack the tensor `{}`", name));
  return found->second;
}

std::uint32_t whole_below(float value, std::size_t end, const char* what) {
  if (!(value >= 0 && value < static_cast<float>(end)) || value != std::floor(value)) {
    throw damaged(fmt::format("have the {} {}, not a whole number below {}", what, value, end));
  }
  return static_cast<std::uint32_t>(value);
}

/// The least index of an ordered parameter whose feature is not below the threshold.
std::uint32_t index_at(const DesignSpace& space, const DesignFeatures& features, std::size_t column, float threshold) {
  Design design(space.dimensions(), 0);
  std::vector<double> row(features.columns());
  const std::size_t parameter = features.parameter_of(column);
  std::uint32_t low = 0, high = space.parameters()[parameter].count();
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    design[parameter] = middle;
    features.write(design, row);
    if (static_cast<float>(row[column]) < threshold) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

TensorMap Trees::tensors(const DesignSpace& space, const DesignFeatures& features, const RegressionTrees& learnt) {
  // A categorical parameter has a column for each value, in their order.
  std::vector<std::uint32_t> value_of(features.columns(), 0);
  for (std::size_t c = 1; c < features.columns(); ++c) {
    if (features.parameter_of(c) == features.parameter_of(c - 1)) value_of[c] = value_of[c - 1] + 1;
  }
  StoredTensor nodes, roots;
  const auto add = [&](double parameter, double threshold, double left, double value) {
    for (const double number : {parameter, threshold, left, value}) nodes.values.push_back(static_cast<float>(number));
  };
  // A tree of one leaf for what all trees start from.
  roots.values.push_back(0);
  add(-1, 0, 0, learnt.base);
  for (const RegressionTree& tree : learnt.trees) {
    const std::size_t first = nodes.values.size() / node_width;
    roots.values.push_back(static_cast<float>(first));
    for (const RegressionTree::Node& node : tree.nodes) {
      if (node.feature < 0) {
        add(-1, 0, 0, node.value);
        continue;
      }
      const auto column = static_cast<std::size_t>(node.feature);
      const std::size_t parameter = features.parameter_of(column);
      const bool is_ordered = space.parameters()[parameter].is_ordered();
      add(static_cast<double>(parameter),
          is_ordered ? index_at(space, features, column, node.threshold) : value_of[column],
          static_cast<double>(first + node.left), 0);
    }
  }
  nodes.shape = {static_cast<std::int64_t>(nodes.values.size() / node_width), static_cast<std::int64_t>(node_width)};
  roots.shape = {static_cast<std::int64_t>(roots.values.size())};
  return {{std::string(nodes_name), std::move(nodes)}, {std::string(roots_name), std::move(roots)}};
}

Trees::Trees(const DesignSpace& space, const TensorMap& tensors) {
  const StoredTensor& nodes = tensor_of(tensors, nodes_name);
  const StoredTensor& roots = tensor_of(tensors, roots_name);
  if (nodes.shape.size() != 2 || nodes.shape[1] != static_cast<std::int64_t>(node_width) || roots.shape.size() != 1) {
    throw damaged("have tensors of another shape");
  }
  const std::size_t count = nodes.values.size() / node_width;
  for (std::size_t i = 0; i < count; ++i) {
    const float* row = nodes.values.data() + i * node_width;
    if (row[0] == -1) {
      nodes_.push_back({-1, 0, 0, row[3]});
      continue;
    }
    const std::uint32_t parameter = whole_below(row[0], space.dimensions(), "parameter");
    if (!(row[1] >= 0 && row[1] <= 4294967040.0F)) throw damaged(fmt::format("have the threshold {}", row[1]));
    const std::uint32_t left = whole_below(row[2], count, "node");
    // Children behind their parent: no design goes round in circles.
    if (left <= i || left + 1 >= count) throw damaged(fmt::format("have a node {} with the children of another", i));
    nodes_.push_back({static_cast<std::int32_t>(parameter), static_cast<std::uint32_t>(row[1]), left, 0});
  }
  for (const float root : roots.values) roots_.push_back(whole_below(root, count, "root"));
  for (const Parameter& parameter : space.parameters()) is_ordered_.push_back(parameter.is_ordered());
}

void Trees::evaluate(std::span<const Design> designs, float* out) const {
  for (std::size_t i = 0; i < designs.size(); ++i) {
    const Design& design = designs[i];
    float sum = 0;
    for (const std::uint32_t root : roots_) {
      const Node* node = &nodes_[root];
      while (node->parameter >= 0) {
        const auto parameter = static_cast<std::size_t>(node->parameter);
        const std::uint32_t index = design[parameter];
        const bool goes_left = is_ordered_[parameter] ? index < node->threshold : index != node->threshold;
        node = &nodes_[node->left + (goes_left ? 0 : 1)];
      }
      sum += node->value;
    }
    out[i] = sum;
  }
}

}  // namespace corbel
