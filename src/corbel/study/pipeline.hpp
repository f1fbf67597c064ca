#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "corbel/dataset/store.hpp"
#include "corbel/dataset/trial_log.hpp"
#include "corbel/search/scan.hpp"
#include "corbel/study/study_file.hpp"
#include "corbel/study/study_keys.hpp"

namespace corbel {

class FileLock;
class Monitor;
class SurrogateObjective;
struct OnlineSettings;
class SurrogateSearch;
struct SurrogateFindings;
struct RoundRecord;

/// What the scan of one shard came to.
struct ShardOutcome {
  ScanResult scanned;
  std::vector<std::uint64_t> missing;  ///< shards that are not finished yet; none: the results hold the proposals
};
struct ParetoSettings;

/// The steps of a study. Each keeps what it made in the study's output folder and what it found in results.json
/// (docs/formats/results.md), so that steps may run in one process or in several, and run() repeats no step whose
/// inputs have not changed. Not thread-safe; a step keeps other processes out of the folder.
class Pipeline {
 public:
  /// @throws Error{corrupt} if the output folder holds a results.json that is not one
  Pipeline(StudyFile study, Monitor& monitor);
  ~Pipeline();

  /// Removes what was made by a step and those after it, and tells the monitor what.
  /// @param section  of the results: "training" or "search"
  void start_over(std::string_view section);

  /// All steps that are not up to date, in order.
  /// @throws Error{interrupted} after Ctrl-C: the same call goes on
  void run();

  /// Sweeps or imports, until the dataset is as the study asks.
  void collect();
  void train();
  void search();
  /// Scans one shard of the space, beside other processes that scan others or work on the study; where all shards are
  /// finished then, concludes as search() does. @throws Error{usage} if the study does not search by a scan
  ShardOutcome search_shard(const ScanShard& shard);
  /// The study's rounds (docs/rounds.md): each trains on all trials, searches, and simulates diverse designs among the
  /// best predicted, at most search.rounds · search.simulate in all; then trains and searches once more. Rounds that
  /// are done are not repeated, so that more of them go on from there.
  /// @throws as require_rounds_possible; Error{interrupted}: the same call goes on
  void search_in_rounds();
  /// Searches the simulator instead, without a model; the results join the dataset. @throws as corbel::search_online
  void search_online(const OnlineSettings& settings);
  /// Searches the simulator for a Pareto front; the results join the dataset. @throws as corbel::search_front
  void search_front(const ParetoSettings& settings);
  /// The same on the surrogate. @throws as corbel::predict_front
  void predict_front(const ParetoSettings& settings);
  /// Simulates the best proposals and adds the results to the dataset. @throws Error{unsupported} without a simulator
  void validate();
  /// Looks every proposal up in a whole recorded table instead, and tells how far they are from its optimum. The
  /// table's rows do not join the dataset.
  void validate_with_table(const std::filesystem::path& file);

  /// results.json as it stands.
  const nlohmann::json& results() const { return *results_; }
  const StudyFile& study() const { return study_; }
  /// Whether the results are of the study as its file now stands: same log, simulator, workload, objective, limits.
  bool answers_the_study();
  /// All of the study's trials, as they were when this was first asked for since the last long work.
  /// @throws Error{not_found} if nothing was collected yet
  const TrialLog& trials();

 private:
  /// @param patience  how long to wait for another process
  void lock(std::chrono::seconds patience = std::chrono::seconds(0));
  void read_results();
  const StudyKeys& keys();
  Store& store();
  /// Collects the trials of the study's other networks, if they are not there.
  void collect_others();
  /// These networks and their trials, collected if they are not there.
  std::vector<std::pair<StudyFile, TrialLog>> other_trials();
  /// Makes them the study's trials, and its log those that were not validated or searched since the last training.
  void use(TrialLog trials);
  /// Notes of the store that begin so hold designs which a search on the simulator has added since the last training.
  std::string searched_notes() const;
  /// A search that simulates: keeps what it found as this section, and its trials.
  /// @param search  given where the trials it makes are to be told of
  void search_simulator(
      const char* section, const std::string& key, const std::string& question,
      const std::function<nlohmann::json(const std::function<void(std::span<const DesignId>)>&)>& search);
  /// The trials of a search in rounds as far as they are there; begins anew where others have joined them.
  RoundRecord rounds_so_far(const std::string& key);
  /// Trains on all trials and chooses what is simulated next; false where no design is left.
  bool begin_round(RoundRecord& record);
  SurrogateObjective make_objective();
  SurrogateSearch make_search(const SurrogateObjective& objective);
  void conclude_search(const SurrogateObjective& objective, const std::string& method, const SurrogateFindings& found);
  /// A Pareto front stays only as long as the study asks for what it shows.
  void forget_old_front();
  /// The trials that the model has learnt from: all but the proposals validated since.
  const TrialLog& log() {
    trials();
    return *log_;
  }
  /// Before long work: whoever reads a log keeps the store from clearing up after its writers, and may lose it with
  /// its server. Later it is read anew.
  void release_trials();
  /// What results.json says of this log.
  nlohmann::json description(const TrialLog& log);
  void describe_log(nlohmann::json description);
  void reset_proposals(const SurrogateObjective& objective);
  /// Removes this section of the results and all that rest on it: they no longer hold.
  void forget_from(std::string_view section);
  /// Of the predicted objective on withheld rows, relative; NaN if not known.
  double objective_error() const;
  void choose();
  void conclude();
  void save();

  /// "" if there is no model.
  const std::string& model_fingerprint();
  bool model_is_current();
  /// What results.json says of a step's last run.
  std::string recorded(const char* step, const char* key) const;
  void require_step(std::string_view section, std::string_view command) const;
  void require_proposals();

  StudyFile study_;
  std::optional<StudyKeys> keys_;  // made when first needed: they read the log
  Monitor& monitor_;
  std::unique_ptr<FileLock> lock_;
  std::optional<Store> store_;
  std::optional<TrialLog> trials_, log_;
  std::optional<std::string> model_fingerprint_;  // read once
  std::unique_ptr<nlohmann::json> results_;
};

/// Removes everything that a study's steps have made, and tells the monitor what.
/// @throws Error{unsupported} where its trials are not its own, or cannot be made again;
///         Error{file_access} if something cannot be removed, or another process works there
void clear_study(const StudyFile& study, Monitor& monitor);

}  // namespace corbel
