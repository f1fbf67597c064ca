#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/base/row_file.hpp"

namespace corbel {

/// Reads a CSV file row by row (RFC 4180: quotes, embedded separators and line breaks; CRLF and a BOM are fine), plain
/// or packed by its content. Separator: comma, semicolon or tab, whichever the header uses. A row is placed by the line
/// it begins on. Blank lines are skipped.
class CsvReader final : public RowReader {
 public:
  /// Reads the header.
  /// @param separator  the only one to expect; 0 to find it
  /// @throws Error{not_found, file_access}; Error{corrupt} for a file that is empty, truncated, not
  /// text (NUL bytes), with a field over 1 MB or a row over 16 MB, or a header that is not UTF-8 or has an empty or
  /// repeated name
  explicit CsvReader(const std::filesystem::path& path, char separator = 0);
  ~CsvReader() override;
  CsvReader(CsvReader&&) noexcept;

  const std::vector<std::string>& header() const override;
  /// @throws Error{corrupt} also for a row with another number of fields
  bool next(std::vector<std::string_view>& fields) override;
  RowPlace place() const override;
  std::string text(const RowPlace& place) const override;
  double progress() const override;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

std::unique_ptr<RowWriter> write_csv(const std::filesystem::path& path, const std::vector<std::string>& header,
                                     char separator = ',');

}  // namespace corbel
