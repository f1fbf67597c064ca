#pragma once

#include <memory>
#include <string>
#include <vector>

namespace corbel {
class Simulator;
struct StudyFile;
}  // namespace corbel

namespace corbel::cli {

/// The simulator that --simulator (or a name), --set NAME=VALUE … and --space ask for.
/// @throws Error{usage} for a setting that is not NAME=VALUE; what make_simulator() throws
std::unique_ptr<Simulator> make_named_simulator(const std::string& name, const std::vector<std::string>& settings,
                                                const std::string& space);

/// The study of --study. @throws Error{usage} if it has no simulator
StudyFile load_simulator_study(const std::string& file);

}  // namespace corbel::cli
