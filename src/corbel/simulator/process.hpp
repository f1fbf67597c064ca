#pragma once

#include "corbel/simulator/simulator.hpp"

namespace corbel {

class Config;

/// Any program as a simulator: design and workload go in by arguments, files or standard input, metrics come out as
/// JSON, by patterns or as columns of a CSV file, and rules tell infeasible designs, failed and abandoned runs apart.
/// docs/process.md. A design is one run; it is as deterministic as the program.
/// @throws Error naming file, line and column
std::unique_ptr<Simulator> make_process_simulator(const Config& settings, const DesignSpace& space);

/// What `corbel describe simulator process` tells of any of them.
SimulatorDescription describe_process_simulators();

}  // namespace corbel
