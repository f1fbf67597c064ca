#include "corbel/base/tfrecord.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "corbel/base/byte_sink.hpp"
#include "corbel/base/byte_source.hpp"
#include "corbel/base/crc32c.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/keyed_reader.hpp"
#include "corbel/base/number.hpp"

namespace corbel {
namespace {

static_assert(std::endian::native == std::endian::little, "lengths, checksums and floats are little-endian");

constexpr std::size_t max_record_bytes = 16 << 20;
constexpr std::size_t read_bytes = 1 << 18;
constexpr std::size_t head_bytes = 12, tail_bytes = 4;
constexpr std::string_view exact_suffix = "/exact";

std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

template <class Number>
Number load(const char* bytes) {
  Number number;
  std::memcpy(&number, bytes, sizeof number);
  return number;
}

/// Numbers of the protocol-buffer wire format.
enum Wire : unsigned { varint = 0, fixed64 = 1, delimited = 2, fixed32 = 5 };

/// Goes through the fields of a message. After a fault `valid` is false and there are no more.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  bool next() {
    if (rest_.empty() || !valid_) return false;
    const std::uint64_t tag = read_varint();
    field_ = tag >> 3;
    wire_ = static_cast<unsigned>(tag & 7);
    switch (wire_) {
      case varint:
        number_ = read_varint();
        break;
      case fixed64:
        body_ = read_bytes_of(8);
        break;
      case delimited:
        body_ = read_bytes_of(read_varint());
        break;
      case fixed32:
        body_ = read_bytes_of(4);
        break;
      default:
        valid_ = false;
    }
    return valid_;
  }
  bool is(std::uint64_t field, unsigned wire) const { return field_ == field && wire_ == wire; }
  std::string_view body() const { return body_; }
  std::uint64_t number() const { return number_; }
  bool valid() const { return valid_; }

