#include <algorithm>
#include <memory>
#include <utility>

#include "corbel/search/strategy.hpp"

namespace corbel {

SearchDomain make_domain(DesignSpace space, std::span<const BoundConstraint> constraints,
                         std::vector<DesignId> left_out) {
  std::vector<BoundConstraint> limits;
  for (const BoundConstraint& constraint : constraints) {
    if (constraint.needs_only_parameters()) limits.push_back(constraint);
  }
  if (limits.empty() && left_out.empty()) return {std::move(space), {}};
  std::sort(left_out.begin(), left_out.end());
  struct Data {
    DesignSpace space;
    std::vector<BoundConstraint> limits;
    std::vector<DesignId> left_out;
  };
  const auto data = std::make_shared<const Data>(Data{std::move(space), std::move(limits), std::move(left_out)});
  const auto admits = [data](const Design& design) {
    return std::all_of(data->limits.begin(), data->limits.end(),
                       [&](const BoundConstraint& limit) { return limit.satisfied(design, {}); }) &&
           (data->left_out.empty() ||
            !std::binary_search(data->left_out.begin(), data->left_out.end(), data->space.id(design)));
  };
  const auto admits_box = [data](const DesignBox& box) {
    Coverage all = Coverage::all;
    for (const BoundConstraint& limit : data->limits) {
      const Coverage one = limit.coverage(box);
      if (one == Coverage::none) return Coverage::none;
      if (one == Coverage::some) all = Coverage::some;
    }
    if (all == Coverage::some || data->left_out.empty()) return all;
    // The ids of a box lie between those of its corners.
    const auto first = std::lower_bound(data->left_out.begin(), data->left_out.end(), data->space.id(box.first));
    const bool whole = first == data->left_out.end() || *first > data->space.id(box.last);
    return whole ? Coverage::all : Coverage::some;
  };
  return {data->space, admits, admits_box};
}

}  // namespace corbel
