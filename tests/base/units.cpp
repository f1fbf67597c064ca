#include "corbel/base/units.hpp"

#include <limits>

#include "base/expect_error.hpp"

namespace corbel {
namespace {

TEST(ParseQuantity, ReadsNumbersWithUnits) {
  const auto expect = [](std::string_view text, double value, std::string_view unit) {
    const Quantity quantity = parse_quantity(text);
    EXPECT_EQ(quantity.value, value) << text;
    EXPECT_EQ(quantity.unit, unit) << text;
  };
  expect("256 KiB", 256, "KiB");
  expect("  29mm2 ", 29, "mm2");
  expect("6e6", 6e6, "");
  expect("5 GB/s", 5, "GB/s");
  expect("-1.5 ms", -1.5, "ms");
  expect("+3", 3, "");
  expect(".5 µs", 0.5, "µs");
  expect("4096 entries", 4096, "entries");
}

TEST(ParseQuantity, RefusesEverythingElse) {
  for (const std::string_view text :
       {"", " ", "KiB", "abc", "nan", "inf", "-inf", "0x10", "1 2", "5 GB s", "--3", "+-3", "1;", "5 #", "5 (ms)"}) {
    expect_error([&] { parse_quantity(text, "f.yaml:1:2"); }, ErrorCode::invalid_input, "f.yaml:1:2: ");
  }
  expect_error([] { parse_quantity("1e999"); }, ErrorCode::invalid_input, "out of range");
}

TEST(ConvertUnit, IsExactForWholeRatios) {
  EXPECT_EQ(convert_unit(256, "KiB", "bytes"), 262144);
  EXPECT_EQ(convert_unit(262144, "bytes", "KiB"), 256);
  EXPECT_EQ(convert_unit(16, "MiB", "KiB"), 16384);
  EXPECT_EQ(convert_unit(500, "us", "ms"), 0.5);
  EXPECT_EQ(convert_unit(0.3, "ms", "us"), 0.3 * 1000);
  EXPECT_EQ(convert_unit(29, "mm2", "um2"), 29e6);
  EXPECT_EQ(convert_unit(1.5, "GHz", "MHz"), 1500);
  EXPECT_EQ(convert_unit(5, "GB/s", "MB/s"), 5000);
  EXPECT_EQ(convert_unit(1, "J", "pJ"), 1e12);
  EXPECT_EQ(convert_unit(250, "mW", "W"), 0.25);
  EXPECT_EQ(convert_unit(125, "KB", "KiB"), 122.0703125);  // 125000 / 1024
}

TEST(ConvertUnit, KnowsSpellings) {
  EXPECT_EQ(convert_unit(1, "µs", "ns"), 1000);
  EXPECT_EQ(convert_unit(1, "\u03BCs", "us"), 1);  // the Greek letter, as the micro sign above
  EXPECT_EQ(convert_unit(1, "mm²", "um2"), 1e6);
  EXPECT_EQ(convert_unit(1, "mm^2", "mm2"), 1);
  EXPECT_EQ(convert_unit(1, "B", "bytes"), 1);
  EXPECT_EQ(convert_unit(7, "entries", "entries"), 7);  // itself, known or not
}

TEST(ConvertUnit, RefusesOtherDimensions) {
  expect_error([] { convert_unit(5, "GB/s", "bytes", "s.yaml:3:4"); }, ErrorCode::invalid_input,
               "s.yaml:3:4: cannot convert `GB/s` to `bytes`");
  expect_error([] { convert_unit(5, "entries", "bytes"); }, ErrorCode::invalid_input, "cannot convert `entries`");
  expect_error([] { convert_unit(5, "", "ms"); }, ErrorCode::invalid_input, "a plain number");
  expect_error([] { convert_unit(5, "cycles", "ms"); }, ErrorCode::invalid_input, "`cycles` to `ms`");
  // Case decides: mb would be a millibit.
  expect_error([] { convert_unit(5, "kib", "bytes"); }, ErrorCode::invalid_input, "`kib`", "did you mean `KiB`?");
  EXPECT_TRUE(same_dimension("KiB", "GB"));
  EXPECT_TRUE(same_dimension("entries", "entries"));
  EXPECT_FALSE(same_dimension("entries", "bytes"));
  EXPECT_FALSE(is_known_unit("entries"));
}

TEST(ConvertUnit, DoesNotMakeInfinityOfANumber) {
  expect_error([] { convert_unit(1e308, "GiB", "bytes", "s.yaml:3:4"); }, ErrorCode::invalid_input,
               "s.yaml:3:4: `1e+308 GiB` is out of range in `bytes`");
  EXPECT_EQ(convert_unit(std::numeric_limits<double>::infinity(), "GiB", "bytes"),
            std::numeric_limits<double>::infinity());
}

TEST(UnitOfMetric, ReadsTheName) {
  EXPECT_EQ(unit_of_metric("latency_ms"), "ms");
  EXPECT_EQ(unit_of_metric("area_um2"), "um2");
  EXPECT_EQ(unit_of_metric("runtime_cycles"), "cycles");
  EXPECT_EQ(unit_of_metric("energy_mj"), "mJ");
  EXPECT_EQ(unit_of_metric("power_mw"), "mW");
  EXPECT_EQ(unit_of_metric("dram_mb"), "MB");
  EXPECT_EQ(unit_of_metric("energy_mac"), "MAC");
  for (const std::string_view name : {"utilisation", "", "_", "_ms", "ms", "area_", "score_b", "latency_parsecs"}) {
    EXPECT_EQ(unit_of_metric(name), "") << name;
  }
}

TEST(FormatNumber, IsTheShortestThatReadsBack) {
  EXPECT_EQ(format_number(262144), "262144");
  EXPECT_EQ(format_number(0.41), "0.41");
  EXPECT_EQ(format_number(6e6), "6e+06");
  EXPECT_EQ(format_number(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(format_number(-1), "-1");
}

TEST(FormatForPeople, RoundsAndSeparates) {
  EXPECT_EQ(format_for_people(452760000), "452,760,000");
  EXPECT_EQ(format_for_people(0.41234), "0.4123");
  EXPECT_EQ(format_for_people(12345.67), "12,346");
  EXPECT_EQ(format_for_people(-1234567.5), "-1,234,568");
  EXPECT_EQ(format_for_people(-123), "-123");
  EXPECT_EQ(format_for_people(999.96), "1,000");
  EXPECT_EQ(format_for_people(28.4), "28.4");
  EXPECT_EQ(format_for_people(1.23456, 3), "1.23");
  EXPECT_EQ(format_for_people(0), "0");
  EXPECT_EQ(format_for_people(-0.0), "0");
  EXPECT_EQ(format_for_people(1.2344e-7), "1.234e-07");
  EXPECT_EQ(format_for_people(1e300), "1e+300");
  EXPECT_EQ(format_for_people(std::numeric_limits<double>::quiet_NaN()), "nan");
}

TEST(FormatBytes, PicksTheUnit) {
  EXPECT_EQ(format_bytes(262144), "256 KiB");
  EXPECT_EQ(format_bytes(4 << 20), "4 MiB");
  EXPECT_EQ(format_bytes(100), "100 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1e20), "90,949,470 TiB");
}

}  // namespace
}  // namespace corbel
