#include "corbel/search/unseen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/random.hpp"
#include "corbel/search/saved_state.hpp"

namespace corbel {

UnseenDesigns::UnseenDesigns(SearchDomain domain, Rng& rng)
    : domain_(std::move(domain)), key_(rng.next()), order_(space().size(), key_) {}

bool UnseenDesigns::claim(const Design& design) {
  if (!space().contains(design) || !admitted(design)) return false;
  return seen_.insert(space().id(design)).second;
}

bool UnseenDesigns::available(const Design& design) const {
  return space().contains(design) && !seen_.contains(space().id(design)) && admitted(design);
}

std::optional<Design> UnseenDesigns::draw() {
  const std::uint64_t end = cursor_ + std::min(draw_effort, space().size() - cursor_);
  Design design;
  while (cursor_ < end && !exhausted()) {
    const DesignId id = order_.at(cursor_++);
    if (seen_.contains(id)) continue;
    space().design(id, design);
    if (!admitted(design)) continue;
    seen_.insert(id);
    return design;
  }
  return std::nullopt;
}

void UnseenDesigns::mark(std::span<const Evaluation> evaluations) {
  for (const Evaluation& evaluation : evaluations)
    if (!space().contains(evaluation.design))
      throw Error(ErrorCode::mismatch, "a design told to the search lies outside its design space",
                  "tell it only designs of the space it was made for");
  for (const Evaluation& evaluation : evaluations) seen_.insert(space().id(evaluation.design));
}

nlohmann::json UnseenDesigns::to_json() const {
  std::vector<DesignId> ids(seen_.begin(), seen_.end());
  std::sort(ids.begin(), ids.end());
  return {{"key", key_}, {"cursor", cursor_}, {"seen", std::move(ids)}};
}

void UnseenDesigns::from_json(const nlohmann::json& json) {
  const std::uint64_t key = whole_from_json(json.at("key")), cursor = whole_from_json(json.at("cursor"));
  std::unordered_set<DesignId> seen;
  for (const nlohmann::json& each : json.at("seen")) seen.insert(design_id_from_json(space(), each));
  if (cursor > space().size()) throw damaged_state(fmt::format("{} designs were drawn of {}", cursor, space().size()));
  key_ = key;
  order_ = Permutation(space().size(), key);
  cursor_ = cursor;
  seen_ = std::move(seen);
}

}  // namespace corbel
