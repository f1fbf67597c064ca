#include "corbel/base/config.hpp"

#include "base/expect_error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/random.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

Config parse(std::string_view text) {
  return Config::parse(text, "t.yaml");
}

void expect_refused(std::string_view text, const std::string& message, const std::string& hint = "") {
  expect_error([&] { parse(text); }, ErrorCode::invalid_input, message, hint);
}

TEST(Config, KnowsKindsAndPlaces) {
  const Config config = parse("name: edge\nlist:\n  - 1\n  - {a: 2}\nempty:\n");
  EXPECT_TRUE(config.is_map());
  EXPECT_EQ(config.place(), "t.yaml:1:1");
  EXPECT_EQ(config.at("name").text(), "edge");
  EXPECT_EQ(config.at("name").place(), "t.yaml:1:7");
  const Config& list = config.at("list");
  ASSERT_EQ(list.items().size(), 2u);
  EXPECT_EQ(list.items()[0].place(), "t.yaml:3:5");
  EXPECT_EQ(list.items()[1].at("a").integer(0, 9), 2);
  EXPECT_EQ(list.items()[1].at("a").place(), "t.yaml:4:9");
  EXPECT_TRUE(config.at("empty").is_null());
  EXPECT_EQ(config.entries()[1].first, "list");
  EXPECT_FALSE(config.has("none"));
  EXPECT_EQ(config.file(), "");
}

