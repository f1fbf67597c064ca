#include "corbel/study/findings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/random.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/inspect.hpp"
#include "corbel/study/question.hpp"
#include "corbel/study/surrogate_objective.hpp"
#include "corbel/study/surrogate_search.hpp"
#include "corbel/study/verdict.hpp"

namespace corbel {
namespace {

using nlohmann::json;

std::optional<std::size_t> index_of(std::span<const std::string> names, std::string_view name) {
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return std::nullopt;
  return static_cast<std::size_t>(at - names.begin());
}

/// The left side of a constraint for people: a label, or a number with the unit of the one thing it is of.
std::string left_text(const std::vector<std::string>& names, const DesignSpace& space, const Design& design,
                      double left) {
  std::string unit;
  if (names.size() == 1) unit = unit_of_metric(names.front());
  for (const std::string& name : names) {
    const std::optional<std::size_t> at = space.find(name);
    if (!at) continue;
    const Parameter& parameter = space.parameters()[*at];
    if (!parameter.is_ordered()) return parameter.label(design[*at]);
    if (names.size() == 1) unit = parameter.unit();
  }
  if (unit == "bytes") return format_bytes(left);
  return std::isfinite(left) ? format_for_people(left) + (unit.empty() ? "" : " " + unit) : "-";
}

/// @param basis_of  what a constraint's metrics rest on
json margins_json(std::span<const Constraint> declared, std::span<const BoundConstraint> constraints,
                  const DesignSpace& space, const Design& design, std::span<const double> metrics,
                  const std::function<std::string_view(const BoundConstraint&)>& basis_of) {
  json margins = json::array();
  for (std::size_t i = 0; i < constraints.size(); ++i) {
    const BoundConstraint& constraint = constraints[i];
    const double left = constraint.left(design, metrics);
    margins.push_back({{"constraint", constraint.text()},
                       {"left", number_or_null(left)},
                       {"right", number_or_null(constraint.right(design, metrics))},
                       {"text", left_text(declared[i].names(), space, design, left)},
                       {"margin", number_or_null(constraint.margin(design, metrics))},
                       {"met", constraint.satisfied(design, metrics)},
                       {"basis", basis_of(constraint)}});
  }
  return margins;
}

json margins_json(const SurrogateObjective& objective, const Design& design, std::span<const double> metrics,
                  std::span<const MetricBasis> bases) {
  return margins_json(objective.declared(), objective.constraints(), objective.space(), design, metrics,
                      [&](const BoundConstraint& constraint) {
                        // A margin is as certain as the least certain metric it reads.
                        MetricBasis basis = MetricBasis::formula;
                        for (const std::size_t metric : constraint.metrics_used()) {
                          if (bases[metric] == MetricBasis::predicted) basis = MetricBasis::predicted;
                          if (bases[metric] == MetricBasis::simulated && basis == MetricBasis::formula) {
                            basis = MetricBasis::simulated;
                          }
                        }
                        return to_string(basis);
                      });
}

/// Of the results' study.
Direction direction_of(const json& results) {
  return direction_from(results.at("study").at("objective").value("direction", ""));
}

/// How many times better than the best logged design. Like is compared with like: a prediction with the prediction
/// (`key` "predicted") of the logged design, since a model that never saw the best rows is biased upwards near them; a
/// simulated value with the logged value ("objective").
json gain_over(const json& best_logged, const char* key, double objective, Direction direction) {
  if (best_logged.is_null() || !best_logged.contains(key) || !best_logged[key].is_number()) return nullptr;
  const double logged = best_logged[key].get<double>();
  if (!(objective > 0) || !(logged > 0)) return nullptr;
  return times_worse(direction, logged, objective);
}

/// The metric a plot shows beside the objective: what the first constraint limits, or the area.
std::optional<std::size_t> second_axis(const StudyFile& study, const std::vector<std::string>& names) {
  for (const Constraint& constraint : study.constraints) {
    for (const std::string& name : constraint.names()) {
      if (name != study.objective && index_of(names, name)) return index_of(names, name);
    }
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != study.objective && names[i].starts_with("area")) return i;
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != study.objective) return i;
  }
  return std::nullopt;
}

