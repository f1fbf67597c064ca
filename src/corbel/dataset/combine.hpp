#pragma once

#include <span>

#include "corbel/dataset/dataset.hpp"
#include "corbel/simulator/suite.hpp"

namespace corbel {

/// The trials of a suite's networks as one dataset: a row for every design that is finished on all of them, its
/// outcomes combined. The same rows give the same dataset.
/// @param of_simulator  the metrics of every dataset, in order
/// @param of_networks   [members], of one space and one simulator
Dataset combine(const WorkloadSuite& suite, std::span<const MetricInfo> of_simulator,
                std::span<const Dataset> of_networks);

}  // namespace corbel
