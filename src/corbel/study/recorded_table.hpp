#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "corbel/simulator/simulator.hpp"
#include "corbel/study/question.hpp"

namespace corbel {

class Monitor;

/// A whole recorded table as the truth about a question: what it says of a design, and its optimum within the limits.
/// Thread-safe.
class RecordedTable {
 public:
  /// Reads all of it.
  /// @throws Error{unsupported} for a space too large for a whole table; Error{invalid_input} if it lacks the objective
  ///         or a metric of a limit; as make_table_simulator
  RecordedTable(const std::filesystem::path& file, const DesignSpace& space, const std::string& objective,
                std::span<const Constraint> constraints, Monitor& monitor, Direction direction = Direction::minimise);

  const Question& question() const { return question_; }
  std::span<const MetricInfo> metrics() const { return table_->metrics(); }
  /// Of the file's content.
  const std::string& fingerprint() const { return table_->fingerprint(); }
  /// [n]; a design without a row failed.
  std::vector<Outcome> outcomes(std::span<const Design> designs) const;
  /// Designs that have a row.
  std::uint64_t designs() const { return designs_; }
  /// The best objective within the limits; nothing if no row is.
  const std::optional<double>& optimum() const { return optimum_; }

 private:
  std::unique_ptr<Simulator> table_;
  HardwareBinding binding_;
  Question question_;
  std::uint64_t designs_ = 0;
  std::optional<double> optimum_;
};

}  // namespace corbel