TEST(Config, ReadsScalars) {
  const Config config = parse("[6e6, 0.5, 12, true, 256 KiB, 29, '7', 1e3]");
  const auto& items = config.items();
  EXPECT_EQ(items[0].number(), 6e6);
  EXPECT_EQ(items[1].number(0, 1), 0.5);
  EXPECT_EQ(items[2].integer(-5, 12), 12);
  EXPECT_TRUE(items[3].boolean());
  EXPECT_EQ(items[4].quantity("bytes"), 262144);
  EXPECT_EQ(items[5].quantity("mm2"), 29);
  EXPECT_EQ(items[6].text(), "7");
  EXPECT_EQ(items[7].integer(0, 1000), 1000);
  EXPECT_EQ(parse("a").texts(), std::vector<std::string>{"a"});
  EXPECT_EQ(parse("[a, b]").texts(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parse("firefly").choice({"random", "firefly"}), "firefly");
}

TEST(Config, SaysWhatIsWrongWhere) {
  const Config config = parse("seed: soon\nrate: 1.5\nname: [a]\nsize: 5 GB/s\nflag: yes\nbig: 1e30\n");
  const auto expect = [&](auto work, const std::string& message, const std::string& hint = "") {
    expect_error(work, ErrorCode::invalid_input, message, hint);
  };
  expect([&] { config.at("seed").number(); }, "t.yaml:1:7: wanted a number, found `soon`");
  expect([&] { config.at("rate").number(0, 1); }, "t.yaml:2:7: wanted a number from 0 to 1, found `1.5`");
  expect([&] { config.at("rate").integer(0, 9); }, "t.yaml:2:7: wanted a whole number, found `1.5`");
  expect([&] { config.at("big").integer(0, 9); }, "t.yaml:6:6: wanted a whole number from 0 to 9, found `1e30`");
  expect([&] { config.at("name").text(); }, "t.yaml:3:7: wanted a single value, found a list");
  expect([&] { config.at("size").quantity("bytes"); }, "t.yaml:4:7: cannot convert `GB/s` to `bytes`");
  expect([&] { config.at("flag").boolean(); }, "t.yaml:5:7: wanted true or false, found `yes`");
  expect([&] { config.at("none"); }, "t.yaml:1:1: `none` is missing");
  expect([&] { config.items(); }, "wanted a list, found a map");
  expect([&] { config.at("seed").at("x"); }, "wanted a map, found `soon`");
  expect([&] { config.at("seed").choice({"random", "son"}); }, "t.yaml:1:7: unknown value `soon`", "`son`");
  expect(
      [&] {
        config.allow_only({"sede", "rate", "name", "size", "flag", "big"});
      },
      "t.yaml:1:1: unknown key `seed`", "did you mean `sede`?");
}

TEST(Config, ReadsFilesAndRemembersThem) {
  const test::TemporaryFolder folder;
  const auto file = folder / "study.yaml";
  write_file(file, "\xEF\xBB\xBF# comment\na: 1\n");
  const Config config = Config::load(file);
  EXPECT_EQ(config.file(), file.string());
  EXPECT_EQ(config.at("a").place(), file.string() + ":2:4");
  expect_error([&] { Config::load(folder / "none.yaml"); }, ErrorCode::not_found, "none.yaml");
  expect_error([&] { Config::load(folder.path()); }, ErrorCode::file_access, "Is a directory");
  write_file(file, std::string((16 << 20) + 1, ' '));
  expect_error([&] { Config::load(file); }, ErrorCode::invalid_input, "larger than");
}

TEST(Config, TakesAnEmptyFileAsNothing) {
  EXPECT_TRUE(parse("").is_null());
  EXPECT_TRUE(parse("# only a comment\n").is_null());
  EXPECT_TRUE(parse("~").is_null());
  EXPECT_TRUE(parse("...\n").is_null());
  EXPECT_EQ(parse("''").text(), "");
  expect_error([] { parse("").at("x"); }, ErrorCode::invalid_input, "t.yaml:1:1: wanted a map, found nothing");
}

TEST(Config, AcceptsDocumentMarkersAndBlockText) {
  EXPECT_EQ(parse("---\na: 1\n...\n").at("a").number(), 1);
  EXPECT_EQ(parse("%YAML 1.2\n---\na: 1").at("a").number(), 1);
  EXPECT_EQ(parse("a: |\n  one\n  two\n").at("a").text(), "one\ntwo\n");
  EXPECT_EQ(parse("a: >-\n  one\n  two\n").at("a").text(), "one two");
  EXPECT_EQ(parse("a: \"it's\\tµ\"\r\nb: 'it''s'\r\n").at("b").text(), "it's");
}

TEST(Config, ExpandsAliases) {
  const Config config = parse("a: &x {k: [1, 2]}\nb: *x\nc: &y word\n*y : d\n");
  EXPECT_EQ(config.at("b").at("k").items()[1].number(), 2);
  EXPECT_EQ(config.at("b").place(), "t.yaml:2:4");
  EXPECT_EQ(config.at("word").text(), "d");
}

TEST(Config, RefusesWhatItDoesNotUnderstand) {
  expect_refused("a: 1\nb: 2\na: 3\n", "t.yaml:3:1: the key `a` is given twice");
  expect_refused("a: !!int 3", "t.yaml:1:4: the tag `tag:yaml.org,2002:int` is not understood");
  expect_refused("!custom {a: 1}", "is not understood");
  expect_refused("a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document");
  expect_refused("{[a, b]: 1}", "a key must be a single word");
  expect_refused("? {a: 1}\n: 2\n", "a key must be a single word");
  expect_refused("~: 2\n", "a key must be a single word");
  expect_refused("a: &x [*x]", "t.yaml:1:8: the alias stands inside the value it names");
  expect_refused("a: *nowhere", "t.yaml:1:4");
}

TEST(Config, RefusesBrokenText) {
  expect_refused("a: \"never closed\nb: 1\n", "t.yaml:");
  expect_refused("a: 'never closed\n", "t.yaml:");
  expect_refused("a: \"never closed", "t.yaml:");
  expect_refused("a: 'it''s\n\n\n", "t.yaml:");
  expect_refused("{a: \"never closed}\n", "t.yaml:");
  expect_refused("a: [1, 2\nb: 3\n", "t.yaml:");
  expect_refused("a: 1\n  b: 2\n", "t.yaml:2:");
  expect_refused("a:\n\t- b\n", "t.yaml:");
  expect_refused(std::string_view("a: 1\nb: \0\n", 10), "t.yaml:2:1: not a text file in UTF-8");
  expect_refused("a: \xFF\xFE\n", "t.yaml:1:1: not a text file in UTF-8");
}

TEST(Config, LimitsNesting) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse(nested(64)).is_sequence());
  expect_refused(nested(65), "t.yaml:1:65: nesting deeper than 64 levels");
  expect_refused(nested(10'000), "nesting deeper");
  expect_refused(std::string(10'000, '{'), "t.yaml:");
  std::string block;
  for (std::size_t i = 0; i < 1000; ++i) block += std::string(i, ' ') + "a:\n";
  expect_refused(block, "nesting deeper");
  std::string dashes;
  for (int i = 0; i < 10'000; ++i) dashes += "- ";
  expect_refused(dashes, "nesting deeper");
}

TEST(Config, LimitsWhatAliasesExpandTo) {
  // The "billion laughs": nine lists of nine aliases of the list before.
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'i'; ++c) {
    const std::string before = "*" + std::string(1, static_cast<char>(c - 1));
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) bomb += (i > 0 ? ", " : "") + before;
    bomb += "]\n";
  }
  expect_refused(bomb, "over 200000 values");

  // Few values, but long ones.
  std::string wide = "a: &a " + std::string(1 << 20, 'x') + "\nb: [";
  for (int i = 0; i < 100; ++i) wide += "*a, ";
  expect_refused(wide + "]\n", "over 16 MB of text");
}

TEST(Config, LimitsTheNestingThatAliasesBuildUp) {
  // Every line nests the one before 30 levels deeper, so the third reaches 90.
  const auto nested = [](const std::string& what) { return std::string(30, '[') + what + std::string(30, ']'); };
  const std::string two = "a: &a " + nested("") + "\nb: &b " + nested("*a") + "\n";
  EXPECT_TRUE(parse(two).is_map());
  expect_refused(two + "c: " + nested("*b") + "\n", "t.yaml:3:34: nesting deeper than 64 levels");
}

TEST(Config, LimitsTheNumberOfValues) {
  std::string list = "[";
  for (int i = 0; i < 199'999; ++i) list += "1,";
  EXPECT_EQ(parse(list + "]").items().size(), 199'999u);
  expect_refused(list + "1]", "over 200000 values");
}

TEST(Config, FindsRepeatedKeysAmongManyFast) {
  std::string map;
  for (int i = 0; i < 90'000; ++i) map += "k" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(parse(map).entries().size(), 90'000u);
  expect_refused(map + "k7: 2\n", "t.yaml:90001:1: the key `k7` is given twice");
}

/// Reads it or throws an Error: anything else fails the test.
void expect_survives(const std::string& text) {
  try {
    parse(text);
  } catch (const Error& error) {
    EXPECT_TRUE(is_text(error.what()));
  }
}

TEST(Config, SurvivesRandomBytes) {
  Rng rng(20);
  for (int round = 0; round < 3000; ++round) {
    std::string text(rng.below(200), ' ');
    for (char& c : text) c = static_cast<char>(rng.below(256));
    expect_survives(text);
  }
}

TEST(Config, SurvivesRandomYaml) {
  constexpr std::string_view alphabet = "ab1:-?,[]{}&*!|>'\"%@`#~ \n\n  \t<.\\";
  Rng rng(21);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(rng.below(60), ' ');
    for (char& c : text) c = alphabet[rng.below(alphabet.size())];
    expect_survives(text);
  }
}

TEST(Config, SurvivesDamagedYaml) {
  const std::string good =
      "space: edge\nobjective: latency_ms\nconstraints:\n  - area_mm2 <= 29\ntrain: &t {network: mlp, steps: 2000}\n"
      "again: *t\ntext: |\n  block\n  text\nfolded: >-\n  a\n  b\nquoted: \"a\\u00b5\\n\"\n";
  Rng rng(22);
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    for (std::uint64_t i = 0; i <= rng.below(4); ++i) {
      text[rng.below(text.size())] = static_cast<char>(rng.below(128));
    }
    expect_survives(text.substr(0, rng.below(text.size() + 1)));
  }
}

TEST(Config, DumpedItReadsTheSame) {
  const Config config = Config::parse(
      "name: process\nlist: [1 MHz, 'null', ~, \"a: {b}\\n\u00e9\"]\nnested: {flag: true, empty: {}, none: []}\n",
      "test");
  const std::string text = config.dump();
  const Config again = Config::parse(text, "again", "/studies/study.yaml");
  EXPECT_EQ(again.dump(), text);
  EXPECT_EQ(again.file(), "/studies/study.yaml");
  EXPECT_EQ(again.at("list").items()[0].quantity("Hz"), 1e6);
  EXPECT_EQ(again.at("list").items()[1].text(), "null");
  EXPECT_TRUE(again.at("list").items()[2].is_null());
  EXPECT_EQ(again.at("list").items()[3].text(), "a: {b}\n\u00e9");
  EXPECT_TRUE(again.at("nested").at("flag").boolean());
  EXPECT_TRUE(again.at("nested").at("empty").is_map());
  EXPECT_EQ(again.entries().front().first, "name") << "in its order";
}

}  // namespace
}  // namespace corbel
