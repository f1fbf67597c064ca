#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corbel/dataset/dataset.hpp"
#include "corbel/dataset/group_simulator.hpp"
#include "corbel/simulator/simulator.hpp"

namespace corbel {

/// What another process must know to simulate a group's designs, beside the group itself. It stands in the store as
/// text, so that a worker needs no study file: docs/formats/store.md.
struct JobSpec {
  std::string simulator;        ///< as a study says it under `simulator:`; Config::dump()
  std::filesystem::path study;  ///< the study file: relative paths of the simulator start in its folder
  std::vector<std::pair<std::string, std::string>> fixed;  ///< hardware parameters the space does not vary
  std::optional<Network> network;                          ///< none where the simulator needs none

  std::string to_text() const;
  /// @throws Error{corrupt} for anything but what to_text() wrote
  static JobSpec from_text(std::string_view text);
};

/// A group's simulator, made again from its spec.
class Job {
 public:
  /// @param study_folder  where the study's folder is on this machine; empty: where it was on the one that wrote the
  ///                      spec
  /// @throws Error{mismatch} naming both sides if what is made here is not what the group's trials are of: another
  ///         version of Corbel or of the program, another file; errors of the simulator
  Job(const TrialGroup& group, JobSpec spec, const std::filesystem::path& study_folder);

  const GroupSimulator& simulator() const { return *group_simulator_; }

 private:
  JobSpec spec_;
  std::unique_ptr<Simulator> simulator_;
  std::optional<GroupSimulator> group_simulator_;
};

}  // namespace corbel
