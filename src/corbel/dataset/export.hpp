#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "corbel/dataset/trial_log.hpp"

namespace corbel {

class Monitor;

/// Writes finished trials, by design: a column per parameter, `feasible` (1 or 0), `reason`, and a
/// column per metric, blank where there is none. Imported again with the same space, the trials are the same, bit for
/// bit, in memory that does not grow with them. The file stands under its name when all is written, and not before.
/// @param format  of row_formats(); "" for that of the file's name
/// @return how many
/// @throws Error{invalid_input} for a name that tells no format, or a metric called as another column;
///         Error{file_access}; Error{interrupted}
std::uint64_t export_trials(const TrialLog& log, const std::filesystem::path& file, std::string_view format,
                            Monitor& monitor);

}  // namespace corbel
