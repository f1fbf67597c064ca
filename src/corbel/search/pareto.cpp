#include "corbel/search/pareto.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/search/decomposition.hpp"
#include "corbel/search/hypervolume.hpp"
#include "corbel/search/nsga2.hpp"

namespace corbel {
namespace {

bool all_finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

std::unique_ptr<ParetoMethod> make_method(std::size_t objectives, const SearchDomain& domain,
                                          const ParetoOptions& options) {
  const std::vector<std::string> known = pareto_methods();
  if (std::find(known.begin(), known.end(), options.method) == known.end())
    throw unknown_name("method", options.method, known);
  if (options.method == "nsga2") return make_nsga2(domain, options.options, options.seed);
  return make_decomposition(options.method, objectives, domain, options.options, options.seed);
}

/// A design's way into the front, to tell later how the hypervolume grew.
struct Arrival {
  std::uint64_t scored;
  DesignId id;
  MultiEvaluation evaluation;
};

std::vector<std::pair<std::uint64_t, double>> growth(std::span<const Arrival> arrivals,
                                                     std::span<const double> reference, std::uint64_t scored,
                                                     std::size_t points) {
  std::vector<std::pair<std::uint64_t, double>> history;
  ParetoFront front;
  double last = 0;
  for (std::size_t point = 1, next = 0; point <= points; ++point) {
    const std::size_t first = next;
    const std::uint64_t until = scored * point / points;
    for (; next < arrivals.size() && arrivals[next].scored <= until; ++next)
      front.offer(arrivals[next].evaluation.design, arrivals[next].id, arrivals[next].evaluation.score);
    if (next == first) continue;
    const double volume = hypervolume(front.points(), reference);
    if (volume > last) history.emplace_back(until, volume);
    last = std::max(last, volume);
  }
  return history;
}

}  // namespace

bool dominates(std::span<const double> a, std::span<const double> b) {
  bool is_better = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] <= b[i])) return false;
    is_better = is_better || a[i] < b[i];
  }
  return is_better;
}

bool ParetoFront::offer(const Design& design, DesignId id, const MultiScore& score) {
  if (!score.feasible() || score.objectives.empty() || !all_finite(score.objectives)) return false;
  for (Entry& entry : entries_) {
    const std::vector<double>& other = entry.evaluation.score.objectives;
    if (dominates(other, score.objectives)) return false;
    if (other == score.objectives) {
      if (id < entry.id) entry = {id, {design, score}};
      return entry.id == id;
    }
  }
  std::erase_if(entries_,
                [&](const Entry& entry) { return dominates(score.objectives, entry.evaluation.score.objectives); });
  entries_.push_back({id, {design, score}});
  return true;
}

void ParetoFront::merge(const ParetoFront& other) {
  for (const Entry& entry : other.entries_) offer(entry.evaluation.design, entry.id, entry.evaluation.score);
}

std::vector<MultiEvaluation> ParetoFront::sorted() const {
  std::vector<MultiEvaluation> evaluations;
  for (const Entry& entry : entries_) evaluations.push_back(entry.evaluation);
  std::sort(evaluations.begin(), evaluations.end(),
            [](const MultiEvaluation& a, const MultiEvaluation& b) { return a.score.objectives < b.score.objectives; });
  return evaluations;
}

std::vector<std::vector<double>> ParetoFront::points() const {
  std::vector<std::vector<double>> points;
  for (const Entry& entry : entries_) points.push_back(entry.evaluation.score.objectives);
  return points;
}

std::vector<std::string> pareto_methods() {
  std::vector<std::string> names = {"nsga2"};
  for (const StrategyInfo& info : strategies()) names.emplace_back(info.id);
  return names;
}

ParetoResult pareto_search(const MultiObjective& objective, const SearchDomain& domain, const ParetoOptions& options,
                           Monitor& monitor) {
  const DesignSpace& space = objective.space();
  const std::size_t objectives = objective.objectives();
  if (objectives != 2 && objectives != 3) {
    throw Error(ErrorCode::invalid_input,
                fmt::format("a Pareto search trades off two or three objectives, not {}", objectives));
  }
  if (!(domain.space == space)) {
    throw Error(ErrorCode::mismatch, "a Pareto search's domain is of another design space than its objective's",
                "make the domain with the space of the objective");
  }
  if (!options.reference.empty() && (options.reference.size() != objectives || !all_finite(options.reference))) {
    throw Error(ErrorCode::invalid_input,
                fmt::format("a reference point for {} objectives needs as many finite numbers", objectives));
  }
  const std::unique_ptr<ParetoMethod> method = make_method(objectives, domain, options);
  const std::size_t batch = std::max<std::size_t>(1, options.batch ? options.batch : objective.preferred_batch());
  ParetoResult result;
  ParetoFront front;
  std::vector<double> worst;
  std::vector<Arrival> arrivals;
  std::vector<MultiEvaluation> evaluations;
  while (result.scored < options.budget) {
    monitor.check();
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(batch, options.budget - result.scored));
    std::vector<Design> designs = method->ask(wanted);
    std::vector<MultiScore> scores = objective.score(designs);
    evaluations.clear();
    for (std::size_t i = 0; i < designs.size(); ++i) {
      ++result.scored;
      MultiScore& score = scores[i];
      if (score.failed()) {
        ++result.failed;
        continue;
      }
      score.objectives.resize(objectives, std::numeric_limits<double>::quiet_NaN());
      if (score.feasible() && !all_finite(score.objectives)) score.violation = 1;
      if (score.feasible()) {
        ++result.feasible;
        if (worst.empty()) worst = score.objectives;
        for (std::size_t k = 0; k < objectives; ++k) worst[k] = std::max(worst[k], score.objectives[k]);
        const DesignId id = space.id(designs[i]);
        if (front.offer(designs[i], id, score) && options.history_points > 0)
          arrivals.push_back({result.scored, id, {designs[i], score}});
      }
      evaluations.push_back({std::move(designs[i]), std::move(score)});
    }
    method->tell(evaluations);
    monitor.progress(
        "pareto", result.scored, options.budget,
        front.size() == 0 ? std::string("nothing feasible yet") : fmt::format("{} in front", front.size()));
    if (designs.size() < wanted) break;
  }
  result.front = front.sorted();
  result.exhaustive = method->exhausted();
  result.reference = options.reference.empty() ? worst : options.reference;
  if (!result.reference.empty()) {
    result.hypervolume = hypervolume(front.points(), result.reference);
    result.history = growth(arrivals, result.reference, result.scored, options.history_points);
  }
  return result;
}

}  // namespace corbel
