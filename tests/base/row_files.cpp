#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "base/expect_error.hpp"
#include "corbel/base/byte_sink.hpp"
#include "corbel/base/crc32c.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/row_file.hpp"
#include "corbel/base/tfrecord.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using Rows = std::vector<std::vector<std::string>>;
using std::filesystem::path;
using testing::ElementsAre;

class RowFiles : public ::testing::Test {
 protected:
  /// The header first.
  static Rows read(RowReader& reader) {
    Rows rows = {reader.header()};
    std::vector<std::string_view> fields;
    while (reader.next(fields)) rows.emplace_back(fields.begin(), fields.end());
    return rows;
  }
  static Rows read(const std::vector<path>& files, std::string_view format = "") {
    return read(*open_rows(files, format));
  }
  Rows read_text(const std::string& name, const std::string& content) { return read({folder_.write(name, content)}); }
  TemporaryFolder folder_;
};

TEST_F(RowFiles, JsonLinesHaveTheirFieldsInAnyOrder) {
  EXPECT_THAT(read_text("a.jsonl",
                        "\xEF\xBB\xBF{\"pes\": 16, \"flow\": \"row \\\"A\\\"\", \"ok\": true}\r\n"
                        "\n"
                        "{\"flow\":\"\\u00b5\\ud83d\\ude00\\n\",\"latency_ms\":2.50,\"pes\":-1e3,\"ok\":null}\n"
                        "  {}  \n"
                        "{\"latency_ms\": NaN, \"design\": {\"a\": 1, \"in\": {\"b\": \"x\"}}}"),
              ElementsAre(ElementsAre("pes", "flow", "ok", "latency_ms", "design.a", "design.in.b"),
                          ElementsAre("16", "row \"A\"", "true", "", "", ""),
                          ElementsAre("-1e3", "\xC2\xB5\xF0\x9F\x98\x80\n", "", "2.50", "", ""),
                          ElementsAre("", "", "", "", "", ""), ElementsAre("", "", "", "NaN", "1", "x")));
}

TEST_F(RowFiles, WhatIsNotJsonLinesNamesLineAndColumn) {
  const auto expect = [&](const std::string& text, const std::string& part) {
    expect_error([&] { read_text("bad.jsonl", text); }, ErrorCode::corrupt, part);
  };
  expect("{\"a\": 1}\n{\"a\": 1,}\n", "bad.jsonl:2: no name of a field at column 9");
  expect("{\"a\": 1}\n{\"a\": ", "bad.jsonl:2: no value at column 7; it is the last line: is the file cut short?");
  expect("{\"a\": \"x\n", "a text that is not closed");
  expect("{\"a\": [1, 2]}\n", "a list");
  expect("{\"a\": 1} {\"a\": 2}\n", "more behind the object");
  expect("{\"a\": x}\n", "not JSON, `x`");
  expect("{\"a\": \"\\x\"}\n", "an escape that JSON has not");
  expect("{\"a\": \"\\ud800\"}\n", "half a surrogate pair");
  expect("{\"a\": 1, \"a\": 2}\n", "two fields are named `a`");
  expect("[1]\n", "no `{` at column 1");
  expect(std::string("{\"a\": 1}\n{\"a\": \"\0\"}\n", 19), "bad.jsonl:2: a NUL byte");
  expect("", "there are no rows");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  expect(deep, "too deep");
  expect("{\"a\": \"" + std::string(20 << 20, 'x') + "\"}\n", "a line of over 16 MB");
  // One of 10 MB is well.
  EXPECT_EQ(read_text("long.jsonl", "{\"a\": \"" + std::string(10 << 20, 'x') + "\"}\n")[1][0].size(), 10U << 20);
}

// RFC 3720, appendix B.4.
TEST_F(RowFiles, Crc32cIsThatOfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  EXPECT_EQ(crc32c(ascending), 0x46DD794EU);
  EXPECT_EQ(crc32c(""), 0U);
}

/// A record as TensorFlow's TFRecordWriter wrote it: tf.train.Example with `a`: float 0.5, `n`: int64 7, `s`: bytes
/// "hi"; the message worked out by hand from feature.proto, with int64 unpacked and float packed.
std::string example_bytes() {
  const auto entry = [](const std::string& key, const std::string& feature) {
    const std::string body = "\x0A" + std::string(1, static_cast<char>(key.size())) + key + "\x12" +
                             std::string(1, static_cast<char>(feature.size())) + feature;
    return "\x0A" + std::string(1, static_cast<char>(body.size())) + body;
  };
  const std::string floats("\x12\x06\x0A\x04\x00\x00\x00\x3F", 8);
  const std::string integers("\x1A\x02\x08\x07", 4);
  const std::string texts("\x0A\x04\x0A\x02hi", 6);
  const std::string features = entry("a", floats) + entry("n", integers) + entry("s", texts);
  return "\x0A" + std::string(1, static_cast<char>(features.size())) + features;
}