/// Counts how many of a study's trials are feasible on each network.
class WorkloadRows {
 public:
  WorkloadRows(const StudyFile& study, const std::vector<std::string>& metrics) {
    for (const WorkloadSuite::Member& member : study.workloads.members()) {
      Count count{member.label, {}, 0};
      for (std::size_t m = 0; m < metrics.size(); ++m) {
        if (metrics[m].starts_with(member.label + ".")) count.metrics.push_back(m);
      }
      counts_.push_back(std::move(count));
    }
  }
  void add(const TrialView& trial) {
    for (Count& count : counts_) {
      // Only a complete trial has metrics of its network.
      count.feasible +=
          std::ranges::any_of(count.metrics, [&](std::size_t m) { return !std::isnan(trial.metrics[m]); });
    }
  }
  json to_json() const {
    json workloads = json::array();
    for (const Count& count : counts_) workloads.push_back({{"label", count.label}, {"feasible", count.feasible}});
    return workloads;
  }

 private:
  struct Count {
    std::string label;
    std::vector<std::size_t> metrics;
    std::uint64_t feasible;
  };
  std::vector<Count> counts_;
};

/// The points of which none has a lower objective at no greater x.
class Front {
 public:
  void add(double x, double cost) {
    const auto after = points_.upper_bound(x);
    if (after != points_.begin() && std::prev(after)->second <= cost) return;
    const auto added = points_.insert_or_assign(x, cost).first;
    auto dominated = std::next(added);
    while (dominated != points_.end() && dominated->second >= cost) dominated = points_.erase(dominated);
  }
  const std::map<double, double>& points() const { return points_; }

 private:
  std::map<double, double> points_;
};

/// Of points as they come at most so many, evenly: all, or every 2nd, 4th, …
class EvenSample {
 public:
  explicit EvenSample(std::size_t most) : most_(most) {}
  template <typename Make>
  void add(const Make& point) {
    if (seen_++ % stride_ != 0) return;
    if (points_.size() == most_) {
      for (std::size_t i = 1; 2 * i < points_.size(); ++i) points_[i] = std::move(points_[2 * i]);
      points_.resize((points_.size() + 1) / 2);
      stride_ *= 2;
      if ((seen_ - 1) % stride_ != 0) return;
    }
    points_.push_back(point());
  }
  json take() { return std::move(points_); }

 private:
  std::size_t most_;
  std::uint64_t seen_ = 0, stride_ = 1;
  std::vector<json> points_;
};

}  // namespace

LoggedLimits::LoggedLimits(const StudyFile& study, const TrialGroup& group)
    : space_(group.space), declared_(study.constraints) {
  for (const Constraint& constraint : study.constraints) {
    constraints_.emplace_back(constraint, group.space, group.metrics);
  }
}

bool LoggedLimits::met(const TrialView& trial) const {
  if (constraints_.empty()) return true;
  const Design design = space_.design(trial.design);
  return std::ranges::all_of(
      constraints_, [&](const BoundConstraint& constraint) { return constraint.satisfied(design, trial.metrics); });
}

json LoggedLimits::margins(DesignId design, std::span<const double> metrics) const {
  return margins_json(declared_, constraints_, space_, space_.design(design), metrics,
                      [](const BoundConstraint&) { return "logged"; });
}

json metrics_json(std::span<const std::string> names, std::span<const double> values) {
  json object = json::object();
  for (std::size_t i = 0; i < names.size(); ++i) object[names[i]] = number_or_null(values[i]);
  return object;
}

json simulated_margins(const StudyFile& study, const Question& question, const Design& design,
                       std::span<const double> metrics) {
  std::vector<std::string> of_hardware;
  for (const MetricInfo& metric : study.simulated_metrics()) {
    if (!metric.needs_workload) of_hardware.push_back(metric.name);
  }
  return margins_json(study.constraints, question.constraints(), question.space(), design, metrics,
                      [&](const BoundConstraint& constraint) {
                        const auto& used = constraint.metrics_used();
                        const bool exact = std::all_of(used.begin(), used.end(), [&](std::size_t metric) {
                          return index_of(of_hardware, question.metrics()[metric]).has_value();
                        });
                        return to_string(exact ? MetricBasis::formula : MetricBasis::simulated);
                      });
}

json predicted_margins(const SurrogateObjective& objective, const Design& design, std::span<const double> metrics) {
  return margins_json(objective, design, metrics, objective.metric_bases());
}

