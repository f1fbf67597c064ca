#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "corbel/dataset/file_system.hpp"
#include "corbel/dataset/sqlite.hpp"

namespace corbel {

constexpr int first_version_with_statistics = 2;

/// Opens a store, having checked that it is one, and makes it with its schema when absent and
/// writable, or brings it to this version of the schema when writable; read-only, an older one is left as it is.
/// Internal to this floor; the errors are those of Store's constructor.
/// @param type_of  tells what file system a path lies on
std::unique_ptr<Database> open_store_file(const std::filesystem::path& path, bool writable,
                                          std::chrono::milliseconds patience,
                                          std::int64_t (*type_of)(const std::filesystem::path&) = file_system_type);

}  // namespace corbel
