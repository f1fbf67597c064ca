#include "corbel/scorer/trees.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

constexpr std::size_t node_width = 4;

// Sums of leaves stay below this, and keep their place when leaves are added and taken off.
constexpr double largest_sum = 1 << 30;
constexpr std::uint32_t few_values = 4096;
// 16 MB of masks, and what they may cost to make; ordinary forests stay far below.
constexpr std::size_t most_mask_words = std::size_t{1} << 21, most_questions = std::size_t{1} << 28;
constexpr std::size_t largest_block = 1024;
constexpr std::size_t most_corners = std::size_t{1} << 22;
// Fewer designs than this cost less one by one than a block.
constexpr std::size_t least_run = 8;

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

template <class Node>
std::vector<Node> read_nodes(const DesignSpace& space, const StoredTensor& nodes) {
  const std::size_t count = nodes.values.size() / node_width;
  std::vector<Node> all;
  for (std::size_t i = 0; i < count; ++i) {
    const float* row = nodes.values.data() + i * node_width;
    if (row[0] == -1) {
      all.push_back({-1, 0, 0, row[3]});
      continue;
    }
    const std::uint32_t parameter = whole_below(row[0], space.dimensions(), "parameter");
    if (!(row[1] >= 0 && row[1] <= 4294967040.0F)) throw damaged(fmt::format("have the threshold {}", row[1]));
    const std::uint32_t left = whole_below(row[2], count, "node");
    // Children behind their parent: no design goes round in circles.
    if (left <= i || left + 1 >= count) throw damaged(fmt::format("have a node {} with the children of another", i));
    all.push_back({static_cast<std::int32_t>(parameter), static_cast<std::uint32_t>(row[1]), left, 0});
  }
  return all;
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

/// Evaluates designs one after the other, for one thread: what they share with the design before is kept.
class Trees::Run {
 public:
  explicit Run(const Trees& trees) : trees_(trees), prefix_(trees.words_), mask_(trees.words_), block_(trees.block_) {}

  /// Of `count` designs that agree in all parameters before the tail.
  void prefix(const Design& design) {
    std::fill(prefix_.begin(), prefix_.end(), ~std::uint64_t{0});
    for (const Column& column : trees_.columns_) {
      if (column.parameter < trees_.tail_) narrow(prefix_, column, design);
    }
  }

  /// The sum of the leaves of a design that begins with the prefix.
  std::int32_t sum(const Design& design) {
    mask_ = prefix_;
    for (const Column& column : trees_.columns_) {
      if (column.parameter >= trees_.tail_) narrow(mask_, column, design);
    }
    std::int32_t sum = 0;
    for (std::size_t w = 0; w < mask_.size(); ++w) {
      if (mask_[w] != 0) sum += trees_.values_[64 * w + static_cast<std::size_t>(std::countr_zero(mask_[w]))];
    }
    return sum;
  }

  /// Those of all designs that begin with the prefix.
  std::span<const std::int32_t> block() {
    // Differences first; they may leave the range of a number, which their sums do not.
    std::fill(block_.begin(), block_.end(), 0U);
    for (std::size_t w = 0; w < prefix_.size(); ++w) {
      for (std::uint64_t left = prefix_[w]; left != 0; left &= left - 1) {
        const std::size_t leaf = 64 * w + static_cast<std::size_t>(std::countr_zero(left));
        for (std::uint32_t c = trees_.first_corner_[leaf]; c < trees_.first_corner_[leaf + 1]; ++c) {
          block_[trees_.corners_[c].offset] += static_cast<std::uint32_t>(trees_.corners_[c].change);
        }
      }
    }
    const std::vector<Parameter>& parameters = trees_.space_.parameters();
    std::size_t stride = 1;
    for (std::size_t p = parameters.size(); p-- > trees_.tail_;) {
      const std::size_t group = stride * parameters[p].count();
      for (std::size_t begin = 0; begin < block_.size(); begin += group) {
        for (std::size_t i = begin + stride; i < begin + group; ++i) block_[i] += block_[i - stride];
      }
      stride = group;
    }
    return {reinterpret_cast<const std::int32_t*>(block_.data()), block_.size()};
  }

 private:
  void narrow(std::vector<std::uint64_t>& mask, const Column& column, const Design& design) const {
    const std::uint64_t* row =
        trees_.masks_.data() + (column.first_row + column.of(design[column.parameter])) * trees_.words_;
    for (std::size_t w = 0; w < mask.size(); ++w) mask[w] &= row[w];
  }

  const Trees& trees_;
  std::vector<std::uint64_t> prefix_, mask_;
  std::vector<std::uint32_t> block_;
};

std::size_t Trees::Column::of(std::uint32_t index) const {
  if (!class_of.empty()) return class_of[index];
  const auto at = std::lower_bound(cuts.begin(), cuts.end(), index);
  const auto place = static_cast<std::size_t>(at - cuts.begin());
  const bool found = at != cuts.end() && *at == index;
  // Ordered: how many cuts are not above it; else the one that it is, from 1.
  return is_ordered ? place + (found ? 1 : 0) : found ? place + 1 : 0;
}

bool Trees::goes_left(const Column& column, std::size_t cut, std::size_t value_class) {
  return column.is_ordered ? value_class <= cut : value_class != cut + 1;
}

Trees::Trees(const DesignSpace& space, const TensorMap& tensors) : space_(space) {
  const StoredTensor& nodes = tensor_of(tensors, nodes_name);
  const StoredTensor& roots = tensor_of(tensors, roots_name);
  if (nodes.shape.size() != 2 || nodes.shape[1] != static_cast<std::int64_t>(node_width) || roots.shape.size() != 1) {
    throw damaged("have tensors of another shape");
  }
  nodes_ = read_nodes<Node>(space, nodes);
  for (const float root : roots.values) {
    const std::uint32_t at = whole_below(root, nodes_.size(), "root");
    if (nodes_[at].parameter < 0) {
      base_ += nodes_[at].value;
    } else {
      roots_.push_back(at);
    }
  }
  find_columns();
  find_leaves();
}

void Trees::find_columns() {
  const std::vector<Parameter>& parameters = space_.parameters();
  std::vector<std::vector<std::uint32_t>> cuts(parameters.size());
  for (const Node& node : nodes_) {
    if (node.parameter >= 0) cuts[static_cast<std::size_t>(node.parameter)].push_back(node.threshold);
  }
  column_of_.assign(parameters.size(), 0);
  std::size_t rows = 0;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    if (cuts[p].empty()) continue;
    std::sort(cuts[p].begin(), cuts[p].end());
    cuts[p].erase(std::unique(cuts[p].begin(), cuts[p].end()), cuts[p].end());
    column_of_[p] = columns_.size();
    Column column{p, parameters[p].is_ordered(), std::move(cuts[p]), {}, rows};
    if (parameters[p].count() <= few_values && column.classes() <= UINT16_MAX) {
      std::vector<std::uint16_t> class_of;
      for (std::uint32_t i = 0; i < parameters[p].count(); ++i) {
        class_of.push_back(static_cast<std::uint16_t>(column.of(i)));
      }
      column.class_of = std::move(class_of);
    }
    rows += column.classes();
    columns_.push_back(std::move(column));
  }
}

