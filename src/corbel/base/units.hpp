#pragma once

#include <string>
#include <string_view>

namespace corbel {

/// A number with its unit, as people write it: "256 KiB", "29 mm2", "6e6", "5 GB/s".
struct Quantity {
  double value = 0;
  std::string unit;  ///< as written; "" if there is none
};

/// @param place  named in the error, such as "study.yaml:12:9"
/// @throws Error{invalid_input} if it is not a finite number with an optional unit
Quantity parse_quantity(std::string_view text, std::string_view place = "");

/// `value` of unit `from` in unit `to`, such as 256 KiB in bytes = 262144. A unit converts to itself, known or not.
/// Knows bytes (B, bytes, KB, KiB, MB, MiB, GB, GiB), time (s, ms, us, ns), frequency (Hz … GHz), power (W, mW, uW),
/// energy (J, mJ, uJ, nJ, pJ), area (mm2, um2), bandwidth (B/s, KB/s, MB/s, GB/s), cycles, MACs; KB is 1000 bytes,
/// KiB 1024. "µs", "mm²" and "mm^2" are understood. Units whose ratio is whole convert with a single rounding.
/// @throws Error{invalid_input} if the two do not measure the same thing, naming both and the place, or if a finite
///         value becomes an infinite one
double convert_unit(double value, std::string_view from, std::string_view to, std::string_view place = "");

/// Whether convert_unit() knows the unit.
bool is_known_unit(std::string_view unit);
/// Whether convert_unit() would convert the one into the other.
bool same_dimension(std::string_view a, std::string_view b);

/// The unit in a metric's name: "latency_ms" → "ms", "area_um2" → "um2", "runtime_cycles" → "cycles";
/// "" if the name ends in no known unit.
std::string unit_of_metric(std::string_view metric_name);

/// The shortest text that reads back as the same number: "262144", "0.41", "6e+06".
std::string format_number(double value);
/// With thousands separators and `digits` significant digits, for tables: "452,760,000", "0.4123".
std::string format_for_people(double value, int digits = 4);
/// Bytes for people: "256 KiB", "4 MiB", "100 B".
std::string format_bytes(double bytes);

}  // namespace corbel
