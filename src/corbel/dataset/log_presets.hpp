#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corbel {

struct ImportSpec;

/// A published data set whose columns, units and design space are known.
struct LogPreset {
  std::string_view name;
  std::string_view help;
  /// Fills in all that the preset knows of columns, space and simulator; what the user says comes after it.
  void (*apply)(ImportSpec& spec);
  /// Folders of the data set, and the workload that each holds the trials of, as the zoo calls it.
  std::span<const std::pair<std::string_view, std::string_view>> workloads;
};
std::span<const LogPreset> log_presets();
/// @throws Error{invalid_input} with the near miss
const LogPreset& log_preset(std::string_view name);

/// The logs of a data set: a spec for each of its folders that is there, in the preset's order.
/// @param folder  the whole data set
/// @throws Error{not_found} if it has none of them
std::vector<ImportSpec> preset_logs(const LogPreset& preset, const std::filesystem::path& folder);

}  // namespace corbel