template <class Visit>
void Trees::for_each_leaf(std::uint32_t root, Visit&& visit) const {
  struct Step {
    std::uint32_t node;
    std::size_t depth;
    Condition last;  // on the way to it
  };
  std::vector<Step> stack = {{root, 0, {}}};
  Way way;
  while (!stack.empty()) {
    const Step step = stack.back();
    stack.pop_back();
    way.resize(step.depth);
    if (step.depth > 0) way.back() = step.last;
    const Node& node = nodes_[step.node];
    if (node.parameter < 0) {
      visit(way, node.value);
      continue;
    }
    const std::size_t column = column_of_[static_cast<std::size_t>(node.parameter)];
    const std::vector<std::uint32_t>& cuts = columns_[column].cuts;
    const auto cut = std::lower_bound(cuts.begin(), cuts.end(), node.threshold) - cuts.begin();
    stack.push_back({node.left + 1, step.depth + 1, {column, static_cast<std::size_t>(cut), false}});
    stack.push_back({node.left, step.depth + 1, {column, static_cast<std::size_t>(cut), true}});
  }
}

void Trees::find_leaves() {
  std::size_t leaves = 0, conditions = 0, rows = 0;
  double largest = 0;
  for (const std::uint32_t root : roots_) {
    double most = 0;
    std::size_t own = 0;
    for_each_leaf(root, [&](const Way& way, float value) {
      // A node with several parents would have ways without number.
      if (++own + leaves > nodes_.size()) throw damaged("share nodes");
      conditions += way.size();
      most = std::max(most, std::abs(static_cast<double>(value)));
    });
    leaves += own;
    words_ += (own + 63) / 64;
    largest += most;
  }
  if (largest > 0) per_unit_ = largest_sum / largest;
  for (const Column& column : columns_) rows += column.classes();
  find_tail();
  std::size_t tail_values = 0;
  for (std::size_t p = tail_; p < space_.dimensions(); ++p) tail_values += space_.parameters()[p].count();
  if (words_ * rows > most_mask_words || conditions * (rows + tail_values) > most_questions) words_ = block_ = 0;
  if (words_ == 0) return;

  masks_.assign(rows * words_, 0);
  values_.assign(words_ * 64, 0);
  first_corner_.assign(words_ * 64 + 1, 0);
  std::size_t next = 0;
  for (const std::uint32_t root : roots_) {
    for_each_leaf(root, [&](const Way& way, float value) {
      values_[next] = worth(value);
      mark(way, next);
      add_corners(way, values_[next]);
      first_corner_[++next] = static_cast<std::uint32_t>(corners_.size());
    });
    for (; next % 64 != 0; ++next) first_corner_[next + 1] = first_corner_[next];
  }
}

