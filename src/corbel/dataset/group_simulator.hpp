#pragma once

#include <span>
#include <string>
#include <vector>

#include "corbel/dataset/dataset.hpp"
#include "corbel/simulator/simulator.hpp"

namespace corbel {

class Monitor;

/// Makes trials of a group's designs. Thread-safe.
class GroupSimulator {
 public:
  /// @param simulator, network  must outlive this; the network is null where the simulator needs none
  /// @throws Error{mismatch} if the group is of another simulator or workload
  GroupSimulator(TrialGroup group, const Simulator& simulator, HardwareBinding binding, const Network* network);

  const TrialGroup& group() const { return group_; }
  const DesignSpace& space() const { return group_.space; }
  const Simulator& simulator() const { return *simulator_; }
  /// Simulations to be made side by side: as many as the simulator says, or else `wanted`, 0 being all cores.
  std::size_t threads(std::size_t wanted) const;

  struct Result {
    std::vector<Trial> trials;  ///< in the order of the designs
    std::string last_failure;   ///< what is known of the last one that failed, for people; "" if none did
  };
  /// A result that cannot be true is a failure of the simulator, never a row.
  /// @throws Error{interrupted} once the monitor asks to stop; errors of the simulator
  Result simulate(std::span<const DesignId> designs, const Monitor& monitor) const;

 private:
  Trial trial(DesignId design, const Outcome& outcome) const;

  TrialGroup group_;
  const Simulator* simulator_;
  HardwareBinding binding_;
  const Network* network_;
};

}  // namespace corbel
