#include "corbel/study/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/parallel.hpp"
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

/// Finds the nearest logged designs that ran, of many designs at once, as the log is read.
class NearestSearch {
 public:
  /// @param asked  that many of the designs may be nearest to themselves; those behind them look for another one
  NearestSearch(const DesignSpace& space, std::vector<Design> designs, std::size_t asked)
      : space_(space), designs_(std::move(designs)), asked_(asked) {
    for (const Parameter& parameter : space.parameters()) {
      scales_.push_back(parameter.count() > 1 ? 1.0 / (parameter.count() - 1) : 1);
      is_ordered_.push_back(parameter.is_ordered());
    }
    found_.resize(designs_.size(), {0, std::numeric_limits<double>::infinity(), {}});
  }

  std::vector<LogSupport::Neighbour> run(const TrialLog& log) {
    width_ = log.group().metrics.size();
    Design design;
    log.each([&](const TrialView& trial) {
      if (!trial.is_complete()) return;
      space_.design(trial.design, design);
      ids_.push_back(trial.design);
      indices_.insert(indices_.end(), design.begin(), design.end());
      metrics_.insert(metrics_.end(), trial.metrics.begin(), trial.metrics.end());
      if (ids_.size() == block) compare();
    });
    compare();
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (std::isfinite(found_[i].distance)) {
        found_[i].distance = space_.distance(designs_[i], space_.design(found_[i].design));
      }
    }
    return std::move(found_);
  }

 private:
  static constexpr std::size_t block = 4096;

  void compare() {
    parallel_for(designs_.size(), 0, 16, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) compare(i);
    });
    ids_.clear();
    indices_.clear();
    metrics_.clear();
  }

  void compare(std::size_t i) {
    const Design& design = designs_[i];
    const bool wants_another = i >= asked_;
    const DesignId own = wants_another ? space_.id(design) : 0;
    LogSupport::Neighbour& found = found_[i];
    std::size_t nearest = block;
    for (std::size_t row = 0; row < ids_.size(); ++row) {
      const std::uint32_t* other = indices_.data() + row * design.size();
      double distance = 0;
      for (std::size_t p = 0; p < design.size(); ++p) {
        const double steps = std::abs(static_cast<double>(design[p]) - static_cast<double>(other[p]));
        distance += is_ordered_[p] != 0 ? steps * scales_[p] : (steps > 0 ? 1 : 0);
      }
      distance /= static_cast<double>(design.size());
      if (!(distance < found.distance) || (wants_another && ids_[row] == own)) continue;
      found.distance = distance;
      nearest = row;
    }
    if (nearest == block) return;
    found.design = ids_[nearest];
    const auto first = metrics_.begin() + static_cast<std::ptrdiff_t>(nearest * width_);
    found.metrics.assign(first, first + static_cast<std::ptrdiff_t>(width_));
  }

  const DesignSpace& space_;
  std::vector<Design> designs_;
  std::size_t asked_, width_ = 0;
  std::vector<double> scales_;            // [parameter]
  std::vector<std::uint8_t> is_ordered_;  // [parameter]
  std::vector<LogSupport::Neighbour> found_;
  // Of a block of rows.
  std::vector<DesignId> ids_;
  std::vector<std::uint32_t> indices_;
  std::vector<double> metrics_;
};

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

LogSupport::LogSupport(const TrialLog& log, std::string objective, double error, std::span<const Design> asked,
                       Direction direction)
    : space_(log.group().space),
      objective_(std::move(objective)),
      error_(error),
      direction_(direction),
      best_(value_of(direction, std::numeric_limits<double>::infinity())),
      usual_distance_(std::numeric_limits<double>::quiet_NaN()) {
  for (const Parameter& parameter : space_.parameters()) {
    was_run_.emplace_back(parameter.count() <= most_values ? parameter.count() : 0, false);
  }
  const std::size_t metric = metric_index(log.group(), objective_);
  const std::uint64_t stride = (log.feasible() + most_sampled - 1) / most_sampled;
  std::vector<Design> designs(asked.begin(), asked.end());
  std::uint64_t ran = 0;
  Design design;
  log.each([&](const TrialView& trial) {
    if (!trial.is_complete()) return;
    space_.design(trial.design, design);
    if (ran++ % stride == 0) designs.push_back(design);
    const double value = trial.metrics[metric];
    if (std::isfinite(value) && is_better(direction_, value, best_)) best_ = value;
    for (std::size_t p = 0; p < was_run_.size(); ++p) {
      if (!was_run_[p].empty()) was_run_[p][design[p]] = true;
    }
  });
  has_run_ = ran > 0;
  if (!has_run_) return;
  std::vector<Neighbour> found = NearestSearch(space_, std::move(designs), asked.size()).run(log);
  std::vector<double> distances;
  for (std::size_t i = asked.size(); i < found.size(); ++i) distances.push_back(found[i].distance);
  if (ran > 1) usual_distance_ = quantile(std::move(distances), 0.99);
  found.resize(asked.size());
  nearest_ = std::move(found);
}

std::vector<std::string> LogSupport::doubts(const Design& design, const Assessment& assessment, double distance) const {
  if (!has_run_)
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
