#include "corbel/surrogate/negatives.hpp"

#include <algorithm>

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
    evaluations[i].score.objective = predictions.metrics[i * model.metrics().size()];
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

}  // namespace corbel
