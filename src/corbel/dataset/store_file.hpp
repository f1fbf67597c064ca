#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "corbel/dataset/sqlite.hpp"

namespace corbel {

/// Opens a store, having checked that it is one, and makes it with its schema when absent and writable. Internal to
/// this floor; the errors are those of Store's constructor.
std::unique_ptr<Database> open_store_file(const std::filesystem::path& path, bool writable,
                                          std::chrono::milliseconds patience);

}  // namespace corbel