std::string framed(const std::string& bytes) {
  const auto number = [](std::uint64_t value, int size) {
    std::string out;
    for (int i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
    return out;
  };
  const auto masked = [](const std::string& text) {
    const std::uint32_t crc = crc32c(text);
    return static_cast<std::uint32_t>((crc >> 15 | crc << 17) + 0xA282EAD8U);
  };
  const std::string length = number(bytes.size(), 8);
  return length + number(masked(length), 4) + bytes + number(masked(bytes), 4);
}

TEST_F(RowFiles, TfRecordReadsExamples) {
  const Rows expected = {{"a", "n", "s"}, {"0.5", "7", "hi"}, {"0.5", "7", "hi"}};
  EXPECT_EQ(read_text("x.tfrecord", framed(example_bytes()) + framed(example_bytes())), expected);
  // TensorFlow's own names tell no format; the first checksum does.
  EXPECT_EQ(read_text("x.tfrecord-00000-of-00002", framed(example_bytes()) + framed(example_bytes())), expected);
}

TEST_F(RowFiles, DamagedTfRecordNamesTheRecord) {
  const std::string one = framed(example_bytes());
  const auto expect = [&](const std::string& bytes, const std::string& part) {
    expect_error([&] { read_text("x.tfrecord", bytes); }, ErrorCode::corrupt, part);
  };
  for (std::size_t at = 0; at < one.size(); ++at) {
    std::string bad = one + one;
    bad[one.size() + at] = static_cast<char>(bad[one.size() + at] ^ 4);
    expect(bad, "x.tfrecord: record 2: damaged: the checksum of its " + std::string(at < 12 ? "length" : "bytes"));
  }
  for (std::size_t size = 1; size < one.size(); ++size) expect(one + one.substr(0, size), "record 2: cut short");
  expect("a,b\n1,2\n3,4\n5,6\n", "record 1: not TFRecord");
  expect("", "there are no rows");
  expect(framed("\x0A\x05x"), "not a tf.train.Example");
  expect(framed(std::string("\x0A\x0E\x0A\x0C\x0A\x01\x61\x12\x07\x12\x05\x0A\x03\x00\x00\x00", 16)),
         "not a tf.train.Example");
  const std::string two_values("\x0A\x13\x0A\x11\x0A\x01\x61\x12\x0C\x12\x0A\x0A\x08\0\0\0\0\0\0\0\0", 21);
  expect(framed(two_values), "a list of 2 values");
  // Whatever the bytes say, it is told or read, and never more than that.
  std::string bytes = example_bytes();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {1, 16, 128, 255}) {
      std::string bad = bytes;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      try {
        read_text("fuzz.tfrecord", framed(bad));
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::corrupt) << error.what();
      }
    }
  }
}

const std::vector<double> odd_numbers = {
    0.1, 1.0 / 3, -0.0, 0, 16777216, 16777217, 1e300, -5e-324, std::numeric_limits<double>::max(), 123456789012345.678,
    2.5};

TEST_F(RowFiles, WhatIsWrittenReadsBackBitForBit) {
  const std::string text = "a,b;\t\"q\" \xC2\xB5\n2";
  for (const RowFormat& format : row_formats()) {
    for (const char* packing : {"", ".gz", ".zst"}) {
      const std::string ending(format.endings.substr(0, format.endings.find(' ')));
      const path file = folder_ / ("t" + ending + packing);
      const auto writer = write_rows(file, {"x", "flag", "name, \"of\" it"});
      for (std::size_t i = 0; i < odd_numbers.size(); ++i) {
        const std::vector<Cell> row = {Cell::of(odd_numbers[i]), Cell::whole(i % 2 == 0 ? 1 : 0),
                                       i % 3 == 0 ? Cell{} : Cell::of(std::string_view(text))};
        writer->write(row);
      }
      EXPECT_FALSE(std::filesystem::exists(file)) << "nothing half-written stands under the name";
      writer->finish();
      const Rows rows = read({file});
      ASSERT_EQ(rows.size(), odd_numbers.size() + 1) << file;
      EXPECT_THAT(rows[0], ElementsAre("x", "flag", "name, \"of\" it"));
      for (std::size_t i = 0; i < odd_numbers.size(); ++i) {
        double number = 0;
        ASSERT_TRUE(parse_number(rows[i + 1][0], number)) << file << " " << rows[i + 1][0];
        EXPECT_EQ(number, odd_numbers[i]) << file;
        EXPECT_EQ(std::signbit(number), std::signbit(odd_numbers[i])) << file;
        EXPECT_EQ(rows[i + 1][1], i % 2 == 0 ? "1" : "0");
        EXPECT_EQ(rows[i + 1][2], i % 3 == 0 ? "" : text);
      }
    }
  }
}

