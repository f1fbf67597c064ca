#include "corbel/base/json_lines.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "corbel/base/byte_sink.hpp"
#include "corbel/base/byte_source.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/keyed_reader.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/text.hpp"

namespace corbel {
namespace {

constexpr std::size_t max_line_bytes = 16 << 20;
constexpr std::size_t read_bytes = 1 << 18;
constexpr int deepest = 16;

class JsonLinesReader final : public KeyedReader {
 public:
  JsonLinesReader(const std::filesystem::path& path, const std::vector<std::string>& header)
      : KeyedReader(header), source_(path), name_(path.string()) {}

  RowPlace place() const override { return {0, line_}; }
  std::string text(const RowPlace& place) const override { return name_ + ":" + std::to_string(place.number); }
  double progress() const override { return source_.progress(); }

 private:
  Error fault(const std::string& what, std::string hint) const override {
    return Error(ErrorCode::corrupt, place_text() + ": " + what, std::move(hint));
  }
  Error not_json(const std::string& what) const {
    const auto column = std::to_string(at_ - line_begin_ + 1);
    const bool cut = at_end_ && line_end_ == end_;
    return fault(what + " at column " + column + (cut ? "; it is the last line: is the file cut short?" : ""),
                 "write one JSON object per line, such as {\"pes\": 16, \"latency_ms\": 2.5}");
  }

  bool refill();
  bool next_line();
  bool read_row() override;

  char peek() const { return at_ < line_end_ ? buffer_[at_] : '\0'; }
  void skip_blanks() {
    while (at_ < line_end_ && (buffer_[at_] == ' ' || buffer_[at_] == '\t' || buffer_[at_] == '\r')) ++at_;
  }
  bool take(char c) {
    skip_blanks();
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) throw not_json(std::string("no `") + c + "`");
  }
  void read_object(int depth);
  std::string_view read_string();
  std::size_t read_escape(std::size_t write);
  unsigned read_hex();
  std::string_view read_word();

  ByteSource source_;
  std::string name_;
  std::vector<char> buffer_;
  std::size_t line_begin_ = 0, line_end_ = 0, at_ = 0, end_ = 0;
  std::uint64_t line_ = 0;
  bool at_end_ = false;
  std::string path_;  ///< names of the objects around, each with a point behind it
};

bool JsonLinesReader::refill() {
  if (at_end_) return false;
  if (end_ > line_begin_) std::memmove(buffer_.data(), buffer_.data() + line_begin_, end_ - line_begin_);
  end_ -= line_begin_;
  line_begin_ = 0;
  if (buffer_.size() < end_ + read_bytes) buffer_.resize(std::max(end_ + read_bytes, 2 * buffer_.size()));
  const std::size_t got = source_.read(buffer_.data() + end_, buffer_.size() - end_);
  at_end_ = got == 0;
  end_ += got;
  return got > 0;
}

bool JsonLinesReader::next_line() {
  line_begin_ = line_end_ == 0 && line_ == 0 ? 0 : std::min(line_end_ + 1, end_);
  std::size_t searched = 0;
  for (;;) {
    const char* from = buffer_.data() + line_begin_ + searched;
    const std::size_t left = end_ - line_begin_ - searched;
    const void* found = left == 0 ? nullptr : std::memchr(from, '\n', left);
    if (found != nullptr) {
      line_end_ = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
      break;
    }
    searched = end_ - line_begin_;
    if (searched <= max_line_bytes && refill()) continue;
    line_end_ = end_;
    if (line_begin_ == end_) return false;
    break;
  }
  ++line_;
  at_ = line_begin_;
  const std::string_view line(buffer_.data() + line_begin_, line_end_ - line_begin_);
  if (line.size() > max_line_bytes) {
    throw fault("a line of over 16 MB", "write one JSON object per line, not one list of all");
  }
  if (line_ == 1 && line.starts_with("\xEF\xBB\xBF")) at_ += 3;
  if (std::memchr(line.data(), 0, line.size()) != nullptr) {
    throw fault("a NUL byte: this is not a text file", "write the rows as UTF-8 text");
  }
  return true;
}

bool JsonLinesReader::read_row() {
  do {
    if (!next_line()) return false;
    skip_blanks();
  } while (at_ == line_end_);
  path_.clear();
  read_object(0);
  skip_blanks();
  if (at_ != line_end_) throw not_json("more behind the object");
  return true;
}

void JsonLinesReader::read_object(int depth) {
  expect('{');
  if (take('}')) return;
  if (depth >= deepest) throw not_json("objects within objects, too deep");
  do {
    skip_blanks();
    if (peek() != '"') throw not_json("no name of a field");
    const std::string_view key = read_string();
    expect(':');
    skip_blanks();
    const std::size_t outer = path_.size();
    if (peek() == '{') {
      path_ += key;
      path_ += '.';
      read_object(depth + 1);
      path_.resize(outer);
      continue;
    }
    std::optional<std::size_t> place;
    if (outer == 0) {
      place = column(key);
    } else {
      path_ += key;
      place = column(path_);
      path_.resize(outer);
    }
    const std::string_view value = peek() == '"' ? read_string() : read_word();
    if (place) set(*place, value);
  } while (take(','));
  expect('}');
}

std::string_view JsonLinesReader::read_string() {
  const std::size_t begin = ++at_;
  std::size_t write = begin;
  // Escapes are written out in place: none is shorter than what it stands for.
  for (;;) {
    if (at_ >= line_end_) throw not_json("a text that is not closed");
    const char c = buffer_[at_++];
    if (c == '"') break;
    if (c == '\\') {
      write = read_escape(write);
    } else {
      buffer_[write++] = c;
    }
  }
  return {buffer_.data() + begin, write - begin};
}

unsigned JsonLinesReader::read_hex() {
  unsigned code = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = peek();
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) throw not_json("an escape without four hexadecimal digits");
    code = 16 * code + static_cast<unsigned>(digit);
    ++at_;
  }
  return code;
}

