#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "corbel/search/strategy.hpp"

namespace corbel {

/// Designs that follow each other in the enumeration, and what is known of them together.
struct SpaceRun {
  DesignId first = 0;
  std::uint64_t count = 0;
  Coverage admitted = Coverage::some;
};

/// Divides a stretch of a space's enumeration into runs, in order and without a gap, by what the domain says of boxes:
/// the designs that share their first parameters, and one more parameter within a range, follow each other. A run that
/// is refused or admitted as a whole is as long as its box. Costs nothing in the designs of a box that is refused.
class SpaceWalk {
 public:
  /// Designs begin … end − 1.
  /// @param smallest  boxes of at most so many designs are not divided (≥ 1)
  SpaceWalk(const SearchDomain& domain, DesignId begin, DesignId end, std::uint64_t smallest);
  std::optional<SpaceRun> next();

 private:
  /// Every design with the prefix that led here, `values` values from `value` on of the parameter `depth`, and any
  /// values of those behind it.
  struct Node {
    std::size_t depth;
    std::uint32_t value;
    std::uint32_t values;
    DesignId first;
  };
  Coverage ask(const Node& node);
  void divide(Node node);

  const SearchDomain& domain_;
  DesignId position_, end_;
  std::uint64_t smallest_;
  std::vector<std::uint64_t> strides_;  // designs per value of each parameter
  std::vector<Node> stack_;             // the next on top
  DesignBox box_;                       // of the node asked about last; its prefix is that of the next
};

}  // namespace corbel
