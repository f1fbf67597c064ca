#include "corbel/base/csv.hpp"

#include <zlib.h>

#include <functional>

#include "base/expect_error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/random.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

class Csv : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& content) {
    const auto file = folder_ / "t.csv";
    write_file(file, content);
    return file;
  }

  using Rows = std::vector<std::vector<std::string>>;
  /// Header first.
  Rows read(const std::string& content) {
    CsvReader reader(write(content));
    Rows rows = {reader.header()};
    std::vector<std::string_view> fields;
    while (reader.next(fields)) rows.emplace_back(fields.begin(), fields.end());
    EXPECT_EQ(reader.progress(), 1);
    EXPECT_FALSE(reader.next(fields));
    return rows;
  }

  void expect_corrupt(const std::string& content, const std::string& message) {
    expect_error([&] { read(content); }, ErrorCode::corrupt, message);
  }

  test::TemporaryFolder folder_;
};

TEST_F(Csv, ReadsPlainRows) {
  EXPECT_EQ(read("a,b\n1,2\n3,\n"), (Rows{{"a", "b"}, {"1", "2"}, {"3", ""}}));
  EXPECT_EQ(read("a,b\n1,2"), (Rows{{"a", "b"}, {"1", "2"}}));  // no line break at the end
  EXPECT_EQ(read("a,b\n1,"), (Rows{{"a", "b"}, {"1", ""}}));
  EXPECT_EQ(read("a\n"), (Rows{{"a"}}));
}

TEST_F(Csv, ReadsQuotesCrlfAndBom) {
  EXPECT_EQ(read("\xEF\xBB\xBF\"a\",b\r\n\"x, \"\"y\"\"\n\",2\r\n"), (Rows{{"a", "b"}, {"x, \"y\"\n", "2"}}));
  EXPECT_EQ(read("a,b\n\"\",\"\"\n"), (Rows{{"a", "b"}, {"", ""}}));
  EXPECT_EQ(read("a,b\n5\" disk,it's\n"), (Rows{{"a", "b"}, {"5\" disk", "it's"}}));
  EXPECT_EQ(read("a\n\"\"\n"), (Rows{{"a"}, {""}}));  // a quoted nothing is a row
}

