#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

namespace corbel {

/// The bytes of a file from front to end, unpacked if its first bytes say gzip or zstd (also of several members).
class ByteSource {
 public:
  /// @throws Error{not_found, file_access}
  explicit ByteSource(const std::filesystem::path& path);
  ~ByteSource();

  /// Up to `capacity` bytes; 0 at the end only.
  /// @throws Error{file_access}; Error{corrupt} for a truncated or damaged stream
  std::size_t read(char* out, std::size_t capacity);
  /// Share of the file read so far, in [0, 1]; 0 where the size is not known.
  double progress() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace corbel
