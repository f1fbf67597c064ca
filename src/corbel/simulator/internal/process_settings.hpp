#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "corbel/base/process.hpp"
#include "corbel/simulator/internal/pattern.hpp"
#include "corbel/simulator/internal/run_output.hpp"
#include "corbel/simulator/internal/run_text.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/space/constraint.hpp"

namespace corbel {

/// Says what a run came to that shows certain signs; all of them must be there.
struct OutcomeRule {
  OutcomeState state = OutcomeState::failed;
  std::string reason;                  ///< may hold {1}: what that group of the pattern matched
  std::optional<Pattern> pattern;      ///< in `file`
  std::optional<RunText> file;         ///< none: in standard output and standard error
  std::vector<int> exit_codes;         ///< one of them
  bool any_failure_code = false;       ///< any exit code but 0
  std::set<int> signals;               ///< ended by one of them
  bool timeout = false;                ///< stopped at the time limit
  std::vector<std::string> missing;    ///< one of these metrics has no value in an output that could be read
  std::optional<BoundConstraint> met;  ///< holds of the metrics

  /// Whether it speaks of runs that did not end by themselves.
  bool is_of_broken_runs() const { return timeout || !signals.empty(); }
};

/// What `simulator: {name: process, …}` says, read and checked; docs/process.md.
struct ProcessSettings {
  std::string program;           ///< its name, for people
  std::string version;           ///< as given, or as the program told
  std::filesystem::path folder;  ///< of the study file
  std::vector<RunText> command;
  bool shell = false;
  bool json_input = false;       ///< on standard input
  bool writes_input = false;     ///< input.json in the run's folder
  bool writes_workload = false;  ///< workload.json in the run's folder
  bool needs_workload = false;
  std::vector<std::pair<std::string, RunText>> environment;
  std::vector<std::pair<std::string, RunText>> templates;  ///< file in the run's folder, and its content
  std::vector<HardwareParameter> parameters;
  std::vector<bool> is_boolean;  ///< of each parameter
  std::vector<MetricSource> metrics;
  std::vector<OutcomeRule> rules;  ///< in the order they are tried
  RunLimits limits;
  std::size_t retries = 0;
  std::chrono::milliseconds retry_wait{1000};
  std::size_t jobs = 0;
  std::filesystem::path run_dir;  ///< empty: in the system's folder for temporary files
  std::size_t keep = 10;
  std::string fingerprint;

  /// @throws Error naming file, line and column; Error{tool_failure} where `version_command` tells nothing
  static ProcessSettings read(const Config& node, const DesignSpace& space);
};

/// The program of a command: a path with a slash is seen from the study's folder, like every path in its file.
std::string program_path(const std::filesystem::path& folder, const std::string& program);

/// What each key means, for `corbel describe simulator process`.
std::vector<SimulatorDescription::Line> process_setting_help();
/// The reasons of failures that need no rule.
std::vector<SimulatorDescription::Line> process_failure_help();

}  // namespace corbel
