#include "corbel/base/row_file.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "corbel/base/byte_sink.hpp"
#include "corbel/base/byte_source.hpp"
#include "corbel/base/csv.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/json_lines.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/tfrecord.hpp"

namespace corbel {
namespace {

namespace fs = std::filesystem;
using Header = std::vector<std::string>;

template <char separator>
std::unique_ptr<RowReader> read_separated(const fs::path& path, const Header&) {
  return std::make_unique<CsvReader>(path, separator);
}
template <char separator>
std::unique_ptr<RowWriter> write_separated(const fs::path& path, const Header& header) {
  return write_csv(path, header, separator);
}

constexpr std::array formats = {
    RowFormat{"csv", ".csv", "a header and rows, separated by commas, semicolons or tabs, whichever the header uses",
              read_separated<0>, write_separated<','>, false, ":"},
    RowFormat{"tsv", ".tsv .tab", "the same, separated by tabs", read_separated<'\t'>, write_separated<'\t'>, false,
              ":"},
    RowFormat{"jsonl", ".jsonl .ndjson .json", "JSON lines: one object per row", read_json_lines, write_json_lines,
              true, ":"},
    RowFormat{"tfrecord", ".tfrecord .tfrecords", "TFRecord of tf.train.Example", read_tfrecord, write_tfrecord, true,
              ": record "},
};

const RowFormat* format_of_name(const fs::path& path) {
  const std::string ending = without_packing(path).extension().string();
  if (ending.empty()) return nullptr;
  for (const RowFormat& format : formats) {
    const auto endings = split(format.endings, ' ');
    if (std::ranges::find(endings, ending) != endings.end()) return &format;
  }
  return nullptr;
}

/// Several files as one.
class JoinedReader final : public RowReader {
 public:
  JoinedReader(std::vector<fs::path> files, std::string_view format, const Header& header)
      : files_(std::move(files)), format_(format), header_(header) {
    if (header_.empty()) find_header();
    open(0);
  }

  const std::vector<std::string>& header() const override { return header_; }
  bool next(std::vector<std::string_view>& fields) override {
    while (!reader_->next(is_ordered_ ? fields : own_)) {
      if (file_ + 1 == files_.size()) return false;
      open(file_ + 1);
    }
    if (is_ordered_) return true;
    fields.assign(header_.size(), {});
    for (std::size_t i = 0; i < own_.size(); ++i) fields[order_[i]] = own_[i];
    return true;
  }
  RowPlace place() const override { return {static_cast<std::uint32_t>(file_), reader_->place().number}; }
  std::string text(const RowPlace& place) const override {
    return files_[place.file].string() + std::string(format_at(place.file).before_number) +
           std::to_string(place.number);
  }
  double progress() const override {
    return (static_cast<double>(file_) + reader_->progress()) / static_cast<double>(files_.size());
  }

 private:
  const RowFormat& format_at(std::size_t file) const {
    return format_.empty() ? format_of(files_[file]) : row_format(format_);
  }

  void find_header() {
    for (std::size_t file = 0; file < files_.size(); ++file) {
      const RowFormat& format = format_at(file);
      const Header own = format.read(files_[file], {})->header();
      for (const std::string& name : own) {
        const bool is_new = std::ranges::find(header_, name) == header_.end();
        if (is_new && file > 0 && !format.keyed) throw other_columns(file, name, files_[0].string() + " does not");
        if (is_new) header_.push_back(name);
      }
      for (const std::string& name : header_) {
        if (format.keyed || std::ranges::find(own, name) != own.end()) continue;
        throw Error(
            ErrorCode::mismatch,
            files_[file].string() + ": has no column " + in_quotes(name) + ", and " + files_[0].string() + " has",
            "import them one by one");
      }
    }
  }
  Error other_columns(std::size_t file, const std::string& name, const std::string& other) const {
    return Error(ErrorCode::mismatch, files_[file].string() + ": has a column " + in_quotes(name) + ", and " + other,
                 "import them one by one");
  }

  void open(std::size_t file) {
    file_ = file;
    const RowFormat& format = format_at(file);
    reader_ = format.read(files_[file], format.keyed ? header_ : Header{});
    const Header& own = reader_->header();
    is_ordered_ = own == header_;
    order_.clear();
    for (const std::string& name : own) {
      const auto found = std::ranges::find(header_, name);
      if (found == header_.end()) throw other_columns(file, name, "others do not");
      order_.push_back(static_cast<std::size_t>(found - header_.begin()));
    }
  }

  std::vector<fs::path> files_;
  std::string format_;
  Header header_;
  std::size_t file_ = 0;
  std::unique_ptr<RowReader> reader_;
  bool is_ordered_ = true;
  std::vector<std::size_t> order_;  ///< [column of the open file] its place in header_
  std::vector<std::string_view> own_;
};

}  // namespace

std::span<const RowFormat> row_formats() {
  return formats;
}

const RowFormat& row_format(std::string_view id) {
  const auto* found = std::ranges::find(formats, id, &RowFormat::id);
  if (found != formats.end()) return *found;
  std::vector<std::string> ids;
  for (const RowFormat& format : formats) ids.emplace_back(format.id);
  throw unknown_name("format", id, ids);
}

const RowFormat& format_of(const fs::path& path) {
  if (const RowFormat* format = format_of_name(path)) return *format;
  std::array<char, 64> bytes;
  ByteSource source(path);
  std::size_t size = 0;
  while (size < bytes.size()) {
    const std::size_t got = source.read(bytes.data() + size, bytes.size() - size);
    if (got == 0) break;
    size += got;
  }
  const std::string_view first(bytes.data(), size);
  if (is_tfrecord(first)) return row_format("tfrecord");
  return row_format(trim(first).starts_with('{') ? "jsonl" : "csv");
}

std::unique_ptr<RowReader> open_rows(std::vector<fs::path> files, std::string_view format,
                                     const std::vector<std::string>& header) {
  if (files.size() != 1) return std::make_unique<JoinedReader>(std::move(files), format, header);
  return (format.empty() ? format_of(files[0]) : row_format(format)).read(files[0], header);
}

std::unique_ptr<RowWriter> write_rows(const fs::path& path, const std::vector<std::string>& header,
                                      std::string_view format) {
  const RowFormat* found = format.empty() ? format_of_name(path) : &row_format(format);
  if (found == nullptr) {
    throw Error(ErrorCode::invalid_input, path.string() + ": its name does not tell a format",
                "end it in .csv, .tsv, .jsonl or .tfrecord, and .gz or .zst behind that to pack it");
  }
  return found->write(path, header);
}

}  // namespace corbel
