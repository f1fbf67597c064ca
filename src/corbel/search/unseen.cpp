#include "corbel/search/unseen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/random.hpp"
#include "corbel/search/saved_state.hpp"

namespace corbel {

namespace {

// The finaliser of splitmix64 (Steele et al. 2014): every input bit reaches every output bit.
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

UnseenDesigns::UnseenDesigns(SearchDomain domain, Rng& rng) : domain_(std::move(domain)), key_(rng.next()) {}

// A keyed permutation of [0, size): a Feistel network over the next power of four, applied again while the result
// lies outside (cycle walking, Black and Rogaway 2002), on average fewer than four times.
DesignId UnseenDesigns::permuted(std::uint64_t index) const {
  constexpr int rounds = 10;  // with 6, pairs of draws from a dozen designs are visibly uneven
  const std::uint64_t size = space().size();
  const int half = std::max(1, (static_cast<int>(std::bit_width(size - 1)) + 1) / 2);
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  do {
    std::uint64_t left = index >> half, right = index & mask;
    for (int round = 1; round <= rounds; ++round) {
      const std::uint64_t round_key = key_ + static_cast<std::uint64_t>(round) * 0x9e3779b97f4a7c15u;
      left = std::exchange(right, left ^ (mixed(right ^ mixed(round_key)) & mask));
    }
    index = left << half | right;
  } while (index >= size);
  return index;
}

bool UnseenDesigns::claim(const Design& design) {
  if (!space().contains(design) || !admitted(design)) return false;
  return seen_.insert(space().id(design)).second;
}

std::optional<Design> UnseenDesigns::draw() {
  const std::uint64_t end = cursor_ + std::min(draw_effort, space().size() - cursor_);
  Design design;
  while (cursor_ < end && !exhausted()) {
    const DesignId id = permuted(cursor_++);
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
  for (const nlohmann::json& each : json.at("seen")) {
    const DesignId id = whole_from_json(each);
    if (id >= space().size()) throw damaged_state(fmt::format("design {} lies outside the space", id));
    seen.insert(id);
  }
  if (cursor > space().size()) throw damaged_state(fmt::format("{} designs were drawn of {}", cursor, space().size()));
  key_ = key;
  cursor_ = cursor;
  seen_ = std::move(seen);
}

}  // namespace corbel
