#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "corbel/search/objective.hpp"
#include "corbel/study/question.hpp"

namespace corbel {

/// Runs designs: [n] outcomes, in order.
using RunDesigns = std::function<std::vector<Outcome>(std::span<const Design>)>;

/// How often a run that failed is tried again before its design is set aside.
inline constexpr std::size_t failed_run_retries = 2;

/// Simulations as a search's objective, instead of a surrogate. A failed run is tried again, and then set aside as
/// Score::failure(). As thread-safe and deterministic as `run`.
class SimulationObjective final : public Objective {
 public:
  /// @param retries  further runs of a design whose run failed
  SimulationObjective(Question question, RunDesigns run, std::size_t retries = failed_run_retries);
  const DesignSpace& space() const override { return question_.space(); }
  const Question& question() const { return question_; }
  void score(std::span<const Design> designs, std::span<Score> out) const override;
  /// The same outcomes themselves.
  std::vector<Outcome> outcomes(std::span<const Design> designs) const;

 private:
  Question question_;
  RunDesigns run_;
  std::size_t retries_;
};

}  // namespace corbel
