#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

namespace corbel {

/// Writes a file from front to end, packed as the end of its name says: `.gz` gzip, `.zst` zstd. It stands under its
/// name, whole, once finish() has returned, and not before.
class ByteSink {
 public:
  /// @throws Error{file_access}, here and below
  explicit ByteSink(const std::filesystem::path& path);
  ~ByteSink();
  void write(std::string_view bytes);
  void finish();

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

/// The path without an ending that says how the file is packed.
std::filesystem::path without_packing(const std::filesystem::path& path);

}  // namespace corbel
