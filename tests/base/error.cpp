#include "corbel/base/error.hpp"

#include "base/expect_error.hpp"

namespace corbel {
namespace {

const std::vector<std::string> names = {"pes_x", "pes_y", "cores", "dram_bandwidth"};

TEST(NearestName, FindsMisspellings) {
  EXPECT_EQ(nearest_name("pe_x", names), "pes_x");
  EXPECT_EQ(nearest_name("PES_Y", names), "pes_y");
  EXPECT_EQ(nearest_name("corse", names), "cores");  // two neighbours swapped
  EXPECT_EQ(nearest_name("dram_bandwith", names), "dram_bandwidth");
}

TEST(NearestName, IsSilentWhereNothingIsNear) {
  EXPECT_EQ(nearest_name("latency_ms", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name("x", std::vector<std::string>{"y"}), "");
  EXPECT_EQ(nearest_name(std::string(1 << 20, 'a'), names), "");
}

TEST(UnknownName, NamesPlaceKindAndNearMiss) {
  const Error error = unknown_name("parameter", "pe_x", names, "study.yaml:12:3");
  EXPECT_STREQ(error.what(), "study.yaml:12:3: unknown parameter `pe_x`");
  EXPECT_EQ(error.hint(), "did you mean `pes_x`?");
  EXPECT_EQ(error.code(), ErrorCode::invalid_input);
}

TEST(UnknownName, ListsTheCandidatesOtherwise) {
  EXPECT_EQ(unknown_name("parameter", "zzzz", names).hint(), "known: pes_x, pes_y, cores, dram_bandwidth");
  std::vector<std::string> many;
  for (int i = 0; i < 25; ++i) many.push_back("name_" + std::to_string(100 + i));
  const std::string hint = unknown_name("thing", "zzzz", many).hint();
  EXPECT_THAT(hint, testing::EndsWith("name_119, … (25 in all)"));
}

TEST(Printable, EscapesWhatWouldBreakALine) {
  EXPECT_EQ(printable("a\nb\tc\x01"), "a\\nb\\tc\\x01");
  EXPECT_EQ(printable("µm² ≤"), "µm² ≤");
  // U+009B starts an escape sequence, as ESC [ does.
  EXPECT_EQ(printable("\xC2\x9B[m\x7F"), "\\xc2\\x9b[m\\x7f");
  EXPECT_EQ(printable("\xFF\xC0\x80"), "\\xff\\xc0\\x80");           // not UTF-8: a lone byte, an overlong form
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(printable("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // past U+10FFFF
  EXPECT_EQ(printable("\xE2\x82"), "\\xe2\\x82");                    // cut off
  EXPECT_EQ(printable("abcdef", 3), "abc…");
  EXPECT_EQ(printable("aµµ", 2), "a…");  // no half characters
}

TEST(Error, IsOneLineOfTextWhateverItQuotes) {
  const Error error(ErrorCode::corrupt, "bad\nthing \xFF", "do\rthis");
  EXPECT_STREQ(error.what(), "bad\\nthing \\xff");
  EXPECT_EQ(error.hint(), "do\\x0dthis");
}

TEST(IsText, TellsTextFromBytes) {
  EXPECT_TRUE(is_text(""));
  EXPECT_TRUE(is_text("a\r\n\tµ"));
  EXPECT_FALSE(is_text(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_text("\xB5m"));  // Latin-1
  EXPECT_FALSE(is_text("\x7F"));
  EXPECT_FALSE(is_text("\xC2\x85"));  // U+0085
  EXPECT_TRUE(is_text("\xC2\xA0"));
}

TEST(ErrorCode, HasTheNamesOfTheJson) {
  EXPECT_EQ(to_string(ErrorCode::usage), "usage");
  EXPECT_EQ(to_string(ErrorCode::too_little_data), "too_little_data");
  EXPECT_EQ(to_string(ErrorCode::interrupted), "interrupted");
}

}  // namespace
}  // namespace corbel
