#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace corbel {

/// The page of an experiment: one HTML file that needs nothing but itself. Which method found what within how many
/// queries, how far the runs of one method lie apart, and how the best so far developed.
/// @param experiment  docs/experiment.md; whatever is missing, null or of another type is told as not known
/// Deterministic. Never throws for any JSON value. Thread-safe.
std::string experiment_report(const nlohmann::json& experiment);

}  // namespace corbel
