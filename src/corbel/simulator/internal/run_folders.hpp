#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "corbel/base/file.hpp"

namespace corbel {

/// Gives every run an empty folder, removes it afterwards, and keeps those of failures, the newest. What a process that
/// was killed has left is removed by the next. Thread-safe.
class RunFolders {
 public:
  /// @param root  empty: a folder of this user's in the system's one for temporary files
  /// @param name  of the program, for the names of kept folders
  RunFolders(std::filesystem::path root, std::string name, std::size_t keep);
  ~RunFolders();
  RunFolders(const RunFolders&) = delete;
  RunFolders& operator=(const RunFolders&) = delete;

  /// A new empty folder; its path is absolute. @throws Error{file_access}
  std::filesystem::path make();
  void remove(const std::filesystem::path& folder) const;
  /// @return where it is now; empty if none are kept
  std::filesystem::path keep(const std::filesystem::path& folder);

 private:
  void open();
  std::filesystem::path root_, session_;
  std::string name_;
  std::size_t keep_;
  std::mutex mutex_;
  std::unique_ptr<FileLock> lock_;
  std::uint64_t made_ = 0;
};

}  // namespace corbel
