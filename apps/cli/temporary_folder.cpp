#include "temporary_folder.hpp"

#include <stdlib.h>

#include <system_error>

#include "corbel/base/error.hpp"

namespace corbel::cli {

TemporaryFolder::TemporaryFolder(const std::string& purpose, std::filesystem::path parent) {
  const char* hint = parent.empty() ? "set TMPDIR to a folder with room" : "name a folder that is there and has room";
  if (parent.empty()) {
    std::error_code failure;
    parent = std::filesystem::temp_directory_path(failure);
    if (failure) throw Error(ErrorCode::file_access, "cannot make a temporary folder: " + failure.message(), hint);
  }
  std::string name = (parent / ("corbel-" + purpose + "-XXXXXX")).string();
  if (mkdtemp(name.data()) == nullptr) {
    throw Error(ErrorCode::file_access, name + ": cannot make a temporary folder", hint);
  }
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace corbel::cli
