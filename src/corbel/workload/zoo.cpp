#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/workload/network.hpp"
#include "corbel/workload/onnx.hpp"
#include "corbel/workload/reader.hpp"

namespace corbel {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view extension = ".yaml", onnx_extension = ".onnx";
/// What protocol buffers, the format of ONNX files, can hold.
constexpr std::uint64_t max_onnx_bytes = (std::uint64_t{1} << 31) - 1;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_path(std::string_view name) {
  return name.find('/') != std::string_view::npos || name.ends_with(extension) || name.ends_with(".yml") ||
         name.ends_with(onnx_extension);
}

}  // namespace

fs::path zoo_folder() {
  if (const char* chosen = std::getenv("CORBEL_ZOO"); chosen != nullptr && *chosen != '\0') {
    if (is_folder(chosen)) return chosen;
    throw Error(ErrorCode::not_found, fmt::format("CORBEL_ZOO names `{}`, which is not a folder", chosen),
                "set CORBEL_ZOO to a folder of workload files, or unset it");
  }
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  if (!failed) {
    const fs::path installed = program.parent_path().parent_path() / "share" / "corbel" / "zoo";
    if (is_folder(installed)) return installed;
  }
#ifdef CORBEL_SOURCE_ZOO
  if (is_folder(CORBEL_SOURCE_ZOO)) return CORBEL_SOURCE_ZOO;
#endif
  throw Error(ErrorCode::not_found, "the zoo of workloads is not installed beside the program",
              "set CORBEL_ZOO to its folder, or give the path of a workload file");
}

std::vector<std::string> zoo_names() {
  const fs::path folder = zoo_folder();
  std::error_code failed;
  std::vector<std::string> names;
  for (fs::directory_iterator file(folder, failed), end; !failed && file != end; file.increment(failed)) {
    if (file->path().extension() == extension) names.push_back(file->path().stem().string());
  }
  if (failed) {
    throw Error(ErrorCode::file_access, fmt::format("{}: {}", folder.string(), failed.message()),
                "make the folder of the zoo readable");
  }
  std::ranges::sort(names);
  return names;
}

Network load_network(std::string_view name_or_path, const fs::path& relative_to, const NetworkOptions& options) {
  // An absolute path replaces what it is appended to.
  const fs::path path = relative_to / fs::path(name_or_path);
  if (name_or_path.ends_with(onnx_extension)) {
    return network_from_onnx(read_file(path, max_onnx_bytes), path.string(), options);
  }
  if (!options.dimensions.empty()) {
    throw Error(ErrorCode::invalid_input,
                fmt::format("workload {}: dimension {} is given, but only ONNX files have open dimensions",
                            in_quotes(name_or_path), in_quotes(options.dimensions.begin()->first)),
                "leave the dimensions out, or name a file that ends in .onnx");
  }
  if (is_path(name_or_path)) return network_from_config(Config::load(path), options.batch);
  const std::vector<std::string> names = zoo_names();
  if (!std::ranges::binary_search(names, name_or_path)) {
    throw unknown_name("workload", name_or_path, names, "", ErrorCode::not_found);
  }
  return network_from_config(Config::load(zoo_folder() / fmt::format("{}{}", name_or_path, extension)), options.batch);
}

Network load_network(std::string_view name_or_path, const fs::path& relative_to, std::int64_t batch) {
  return load_network(name_or_path, relative_to, NetworkOptions{.batch = batch, .dimensions = {}});
}

Network network_from_config(const Config& config, std::int64_t batch) {
  return WorkloadReader(config, batch).read();
}

}  // namespace corbel