json study_section(const StudyFile& study, const DesignSpace& space) {
  json section = {{"name", study.name},
                  {"file", study.file.string()},
                  {"seed", study.seed},
                  {"space",
                   {{"name", study.space_name.empty() ? "study" : study.space_name},
                    {"designs", space.size()},
                    {"parameters", space.dimensions()},
                    {"fingerprint", space.fingerprint()}}},
                  {"workload", nullptr},
                  {"simulator", nullptr},
                  {"objective",
                   {{"metric", study.objective},
                    {"unit", unit_of_metric(study.objective)},
                    {"direction", to_string(study.direction)}}},
                  {"constraints", json::array()}};
  for (const Constraint& constraint : study.constraints) section["constraints"].push_back(constraint.text());
  const auto described = [](const Network& network) {
    return json{{"name", network.name},
                {"title", network.title},
                {"macs", network.total_macs()},
                {"parameters", network.total_parameters()}};
  };
  const std::vector<WorkloadSuite::Member>& members = study.workloads.members();
  if (members.size() == 1) section["workload"] = described(members.front().network);
  if (study.workloads.has_several()) {
    section["combine"] = to_string(study.workloads.rule());
    section["workloads"] = json::array();
    for (const WorkloadSuite::Member& member : members) {
      json workload = described(member.network);
      workload["label"] = member.label;
      workload["batch"] = member.network.batch;
      workload["weight"] = member.weight;
      section["workloads"].push_back(std::move(workload));
    }
  }
  if (study.simulator) {
    json settings = json::object();
    for (const auto& [name, value] : study.simulator->settings()) settings[name] = value;
    section["simulator"] = {
        {"name", study.simulator->name()}, {"fingerprint", study.simulator->fingerprint()}, {"settings", settings}};
  }
  return section;
}

json dataset_section(const StudyFile& study, const TrialLog& log, const std::string& source) {
  json section = to_json(inspect(log));
  const TrialGroup& group = log.group();
  const LoggedLimits limits(study, group);
  const std::size_t objective = metric_index(group, study.objective);
  WorkloadRows workloads(study, group.metrics);
  std::uint64_t within = 0;
  std::optional<DesignId> best;
  std::vector<double> metrics;
  log.each([&](const TrialView& trial) {
    if (study.workloads.has_several()) workloads.add(trial);
    if (!trial.is_complete() || !limits.met(trial)) return;
    ++within;
    const double value = trial.metrics[objective];
    if (!std::isfinite(value) || (best && !is_better(study.direction, value, metrics[objective]))) return;
    best = trial.design;
    metrics.assign(trial.metrics.begin(), trial.metrics.end());
  });
  section["source"] = source;
  section["within_limits"] = within;
  if (study.workloads.has_several()) section["workloads"] = workloads.to_json();
  section["best_logged"] = nullptr;
  if (best) {
    section["best_logged"] = {{"id", *best},
                              {"design", group.space.design_json(group.space.design(*best))},
                              {"metrics", metrics_json(group.metrics, metrics)},
                              {"margins", limits.margins(*best, metrics)},
                              {"objective", metrics[objective]}};
  }
  return section;
}

Error no_feasible_row(const StudyFile& study, const TrialLog& log) {
  const Inspection found = inspect(log);
  const auto count = [](std::uint64_t rows) { return format_for_people(static_cast<double>(rows), 15); };
  std::string message = fmt::format("none of the {} designs is feasible", count(found.rows));
  std::string networks;
  if (study.workloads.has_several()) {
    WorkloadRows workloads(study, log.group().metrics);
    log.each([&](const TrialView& trial) { workloads.add(trial); });
    for (const json& workload : workloads.to_json()) {
      networks +=
          fmt::format("{}{} of them on {}", networks.empty() ? ": " : ", ",
                      count(workload.at("feasible").get<std::uint64_t>()), workload.at("label").get<std::string>());
    }
    message += " on every network" + networks;
  }
  if (!found.reasons.empty() && !found.reasons.front().reason.empty()) {
    message += fmt::format("; most often {}", found.reasons.front().reason);
  }
  return Error(
      ErrorCode::too_little_data, message,
      study.import ? "log designs that are feasible, too" : "sweep more designs, or let the space reach further");
}

