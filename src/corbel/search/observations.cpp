#include "corbel/search/observations.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/search/saved_state.hpp"

namespace corbel {

bool Observations::add(const Evaluation& evaluation) {
  if (!ids_.insert(space_.id(evaluation.design)).second) return false;
  if (!best_ || better(evaluation.score, all_[*best_].score)) best_ = all_.size();
  if (evaluation.score.feasible()) ++feasible_;
  all_.push_back(evaluation);
  return true;
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

}  // namespace corbel
