#include "corbel/search/optimise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/units.hpp"

namespace corbel {

SearchResult optimise(const Objective& objective, Strategy& strategy, const SearchOptions& options, Monitor& monitor) {
  const DesignSpace& space = objective.space();
  const std::size_t batch = std::max<std::size_t>(1, options.batch ? options.batch : objective.preferred_batch());
  SearchResult result;
  TopDesigns top(options.keep);
  double best = std::numeric_limits<double>::infinity();
  std::string note = "nothing feasible yet";
  std::vector<Score> scores;
  std::vector<Evaluation> evaluations;
  while (result.scored < options.budget) {
    monitor.check();
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(batch, options.budget - result.scored));
    std::vector<Design> designs = strategy.ask(wanted);
    for (const Design& design : designs)
      if (!space.contains(design))
        throw Error(ErrorCode::mismatch,
                    fmt::format("strategy `{}` searches another design space than the objective's", strategy.id()),
                    "make the strategy with the space of the objective");
    scores.assign(designs.size(), Score{});
    objective.score(designs, scores);
    evaluations.clear();
    for (std::size_t i = 0; i < designs.size(); ++i) {
      ++result.scored;
      if (scores[i].failed()) {
        ++result.failed;
        continue;
      }
      top.offer(designs[i], space.id(designs[i]), scores[i]);
      if (scores[i].feasible() && scores[i].objective < best) {
        best = scores[i].objective;
        result.history.emplace_back(result.scored, best);
        note = "best " + format_for_people(best);
      }
      evaluations.push_back({std::move(designs[i]), scores[i]});
    }
    strategy.tell(evaluations);
    monitor.progress("search", result.scored, options.budget, note);
    if (designs.size() < wanted) break;
  }
  result.best = top.sorted();
  result.exhaustive = strategy.exhausted() && strategy.seen() == result.scored;
  return result;
}

}  // namespace corbel
