#include "corbel/dataset/log_presets.hpp"

#include <algorithm>
#include <array>

#include "corbel/base/error.hpp"
#include "corbel/dataset/import.hpp"

namespace corbel {
namespace {

using FolderWorkload = std::pair<std::string_view, std::string_view>;

/// Folders of gs://gresearch/prime, as its README and parsing notebook list them
/// (github.com/google-research/google-research, prime/). MobileNetEdgeTPU is listed beside MobilenetEdgeTPU, which the
/// notebook reads.
constexpr std::array<FolderWorkload, 9> prime_workloads = {{
    {"MobilenetEdgeTPU", "mobilenet_edgetpu"},
    {"MobilenetV2", "mobilenet_v2"},
    {"MobilenetV3", "mobilenet_v3"},
    {"m4", "m4"},
    {"m5", "m5"},
    {"m6", "m6"},
    {"u-net", "unet"},
    {"t_rnn_dec", "trnn_decoder"},
    {"t_rnn_enc", "trnn_encoder"},
}};

void apply_prime(ImportSpec& spec) {
  spec.space = DesignSpace::edge();
  for (std::size_t i = 0; i < spec.space->dimensions(); ++i) {
    const std::string column = "param_" + std::to_string(i + 1);
    spec.rename[column] = spec.space->parameters()[i].name();
    spec.roles[column] = ColumnRole::parameter;
  }
  // The data set calls the unit of `runtime` milliseconds. U-Net's 13.7 G operations at 26 TOPS take 0.52 ms, and its
  // best design is listed with 610.96: these are microseconds.
  spec.rename["runtime"] = "latency_us";
  spec.rename["area"] = "area_mm2";
  spec.roles["runtime"] = spec.roles["area"] = ColumnRole::metric;
  spec.roles["infeasible"] = ColumnRole::feasible;
  spec.simulator = "prime_published";
}

constexpr std::array presets = {
    LogPreset{"prime", "the data set of PRIME (arXiv 2110.11346), nine applications, TFRecord", apply_prime,
              prime_workloads},
};

}  // namespace

std::span<const LogPreset> log_presets() {
  return presets;
}

const LogPreset& log_preset(std::string_view name) {
  const auto* found = std::ranges::find(presets, name, &LogPreset::name);
  if (found != presets.end()) return *found;
  std::vector<std::string> names;
  for (const LogPreset& preset : presets) names.emplace_back(preset.name);
  throw unknown_name("preset", name, names);
}

std::vector<ImportSpec> preset_logs(const LogPreset& preset, const std::filesystem::path& folder) {
  std::vector<ImportSpec> specs;
  const auto spec_of = [&](const std::filesystem::path& path, std::string_view workload) {
    ImportSpec spec;
    preset.apply(spec);
    spec.file = path;
    spec.workload = workload;
    return spec;
  };
  for (const auto& [name, workload] : preset.workloads) {
    if (std::filesystem::is_directory(folder / name)) specs.push_back(spec_of(folder / name, workload));
  }
  if (!specs.empty()) return specs;
  // One of its folders, or a file in one.
  for (const std::filesystem::path& named : {folder, folder.parent_path()}) {
    for (const auto& [name, workload] : preset.workloads) {
      if (named.filename() == name) return {spec_of(folder, workload)};
    }
  }
  throw Error(ErrorCode::not_found,
              folder.string() + ": holds none of the folders of `" + std::string(preset.name) + "`, such as " +
                  std::string(preset.workloads.front().first),
              "name the folder that the data set was downloaded to, or one of its folders");
}

}  // namespace corbel
