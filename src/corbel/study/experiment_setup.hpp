#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/base/file.hpp"
#include "corbel/search/strategy.hpp"
#include "corbel/study/simulation_objective.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

class Monitor;

/// What the methods of an experiment search: designs of one space that are run one by one.
struct ExperimentQuestion {
  std::string name;    ///< for people: "maestro_resnet50.csv.gz", the study's name
  std::string source;  ///< "table" or "simulator"
  std::string key;     ///< fingerprint of all that decides a design's score
  std::string metric;  ///< the objective
  Direction direction = Direction::minimise;
  std::vector<std::string> constraints;
  std::shared_ptr<const SimulationObjective> objective;  ///< thread-safe
  std::shared_ptr<const SearchDomain> domain;            ///< what may be asked for
  /// The best objective within the limits, where it is known, and why: "every design is recorded".
  std::optional<double> optimum;
  std::string optimum_basis;
  /// The same as a study: what a learner is asked. Of a table it has no simulator, no log and no file.
  std::shared_ptr<const StudyFile> study;
  /// The same of other networks, whose logs teach the learners of an offline experiment, too.
  std::vector<ExperimentQuestion> others;
  std::uint64_t rows = 0;  ///< of one of the others: designs in its log
};

/// Every row of a recorded table is a run that may be asked for; its limits on metrics are known only by asking.
/// @param space  inferred from the file if empty
/// @param workload  the network it is of, where others are to teach beside it
/// @throws as plan_import, make_table_simulator and Question
ExperimentQuestion experiment_on_table(const std::filesystem::path& file, const std::optional<DesignSpace>& space,
                                       const Goal& objective, std::span<const Constraint> constraints, Monitor& monitor,
                                       const WorkloadSuite& workload = {});
/// On a study's simulator, with its objective and limits; the others are those it learns from.
/// @throws Error{unsupported} for a study without a simulator, or one that learns from logs of others
ExperimentQuestion experiment_on_study(const StudyFile& study);

/// `question` of what an experiment returns.
nlohmann::json question_json(const ExperimentQuestion& question);

/// What every kind of experiment is told.
struct ExperimentSetup {
  std::uint64_t seeds = 10;  ///< runs of each method, with the seeds first_seed, first_seed + 1, …
  std::uint64_t first_seed = 1;
  std::size_t threads = 0;        ///< runs at a time; 0: all cores
  std::optional<double> optimum;  ///< known from elsewhere
  std::filesystem::path folder;   ///< where the runs are kept
  bool fresh = false;             ///< removes the runs that are there first
};
/// @throws Error{invalid_input} for no seeds, or an optimum that is no number
void check_setup(const ExperimentSetup& setup);
/// What is wrong with what an experiment is told: "the experiment has no seeds".
class Error experiment_error(const std::string& what, const std::string& hint);

/// The folder of an experiment's runs, for this process alone.
class ExperimentFolder {
 public:
  /// @throws Error{file_access} if another process uses it, or it cannot be written
  explicit ExperimentFolder(const ExperimentSetup& setup);
  std::filesystem::path run_file(const std::string& name) const { return runs_ / name; }

 private:
  std::filesystem::path runs_;
  FileLock lock_;
};

/// What regret is measured from.
struct ExperimentReference {
  double value;
  std::string basis;
  bool is_known;  ///< not merely the best that was found

  /// @param best_found  in the experiment, as a cost; infinite if nothing was
  ExperimentReference(const ExperimentQuestion& question, const ExperimentSetup& setup, double best_found);
  /// `optimum` of what an experiment returns.
  nlohmann::json to_json() const;
};

/// The methods in a list with commas between them, each with its options: "random,firefly:pool=20,perturbation=0.2" are
/// two.
std::vector<std::string> split_methods(std::string_view text);

}  // namespace corbel
