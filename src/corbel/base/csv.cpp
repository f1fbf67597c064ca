#include "corbel/base/csv.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "corbel/base/byte_sink.hpp"
#include "corbel/base/byte_source.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/text.hpp"

namespace corbel {
namespace {

constexpr std::size_t max_field_bytes = 1 << 20;
constexpr std::size_t max_row_bytes = 16 << 20;
constexpr std::size_t read_bytes = 1 << 18;

}  // namespace

struct CsvReader::Data {
  Data(const std::filesystem::path& path, char told) : source(path), name(path.string()), separator(told) {}

  ByteSource source;
  std::string name;
  char separator;  // 0: not yet known
  std::vector<std::string> header;
  std::uint64_t row_line = 1;   // of the row last returned
  std::uint64_t next_line = 1;  // of the byte at `cursor`
  bool at_end = false;          // of the source; the buffer may hold more

  std::vector<char> buffer;
  // The row being read starts at `row`; what was read of the file ends at `end`.
  std::size_t row = 0, cursor = 0, end = 0;
  std::vector<std::pair<std::size_t, std::size_t>> fields;  // begin and end, relative to `row`

  Error corrupt(std::uint64_t at_line, const std::string& what, std::string hint = "") const {
    return Error(ErrorCode::corrupt, name + ":" + std::to_string(at_line) + ": " + what, std::move(hint));
  }

  /// More bytes behind `end`; false if there are none. Moves the current row to the front of the buffer.
  bool refill() {
    if (at_end) return false;
    if (row > 0) {
      std::memmove(buffer.data(), buffer.data() + row, end - row);
      cursor -= row;
      end -= row;
      row = 0;
    }
    if (end > max_row_bytes) throw corrupt(row_line, "a row of over 16 MB", "check the line breaks");
    if (buffer.size() < end + read_bytes) buffer.resize(std::max(end + read_bytes, 2 * buffer.size()));
    const std::size_t got = source.read(buffer.data() + end, buffer.size() - end);
    if (got == 0) {
      at_end = true;
      return false;
    }
    const char* unread = buffer.data() + cursor;
    if (const void* nul = std::memchr(buffer.data() + end, 0, got)) {
      const auto before = std::count(unread, static_cast<const char*>(nul), '\n');
      throw corrupt(next_line + static_cast<std::uint64_t>(before), "a NUL byte: this is not a text file",
                    "save the table as CSV");
    }
    end += got;
    return true;
  }

  bool has_byte() { return cursor < end || refill(); }

  /// The separator that the header uses most outside quotes; the comma if it uses none.
  void detect_separator() {
    constexpr std::string_view candidates = ",;\t";
    std::array<std::size_t, 3> counts{};
    bool quoted = false, blank = true;
    for (std::size_t offset = 0;; ++offset) {
      if (cursor + offset >= end && !refill()) break;
      const char c = buffer[cursor + offset];
      if (c == '"') quoted = !quoted;
      blank = blank && trim({&c, 1}).empty();
      if (quoted) continue;
      if (c == '\n' && !blank) break;
      if (const std::size_t index = candidates.find(c); index != std::string_view::npos) ++counts[index];
    }
    separator = candidates[static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin())];
  }

  void add_field(std::size_t begin, std::size_t finish) {
    if (finish - begin > max_field_bytes) {
      throw corrupt(row_line, "a field of over 1 MB", "check for a quote that is not closed");
    }
    fields.emplace_back(begin, finish);
  }

  /// Reads from `cursor`, behind an opening quote, to behind the closing one; doubled quotes are closed up in place.
  void read_quoted() {
    const std::uint64_t opened = next_line;
    const std::size_t begin = cursor - row;
    std::size_t write = begin;
    for (;;) {
      if (!has_byte()) {
        throw corrupt(opened, "a quote opens here and is never closed",
                      "close it; a quote inside a quoted field is written twice");
      }
      const char c = buffer[cursor++];
      if (c == '"') {
        if (!has_byte() || buffer[cursor] != '"') break;
        ++cursor;
      }
      if (c == '\n') ++next_line;
      if (write - begin > max_field_bytes) {
        throw corrupt(opened, "a field of over 1 MB opens here", "check for a quote that is not closed");
      }
      buffer[row + write++] = c;
    }
    add_field(begin, write);
    if (has_byte() && buffer[cursor] == '\r') {
      ++cursor;
      if (has_byte() && buffer[cursor] != '\n') {
        throw corrupt(next_line, "text behind a closing quote", "a quote inside a quoted field is written twice");
      }
    }
    if (has_byte() && buffer[cursor] != separator && buffer[cursor] != '\n') {
      throw corrupt(next_line, "text behind a closing quote", "a quote inside a quoted field is written twice");
    }
  }

  void read_plain() {
    const std::size_t begin = cursor - row;
    for (;;) {
      const char* data = buffer.data();
      std::size_t i = cursor;
      while (i < end && data[i] != separator && data[i] != '\n') ++i;
      cursor = i;
      if (cursor < end) break;
      if (cursor - row - begin > max_field_bytes || !refill()) break;
    }
    std::size_t finish = cursor - row;
    const bool ends_row = cursor >= end || buffer[cursor] == '\n';
    if (ends_row && finish > begin && buffer[row + finish - 1] == '\r') --finish;
    add_field(begin, finish);
  }

