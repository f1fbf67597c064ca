#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace corbel {

/// The type of the file system that a path, or what there is of it, lies on: statfs(2)'s f_type; 0 if it cannot be
/// told. Internal to this floor.
std::int64_t file_system_type(const std::filesystem::path& path);

/// The name of a network file system of this type, such as "NFS"; "" for others. What is mounted through FUSE
/// (0x65735546, sshfs among others) or 9P cannot be told from a local disk and counts as one.
std::string_view network_file_system(std::int64_t type);

}  // namespace corbel