std::size_t JsonLinesReader::read_escape(std::size_t write) {
  constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
  const char c = peek();
  ++at_;
  if (const std::size_t index = from.find(c); index != std::string_view::npos && c != '\0') {
    buffer_[write] = to[index];
    return write + 1;
  }
  if (c != 'u') throw not_json("an escape that JSON has not");
  unsigned code = read_hex();
  if (code >= 0xD800 && code < 0xDC00 && line_end_ - at_ >= 6 && buffer_[at_] == '\\' && buffer_[at_ + 1] == 'u') {
    at_ += 2;
    const unsigned low = read_hex();
    code = 0x10000 + ((code - 0xD800) << 10) + ((low - 0xDC00) & 0x3FF);
  }
  if (code >= 0xD800 && code < 0xE000) throw not_json("half a surrogate pair");
  const auto put = [&](unsigned byte) { buffer_[write++] = static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
  return write;
}

std::string_view JsonLinesReader::read_word() {
  const std::size_t begin = at_;
  while (at_ < line_end_ && std::strchr(",}] \t\r", buffer_[at_]) == nullptr) ++at_;
  const std::string_view word(buffer_.data() + begin, at_ - begin);
  if (word.empty() || word.front() == '[') {
    at_ = begin;
    throw not_json(word.empty() ? "no value" : "a list, where a number or a text should be");
  }
  const char c = word.front();
  const bool number = (c >= '0' && c <= '9') || c == '-';
  if (word == "null") return {};
  if (!number && word != "true" && word != "false" && word != "NaN" && word != "Infinity") {
    at_ = begin;
    throw not_json("a value that is not JSON, " + in_quotes(word));
  }
  return word;
}

class JsonLinesWriter final : public RowWriter {
 public:
  JsonLinesWriter(const std::filesystem::path& path, const std::vector<std::string>& header) : sink_(path) {
    for (const std::string& name : header) {
      line_.clear();
      add_text(name);
      names_.push_back(line_ + ": ");
    }
  }

  void write(std::span<const Cell> row) override {
    line_ = "{";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const Cell& cell = row[i];
      if (cell.kind == Cell::Kind::blank) continue;
      if (line_.size() > 1) line_ += ", ";
      line_ += names_[i];
      if (cell.kind == Cell::Kind::text) {
        add_text(cell.text);
      } else if (std::isfinite(cell.number)) {
        append_number(line_, cell.number);
      } else {
        add_text(cell.number > 0 ? "inf" : "-inf");
      }
    }
    line_ += "}\n";
    sink_.write(line_);
  }
  void finish() override { sink_.finish(); }

 private:
  void add_text(std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    line_ += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') {
        line_ += '\\';
        line_ += c;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        line_ += "\\u00";
        line_ += digits[c >> 4];
        line_ += digits[c & 15];
      } else {
        line_ += c;
      }
    }
    line_ += '"';
  }

  ByteSink sink_;
  std::vector<std::string> names_;  ///< as they are written
  std::string line_;
};

}  // namespace

std::unique_ptr<RowReader> read_json_lines(const std::filesystem::path& path, const std::vector<std::string>& header) {
  return open_keyed<JsonLinesReader>(path, header);
}

std::unique_ptr<RowWriter> write_json_lines(const std::filesystem::path& path, const std::vector<std::string>& header) {
  return std::make_unique<JsonLinesWriter>(path, header);
}

}  // namespace corbel
