#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "corbel/dataset/executor.hpp"
#include "corbel/dataset/store.hpp"
#include "corbel/dataset/trial_log.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

/// A study's own simulations. Each of a design on one network is a trial of its own, in that network's group, so that
/// studies of other weights or of one of the networks share them; what the study asks about is made of them here.
class StudyTrials {
 public:
  /// @param study  with a simulator; must outlive this
  explicit StudyTrials(const StudyFile& study) : study_(study) {}

  /// One per workload, in their order; one where the simulator needs none.
  std::vector<TrialGroup> groups() const;
  /// Simulates until the study's number of designs is finished on every network.
  void sweep(Store& store, Monitor& monitor);
  /// Every design that is finished on all networks; nothing if a group was never begun.
  std::optional<TrialLog> log(std::shared_ptr<const Store> store) const;
  /// What the store holds of a design.
  struct Standing {
    bool finished = false;       ///< on every network
    std::uint32_t failures = 0;  ///< failed runs on the unfinished network that has most of them
    std::string reason;          ///< of the last of these
  };
  std::vector<Standing> standing(Store& store, std::span<const Design> designs) const;
  /// What these designs come to, with StudyFile::simulated_metrics(); those not yet in the store are simulated.
  /// @param store  the same one each time, which outlives this
  std::vector<Outcome> simulate(Store& store, std::span<const Design> designs, Monitor& monitor);

 private:
  /// The ids of groups().
  std::vector<Store::GroupId> group_ids(Store& store) const;
  std::unique_ptr<Executor> make_executor(Store& store) const;
  Executor& executor(Store& store);
  const StudyFile& study_;
  std::unique_ptr<Executor> executor_;  // made when first needed: it may hold connections
};

}  // namespace corbel
