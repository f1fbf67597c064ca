#pragma once

#include <string>
#include <utility>
#include <vector>

#include "corbel/dataset/dataset.hpp"
#include "corbel/simulator/simulator.hpp"

namespace corbel {

/// The group of this simulator's trials of this network (null where the simulator needs none) in this space.
/// @param fixed  values for hardware that the space does not vary, as given to HardwareBinding: they change results, so
///               they are part of the group's simulator fingerprint
TrialGroup trial_group(const DesignSpace& space, const Simulator& simulator, const Network* network,
                       std::vector<std::pair<std::string, std::string>> fixed = {});

}  // namespace corbel
