#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/simulator/simulator.hpp"
#include "corbel/workload/network.hpp"

namespace corbel {

/// How a metric of several networks becomes one number. docs/formats/study.md has the table.
enum class CombineRule : std::uint8_t { geometric_mean, sum, maximum };
/// In the order of the rules.
inline constexpr std::array<std::string_view, 3> combine_rule_names = {"geometric_mean", "sum", "maximum"};
std::string_view to_string(CombineRule rule);
/// @param name  one of combine_rule_names
CombineRule combine_rule(std::string_view name);

/// The networks that one design is judged on together, each with a weight, and the rule that makes one of their
/// metrics. A design is complete only if it is complete on every network. Without networks, or with one, everything is
/// as that simulator or network gives it: a single network's weight changes nothing.
class WorkloadSuite {
 public:
  struct Member {
    Network network;
    std::string label;  ///< names its metrics: "mobilenet_v2" in "mobilenet_v2.latency_ms"
    double weight = 1;
  };

  /// Beyond them sums of weighted metrics could overflow.
  static constexpr double least_weight = 1e-9, most_weight = 1e9;

  WorkloadSuite() = default;
  explicit WorkloadSuite(CombineRule rule) : rule_(rule) {}

  /// @throws Error{invalid_input} if the weight is not one of [least_weight, most_weight], or another member has the
  ///         label or is the same network
  void add(Member member);

  const std::vector<Member>& members() const { return members_; }
  bool is_empty() const { return members_.empty(); }
  /// Whether there is anything to combine.
  bool has_several() const { return members_.size() > 1; }
  CombineRule rule() const { return rule_; }
  /// One network's own name; of several their labels, "mobilenet_v2 + resnet50"; "" without networks.
  std::string name() const;
  /// Of everything that decides the combined metrics; one network's own, "" without networks.
  std::string fingerprint() const;

  /// What combine() gives: the simulator's metrics, combined; for several networks then each network's own of those
  /// that need a workload, as "LABEL.METRIC".
  std::vector<MetricInfo> metrics(std::span<const MetricInfo> of_simulator) const;
  /// The name in metrics() of a member's own metric.
  static std::string metric_of(const Member& member, std::string_view metric);
  /// Whether the weights play a part in a metric: `maximum` takes the greatest power, utilisation or share as it is.
  bool weighs(std::string_view metric) const;

  /// One design's outcomes on the members, in their order, as one; its metrics as metrics() says. Infeasible if any is,
  /// with the first such one's reason, its network named in the detail: that is settled whatever became of the others.
  /// Else abandoned if any is. Else failed if any is: to be tried again. Metrics of the networks that are complete are
  /// kept in any case.
  /// @param outcomes  [members], each with the simulator's metrics or none
  Outcome combine(std::span<const MetricInfo> of_simulator, std::span<const Outcome> outcomes) const;
  /// [n] outcomes of hardware on all members, combined. Thread-safe if the simulator is.
  std::vector<Outcome> simulate(const Simulator& simulator, std::span<const Hardware> hardware) const;

 private:
  std::vector<Member> members_;
  CombineRule rule_ = CombineRule::geometric_mean;
};

}  // namespace corbel