  std::uint64_t read_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    valid_ = false;
    return 0;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view read_bytes_of(std::uint64_t size) {
    if (size > rest_.size()) {
      valid_ = false;
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view rest_, body_;
  std::uint64_t field_ = 0, number_ = 0;
  unsigned wire_ = 0;
  bool valid_ = true;
};

/// The one value of a feature.
struct Value {
  enum class Kind { none, bytes, real, integer } kind = Kind::none;
  std::size_t count = 0;
  std::string_view bytes;
  float real = 0;
  std::int64_t integer = 0;
};

bool read_floats(std::string_view list, Value& value) {
  value.kind = Value::Kind::real;
  Message message(list);
  while (message.next()) {
    const bool packed = message.is(1, delimited);
    if (!packed && !message.is(1, fixed32)) continue;
    if (message.body().size() % 4 != 0) return false;
    if (message.body().empty()) continue;
    value.count += message.body().size() / 4;
    value.real = load<float>(message.body().data());
  }
  return message.valid();
}

bool read_integers(std::string_view list, Value& value) {
  value.kind = Value::Kind::integer;
  Message message(list);
  while (message.next()) {
    if (message.is(1, varint)) {
      ++value.count;
      value.integer = static_cast<std::int64_t>(message.number());
    } else if (message.is(1, delimited)) {
      Message packed(message.body());
      for (; !packed.at_end() && packed.valid(); ++value.count) {
        value.integer = static_cast<std::int64_t>(packed.read_varint());
      }
      if (!packed.valid()) return false;
    }
  }
  return message.valid();
}

bool read_texts(std::string_view list, Value& value) {
  value.kind = Value::Kind::bytes;
  Message message(list);
  while (message.next()) {
    if (!message.is(1, delimited)) continue;
    ++value.count;
    value.bytes = message.body();
  }
  return message.valid();
}

bool read_feature(std::string_view feature, Value& value) {
  Message message(feature);
  while (message.next()) {
    const bool is_read = message.is(1, delimited)   ? read_texts(message.body(), value)
                         : message.is(2, delimited) ? read_floats(message.body(), value)
                         : message.is(3, delimited) ? read_integers(message.body(), value)
                                                    : true;
    if (!is_read) return false;
  }
  return message.valid();
}

class TfRecordReader final : public KeyedReader {
 public:
  TfRecordReader(const std::filesystem::path& path, const std::vector<std::string>& header)
      : KeyedReader(header), source_(path), name_(path.string()), texts_(header.size()) {
    exact_.resize(header.size());
  }

  RowPlace place() const override { return {0, record_}; }
  std::string text(const RowPlace& place) const override { return name_ + ": record " + std::to_string(place.number); }
  double progress() const override { return source_.progress(); }

 private:
  Error fault(const std::string& what, std::string hint) const override {
    return Error(ErrorCode::corrupt, place_text() + ": " + what, std::move(hint));
  }
  Error damaged(const std::string& what) const { return fault(what, "fetch or copy the file again"); }

  bool available(std::size_t bytes);
  bool read_row() override;
  void read_example(std::string_view example);
  void read_entry(std::string_view entry);

  ByteSource source_;
  std::string name_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t record_ = 0;
  std::vector<std::array<char, 32>> texts_;  ///< [column] of numbers
  std::vector<std::uint64_t> exact_;         ///< [column] the record that last had NAME/exact
};

bool TfRecordReader::available(std::size_t bytes) {
  while (end_ - begin_ < bytes) {
    if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (buffer_.size() < std::max(bytes, end_ + read_bytes)) buffer_.resize(std::max(bytes, end_ + read_bytes));
    const std::size_t got = source_.read(buffer_.data() + end_, buffer_.size() - end_);
    if (got == 0) return false;
    end_ += got;
  }
  return true;
}

bool TfRecordReader::read_row() {
  ++record_;
  if (!available(head_bytes)) {
    if (end_ == begin_) return false;
    throw damaged("cut short");
  }
  const char* head = buffer_.data() + begin_;
  const auto length = load<std::uint64_t>(head);
  if (masked_crc({head, 8}) != load<std::uint32_t>(head + 8)) {
    throw record_ == 1 ? fault("not TFRecord, or damaged: the checksum of its length is wrong",
                               "fetch the file again, or tell its `format:`")
                       : damaged("damaged: the checksum of its length is wrong");
  }
  if (length > max_record_bytes) throw fault("a record of over 16 MB", "write one row per record");
  const auto size = static_cast<std::size_t>(length);
  if (!available(head_bytes + size + tail_bytes)) throw damaged("cut short");
  const std::string_view example(buffer_.data() + begin_ + head_bytes, size);
  if (masked_crc(example) != load<std::uint32_t>(example.data() + size)) {
    throw damaged("damaged: the checksum of its bytes is wrong");
  }
  begin_ += head_bytes + size + tail_bytes;
  read_example(example);
  return true;
}

void TfRecordReader::read_example(std::string_view example) {
  const char* hint = "Corbel reads records of tf.train.Example";
  Message message(example);
  while (message.next()) {
    if (!message.is(1, delimited)) continue;
    Message features(message.body());
    while (features.next()) {
      if (features.is(1, delimited)) read_entry(features.body());
    }
    if (!features.valid()) throw fault("not a tf.train.Example", hint);
  }
  if (!message.valid()) throw fault("not a tf.train.Example", hint);
}

void TfRecordReader::read_entry(std::string_view entry) {
  std::string_view key, feature;
  Message message(entry);
  while (message.next()) {
    if (message.is(1, delimited)) key = message.body();
    if (message.is(2, delimited)) feature = message.body();
  }
  Value value;
  if (!message.valid() || !read_feature(feature, value)) {
    throw fault("not a tf.train.Example", "Corbel reads records of tf.train.Example");
  }
  if (value.count > 1) {
    throw fault("feature " + in_quotes(key) + " is a list of " + std::to_string(value.count) + " values",
                "write one value per feature: a row of a table");
  }
  const bool is_exact = key.ends_with(exact_suffix);
  if (is_exact) key.remove_suffix(exact_suffix.size());
  const std::optional<std::size_t> place = is_exact ? column_again(key) : column(key);
  if (!place || value.count == 0) return;
  if (!is_exact && exact_[*place] == record_) return;
  if (is_exact) exact_[*place] = record_;
  std::array<char, 32>& text = texts_[*place];
  switch (value.kind) {
    case Value::Kind::real:
      set(*place, number_text(value.real, text));
      break;
    case Value::Kind::integer: {
      const auto [end, failure] = std::to_chars(text.data(), text.data() + text.size(), value.integer);
      set(*place, {text.data(), static_cast<std::size_t>(end - text.data())});
      break;
    }
    case Value::Kind::bytes:
      set(*place, value.bytes);
      break;
    case Value::Kind::none:
      break;
  }
}

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void append_delimited(std::string& out, unsigned field, std::string_view body) {
  append_varint(out, field << 3 | delimited);
  append_varint(out, body.size());
  out += body;
}

template <class Number>
void append_raw(std::string& out, Number number) {
  std::array<char, sizeof number> bytes;
  std::memcpy(bytes.data(), &number, sizeof number);
  out.append(bytes.data(), bytes.size());
}

class TfRecordWriter final : public RowWriter {
 public:
  TfRecordWriter(const std::filesystem::path& path, const std::vector<std::string>& header)
      : sink_(path), names_(header) {}

  void write(std::span<const Cell> row) override {
    features_.clear();
    for (std::size_t i = 0; i < row.size(); ++i) add(names_[i], row[i]);
    example_.clear();
    append_delimited(example_, 1, features_);
    record_.clear();
    append_raw(record_, static_cast<std::uint64_t>(example_.size()));
    append_raw(record_, masked_crc(record_));
    record_ += example_;
    append_raw(record_, masked_crc(example_));
    sink_.write(record_);
  }
  void finish() override { sink_.finish(); }

 private:
  void add(const std::string& name, const Cell& cell) {
    list_.clear();
    value_.clear();
    switch (cell.kind) {
      case Cell::Kind::blank:
        return;
      case Cell::Kind::text:
        append_delimited(list_, 1, cell.text);
        return add_feature(name, 1);
      case Cell::Kind::integer:
        append_varint(value_, static_cast<std::uint64_t>(static_cast<std::int64_t>(cell.number)));
        append_delimited(list_, 1, value_);
        return add_feature(name, 3);
      case Cell::Kind::number:
        break;
    }
    const auto nearest = static_cast<float>(cell.number);
    append_raw(value_, nearest);
    append_delimited(list_, 1, value_);
    add_feature(name, 2);
    std::array<char, 32> text;
    double read_back = 0;
    const bool same = parse_number(number_text(nearest, text), read_back) &&
                      std::bit_cast<std::uint64_t>(read_back) == std::bit_cast<std::uint64_t>(cell.number);
    if (same) return;
    list_.clear();
    append_delimited(list_, 1, number_text(cell.number, text));
    add_feature(name + std::string(exact_suffix), 1);
  }

  /// Of the list in list_; kind is 1 bytes, 2 floats, 3 integers.
  void add_feature(std::string_view name, unsigned kind) {
    feature_.clear();
    append_delimited(feature_, kind, list_);
    entry_.clear();
    append_delimited(entry_, 1, name);
    append_delimited(entry_, 2, feature_);
    append_delimited(features_, 1, entry_);
  }

  ByteSink sink_;
  std::vector<std::string> names_;
  std::string value_, list_, feature_, entry_, features_, example_, record_;
};

}  // namespace

std::unique_ptr<RowReader> read_tfrecord(const std::filesystem::path& path, const std::vector<std::string>& header) {
  return open_keyed<TfRecordReader>(path, header);
}

std::unique_ptr<RowWriter> write_tfrecord(const std::filesystem::path& path, const std::vector<std::string>& header) {
  return std::make_unique<TfRecordWriter>(path, header);
}

bool is_tfrecord(std::string_view first) {
  return first.size() >= head_bytes && masked_crc(first.substr(0, 8)) == load<std::uint32_t>(first.data() + 8);
}

}  // namespace corbel
