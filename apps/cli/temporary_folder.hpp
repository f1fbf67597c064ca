#pragma once

#include <filesystem>
#include <string>

namespace corbel::cli {

/// A new folder that goes, with all that is in it, when this does.
class TemporaryFolder {
 public:
  /// @param purpose  a part of the folder's name
  /// @param parent  where it is made; if empty, where TMPDIR says
  /// @throws Error{file_access} if it cannot be made
  explicit TemporaryFolder(const std::string& purpose, std::filesystem::path parent = {});
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace corbel::cli