TEST_F(Csv, FindsTheSeparator) {
  EXPECT_EQ(read("a;b;c\n1,5;2;3\n"), (Rows{{"a", "b", "c"}, {"1,5", "2", "3"}}));
  EXPECT_EQ(read("a\tb\n1\t2\n"), (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(read("\"a;b;c\",d\n1,2\n"), (Rows{{"a;b;c", "d"}, {"1", "2"}}));
  EXPECT_EQ(read("\n \r\na;b\n1,5;2\n"), (Rows{{"a", "b"}, {"1,5", "2"}}));
}

TEST_F(Csv, SkipsBlankLinesAndCountsThem) {
  CsvReader reader(write("a,b\n\n  \n1,\"2\n3\"\n\r\n4,5\n"));
  std::vector<std::string_view> fields;
  ASSERT_TRUE(reader.next(fields));
  EXPECT_EQ(reader.place().number, 4u);
  ASSERT_TRUE(reader.next(fields));
  EXPECT_EQ(fields[0], "4");
  EXPECT_EQ(reader.place().number, 7u);
  EXPECT_THAT(reader.place_text(), testing::EndsWith("t.csv:7"));
  EXPECT_FALSE(reader.next(fields));
}

TEST_F(Csv, TrimsColumnNames) {
  EXPECT_EQ(read(" a , b\n1, 2\n"), (Rows{{"a", "b"}, {"1", " 2"}}));
}

TEST_F(Csv, RefusesRowsOfAnotherWidth) {
  expect_corrupt("a,b\n1,2\n3\n", "t.csv:3: the row has 1 fields, the header 2");
  expect_corrupt("a,b\n\"1\n2\",3,4\n", "t.csv:2: the row has 3 fields, the header 2");
}

TEST_F(Csv, RefusesBadHeaders) {
  expect_corrupt("", "the file is empty");
  expect_corrupt("\n\n \n", "the file is empty");
  expect_corrupt("a,b\r1,2\r3,4\r", "t.csv:1: the lines end in CR alone");
  expect_corrupt("a,b,a\n", "t.csv:1: two columns are named `a`");
  expect_corrupt("a,,b\n", "t.csv:1: column 2 of the header has no name");
  expect_corrupt("a,\xB5m\n", "t.csv:1: the header is not UTF-8 text: `\\xb5m`");
}

TEST_F(Csv, RefusesBrokenQuotes) {
  expect_corrupt("a,b\n1,\"2\n3,4\n", "t.csv:2: a quote opens here and is never closed");
  expect_corrupt("a,b\n\"1\"x,2\n", "t.csv:2: text behind a closing quote");
  expect_corrupt("a,b\n\"1\"\rx,2\n", "t.csv:2: text behind a closing quote");
}

TEST_F(Csv, SaysWhatToDoAboutABrokenFile) {
  const auto expect_hint = [&](const std::string& content, const std::string& part) {
    expect_error([&] { read(content); }, ErrorCode::corrupt, "t.csv", part);
  };
  expect_hint("", "write a header line");
  expect_hint("a,b\n1\n", "as many fields");
  expect_hint("a,b\n1,\"2\n", "close it");
  expect_hint("a,b\n\"1\"\rx,2\n", "written twice");
  expect_hint("a,a\n", "another name");
  expect_hint("a,,b\n", "name it");
}

TEST_F(Csv, RefusesWhatIsNotText) {
  expect_corrupt(std::string("a,b\n1,2\n3,\0\n", 12), "t.csv:3: a NUL byte");
  expect_corrupt("a,b\n1," + std::string((1 << 20) + 1, 'x') + "\n", "t.csv:2: a field of over 1 MB");
  expect_corrupt("a,b\n1,\"" + std::string((1 << 20) + 2, 'x') + "\"\n", "t.csv:2: a field of over 1 MB");
  expect_corrupt(std::string(17 << 20, ','), "t.csv:1: a row of over 16 MB");
  EXPECT_EQ(read("a\n" + std::string(1 << 20, 'x') + "\n")[1][0].size(), std::size_t{1} << 20);
}

TEST_F(Csv, TellsMissingFromUnreadable) {
  expect_error([&] { CsvReader(folder_ / "none.csv"); }, ErrorCode::not_found, "none.csv");
  expect_error([&] { CsvReader(folder_.path()); }, ErrorCode::file_access, "Is a directory");
}

/// Long enough for many refills of the buffers, with quotes that cross them.
std::string long_table(int rows) {
  std::string text = "id,label,value\n";
  for (int i = 0; i < rows; ++i) {
    const std::string id = std::to_string(i);
    text += id + ",\"l \"\"" + std::string(static_cast<std::size_t>(i % 97), 'x') + "\"\"\n" + id + "\"," + id + ".5\n";
  }
  return text;
}

TEST_F(Csv, StreamsLongFilesPlainAndPacked) {
  constexpr int rows = 50'000;
  const std::string text = long_table(rows);
  for (const std::string& content :
       {text, gzip(text), gzip(text.substr(0, 777)) + gzip(text.substr(777)) + std::string(100, '\0')}) {
    CsvReader reader(write(content));
    std::vector<std::string_view> fields;
    double before = 0;
    for (int i = 0; i < rows; ++i) {
      ASSERT_TRUE(reader.next(fields));
      const std::string id = std::to_string(i);
      ASSERT_EQ(fields[0], id);
      ASSERT_EQ(fields[1], "l \"" + std::string(static_cast<std::size_t>(i % 97), 'x') + "\"\n" + id);
      ASSERT_EQ(fields[2], id + ".5");
      ASSERT_EQ(reader.place().number, 2u + 2 * static_cast<unsigned>(i));
      ASSERT_GE(reader.progress(), before);
      before = reader.progress();
    }
    EXPECT_FALSE(reader.next(fields));
  }
}

TEST_F(Csv, RefusesEveryTruncatedGzip) {
  const std::string packed = gzip(long_table(20));
  for (std::size_t size = 2; size < packed.size(); size += 3) expect_corrupt(packed.substr(0, size), "truncated");
}

TEST_F(Csv, RefusesDamagedGzip) {
  const std::string packed = gzip(long_table(2000));
  std::string flipped = packed;
  flipped[packed.size() - 6] = static_cast<char>(flipped[packed.size() - 6] ^ 1);  // in the checksum
  expect_corrupt(flipped, "t.csv: the gzip stream is damaged: incorrect data check");
  flipped = packed;
  flipped[packed.size() / 2] = static_cast<char>(flipped[packed.size() / 2] ^ 0x10);
  expect_corrupt(flipped, "");
  expect_corrupt(packed + "tail", "followed by something else");
}

TEST_F(Csv, SurvivesRandomBytes) {
  constexpr std::string_view alphabet = "a1,;\t\"\n\r \xB5";
  Rng rng(30);
  for (int round = 0; round < 500; ++round) {
    std::string content(rng.below(400), ' ');
    for (char& c : content) {
      c = round % 3 == 0 ? static_cast<char>(rng.below(256)) : alphabet[rng.below(alphabet.size())];
    }
    if (round % 5 == 0) content = "\x1F\x8B\x08" + content;
    // Not write_file(): syncing thousands of files would take most of the time.
    const auto file = folder_ / "fuzz.csv";
    std::FILE* out = std::fopen(file.c_str(), "wb");
    std::fwrite(content.data(), 1, content.size(), out);
    std::fclose(out);
    try {
      CsvReader reader(file);
      std::vector<std::string_view> fields;
      while (reader.next(fields)) ASSERT_EQ(fields.size(), reader.header().size());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt) << error.what();
    }
  }
}

TEST_F(Csv, ReadsTheMaestroTable) {
  const std::filesystem::path file =
      std::filesystem::path(CORBEL_SOURCE_DIR) / "../shared/data/maestro/maestro_resnet50.csv.gz";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no " << file;
  CsvReader reader(file);
  ASSERT_EQ(reader.header().size(), 15u);
  EXPECT_EQ(reader.header()[3], "num_pes");
  std::vector<std::string_view> fields;
  int rows = 0;
  while (reader.next(fields)) ++rows;
  EXPECT_EQ(rows, 384'000);
}

TEST(ParseNumber, TakesWholeDecimalNumbersOnly) {
  double value = 0;
  EXPECT_TRUE(parse_number(" 12 ", value));
  EXPECT_EQ(value, 12);
  EXPECT_TRUE(parse_number("6e6", value));
  EXPECT_EQ(value, 6e6);
  EXPECT_TRUE(parse_number("+.5", value));
  EXPECT_EQ(value, 0.5);
  value = 7;
  for (const std::string_view bad :
       {"", " ", "nan", "inf", "-inf", "0x10", "1 2", "1,5", "12a", "+-1", "1e999", "--1"}) {
    EXPECT_FALSE(parse_number(bad, value)) << bad;
  }
  EXPECT_EQ(value, 7);
}

}  // namespace
}  // namespace corbel
