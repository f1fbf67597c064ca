#pragma once

#include <array>
#include <string>
#include <string_view>

namespace corbel {

/// A finite decimal number written in full ("6e6", " 12 "), or false.
bool parse_number(std::string_view text, double& out);
/// The shortest text that reads back as the same number, written into `out`.
std::string_view number_text(double value, std::array<char, 32>& out);
/// Of a number kept in single precision: the shortest that reads back as the same float, 0.1 of 0.1f.
std::string_view number_text(float value, std::array<char, 32>& out);
void append_number(std::string& out, double value);

}  // namespace corbel
