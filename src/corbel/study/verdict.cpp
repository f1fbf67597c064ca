#include "corbel/study/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/statistics.hpp"
#include "corbel/base/units.hpp"
#include "corbel/study/learning.hpp"
#include "corbel/surrogate/selection.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// Of so few designs within the limits nothing can be withheld that tells a ranking from chance.
constexpr std::uint64_t least_rows = 10;
/// A rank correlation that chance reaches this often is none.
constexpr double significance = 0.05;
/// Designs that the distances within a log are taken from.
constexpr std::size_t most_sampled = 300;
/// An ensemble that disagrees by so many times its usual error does not know.
constexpr double most_spread = 3;
/// Parameters of more values have some that were never logged in any log.
constexpr std::uint32_t most_values = 256;

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::supported:
      return "supported";
    case Verdict::extrapolated:
      return "extrapolated";
    case Verdict::not_answerable:
      return "not answerable";
  }
  return "";
}

LogSupport::LogSupport(const Dataset& log, const std::string& objective, double error, Direction direction)
    : space_(log.group.space),
      objective_(objective),
      error_(error),
      direction_(direction),
      best_(value_of(direction, std::numeric_limits<double>::infinity())),
      usual_distance_(std::numeric_limits<double>::quiet_NaN()) {
  for (const Parameter& parameter : space_.parameters()) {
    was_run_.emplace_back(parameter.count() <= most_values ? parameter.count() : 0, false);
  }
  const std::size_t metric = log.metric_index(objective);
  for (std::size_t row = 0; row < log.rows(); ++row) {
    if (log.states[row] != TrialState::complete) continue;
    rows_.push_back(row);
    designs_.push_back(space_.design(log.designs[row]));
    const double value = log.metric(row, metric);
    if (std::isfinite(value) && is_better(direction, value, best_)) best_ = value;
    for (std::size_t p = 0; p < was_run_.size(); ++p) {
      if (!was_run_[p].empty()) was_run_[p][designs_.back()[p]] = true;
    }
  }
  if (designs_.size() < 2) return;
  std::vector<double> distances;
  const std::size_t stride = (designs_.size() + most_sampled - 1) / most_sampled;
  for (std::size_t i = 0; i < designs_.size(); i += stride) distances.push_back(nearest(designs_[i], i)->distance);
  usual_distance_ = quantile(std::move(distances), 0.99);
}

std::optional<LogSupport::Neighbour> LogSupport::nearest(const Design& design) const {
  return nearest(design, none);
}

std::optional<LogSupport::Neighbour> LogSupport::nearest(const Design& design, std::size_t except) const {
  std::optional<Neighbour> found;
  for (std::size_t i = 0; i < designs_.size(); ++i) {
    if (i == except) continue;
    const double distance = space_.distance(design, designs_[i]);
    if (!found || distance < found->distance) found = {rows_[i], distance};
  }
  return found;
}

std::vector<std::string> LogSupport::doubts(const Design& design, const Assessment& assessment, double distance) const {
  if (designs_.empty())
    return {
        "no logged design of this network ran: others tell which designs are better, and the predicted value is a "
        "guess"};
  std::vector<std::string> doubts;
  for (std::size_t p = 0; p < was_run_.size(); ++p) {
    if (was_run_[p].empty() || was_run_[p][design[p]]) continue;
    const Parameter& parameter = space_.parameters()[p];
    doubts.push_back(fmt::format("no logged design with {} = {} ran", parameter.name(), parameter.label(design[p])));
  }
  if (distance > usual_distance_) {
    doubts.push_back(
        fmt::format("the nearest logged design is at a distance of {:.3g}; of 99 % of the logged designs "
                    "the next one is within {:.3g}",
                    distance, usual_distance_));
  }
  if (is_better(direction_, assessment.metrics[0], best_)) {
    const bool is_maximised = direction_ == Direction::maximise;
    doubts.push_back(fmt::format("{} {} is predicted, {} everything logged ({} {})", objective_,
                                 format_for_people(assessment.metrics[0]), is_maximised ? "above" : "below",
                                 is_maximised ? "most" : "least", format_for_people(best_)));
  }
  if (assessment.spread > most_spread * error_) {
    doubts.push_back(fmt::format("the ensemble disagrees by {:.2g} %, where it errs by {:.2g} % on withheld designs",
                                 100 * assessment.spread, 100 * error_));
  }
  return doubts;
}

std::vector<std::string> refusals(const json& results) {
  std::vector<std::string> reasons;
  const auto within = results.at("dataset").value("within_limits", std::uint64_t{0});
  const json& training = results.at("training");
  const bool has_others = training.contains("workloads");
  if (within < least_rows && !has_others) {
    reasons.push_back(
        fmt::format("the log has too few designs that ran and are within the limits: {}, where {} are the "
                    "least to learn a ranking from",
                    within, least_rows));
  }
  // Of several workloads a correlation is the mean of theirs: no less certain than that of the fewest rows.
  std::size_t withheld = std::numeric_limits<std::size_t>::max();
  for (const json& rows : has_others ? training.at("workloads") : json::array({training.at("rows")})) {
    const auto of_workload = rows.value("withheld_feasible", std::size_t{0});
    if (of_workload > 0) withheld = std::min(withheld, of_workload);
  }
  if (withheld == std::numeric_limits<std::size_t>::max()) {
    reasons.push_back("no logged design could be withheld, so that nothing tells whether the ranking is right");
    return reasons;
  }
  const double known = withheld_kendall(training), tau = std::isnan(known) ? 0 : known;
  const double chance = kendall_chance(tau, std::min(withheld, max_compared));
  if (!(chance < significance)) {
    reasons.push_back(
        fmt::format("the rank correlation on {} withheld designs, {:.2f}, cannot be told from none: chance "
                    "reaches it with probability {:.2f}",
                    withheld, tau, chance));
  }
  return reasons;
}

json answer_section(const json& results) {
  const auto answer = [](Verdict verdict, const json& reasons) {
    return json{{"verdict", to_string(verdict)}, {"reasons", reasons}};
  };
  const json& best = results.at("best");
  if (best.is_null()) return answer(Verdict::not_answerable, {"there is no design that meets every limit"});
  const std::string source = best.at("source");
  if (source == "logged") return answer(Verdict::supported, {"it was logged: no proposal is known to be better"});
  if (source != "predicted") return answer(Verdict::supported, {"its values are simulated, not predicted"});
  const std::vector<std::string> against = refusals(results);
  if (!against.empty()) return answer(Verdict::not_answerable, against);
  // With so few, only a study that learns from other networks comes to here.
  const auto within = results.at("dataset").value("within_limits", std::uint64_t{0});
  if (within < least_rows && best.at("reasons").empty()) {
    return answer(Verdict::extrapolated,
                  {fmt::format("only {} logged designs of this network ran and are within the limits: most of what is "
                               "predicted was learnt on others",
                               within)});
  }
  return json{{"verdict", best.at("verdict")}, {"reasons", best.at("reasons")}};
}

}  // namespace corbel
