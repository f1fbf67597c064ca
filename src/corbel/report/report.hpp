#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace corbel {

/// The page for a design review: one HTML file that needs nothing but itself (no network, fonts or scripts from
/// elsewhere). Says what to build, why to believe it, what it costs and what was not known.
/// @param results  docs/formats/results.md; whatever is missing, null or of another type is told as not known
/// Deterministic: equal results give equal bytes. Never throws for any JSON value. Thread-safe.
std::string html_report(const nlohmann::json& results);

/// The chosen design for other tools, as JSON text: values, units, predicted and true metrics, and where it comes from
/// (study, seed, model, fingerprints). What the results do not know is left out. Never throws.
std::string design_json(const nlohmann::json& results);
/// The same as YAML.
std::string design_yaml(const nlohmann::json& results);

}  // namespace corbel
