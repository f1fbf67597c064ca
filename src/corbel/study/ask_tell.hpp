#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corbel/dataset/trial_log.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

/// The trials that a study was told, as a log of its own (docs/ask-tell.md); nothing if none was.
std::optional<TrialLog> told_log(const StudyFile& study, std::shared_ptr<const Store> store);

/// A study whose designs are evaluated by other programs: they ask for designs and tell what became of them. All state
/// is in the study's store, and every call is one transaction there: any number of processes may ask and tell at once,
/// and a kill at any moment leaves what was before the call or after it.
class AskTell {
 public:
  /// @param study  must outlive this
  /// @throws Error{unsupported} if it does not say its space
  explicit AskTell(const StudyFile& study);

  struct Asked {
    std::vector<DesignId> designs;
    std::uint64_t waiting = 0;  ///< given out and not told, these among them
    bool exhausted = false;     ///< there is no further design within the limits
  };
  /// Gives out at most n designs: first those whose evaluation failed and that have tries left (failed_run_retries),
  /// then new ones of the study's search method. None is ever given out twice otherwise.
  Asked ask(std::size_t n) const;
  /// What was given out and not told yet.
  Asked waiting() const;

  struct Best {
    DesignId id = 0;
    double objective = 0;
    std::vector<std::pair<std::string, double>> metrics;  ///< those told
  };
  struct Told {
    std::uint64_t told = 0;  ///< results taken, those that were known already among them
    std::uint64_t complete = 0, infeasible = 0, failed = 0;
    std::uint64_t repeated = 0;  ///< the same result was known
    std::uint64_t waiting = 0;
    std::optional<Best> best;  ///< of all that was ever told
  };
  /// Takes results, all of them or none: `[{"id" or "design", "metrics", "state", "reason"}]`, or that under "results".
  /// @param place  names the text in errors
  /// @throws Error{invalid_input} naming the entry, the key and the value; Error{mismatch} for a design that was told
  ///         another result
  Told tell(std::string_view text, std::string_view place) const;

 private:
  const StudyFile& study_;
};

}  // namespace corbel
