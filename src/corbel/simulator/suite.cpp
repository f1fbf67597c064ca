#include "corbel/simulator/suite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/units.hpp"

namespace corbel {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Whether a metric says how much an inference takes, so that those of several inferences add up; power, utilisation
/// and shares do not.
bool is_amount(std::string_view metric) {
  const std::string unit = unit_of_metric(metric);
  static constexpr std::array<std::string_view, 5> additive = {"s", "J", "bytes", "cycles", "MACs"};
  return !unit.empty() && std::ranges::any_of(additive, [&](std::string_view of) { return same_dimension(unit, of); });
}

/// The metric that tells how long an inference takes: a time, else cycles.
std::optional<std::size_t> time_metric(std::span<const MetricInfo> metrics) {
  for (const char* unit : {"s", "cycles"}) {
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      if (metrics[m].needs_workload && same_dimension(unit_of_metric(metrics[m].name), unit)) return m;
    }
  }
  return std::nullopt;
}

double weighted_geometric_mean(std::span<const double> values, std::span<const double> weights) {
  double sum = 0, total = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i]) || values[i] < 0) return nan;
    sum += weights[i] * std::log(values[i]);
    total += weights[i];
  }
  return std::exp(sum / total);
}

double weighted_mean(std::span<const double> values, std::span<const double> weights) {
  double sum = 0, total = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += weights[i] * values[i];
    total += weights[i];
  }
  return sum / total;
}

/// Unlike std::max, not a number if one of them is not.
double greatest(std::span<const double> values) {
  double most = -std::numeric_limits<double>::infinity();
  for (const double value : values) {
    if (std::isnan(value)) return nan;
    most = std::max(most, value);
  }
  return most;
}

/// @param times  how long each network takes; empty if that is not known
double combined(CombineRule rule, bool amount, std::vector<double> values, std::vector<double> weights,
                std::span<const double> times) {
  switch (rule) {
    case CombineRule::geometric_mean:
      return weighted_geometric_mean(values, weights);
    case CombineRule::sum:
      if (!amount) {
        for (std::size_t i = 0; i < times.size(); ++i) weights[i] *= times[i];
        return weighted_mean(values, weights);
      }
      for (std::size_t i = 0; i < values.size(); ++i) values[i] *= weights[i];
      return std::accumulate(values.begin(), values.end(), 0.0);
    case CombineRule::maximum:
      for (std::size_t i = 0; amount && i < values.size(); ++i) values[i] *= weights[i];
      return greatest(values);
  }
  return nan;
}

}  // namespace

std::string_view to_string(CombineRule rule) {
  return combine_rule_names[static_cast<std::size_t>(rule)];
}

CombineRule combine_rule(std::string_view name) {
  const auto* const found = std::ranges::find(combine_rule_names, name);
  assert(found != combine_rule_names.end());
  return static_cast<CombineRule>(found - combine_rule_names.begin());
}

void WorkloadSuite::add(Member member) {
  const auto refuse = [](const std::string& what, const std::string& hint) {
    throw Error(ErrorCode::invalid_input, what, hint);
  };
  if (!(member.weight >= least_weight && member.weight <= most_weight)) {
    refuse(fmt::format("the weight of {} is {}", member.label, format_number(member.weight)),
           fmt::format("a weight is from {:g} to {:g}; leave the network out if it does not count", least_weight,
                       most_weight));
  }
  const std::string fingerprint = member.network.fingerprint();
  for (const Member& other : members_) {
    if (other.network.fingerprint() == fingerprint) {
      refuse(other.label == member.label ? fmt::format("{} is named twice", member.label)
                                         : fmt::format("{} and {} are the same network", other.label, member.label),
             "name a network once; its weight says how much it counts");
    }
    if (other.label == member.label) {
      refuse(fmt::format("two networks are called {}", member.label),
             "call one of them by another word: `as: WORD` in a study");
    }
  }
  members_.push_back(std::move(member));
}

std::string WorkloadSuite::name() const {
  if (!has_several()) return is_empty() ? "" : members_.front().network.name;
  std::string name;
  for (const Member& member : members_) name += (name.empty() ? "" : " + ") + member.label;
  return name;
}

