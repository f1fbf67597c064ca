#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "corbel/simulator/simulator.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

class Monitor;

/// A whole recorded table as the truth about a study: what it says of a design, and its optimum within the limits.
class RecordedTable {
 public:
  /// Reads all of it.
  /// @throws Error{unsupported} for a space too large for a whole table, or a study of several workloads, of which a
  ///         table cannot tell one from another; Error{invalid_input} if it lacks the objective or a metric of a limit
  RecordedTable(const std::filesystem::path& file, const StudyFile& study, const DesignSpace& space, Monitor& monitor);

  std::span<const MetricInfo> metrics() const { return table_->metrics(); }
  Outcome outcome(const Design& design) const;
  /// Designs that have a row.
  std::uint64_t designs() const { return designs_; }
  /// The least objective within the limits; nothing if no row is.
  const std::optional<double>& optimum() const { return optimum_; }

 private:
  std::unique_ptr<Simulator> table_;
  HardwareBinding binding_;
  std::uint64_t designs_ = 0;
  std::optional<double> optimum_;
};

}  // namespace corbel