/// Sets the leaf's bit in the rows of all values that may lead to it.
void Trees::mark(const Way& way, std::size_t leaf) {
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    for (std::size_t value_class = 0; value_class < columns_[c].classes(); ++value_class) {
      const bool passes = std::all_of(way.begin(), way.end(), [&](const Condition& condition) {
        return condition.column != c || goes_left(columns_[c], condition.cut, value_class) == condition.goes_left;
      });
      if (passes) masks_[(columns_[c].first_row + value_class) * words_ + leaf / 64] |= std::uint64_t{1} << leaf % 64;
    }
  }
}

void Trees::find_tail() {
  const std::vector<Parameter>& parameters = space_.parameters();
  block_ = 1;
  for (tail_ = parameters.size(); tail_ > 0 && parameters[tail_ - 1].count() <= largest_block / block_; --tail_) {
    block_ *= parameters[tail_ - 1].count();
  }
  if (block_ < 2 * least_run) block_ = 0;
}

/// The corners of the box of a block's designs that reach a leaf: along each parameter, where the values begin that
/// lead to it and where they end.
void Trees::add_corners(const Way& way, std::int32_t value) {
  if (block_ == 0) return;
  std::vector<Corner> corners = {{0, value}};
  const std::vector<Parameter>& parameters = space_.parameters();
  std::size_t stride = 1;
  for (std::size_t p = parameters.size(); p-- > tail_; stride *= parameters[p].count()) {
    std::vector<Corner> next;
    bool was_inside = false;
    for (std::uint32_t i = 0; i < parameters[p].count(); ++i) {
      const bool inside = std::all_of(way.begin(), way.end(), [&](const Condition& condition) {
        const Column& column = columns_[condition.column];
        return column.parameter != p || goes_left(column, condition.cut, column.of(i)) == condition.goes_left;
      });
      if (inside == was_inside) continue;
      for (const Corner& corner : corners) {
        next.push_back(
            {static_cast<std::uint32_t>(corner.offset + i * stride), inside ? corner.change : -corner.change});
      }
      was_inside = inside;
    }
    corners = std::move(next);
  }
  corners_.insert(corners_.end(), corners.begin(), corners.end());
  if (corners_.size() <= most_corners) return;
  block_ = 0;
  corners_ = {};
}

std::int32_t Trees::walk(const Design& design, std::uint32_t root) const {
  const Node* node = &nodes_[root];
  while (node->parameter >= 0) {
    const auto parameter = static_cast<std::size_t>(node->parameter);
    const std::uint32_t index = design[parameter];
    const bool left = columns_[column_of_[parameter]].is_ordered ? index < node->threshold : index != node->threshold;
    node = &nodes_[node->left + (left ? 0 : 1)];
  }
  return worth(node->value);
}

void Trees::evaluate(std::span<const Design> designs, float* out) const {
  if (words_ == 0) {
    for (const Design& design : designs) {
      std::int32_t sum = 0;
      for (const std::uint32_t root : roots_) sum += walk(design, root);
      *out++ = total(sum);
    }
    return;
  }
  Run run(*this);
  const auto tail = static_cast<std::ptrdiff_t>(tail_);
  for (std::size_t begin = 0, end = 0; begin < designs.size(); begin = end) {
    const Design& first = designs[begin];
    for (end = begin + 1; end < designs.size(); ++end) {
      if (!std::equal(first.begin(), first.begin() + tail, designs[end].begin())) break;
    }
    run.prefix(first);
    if (block_ == 0 || end - begin < least_run) {
      for (std::size_t i = begin; i < end; ++i) out[i] = total(run.sum(designs[i]));
      continue;
    }
    const std::span<const std::int32_t> block = run.block();
    for (std::size_t i = begin; i < end; ++i) {
      std::size_t offset = 0;
      for (std::size_t p = tail_; p < designs[i].size(); ++p) {
        offset = offset * space_.parameters()[p].count() + designs[i][p];
      }
      out[i] = total(block[offset]);
    }
  }
}

void Trees::evaluate_range(DesignId first, std::size_t n, float* out) const {
  Design design = space_.design(first);
  if (block_ == 0) {
    std::vector<Design> designs(std::min<std::size_t>(n, 64));
    for (std::size_t begin = 0; begin < n; begin += designs.size()) {
      designs.resize(std::min(designs.size(), n - begin));
      for (Design& each : designs) {
        each = design;
        space_.advance(design);
      }
      evaluate(designs, out + begin);
    }
    return;
  }
  Run run(*this);
  for (std::size_t begin = 0, count = 0; begin < n; begin += count) {
    const DesignId id = first + begin;
    const auto offset = static_cast<std::size_t>(id % block_);
    count = std::min(n - begin, block_ - offset);
    space_.design(id, design);
    run.prefix(design);
    if (count < least_run) {
      for (std::size_t i = 0; i < count; ++i) {
        out[begin + i] = total(run.sum(design));
        space_.advance(design);
      }
      continue;
    }
    const std::span<const std::int32_t> block = run.block().subspan(offset, count);
    std::transform(block.begin(), block.end(), out + begin, [&](std::int32_t sum) { return total(sum); });
  }
}

}  // namespace corbel
