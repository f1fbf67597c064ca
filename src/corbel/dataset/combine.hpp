#pragma once

#include <span>
#include <vector>

#include "corbel/dataset/trial_log.hpp"
#include "corbel/simulator/suite.hpp"

namespace corbel {

/// The trials of a suite's networks as one log: a row for every design that is finished on all of them, its outcomes
/// combined. The same rows give the same log.
/// @param of_simulator  the metrics of every log, in order
/// @param of_networks   [members], of one space and one simulator
TrialLog combine(const WorkloadSuite& suite, std::span<const MetricInfo> of_simulator,
                 std::vector<TrialLog> of_networks);

}  // namespace corbel
