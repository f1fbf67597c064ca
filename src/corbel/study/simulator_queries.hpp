#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "corbel/dataset/store.hpp"
#include "corbel/study/question.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

class Monitor;

/// The queries of one search on a study's simulator: every design becomes a trial, failed runs are tried again
/// (failed_run_retries) and then set aside, everything is counted, and a search that is replayed after it stopped runs
/// nothing twice and counts the same. Not thread-safe; a batch is simulated on all threads of the study.
class SimulatorQueries {
 public:
  /// @param key      of everything that decides what is queried: names the search in the store
  /// @param joining  told of designs right before they are simulated and join the trials; may be empty
  SimulatorQueries(const StudyFile& study, Question question, const std::string& key, Store& store,
                   std::function<void(std::span<const DesignId>)> joining, Monitor& monitor);
  ~SimulatorQueries();

  const Question& question() const;
  /// [n] outcomes, in order, with StudyFile::simulated_metrics(). @throws Error{tool_failure} once the first 100
  /// designs have failed
  std::vector<Outcome> run(std::span<const Design> designs);

  struct Counts {
    std::uint64_t queries = 0, failed = 0, feasible = 0, within_limits = 0;
  };
  const Counts& counts() const;
  /// How many of the queries were simulated for this search, now or before it stopped.
  std::uint64_t simulated() const;
  /// Runs `search`, which calls run(), and notes in the store how far it came; tells where it goes on from.
  /// @param budget  its queries
  /// @throws what it throws; Error{tool_failure} if every query has failed
  void search(std::uint64_t budget, const std::function<void()>& search);

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
