#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace corbel {

/// Reads a CSV file row by row (RFC 4180: quotes, embedded separators and line breaks; CRLF and a BOM are fine), plain
/// or gzip by its content. Separator: comma, semicolon or tab, whichever the header uses. Memory does not grow with
/// the file. Not thread-safe.
class CsvReader {
 public:
  /// Reads the header. @throws Error{not_found, file_access}; Error{corrupt} for a file that is empty, truncated, not
  /// text (NUL bytes), with a field over 1 MB or a row over 16 MB, or a header that is not UTF-8 or has an empty or
  /// repeated name
  explicit CsvReader(const std::filesystem::path& path);
  ~CsvReader();
  CsvReader(CsvReader&&) noexcept;

  const std::vector<std::string>& header() const;
  /// Next row into `fields` (views valid until the next call); false at the end. Blank lines are skipped. Fields are
  /// bytes: text in another encoding passes through, see is_text().
  /// @throws Error{corrupt} "FILE:LINE: …" for a row with another number of fields, or a damaged gzip stream
  bool next(std::vector<std::string_view>& fields);
  /// Line of the row last returned, from 1.
  std::uint64_t line() const;
  /// "FILE:LINE"
  std::string place() const;
  /// Share of the file read so far, in [0, 1], for progress.
  double progress() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

/// A finite decimal number written in full ("6e6", " 12 "), or false.
bool parse_number(std::string_view text, double& out);

}  // namespace corbel