  Error wrong_width() const {
    constexpr std::string_view candidates = ",;\t";
    // A row that another separator divides into as many fields as there should be.
    for (const char other : candidates) {
      std::size_t count = 1;
      for (const char c : std::string_view(buffer.data() + row, cursor - row)) count += c == other ? 1 : 0;
      if (fields.size() == 1 && other != separator && count == header.size()) {
        return corrupt(row_line, "the row is separated by " + name_of(other) + ", the header by " + name_of(separator),
                       "use one separator in the whole file");
      }
    }
    return corrupt(row_line,
                   "the row has " + std::to_string(fields.size()) + " fields, the header " +
                       std::to_string(header.size()) +
                       (at_end && cursor >= end ? "; it is the last: is the file cut short?" : ""),
                   "give every row as many fields; one that holds the separator is written in double quotes");
  }

  static std::string name_of(char separator) {
    return separator == ',' ? "commas" : separator == ';' ? "semicolons" : "tabs";
  }

  /// The fields of the next row that is not blank; false at the end of the file.
  bool read_row() {
    for (;;) {
      row = cursor;
      row_line = next_line;
      fields.clear();
      if (!has_byte()) return false;
      bool any_quoted = false;
      for (;;) {
        if (has_byte() && buffer[cursor] == '"') {
          any_quoted = true;
          ++cursor;
          read_quoted();
        } else {
          read_plain();
        }
        if (!has_byte()) break;
        if (buffer[cursor++] == '\n') {
          ++next_line;
          break;
        }
      }
      if (any_quoted || fields.size() > 1 || !trim(field(0)).empty()) return true;
    }
  }

  std::string_view field(std::size_t index) const {
    return {buffer.data() + row + fields[index].first, fields[index].second - fields[index].first};
  }

  void read_header() {
    // A byte-order mark is three bytes: the first read may bring fewer.
    while (end < 3 && refill()) {
    }
    if (std::string_view(buffer.data(), end).starts_with("\xEF\xBB\xBF")) row = cursor = 3;
    if (separator == 0) detect_separator();
    if (!read_row()) {
      throw Error(ErrorCode::corrupt, name + ": the file is empty", "write a header line, then the rows");
    }
    std::unordered_set<std::string> seen;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const std::string column(trim(field(i)));
      if (column.empty()) {
        throw corrupt(row_line, "column " + std::to_string(i + 1) + " of the header has no name",
                      "name it, or take the column out");
      }
      if (column.find('\r') != std::string::npos) {
        throw corrupt(row_line, "the lines end in CR alone", "save the table with line breaks of LF or CRLF");
      }
      if (!is_text(column)) {
        throw corrupt(row_line, "the header is not UTF-8 text: " + in_quotes(column), "save the table as UTF-8");
      }
      if (!seen.insert(column).second) {
        throw corrupt(row_line, "two columns are named " + in_quotes(column), "give one of them another name");
      }
      header.push_back(column);
    }
  }
};

CsvReader::CsvReader(const std::filesystem::path& path, char separator)
    : data_(std::make_unique<Data>(path, separator)) {
  data_->read_header();
}
CsvReader::~CsvReader() = default;
CsvReader::CsvReader(CsvReader&&) noexcept = default;

const std::vector<std::string>& CsvReader::header() const {
  return data_->header;
}

bool CsvReader::next(std::vector<std::string_view>& fields) {
  Data& data = *data_;
  fields.clear();
  if (!data.read_row()) return false;
  if (data.fields.size() != data.header.size()) throw data.wrong_width();
  for (std::size_t i = 0; i < data.fields.size(); ++i) fields.push_back(data.field(i));
  return true;
}

RowPlace CsvReader::place() const {
  return {0, data_->row_line};
}
std::string CsvReader::text(const RowPlace& place) const {
  return data_->name + ":" + std::to_string(place.number);
}
double CsvReader::progress() const {
  return data_->at_end ? 1 : data_->source.progress();
}

namespace {

class CsvWriter final : public RowWriter {
 public:
  CsvWriter(const std::filesystem::path& path, const std::vector<std::string>& header, char separator)
      : sink_(path), separator_(separator) {
    std::vector<Cell> names;
    for (const std::string& name : header) names.push_back(Cell::of(std::string_view(name)));
    write(names);
  }

  void write(std::span<const Cell> row) override {
    line_.clear();
    for (const Cell& cell : row) {
      if (&cell != row.data()) line_ += separator_;
      if (cell.kind == Cell::Kind::number || cell.kind == Cell::Kind::integer) {
        append_number(line_, cell.number);
      } else if (cell.kind == Cell::Kind::text) {
        add_text(cell.text);
      }
    }
    // A line of one blank field would be taken for no row at all.
    if (line_.empty()) line_ = "\"\"";
    line_ += '\n';
    sink_.write(line_);
  }
  void finish() override { sink_.finish(); }

 private:
  void add_text(std::string_view text) {
    const bool plain = text.find_first_of("\"\r\n,;\t") == std::string_view::npos;
    if (plain) {
      line_ += text;
      return;
    }
    line_ += '"';
    for (const char c : text) {
      if (c == '"') line_ += '"';
      line_ += c;
    }
    line_ += '"';
  }

  ByteSink sink_;
  char separator_;
  std::string line_;
};

}  // namespace

std::unique_ptr<RowWriter> write_csv(const std::filesystem::path& path, const std::vector<std::string>& header,
                                     char separator) {
  return std::make_unique<CsvWriter>(path, header, separator);
}

}  // namespace corbel