std::string WorkloadSuite::fingerprint() const {
  if (members_.empty()) return "";
  if (!has_several()) return members_.front().network.fingerprint();
  std::string text(to_string(rule_));
  for (const Member& member : members_) {
    text += fmt::format(";{} {} {}", member.label, member.network.fingerprint(), format_number(member.weight));
  }
  return corbel::fingerprint(text);
}

std::vector<MetricInfo> WorkloadSuite::metrics(std::span<const MetricInfo> of_simulator) const {
  std::vector<MetricInfo> all(of_simulator.begin(), of_simulator.end());
  if (!has_several()) return all;
  for (const Member& member : members_) {
    for (const MetricInfo& metric : of_simulator) {
      if (metric.needs_workload) all.push_back({metric_of(member, metric.name), metric.help, true});
    }
  }
  return all;
}

std::string WorkloadSuite::metric_of(const Member& member, std::string_view metric) {
  return fmt::format("{}.{}", member.label, metric);
}

bool WorkloadSuite::weighs(std::string_view metric) const {
  return rule_ != CombineRule::maximum || is_amount(metric);
}

Outcome WorkloadSuite::combine(std::span<const MetricInfo> of_simulator, std::span<const Outcome> outcomes) const {
  if (!has_several()) return outcomes.empty() ? Outcome{} : outcomes.front();
  Outcome result;
  result.state = OutcomeState::complete;
  const auto take = [&](OutcomeState state) {
    for (std::size_t i = 0; i < outcomes.size() && result.state == OutcomeState::complete; ++i) {
      if (outcomes[i].state != state) continue;
      result.state = state;
      result.reason = outcomes[i].reason;
      result.detail = members_[i].label;
      if (!outcomes[i].detail.empty()) result.detail += ": " + outcomes[i].detail;
    }
  };
  take(OutcomeState::infeasible);
  take(OutcomeState::abandoned);
  take(OutcomeState::failed);

  const auto value_of = [&](std::size_t network, std::size_t metric) {
    const std::vector<double>& values = outcomes[network].metrics;
    const bool known = outcomes[network].state == OutcomeState::complete || !of_simulator[metric].needs_workload;
    return known && metric < values.size() ? values[metric] : nan;
  };
  const auto values_of = [&](std::size_t metric) {
    std::vector<double> values;
    for (std::size_t i = 0; i < members_.size(); ++i) values.push_back(value_of(i, metric));
    return values;
  };
  std::vector<double> weights;
  for (const Member& member : members_) weights.push_back(member.weight);
  std::vector<double> times;
  if (const auto time = time_metric(of_simulator)) times = values_of(*time);

  for (std::size_t m = 0; m < of_simulator.size(); ++m) {
    const std::vector<double> values = values_of(m);
    if (of_simulator[m].needs_workload) {
      result.metrics.push_back(combined(rule_, is_amount(of_simulator[m].name), values, weights, times));
    } else {
      // The hardware's alone, so the same for every network that has it.
      const auto known = std::ranges::find_if(values, [](double value) { return !std::isnan(value); });
      result.metrics.push_back(known == values.end() ? nan : *known);
    }
  }
  for (std::size_t i = 0; i < members_.size(); ++i) {
    for (std::size_t m = 0; m < of_simulator.size(); ++m) {
      if (of_simulator[m].needs_workload) result.metrics.push_back(value_of(i, m));
    }
  }
  return result;
}

std::vector<Outcome> WorkloadSuite::simulate(const Simulator& simulator, std::span<const Hardware> hardware) const {
  if (!has_several()) return simulator.simulate(hardware, is_empty() ? nullptr : &members_.front().network);
  std::vector<std::vector<Outcome>> of_members;
  for (const Member& member : members_) of_members.push_back(simulator.simulate(hardware, &member.network));
  std::vector<Outcome> outcomes;
  for (std::size_t i = 0; i < hardware.size(); ++i) {
    std::vector<Outcome> of_design;
    for (std::vector<Outcome>& of_member : of_members) of_design.push_back(std::move(of_member[i]));
    outcomes.push_back(combine(simulator.metrics(), of_design));
  }
  return outcomes;
}

}  // namespace corbel
