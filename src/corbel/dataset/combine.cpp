#include "corbel/dataset/combine.hpp"

#include <cassert>
#include <memory>
#include <utility>

namespace corbel {
namespace {

struct Parts {
  WorkloadSuite suite;
  std::vector<MetricInfo> of_simulator;
  std::vector<TrialLog> logs;
};

/// Reads all logs side by side.
class CombinedCursor final : public TrialCursor {
 public:
  explicit CombinedCursor(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {
    for (const TrialLog& log : parts_->logs) cursors_.push_back(log.open());
    trials_.resize(cursors_.size());
    begun_.resize(cursors_.size(), false);
    outcomes_.resize(cursors_.size());
  }

  bool next(TrialView& trial) override {
    if (!advance()) return false;
    for (std::size_t k = 0; k < trials_.size(); ++k) {
      outcomes_[k].state = trials_[k].is_complete() ? OutcomeState::complete : OutcomeState::infeasible;
      outcomes_[k].reason = trials_[k].reason;
      outcomes_[k].metrics.assign(trials_[k].metrics.begin(), trials_[k].metrics.end());
    }
    combined_ = parts_->suite.combine(parts_->of_simulator, outcomes_);
    trial.design = trials_.front().design;
    trial.state = combined_.state == OutcomeState::complete ? TrialState::complete : TrialState::infeasible;
    trial.reason = combined_.reason;
    trial.metrics = combined_.metrics;
    return true;
  }

 private:
  /// To the next design that all have.
  bool advance() {
    if (!cursors_.front()->next(trials_.front())) return false;
    // Each log is read up to where the first one stands; one that is past it moves the first, and all look again.
    for (std::size_t k = 1; k < cursors_.size();) {
      const DesignId wanted = trials_.front().design;
      while (!begun_[k] || trials_[k].design < wanted) {
        begun_[k] = true;
        if (!cursors_[k]->next(trials_[k])) return false;
      }
      if (trials_[k].design == wanted) {
        ++k;
        continue;
      }
      while (trials_.front().design < trials_[k].design) {
        if (!cursors_.front()->next(trials_.front())) return false;
      }
      k = 1;
    }
    return true;
  }

  std::shared_ptr<const Parts> parts_;
  std::vector<std::unique_ptr<TrialCursor>> cursors_;
  std::vector<TrialView> trials_;
  std::vector<bool> begun_;
  std::vector<Outcome> outcomes_;
  Outcome combined_;
};

}  // namespace

TrialLog combine(const WorkloadSuite& suite, std::span<const MetricInfo> of_simulator,
                 std::vector<TrialLog> of_networks) {
  assert(of_networks.size() == suite.members().size() && !of_networks.empty());
  const TrialGroup& like = of_networks.front().group();
  TrialGroup group{like.space, like.simulator, like.simulator_fingerprint, suite.name(), suite.fingerprint(), {}};
  for (const MetricInfo& metric : suite.metrics(of_simulator)) group.metrics.push_back(metric.name);
  const auto parts =
      std::make_shared<const Parts>(Parts{suite, {of_simulator.begin(), of_simulator.end()}, std::move(of_networks)});
  return {std::move(group), [parts] { return std::make_unique<CombinedCursor>(parts); }};
}

}  // namespace corbel
