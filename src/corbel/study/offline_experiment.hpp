#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/study/experiment_setup.hpp"
#include "corbel/surrogate/trainer.hpp"

namespace corbel {

/// One row of the table of offline methods: what proposes designs from a log alone.
struct OfflineMethodInfo {
  std::string_view id;       ///< "prime"
  std::string_view summary;  ///< one line
  bool is_learner;           ///< takes the keys of a study's `train:` as options
};
std::span<const OfflineMethodInfo> offline_methods();

/// A method with options of its own.
struct OfflineMethod {
  std::string label;  ///< as written: "prime", "prime:network=attention,steps=800"
  std::string id;
  TrainingOptions training;  ///< of a learner; never refitted on the withheld rows unless it says so

  /// METHOD or METHOD:KEY=VALUE,… with the keys of `train:`.
  /// @throws Error{invalid_input} naming the text, for an unknown method or key (with the near miss) or a bad value
  static OfflineMethod parse(std::string_view text);
  /// Several with commas between them.
  static std::vector<OfflineMethod> parse_list(std::string_view text);
};

struct OfflineOptions : ExperimentSetup {
  OfflineOptions() { seeds = 5; }
  std::vector<OfflineMethod> methods;
  /// Rows of the log, drawn at random among the designs that can be run; each seed draws its own.
  std::vector<std::uint64_t> log_sizes = {4000};
  /// Of the log's rows within the limits only so many, the worst, are shown; 0: all.
  std::uint64_t worst = 0;
};

/// How many of the best predicted designs an offline experiment looks at.
inline constexpr std::size_t offline_proposals = 256;

/// Lets every method propose designs from the same random logs, without any simulation, and looks up what the proposals
/// are worth: docs/experiment.md has the protocol and the keys of what it returns. Each run is kept in `folder`, so
/// that the same call after Ctrl-C or a kill goes on. Deterministic but for the times, for any number of threads.
/// @throws Error{invalid_input} for no methods, sizes or seeds, methods that are the same, or a log larger than what
///         there is; as ExperimentFolder; Error{interrupted}
nlohmann::json run_offline_experiment(const ExperimentQuestion& question, const OfflineOptions& options,
                                      Monitor& monitor);

}  // namespace corbel