TEST_F(RowFiles, ZstdIsReadByItsContentAndDamageTold) {
  const path file = folder_ / "log.csv.zst";
  ByteSink sink(file);
  std::string text = "a,b\n";
  for (int i = 0; i < 200'000; ++i) text += std::to_string(i) + "," + std::to_string(i * i % 1000) + "\n";
  sink.write(text);
  sink.finish();
  EXPECT_EQ(read({file}).size(), 200'001U);

  const std::string packed = test::read_text(file);
  EXPECT_EQ(read_text("plain-name.csv", packed).size(), 200'001U);
  // Several frames are one file.
  std::string second(ZSTD_compressBound(8), '\0');
  second.resize(ZSTD_compress(second.data(), second.size(), "7,7\n8,8\n", 8, 1));
  EXPECT_EQ(read_text("two.csv", packed + second).size(), 200'003U);

  expect_error([&] { read_text("cut.csv", packed.substr(0, packed.size() - 5)); }, ErrorCode::corrupt,
               "cut.csv: the zstd stream is truncated");
  std::string bad = packed;
  bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 8);
  expect_error([&] { read_text("bad.csv", bad); }, ErrorCode::corrupt, "bad.csv: the zstd stream is damaged");
  expect_error([&] { read_text("more.csv", packed + "garbage"); }, ErrorCode::corrupt, "more.csv: the zstd stream is");
}

TEST_F(RowFiles, SeveralFilesAreReadAsOne) {
  const path one = folder_.write("1.csv", "a,b\n1,2\n");
  const path two = folder_.write("2.csv", "b;a\n4;3\n6;5\n");
  const auto reader = open_rows({one, two});
  std::vector<std::string_view> fields;
  EXPECT_THAT(reader->header(), ElementsAre("a", "b"));
  ASSERT_TRUE(reader->next(fields));
  EXPECT_THAT(fields, ElementsAre("1", "2"));
  const RowPlace first = reader->place();
  ASSERT_TRUE(reader->next(fields));
  EXPECT_THAT(fields, ElementsAre("3", "4")) << "columns are matched by name";
  ASSERT_TRUE(reader->next(fields));
  EXPECT_THAT(reader->place_text(), testing::EndsWith("2.csv:3"));
  EXPECT_THAT(reader->text(first), testing::EndsWith("1.csv:2"));
  EXPECT_LT(first, reader->place());
  EXPECT_FALSE(reader->next(fields));
  EXPECT_EQ(reader->progress(), 1);

  const path more = folder_.write("3.csv", "a,b,c\n1,2,3\n");
  expect_error([&] { open_rows({one, more}); }, ErrorCode::mismatch, "3.csv: has a column `c`");
  expect_error([&] { open_rows({more, one}); }, ErrorCode::mismatch, "1.csv: has no column `c`");
  // Rows of JSON lines need not have the same fields.
  const path json = folder_.write("4.jsonl", "{\"a\": 1}\n"), other = folder_.write("5.jsonl", "{\"c\": 2}\n");
  EXPECT_EQ(read({json, other}), (Rows{{"a", "c"}, {"1", ""}, {"", "2"}}));
}

TEST_F(RowFiles, FormatsAreToldByNameThenByContent) {
  EXPECT_EQ(format_of("x.tsv.gz").id, "tsv");
  EXPECT_EQ(format_of("x.ndjson.zst").id, "jsonl");
  EXPECT_EQ(format_of(folder_.write("log", "\n {\"a\": 1}\n")).id, "jsonl");
  EXPECT_EQ(format_of(folder_.write("log", "a,b\n")).id, "csv");
  EXPECT_THAT(read_text("t.tsv", "a\tb,c\n1\t2,3\n"), ElementsAre(ElementsAre("a", "b,c"), ElementsAre("1", "2,3")));
  expect_error([&] { row_format("jsnl"); }, ErrorCode::invalid_input, "unknown format `jsnl`");
  expect_error([&] { write_rows(folder_ / "x.parquet", {"a"}); }, ErrorCode::invalid_input, "does not tell a format");
}

TEST_F(RowFiles, MixedSeparatorsAndCutRowsAreTold) {
  expect_error([&] { read_text("m.csv", "a,b\n1,2\n3;4\n"); }, ErrorCode::corrupt,
               "m.csv:3: the row is separated by semicolons, the header by commas");
  expect_error([&] { read_text("m.csv", "a,b,c\n1,2,3\n4,5"); }, ErrorCode::corrupt, "is the file cut short?");
}

TEST_F(RowFiles, NumbersHaveTheirShortestText) {
  std::array<char, 32> text;
  EXPECT_EQ(number_text(0.1F, text), "0.1");
  EXPECT_EQ(number_text(35881.3515625F, text), "35881.35");
  EXPECT_EQ(number_text(262144.0F, text), "262144");
  EXPECT_EQ(number_text(-3.0, text), "-3");
  EXPECT_EQ(number_text(0.30000000000000004, text), "0.30000000000000004");
}

}  // namespace
}  // namespace corbel::test
