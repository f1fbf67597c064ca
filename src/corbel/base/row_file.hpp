#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace corbel {

/// Where a row stands: in which file of several, and there its line (of text) or record (of binary files), from 1.
struct RowPlace {
  std::uint32_t file = 0;
  std::uint64_t number = 0;
  auto operator<=>(const RowPlace&) const = default;
};

/// Reads the rows of a file, or of several as one, whatever its format: each row has the same named fields, as text.
/// Memory does not grow with the file. Not thread-safe.
class RowReader {
 public:
  virtual ~RowReader() = default;
  /// The fields' names, each once, valid UTF-8.
  virtual const std::vector<std::string>& header() const = 0;
  /// Next row into `fields`, in the order of the header (views valid until the next call; "" where the row has no such
  /// field); false at the end. Fields are bytes: text in another encoding passes through, see is_text().
  /// @throws Error{corrupt} "FILE:LINE: …" for what is not of the format
  virtual bool next(std::vector<std::string_view>& fields) = 0;
  /// Of the row last returned.
  virtual RowPlace place() const = 0;
  /// For messages: "FILE:LINE" or "FILE: record N".
  virtual std::string text(const RowPlace& place) const = 0;
  std::string place_text() const { return text(place()); }
  /// Share read so far, in [0, 1].
  virtual double progress() const = 0;
};

/// A field of a row to be written: a number, a text, or nothing.
struct Cell {
  enum class Kind : std::uint8_t { blank, number, integer, text } kind = Kind::blank;
  double number = 0;
  std::string_view text;

  static Cell of(double value) { return {Kind::number, value, {}}; }
  /// One that is whole by its nature, such as a flag; tfrecord keeps it as one.
  static Cell whole(std::int64_t value) { return {Kind::integer, static_cast<double>(value), {}}; }
  static Cell of(std::string_view value) { return {Kind::text, 0, value}; }
};

/// Writes rows to a file, packed as its name ends (.gz, .zst). The numbers read back are the same, bit for bit.
class RowWriter {
 public:
  virtual ~RowWriter() = default;
  /// As many cells as there are columns.
  virtual void write(std::span<const Cell> row) = 0;
  /// The file stands under its name when this has returned, and not before. @throws Error{file_access}
  virtual void finish() = 0;
};

struct RowFormat {
  std::string_view id;       ///< "csv"
  std::string_view endings;  ///< of file names, before .gz or .zst: ".csv"
  std::string_view help;
  /// @param header  of keyed formats the fields to be read, when they are known; {} to read the file for them
  std::unique_ptr<RowReader> (*read)(const std::filesystem::path& path, const std::vector<std::string>& header);
  std::unique_ptr<RowWriter> (*write)(const std::filesystem::path& path, const std::vector<std::string>& header);
  /// Whether every row names its fields, so that rows and files may have different ones.
  bool keyed;
  std::string_view before_number;  ///< between a file's name and a row's number in messages
};
/// All of them: csv, tsv, jsonl, tfrecord.
std::span<const RowFormat> row_formats();
/// @throws Error{invalid_input} with the near miss
const RowFormat& row_format(std::string_view id);
/// By the end of its name, else by its first bytes; csv if neither tells. @throws as ByteSource
const RowFormat& format_of(const std::filesystem::path& path);

/// Reads these files as one; of csv and tsv, columns may stand in another order in each.
/// @param format  of all of them; "" to tell each by format_of()
/// @param header  of an earlier reader of the same files, which need then not be read for their fields
/// @throws Error{not_found, file_access, corrupt}; Error{mismatch} for files with different columns, or a field that
///         the given header lacks
std::unique_ptr<RowReader> open_rows(std::vector<std::filesystem::path> files, std::string_view format = "",
                                     const std::vector<std::string>& header = {});
/// @param format  "" for that of the name. @throws Error{invalid_input} for a name that tells none; Error{file_access}
std::unique_ptr<RowWriter> write_rows(const std::filesystem::path& path, const std::vector<std::string>& header,
                                      std::string_view format = "");

}  // namespace corbel
