#include "corbel/search/space_walk.hpp"

#include <algorithm>

namespace corbel {

SpaceWalk::SpaceWalk(const SearchDomain& domain, DesignId begin, DesignId end, std::uint64_t smallest)
    : domain_(domain), position_(begin), end_(end), smallest_(smallest) {
  const std::vector<Parameter>& parameters = domain.space.parameters();
  strides_.assign(parameters.size(), 1);
  for (std::size_t i = parameters.size() - 1; i > 0; --i) strides_[i - 1] = strides_[i] * parameters[i].count();
  box_.first.assign(parameters.size(), 0);
  box_.last = box_.first;
  if (domain.admits && domain.admits_box) stack_.push_back({0, 0, parameters[0].count(), 0});
}

Coverage SpaceWalk::ask(const Node& node) {
  box_.first[node.depth] = node.value;
  box_.last[node.depth] = node.value + node.values - 1;
  for (std::size_t i = node.depth + 1; i < box_.first.size(); ++i) {
    box_.first[i] = 0;
    box_.last[i] = domain_.space.parameters()[i].count() - 1;
  }
  return domain_.admits_box(box_);
}

void SpaceWalk::divide(Node node) {
  const std::vector<Parameter>& parameters = domain_.space.parameters();
  while (node.values == 1) {
    box_.first[node.depth] = box_.last[node.depth] = node.value;
    ++node.depth;
    node.value = 0;
    node.values = parameters[node.depth].count();
  }
  const std::uint32_t half = node.values / 2;
  stack_.push_back({node.depth, node.value + half, node.values - half, node.first + half * strides_[node.depth]});
  stack_.push_back({node.depth, node.value, half, node.first});
}

std::optional<SpaceRun> SpaceWalk::next() {
  if (position_ == end_) return std::nullopt;
  const auto run = [&](DesignId behind, Coverage admitted) {
    const SpaceRun found{position_, std::min(behind, end_) - position_, admitted};
    position_ += found.count;
    return found;
  };
  while (!stack_.empty()) {
    const Node node = stack_.back();
    stack_.pop_back();
    const std::uint64_t size = node.values * strides_[node.depth];
    const DesignId behind = node.first + size;
    if (behind <= position_) continue;
    // A box that the stretch cuts is not asked about: the walk that starts in its middle must divide it as one that
    // came from its beginning has done, for which it was `some` or `all`.
    const bool cut = node.first < position_ || behind > end_;
    const Coverage admitted = cut ? Coverage::some : ask(node);
    if (admitted != Coverage::some || size <= smallest_) return run(behind, admitted);
    divide(node);
  }
  return run(end_, domain_.admits ? Coverage::some : Coverage::all);
}

}  // namespace corbel
