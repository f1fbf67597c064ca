#pragma once

#include "corbel/simulator/simulator.hpp"

namespace corbel {

/// The edge model in short; docs/simulator.md tells it in full.
SimulatorDescription edge_description();

}  // namespace corbel
