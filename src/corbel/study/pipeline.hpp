#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "corbel/dataset/dataset.hpp"
#include "corbel/dataset/store.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

class Monitor;

/// The steps of a study. Each keeps what it made in the study's output folder and what it found in results.json
/// (docs/formats/results.md), so that steps may run in one process or in several, and run() repeats no step whose
/// inputs have not changed. Not thread-safe; one process per study at a time.
class Pipeline {
 public:
  /// @throws Error{corrupt} if the output folder holds a results.json that is not one
  Pipeline(StudyFile study, Monitor& monitor);
  ~Pipeline();

  /// All steps that are not up to date, in order.
  /// @throws Error{interrupted} after Ctrl-C: the same call goes on
  void run();

  /// Sweeps or imports, until the dataset is as the study asks.
  void collect();
  void train();
  void search();
  /// Simulates the best proposals and adds the results to the dataset. @throws Error{unsupported} without a simulator
  void validate();
  /// Looks every proposal up in a whole recorded table instead, and tells how far they are from its optimum. The
  /// table's rows do not join the dataset.
  void validate_with_table(const std::filesystem::path& table);

  /// results.json as it stands.
  const nlohmann::json& results() const { return *results_; }
  const StudyFile& study() const { return study_; }
  /// The study's trials. @throws Error{not_found} if nothing was collected yet
  const Dataset& dataset();
  /// Removes everything that steps have made.
  void clear();

 private:
  Store& store();
  TrialGroup simulator_group() const;
  const Network* network() const;
  void import_log();
  void load_dataset(Store::GroupId group);
  void conclude();
  void save();

  void describe_dataset();
  /// Removes this section of the results and all that rest on it: they no longer hold.
  void forget_from(std::string_view section);
  /// Fingerprints of what a step depends on; those of the last run stand in results.json.
  std::string import_key() const;
  std::string question_key() const;  ///< objective and constraints
  std::string training_key() const;
  std::string search_key() const;
  std::string validation_key() const;
  std::string recorded(const char* step, const char* key) const;
  void require_step(std::string_view section, std::string_view command) const;

  StudyFile study_;
  Monitor& monitor_;
  std::optional<Store> store_;
  std::optional<Store::GroupId> group_;
  std::optional<Dataset> dataset_;
  std::unique_ptr<nlohmann::json> results_;
};

}  // namespace corbel
