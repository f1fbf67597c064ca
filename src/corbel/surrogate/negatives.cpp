#include "corbel/surrogate/negatives.hpp"

#include <algorithm>

#include "corbel/base/random.hpp"

namespace corbel {
namespace {

// Designs scored per negative kept, and asked for at once. More makes negatives better optimised, not the model better.
constexpr std::size_t scored_per_negative = 3;
constexpr std::size_t asked_at_once = 64;

std::vector<Evaluation> evaluate(const Model& model, std::span<const float> context, std::span<const Design> designs) {
  const Predictions predictions = model.predict(designs, context);
  std::vector<Evaluation> evaluations(designs.size());
  for (std::size_t i = 0; i < designs.size(); ++i) {
    evaluations[i].design = designs[i];
    evaluations[i].score.objective = cost_of(model.direction(), predictions.metrics[i * model.metrics().size()]);
  }
  return evaluations;
}

}  // namespace

std::vector<Design> find_negatives(const Model& model, std::span<const float> context, const SearchDomain& domain,
                                   const std::string& strategy, std::span<const Design> seeds, std::size_t count,
                                   std::uint64_t seed) {
  Strategy search = make_strategy(strategy, domain, {}, seed);
  search.tell(evaluate(model, context, seeds));
  std::vector<Evaluation> found;
  while (found.size() < count * scored_per_negative) {
    const std::vector<Design> asked = search.ask(std::min(asked_at_once, count * scored_per_negative - found.size()));
    if (asked.empty()) break;
    const std::vector<Evaluation> evaluations = evaluate(model, context, asked);
    search.tell(evaluations);
    found.insert(found.end(), evaluations.begin(), evaluations.end());
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Evaluation& a, const Evaluation& b) { return better(a.score, b.score); });
  std::vector<Design> negatives;
  for (std::size_t i = 0; i < std::min(count, found.size()); ++i) negatives.push_back(std::move(found[i].design));
  return negatives;
}

std::vector<Design> mutate_designs(const SearchDomain& domain, std::span<const Design> parents, std::size_t count,
                                   std::uint64_t seed) {
  constexpr std::size_t tries_per_design = 10, most_mutations = 3;
  const std::vector<Parameter>& parameters = domain.space.parameters();
  std::vector<std::size_t> mutable_parameters;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p].count() > 1) mutable_parameters.push_back(p);
  }
  if (mutable_parameters.empty() || parents.empty()) return {};
  std::unordered_set<DesignId> known;
  for (const Design& parent : parents) known.insert(domain.space.id(parent));
  Rng rng(seed);
  std::vector<Design> found;
  for (std::size_t i = 0; i < tries_per_design * count && found.size() < count; ++i) {
    Design design = parents[i % parents.size()];
    for (std::size_t mutations = 1 + rng.below(most_mutations); mutations > 0; --mutations) {
      const std::size_t p = mutable_parameters[rng.below(mutable_parameters.size())];
      // Any value but its own.
      const auto other = static_cast<std::uint32_t>(rng.below(parameters[p].count() - 1));
      design[p] = other + (other >= design[p] ? 1 : 0);
    }
    if (domain.admits && !domain.admits(design)) continue;
    if (known.insert(domain.space.id(design)).second) found.push_back(std::move(design));
  }
  return found;
}

void keep_new(const SearchDomain& domain, std::span<const DesignId> known, std::vector<Design>& designs) {
  std::unordered_set<DesignId> kept;
  std::erase_if(designs, [&](const Design& design) {
    const DesignId id = domain.space.id(design);
    return (domain.admits && !domain.admits(design)) || std::ranges::binary_search(known, id) ||
           !kept.insert(id).second;
  });
}

void add_to_kept(const DesignSpace& space, std::span<const Design> found, std::size_t most, std::vector<Design>& kept) {
  std::unordered_set<DesignId> again;
  for (const Design& design : found) again.insert(space.id(design));
  std::erase_if(kept, [&](const Design& design) { return again.contains(space.id(design)); });
  kept.insert(kept.end(), found.begin(), found.end());
  if (kept.size() > most) kept.erase(kept.begin(), kept.end() - static_cast<std::ptrdiff_t>(most));
}

}  // namespace corbel
