#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace corbel {

/// The whole file.
/// @throws Error{not_found} or Error{file_access}, naming the path; Error{invalid_input} if larger than max_bytes
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes = std::uint64_t{1} << 30);

/// Writes to a temporary file beside `path`, syncs and renames: afterwards the old or the new content is there,
/// never a part, also after a crash. Makes missing parent folders.
/// @throws Error{file_access} naming the path and the reason
void write_file(const std::filesystem::path& path, std::string_view content);

/// The same in parts: nothing stands under the name before commit() has returned, and nothing is left beside it if that
/// never comes. A device or pipe is written to directly.
class FileWriter {
 public:
  /// @throws as write_file
  explicit FileWriter(const std::filesystem::path& path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  void write(std::string_view bytes);
  void commit();

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

/// 32 hexadecimal digits of the file's content, as fingerprint() of it, without holding it in memory.
/// @throws as read_file
std::string file_fingerprint(const std::filesystem::path& path);

/// Keeps other processes out for as long as it lives; a killed process's lock goes with it. Makes missing folders.
class FileLock {
 public:
  /// @throws Error{file_access} if another process holds it, or the file cannot be made
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace corbel
