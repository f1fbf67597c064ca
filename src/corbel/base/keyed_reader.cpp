#include "corbel/base/keyed_reader.hpp"

namespace corbel {
namespace {

constexpr std::size_t most_fields = 4096;

}  // namespace

KeyedReader::KeyedReader(const std::vector<std::string>& header) : header_(header), finding_(header.empty()) {
  for (std::size_t i = 0; i < header.size(); ++i) columns_.emplace(header[i], i);
  seen_.resize(header.size());
}

bool KeyedReader::next(std::vector<std::string_view>& fields) {
  fields.assign(header_.size(), {});
  fields_ = &fields;
  expected_ = 0;
  ++row_;
  return read_row();
}

std::vector<std::string> KeyedReader::find_header() {
  do {
    expected_ = 0;
    ++row_;
  } while (read_row());
  if (header_.empty()) throw fault("there are no rows", "export the log again");
  return header_;
}

std::size_t KeyedReader::index_of(std::string_view name) {
  std::size_t index = expected_;
  if (index >= header_.size() || header_[index] != name) {
    const auto known = columns_.find(name);
    if (known != columns_.end()) {
      index = known->second;
    } else if (!finding_) {
      throw Error(ErrorCode::mismatch, place_text() + ": a new field " + in_quotes(name) + ": the file has changed",
                  "run the same command again when nothing writes to it");
    } else {
      if (name.empty()) throw fault("a field without a name", "name it");
      if (!is_text(name)) throw fault("a field's name is not UTF-8 text: " + in_quotes(name), "write it as UTF-8");
      if (header_.size() >= most_fields) {
        throw fault("over " + std::to_string(most_fields) + " different fields", "write one row of a table per record");
      }
      index = header_.size();
      header_.emplace_back(name);
      columns_.emplace(name, index);
      seen_.push_back(0);
    }
  }
  expected_ = index + 1;
  return index;
}

std::optional<std::size_t> KeyedReader::column(std::string_view name) {
  const std::size_t index = index_of(name);
  if (seen_[index] == row_) throw fault("two fields are named " + in_quotes(name), "write each once");
  seen_[index] = row_;
  if (finding_) return std::nullopt;
  return index;
}

std::optional<std::size_t> KeyedReader::column_again(std::string_view name) {
  const std::size_t index = index_of(name);
  if (finding_) return std::nullopt;
  return index;
}

}  // namespace corbel
