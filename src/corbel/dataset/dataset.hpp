#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "corbel/space/design_space.hpp"

namespace corbel {

/// In the order of the numbers kept in a store (docs/formats/store.md).
enum class TrialState : std::uint8_t { waiting, running, complete, infeasible, failed, abandoned };
std::string_view to_string(TrialState state);
/// Complete or infeasible: what a design came to is known and teaches.
constexpr bool is_finished(TrialState state) {
  return state == TrialState::complete || state == TrialState::infeasible;
}
/// Finished, or given up: not to be simulated again.
constexpr bool is_settled(TrialState state) {
  return is_finished(state) || state == TrialState::abandoned;
}

/// What a group of trials has in common: one design space, one simulator with its settings, one workload. With the
/// design id this is a trial's key, so rows of different simulators never mix silently.
struct TrialGroup {
  DesignSpace space;
  std::string simulator;  ///< name, or "import"
  std::string simulator_fingerprint;
  std::string workload;  ///< name; "" for logs that name none
  std::string workload_fingerprint;
  std::vector<std::string> metrics;  ///< names, in the order of every trial's values
};

/// Index of a metric. @throws Error{invalid_input} with the near miss
std::size_t metric_index(const TrialGroup& group, std::string_view name);

/// One design's result for one workload.
struct Trial {
  DesignId design = 0;
  TrialState state = TrialState::waiting;
  std::string reason;           ///< why infeasible or failed
  std::vector<double> metrics;  ///< in the group's order; NaN where there is none
  std::uint32_t attempt = 1;
};

/// A finished trial that is read; the views hold until the next one is.
struct TrialView {
  DesignId design = 0;
  TrialState state = TrialState::waiting;
  std::string_view reason;
  std::span<const double> metrics;  ///< in the group's order

  bool is_complete() const { return state == TrialState::complete; }
};

/// Reads trials one by one.
class TrialCursor {
 public:
  virtual ~TrialCursor() = default;
  /// False after the last one.
  virtual bool next(TrialView& trial) = 0;
};

/// Numbers the reasons of a dataset that is being filled: "" is 0, a new one gets the next.
class ReasonNumbers {
 public:
  /// @param names  of the dataset: {""}; must outlive this
  explicit ReasonNumbers(std::vector<std::string>& names) : names_(names), numbers_{{"", std::uint16_t{0}}} {}
  /// Numbers have 16 bits; a log with a different text on every row has no reasons worth telling apart, so that further
  /// ones become "other".
  std::uint16_t of(std::string_view reason);

 private:
  std::vector<std::string>& names_;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, std::uint16_t, Hash, std::equal_to<>> numbers_;
};

/// Finished trials of a group in memory, by columns, ordered by design id: the same rows give the same dataset in
/// whatever order they were simulated.
struct Dataset {
  TrialGroup group;
  std::vector<DesignId> designs;       ///< [n]
  std::vector<TrialState> states;      ///< [n] complete or infeasible
  std::vector<std::uint16_t> reasons;  ///< [n] index into reason_names; 0 is ""
  std::vector<std::string> reason_names;
  std::vector<double> metrics;  ///< [n × metrics]
  /// Rows of imported logs that repeated a design of the same log with the same results. About the logs, not the rows.
  std::uint64_t duplicates = 0;

  std::size_t rows() const { return designs.size(); }
  std::size_t feasible() const;
  double metric(std::size_t row, std::size_t index) const { return metrics[row * group.metrics.size() + index]; }
  /// As corbel::metric_index().
  std::size_t metric_index(std::string_view name) const { return corbel::metric_index(group, name); }
  void reserve(std::size_t rows);
  /// @param reasons  of reason_names
  void append(const TrialView& trial, ReasonNumbers& reasons);
  TrialView row(std::size_t row) const {
    const std::size_t width = group.metrics.size();
    return {designs[row], states[row], reason_names[reasons[row]], std::span(metrics).subspan(row * width, width)};
  }
  /// TrialLog::fingerprint() of these rows, where reasons were not too many to tell apart.
  std::string fingerprint() const;
};

}  // namespace corbel
