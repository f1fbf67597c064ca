#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <unordered_set>
#include <vector>

#include "corbel/search/strategy.hpp"

namespace corbel {

/// The different designs a strategy was told, in the order they came: what model-based strategies learn from.
class Observations {
 public:
  explicit Observations(DesignSpace space) : space_(std::move(space)) {}
  /// False for a design that was told before: its first evaluation stays.
  bool add(const Evaluation& evaluation);
  const std::vector<Evaluation>& all() const { return all_; }
  std::size_t size() const { return all_.size(); }
  /// The best so far, infeasible ones included; nothing before the first.
  const Evaluation* best() const { return best_ ? &all_[*best_] : nullptr; }
  /// Places in all() of the `count` best, or of all there are, best first; of equals the earlier first.
  std::vector<std::size_t> best(std::size_t count) const;

  nlohmann::json to_json() const;
  /// @throws Error{corrupt} or a JSON exception; the object is then unchanged
  void from_json(const nlohmann::json& json);

 private:
  DesignSpace space_;
  std::vector<Evaluation> all_;
  std::unordered_set<DesignId> ids_;
  std::optional<std::size_t> best_;
};

/// Thins a ranking to `count` places: its first `best` and an even sample of the others.
void thin_ranking(std::vector<std::size_t>& ranking, std::size_t best, std::size_t count);

}  // namespace corbel