json plots_section(const StudyFile& study, const TrialLog& log) {
  constexpr std::size_t most_points = 3000;
  const std::vector<std::string>& names = log.group().metrics;
  const LoggedLimits limits(study, log.group());
  const std::size_t objective = metric_index(log.group(), study.objective);
  const std::optional<std::size_t> x = second_axis(study, names);
  json section = {{"x", nullptr}, {"logged", json::array()}, {"pareto", json::array()}};
  if (!x) return section;
  section["x"] = names[*x];
  EvenSample logged(most_points);
  Front front;
  log.each([&](const TrialView& trial) {
    const double value = trial.metrics[objective], at = trial.metrics[*x];
    if (!trial.is_complete() || !std::isfinite(value) || !std::isfinite(at)) return;
    logged.add([&] { return json{value, at, limits.met(trial) ? 1 : 0}; });
    front.add(at, cost_of(study.direction, value));
  });
  section["logged"] = logged.take();
  for (const auto& [at, cost] : front.points()) section["pareto"].push_back({value_of(study.direction, cost), at});
  return section;
}

json proposals_section(const StudyFile& study, const SurrogateObjective& objective, std::span<const Design> designs,
                       const TrialLog& log, const json& best_logged, double error) {
  const LoggedLimits limits(study, log.group());
  const LogSupport support(log, study.objective, error, designs, study.direction);
  const DesignSpace& space = objective.space();
  const std::size_t objective_metric = metric_index(log.group(), objective.metric_names().front());
  const std::vector<Assessment> assessments = objective.assess(designs);
  json proposals = json::array();
  for (std::size_t i = 0; i < designs.size(); ++i) {
    const Assessment& assessment = assessments[i];
    json predicted = json::object();
    json exact = json::object();
    for (std::size_t m = 0; m < objective.metric_names().size(); ++m) {
      const bool known = objective.metric_bases()[m] == MetricBasis::formula;
      (known ? exact : predicted)[objective.metric_names()[m]] = number_or_null(assessment.metrics[m]);
    }
    const LogSupport::Neighbour* neighbour = support.nearest(i);
    json nearest = nullptr;
    if (neighbour != nullptr) {
      nearest = {{"id", neighbour->design},
                 {"design", space.design_json(space.design(neighbour->design))},
                 {"distance", neighbour->distance},
                 {"objective", number_or_null(neighbour->metrics[objective_metric])},
                 {"within_limits", limits.met({neighbour->design, TrialState::complete, "", neighbour->metrics})}};
    }
    const double distance = neighbour != nullptr ? neighbour->distance : std::numeric_limits<double>::infinity();
    const std::vector<std::string> doubts = support.doubts(designs[i], assessment, distance);
    proposals.push_back({{"rank", i + 1},
                         {"id", space.id(designs[i])},
                         {"design", space.design_json(designs[i])},
                         {"predicted", number_or_null(assessment.metrics[0])},
                         {"predicted_metrics", predicted},
                         {"metrics", exact},
                         {"simulated", nullptr},
                         {"feasibility", number_or_null(assessment.feasibility)},
                         {"spread", number_or_null(assessment.spread)},
                         {"margins", margins_json(objective, designs[i], assessment.metrics, objective.metric_bases())},
                         {"nearest", nearest},
                         {"verdict", to_string(doubts.empty() ? Verdict::supported : Verdict::extrapolated)},
                         {"reasons", doubts},
                         {"gain", gain_over(best_logged, "predicted", assessment.metrics[0], study.direction)}});
  }
  return proposals;
}

json blocked_section(const SurrogateObjective& objective, double min_feasibility) {
  constexpr std::size_t sampled = 4096;
  Rng rng(0);
  std::vector<Design> designs(sampled);
  for (Design& design : designs) design = objective.space().random(rng);
  const std::vector<Assessment> assessments = objective.assess(designs);
  const auto share = [&](const auto& breaks) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < sampled; ++i) count += breaks(i) ? 1 : 0;
    return static_cast<double>(count) / sampled;
  };
  std::vector<std::pair<double, std::string>> blocked;
  for (const BoundConstraint& constraint : objective.constraints()) {
    blocked.emplace_back(
        share([&](std::size_t i) { return !constraint.satisfied(designs[i], assessments[i].metrics); }),
        constraint.text());
  }
  blocked.emplace_back(share([&](std::size_t i) { return !(assessments[i].feasibility >= min_feasibility); }),
                       fmt::format("probability of being feasible >= {}", format_number(min_feasibility)));
  std::stable_sort(blocked.begin(), blocked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  json section = json::array();
  for (const auto& [part, text] : blocked) section.push_back({{"constraint", text}, {"share", part}});
  return section;
}

