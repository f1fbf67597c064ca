#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <unordered_set>

#include "corbel/base/permutation.hpp"
#include "corbel/search/strategy.hpp"

namespace corbel {

class Rng;

/// The designs of a domain that were neither proposed nor told: what every strategy draws from, so that none proposes
/// a design twice. A value; not thread-safe.
class UnseenDesigns {
 public:
  /// @param rng  fixes the order of draw()
  UnseenDesigns(SearchDomain domain, Rng& rng);

  const DesignSpace& space() const { return domain_.space; }
  /// Takes a design: true if it was unseen and the domain admits it. It is seen from then on.
  bool claim(const Design& design);
  /// Whether claim() would take it.
  bool available(const Design& design) const;
  /// Takes the next unseen admitted design of a pseudo-random order of the whole space, which makes a sample without
  /// replacement whose cost does not grow as the space empties. Nothing once the space is exhausted, or after
  /// `draw_effort` designs in a row that were seen or refused; the next call goes on from there.
  std::optional<Design> draw();
  /// Designs evaluated elsewhere are seen too. @throws Error{mismatch} if one lies outside the space; then none is
  /// marked
  void mark(std::span<const Evaluation> evaluations);

  /// Distinct designs proposed or told.
  std::uint64_t count() const { return seen_.size(); }
  /// True once it is certain that every admitted design was seen.
  bool exhausted() const { return seen_.size() == space().size() || cursor_ == space().size(); }

  nlohmann::json to_json() const;
  /// @throws Error{corrupt} or a JSON exception; the object is then unchanged
  void from_json(const nlohmann::json& json);

  static constexpr std::uint64_t draw_effort = std::uint64_t{1} << 22;

 private:
  bool admitted(const Design& design) const { return !domain_.admits || domain_.admits(design); }

  SearchDomain domain_;
  std::unordered_set<DesignId> seen_;
  std::uint64_t key_;
  Permutation order_;         // seeded by key_
  std::uint64_t cursor_ = 0;  // every design before it in the permutation is seen or refused
};

}  // namespace corbel
