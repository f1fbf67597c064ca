#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "corbel/dataset/store.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

class Monitor;

/// How a study's simulator is searched directly, without a surrogate.
struct OnlineSettings {
  std::string method = "auto";  ///< a strategy's id, "auto": the default one, or "scan": every admitted design
  StrategyOptions options;      ///< of the strategy
  std::uint64_t budget = 0;     ///< designs to query
  /// Designs per ask, which are simulated side by side. Part of the question, unlike the number of threads: the same
  /// seed gives the same answer on any machine.
  std::size_t batch = 8;
};

/// Runs a strategy on the study's simulator; every simulation becomes a trial of the study. Deterministic for the
/// study, the settings and the seed, whatever the store already holds. A call that was interrupted or killed goes on
/// where it stopped: the strategy is replayed and what is stored is not simulated again. Failed runs are tried again
/// (failed_run_retries) and then set aside.
/// @param key      of everything that decides the answer: names the search in the store
/// @param joining  told of designs right before they are simulated and join the trials; may be empty
/// @return `online` of docs/formats/results.md
/// @throws Error{unsupported} without a simulator; Error{invalid_input} for an unknown method, a batch or a budget of
/// 0,
///         or a scan of more designs than the budget; Error{tool_failure} if the first 100 designs (or all there are)
///         fail; Error{interrupted}
nlohmann::json search_online(const StudyFile& study, const OnlineSettings& settings, const std::string& key,
                             Store& store, const std::function<void(std::span<const DesignId>)>& joining,
                             Monitor& monitor);

}  // namespace corbel