json search_section(const std::string& method, const SurrogateFindings& found, const SurrogateObjective& objective,
                    double min_feasibility) {
  const SearchResult& result = found.result;
  const bool is_scan = found.pruned.has_value(), is_screened = found.tolerance.has_value();
  json history = json::array();
  for (const auto& [scored, best] : result.history) history.push_back({scored, value_of(objective.direction(), best)});
  return {{"method", method},
          {"scored", result.scored},
          {"pruned", is_scan ? json(*found.pruned) : json(nullptr)},
          {"rescored", is_screened ? json(found.rescored) : json(nullptr)},
          {"ranked_by", is_screened ? json(found.ranked_by) : json(nullptr)},
          {"tolerance", is_screened ? number_or_null(*found.tolerance) : json(nullptr)},
          {"exhaustive", result.exhaustive},
          {"shards", is_scan ? json(found.shards) : json(nullptr)},
          {"seconds", found.seconds},
          {"blocked", blocked_section(objective, min_feasibility)},
          {"history", std::move(history)}};
}

void record_outcome(json& proposal, const Outcome& outcome, std::span<const MetricInfo> metrics,
                    const SurrogateObjective& objective, const json& best_logged) {
  const Design design = objective.space().design(proposal.at("id").get<DesignId>());
  json simulated = json::object();
  std::vector<double> values = objective.assess(std::span(&design, 1)).front().metrics;
  std::vector<MetricBasis> bases = objective.metric_bases();
  proposal["metrics"] = json::object();
  for (std::size_t m = 0; m < values.size(); ++m) {
    if (bases[m] == MetricBasis::formula) proposal["metrics"][objective.metric_names()[m]] = number_or_null(values[m]);
  }
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    const double value = m < outcome.metrics.size() ? outcome.metrics[m] : std::numeric_limits<double>::quiet_NaN();
    simulated[metrics[m].name] = number_or_null(value);
    if (!std::isfinite(value)) continue;
    proposal["metrics"][metrics[m].name] = value;
    if (const auto at = index_of(objective.metric_names(), metrics[m].name)) {
      values[*at] = value;
      if (bases[*at] == MetricBasis::predicted) bases[*at] = MetricBasis::simulated;
    }
  }
  proposal["simulated"] = {{"state", to_string(outcome.state)},
                           {"reason", outcome.reason},
                           {"detail", outcome.detail},
                           {"metrics", simulated}};
  proposal["margins"] = margins_json(objective, design, values, bases);
  const bool known = outcome.state == OutcomeState::complete && bases[0] != MetricBasis::predicted;
  proposal["gain"] = known ? gain_over(best_logged, "objective", values[0], objective.direction()) : json(nullptr);
}

namespace {

bool is_valid(const json& proposal) {
  if (proposal.at("simulated").is_null() || proposal.at("simulated").at("state") != "complete") return false;
  return std::all_of(proposal.at("margins").begin(), proposal.at("margins").end(),
                     [](const json& margin) { return margin.at("met").get<bool>(); });
}

}  // namespace

json true_objective(const json& proposal, const std::string& objective) {
  return is_valid(proposal) ? proposal.at("metrics").value(objective, json(nullptr)) : json(nullptr);
}

namespace {

/// The proposal with the best true objective among those simulated, complete and within every limit; null if none.
const json* best_simulated(const json& proposals, const std::string& objective, Direction direction) {
  const json* best = nullptr;
  for (const json& proposal : proposals) {
    if (!is_valid(proposal) || !proposal.at("metrics").contains(objective)) continue;
    if (!best || is_better(direction, proposal.at("metrics").at(objective).get<double>(),
                           (*best).at("metrics").at(objective).get<double>())) {
      best = &proposal;
    }
  }
  return best;
}

}  // namespace

json validation_section(const json& results) {
  const std::string objective = results.at("study").at("objective").at("metric");
  const json& proposals = results.at("proposals");
  json section = {{"simulated", 0}, {"feasible", 0}, {"within_limits", 0}, {"failed", 0}, {"best", nullptr}};
  const auto count = [&](const char* key) { section[key] = section[key].get<int>() + 1; };
  for (const json& proposal : proposals) {
    if (proposal.at("simulated").is_null()) continue;
    count("simulated");
    if (proposal.at("simulated").at("state") == "complete") count("feasible");
    if (proposal.at("simulated").at("state") == "failed") count("failed");
    if (is_valid(proposal)) count("within_limits");
  }
  if (const json* best = best_simulated(proposals, objective, direction_of(results)))
    section["best"] = (*best).at("metrics").at(objective);
  return section;
}

