#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "corbel/dataset/database.hpp"
#include "corbel/dataset/file_system.hpp"

namespace corbel {

constexpr int first_version_with_statistics = 2;

/// open_database() of a SQLite file.
/// @param type_of  tells what file system a path lies on
std::unique_ptr<Database> open_store_file(const std::filesystem::path& path, bool writable,
                                          std::chrono::milliseconds patience,
                                          std::int64_t (*type_of)(const std::filesystem::path&) = file_system_type);

}  // namespace corbel
