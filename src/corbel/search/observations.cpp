#include "corbel/search/observations.hpp"

#include <algorithm>
#include <cassert>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/search/saved_state.hpp"

namespace corbel {

bool Observations::add(const Evaluation& evaluation) {
  if (!ids_.insert(space_.id(evaluation.design)).second) return false;
  if (!best_ || better(evaluation.score, all_[*best_].score)) best_ = all_.size();
  all_.push_back(evaluation);
  return true;
}

std::vector<std::size_t> Observations::best(std::size_t count) const {
  std::vector<std::size_t> order(all_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  count = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      if (better(all_[a].score, all_[b].score)) return true;
                      return !better(all_[b].score, all_[a].score) && a < b;
                    });
  order.resize(count);
  return order;
}

nlohmann::json Observations::to_json() const {
  nlohmann::json list = nlohmann::json::array();
  for (const Evaluation& evaluation : all_) list.push_back(evaluation_to_json(space_, evaluation));
  return list;
}

void Observations::from_json(const nlohmann::json& json) {
  Observations loaded(space_);
  for (const nlohmann::json& each : json) {
    if (!loaded.add(evaluation_from_json(space_, each))) throw damaged_state("a design stands in it twice");
  }
  *this = std::move(loaded);
}

void thin_ranking(std::vector<std::size_t>& ranking, std::size_t best, std::size_t count) {
  assert(best < count);
  if (ranking.size() <= count) return;
  const std::size_t others = ranking.size() - best;
  for (std::size_t k = best; k < count; ++k) ranking[k] = ranking[best + (k - best) * others / (count - best)];
  ranking.resize(count);
}

}  // namespace corbel