json chosen_section(const json& proposal, const std::string& objective) {
  json chosen = proposal;
  const bool simulated = !proposal.at("simulated").is_null() && proposal.at("simulated").at("state") == "complete";
  chosen["source"] = simulated ? "validated" : "predicted";
  chosen["objective"] = simulated ? proposal.at("metrics").value(objective, json(nullptr)) : json(nullptr);
  return chosen;
}

namespace {

/// The design with the best objective that a search on the simulator found: for the objective alone, or the end of a
/// Pareto front. Null if there is none.
json best_searched(const json& results) {
  const auto beats = [direction = direction_of(results)](const json& candidate, const json& other) {
    return is_better(direction, candidate.at("objective").get<double>(), other.at("objective").get<double>());
  };
  json best = nullptr;
  for (const char* section : {"online", "rounds"}) {
    json found = results.contains(section) ? results.at(section).value("best", json(nullptr)) : nullptr;
    if (found.is_null()) continue;
    if (!best.is_null() && !beats(found, best)) continue;
    found["found_by"] = section;
    // What rounds find joins the log: a gain is over the log they began with.
    if (section == std::string_view("rounds"))
      found["over"] = {{"objective", results.at("rounds").at("start").at("best")}};
    best = std::move(found);
  }
  if (!results.contains("pareto") || results.at("pareto").at("basis") != "simulated") return best;
  const json& front = results.at("pareto").at("front");
  if (front.empty()) return best;
  json first = front.at(0);
  first["objective"] = first.at("objectives").at(0);
  first["found_by"] = "pareto";
  return best.is_null() || beats(first, best) ? first : best;
}

/// The same as the design to build.
json searched_section(const json& found, const json& logged, Direction direction) {
  const double objective = found.at("objective").get<double>();
  json chosen = {{"source", "searched"}, {"found_by", found.at("found_by")},
                 {"rank", nullptr},      {"predicted", nullptr},
                 {"feasibility", 1.0},   {"gain", gain_over(logged, "objective", objective, direction)}};
  for (const char* key : {"id", "design", "objective", "metrics", "margins"}) chosen[key] = found.at(key);
  if (found.contains("over")) {
    chosen["gain"] = gain_over(found.at("over"), "objective", objective, direction);
    return chosen;
  }
  // Where the trials of the search are the log, it has no other design to compare with.
  if (!logged.is_null() && logged.at("id") == found.at("id")) chosen["gain"] = nullptr;
  return chosen;
}

}  // namespace

json best_section(const json& results) {
  const std::string objective = results.at("study").at("objective").at("metric");
  const json logged = results.contains("dataset") ? results.at("dataset").value("best_logged", json(nullptr)) : nullptr;
  const json found = best_searched(results);
  const json none = json::array();
  const json& proposals = results.contains("proposals") ? results.at("proposals") : none;
  const bool simulated = std::any_of(proposals.begin(), proposals.end(),
                                     [](const json& proposal) { return !proposal.at("simulated").is_null(); });
  const Direction direction = direction_of(results);
  const json* chosen = simulated ? best_simulated(proposals, objective, direction) : nullptr;
  if (!simulated && !proposals.empty()) chosen = &proposals.front();
  const auto beats = [direction](const json& candidate, const json& other, const char* key) {
    return other.is_null() || is_better(direction, candidate.at(key).get<double>(), other.at(key).get<double>());
  };

  // True values first, and the best of them. A design is the same one when it was searched and is in the log.
  const bool is_found = !found.is_null() && (logged.is_null() || !beats(logged, found, "objective"));
  if (simulated && chosen) {
    json candidate = chosen_section(*chosen, objective);
    if (beats(candidate, logged, "objective") && (found.is_null() || !beats(found, candidate, "objective"))) {
      return candidate;
    }
  }
  if (is_found) return searched_section(found, logged, direction);
  // Like with like, as in gain_over; where the log has no design within the limits, any proposal is a gain.
  if (!simulated && chosen) {
    json candidate = chosen_section(*chosen, objective);
    if (beats(candidate, logged, "predicted")) return candidate;
  }
  if (logged.is_null()) return nullptr;
  return {{"source", "logged"},
          {"rank", nullptr},
          {"id", logged.at("id")},
          {"design", logged.at("design")},
          {"predicted", logged.value("predicted", json(nullptr))},
          {"objective", logged.at("objective")},
          {"metrics", logged.at("metrics")},
          {"margins", logged.value("margins", json::array())},
          {"feasibility", 1.0},
          {"gain", 1.0}};
}

}  // namespace corbel
