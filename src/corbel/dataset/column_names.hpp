#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace corbel {

class DesignSpace;
struct ImportSpec;

// What the names of a log's columns say. Internal to this floor.

bool is_identifier(std::string_view text);
/// Whether the name speaks of something that is measured: "latency_ms", "total energy", "dram_reads".
bool is_named_like_metric(std::string_view name);
bool is_named_like_workload(std::string_view name);
bool is_named_like_index(std::string_view name);

/// The parameter or metric that a column holds, as `rename:` says it, or its name made an identifier; with the unit
/// that `units:` tells behind a name without one.
std::string column_name(const ImportSpec& spec, const std::optional<DesignSpace>& space, const std::string& column);

}  // namespace corbel
