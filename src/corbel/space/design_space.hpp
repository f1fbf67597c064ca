#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corbel/space/parameter.hpp"

namespace corbel {

class Config;
class Rng;

/// One point of a design space: a value index per parameter, in the order of `DesignSpace::parameters()`.
using Design = std::vector<std::uint32_t>;
/// A design's place in the enumeration of its space: mixed radix, the last parameter varies fastest.
using DesignId = std::uint64_t;

/// All designs between two corners: parameter i takes the values first[i] … last[i], first[i] <= last[i].
struct DesignBox {
  Design first, last;
};

/// The set of all combinations of some parameters' values. Immutable and cheap to copy; thread-safe.
class DesignSpace {
 public:
  /// @throws Error{invalid_input} for no parameters, a repeated name, or more than 2^63 designs
  explicit DesignSpace(std::vector<Parameter> parameters);

  /// The Edge-TPU-like space of PRIME (arXiv 2110.11346): 10 parameters, 452,760,000 designs.
  static DesignSpace edge();
  /// A built-in name ("edge"), a map with `parameters:`, or a path of a YAML file relative to the config's file.
  /// Each parameter is `name: {values: […], unit: …}` (ordinal, or categorical when the values are words),
  /// `name: {range: [first, last], step: …}`, or `name: boolean`.
  static DesignSpace from_config(const Config& config);
  static DesignSpace from_json(const nlohmann::json& json);
  nlohmann::json to_json() const;

  const std::vector<Parameter>& parameters() const;
  std::size_t dimensions() const { return parameters().size(); }
  std::uint64_t size() const;
  /// Index of a parameter. @throws Error{invalid_input} with the near miss
  std::size_t index_of(std::string_view name) const;
  std::optional<std::size_t> find(std::string_view name) const;
  /// Equal exactly when names, kinds, units and values are: what stores and model files compare.
  const std::string& fingerprint() const;

  DesignId id(const Design& design) const;
  Design design(DesignId id) const;             ///< id < size()
  void design(DesignId id, Design& out) const;  ///< the same without allocating
  /// Moves to the next design of the enumeration; false after the last, which wraps to the first.
  bool advance(Design& design) const;
  bool contains(const Design& design) const;

  /// Uniform over all designs.
  Design random(Rng& rng) const;
  /// All designs that differ in one parameter: by one step if ordered, by any value if categorical.
  std::vector<Design> neighbours(const Design& design) const;
  /// Weighted Hamming-like distance in [0, 1], mean over parameters: |difference of ranks| / (count − 1) if ordered,
  /// 0 or 1 if categorical.
  double distance(const Design& a, const Design& b) const;

  /// A design from written values, one for every parameter, in any order.
  /// @param place  named in errors
  /// @throws Error{invalid_input} for an unknown, missing or repeated parameter, or a value that is not in the space
  Design parse(const std::vector<std::pair<std::string, std::string>>& values, std::string_view place = "") const;
  /// From "pes_x=4,pes_y=4,…".
  Design parse(std::string_view text) const;
  /// {"pes_x": 4, "dataflow": "kcp_ws", …}
  nlohmann::json design_json(const Design& design) const;
  /// "pes_x=4 pes_y=4 …"
  std::string design_text(const Design& design) const;

  bool operator==(const DesignSpace& other) const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

}  // namespace corbel
