#include "corbel/report/axis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace corbel {
namespace {

/// Outside these, an axis with its padding could leave the range of doubles.
constexpr double largest_magnitude = 1e250, smallest_logarithm = 1e-250;
/// Above this ratio of largest to smallest value (in decades) a linear axis hides the small ones.
constexpr double logarithmic_decades = 1.5;

bool is_drawable(double value) {
  return std::isfinite(value) && std::abs(value) <= largest_magnitude;
}

/// mantissa · 10^exponent, rounded once.
double decimal(double mantissa, int exponent) {
  return exponent >= 0 ? mantissa * std::pow(10.0, exponent) : mantissa / std::pow(10.0, -exponent);
}

std::string superscript(int number) {
  static constexpr const char* digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string out;
  for (const char c : fmt::format("{}", number)) out += c == '-' ? "⁻" : digits[c - '0'];
  return out;
}

}  // namespace

std::vector<double> linear_ticks(double low, double high, int target) {
  if (!is_drawable(low) || !is_drawable(high) || !(low < high)) return {};
  const double raw = (high - low) / std::max(target, 1);
  int exponent = static_cast<int>(std::floor(std::log10(raw)));
  const double lead = raw / decimal(1, exponent);
  // The geometric means between 1, 2, 5 and 10 pick the nearest of them in ratio.
  double mantissa = lead < std::sqrt(2.0) ? 1 : lead < std::sqrt(10.0) ? 2 : lead < std::sqrt(50.0) ? 5 : 10;
  if (mantissa == 10) {
    mantissa = 1;
    ++exponent;
  }
  const double step = decimal(mantissa, exponent);
  // A range narrower than the doubles can count has no round numbers inside.
  if (!(step > 0) || std::max(std::abs(low), std::abs(high)) / step > 1e15) return {};
  const double slack = 1e-9;
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - slack); i <= high / step + slack; ++i) {
    ticks.push_back(decimal(i * mantissa, exponent) + 0.0);
  }
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  if (!is_drawable(low) || !is_drawable(high) || !(low > 0) || !(low < high)) return {};
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  const double decades = std::log10(high) - std::log10(low);
  const int every = std::max(1, static_cast<int>(std::ceil(decades / 10)));
  const double slack = 1 + 1e-12;
  std::vector<double> ticks;
  for (int exponent = first; exponent <= last; ++exponent) {
    if (exponent % every != 0) continue;
    for (const double mantissa : {1.0, 2.0, 5.0}) {
      if (mantissa > 1 && decades > 3.2) break;
      const double tick = decimal(mantissa, exponent);
      if (tick >= low / slack && tick <= high * slack) ticks.push_back(tick);
    }
  }
  return ticks;
}

AxisScale AxisScale::linear(double low, double high) {
  return {low, high, false};
}

AxisScale AxisScale::logarithmic(double low, double high) {
  return {low, high, true};
}

AxisScale AxisScale::around(std::span<const double> values, bool never_logarithmic) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double value : values) {
    if (!is_drawable(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) return {0, 1, false};
  if (low == high) {
    const double half = low == 0 ? 1 : std::max(std::abs(low) * 0.1, 1e-290);
    return {low - half, high + half, false};
  }
  if (!never_logarithmic && low >= smallest_logarithm && std::log10(high) - std::log10(low) > logarithmic_decades) {
    const double pad = std::pow(10.0, 0.04 * (std::log10(high) - std::log10(low)));
    return {low / pad, high * pad, true};
  }
  const double pad = 0.05 * (high - low);
  if (low >= 0 && low < 0.3 * high) return {0, high + pad, false};
  return {low >= 0 ? std::max(0.0, low - pad) : low - pad, high + pad, false};
}

double AxisScale::at(double value) const {
  if (!logarithmic_) return (value - low_) / (high_ - low_);
  if (!(value > 0)) return -std::numeric_limits<double>::infinity();
  return (std::log10(value) - std::log10(low_)) / (std::log10(high_) - std::log10(low_));
}

std::vector<double> AxisScale::ticks(int target) const {
  if (!logarithmic_) return linear_ticks(low_, high_, target);
  std::vector<double> ticks = log_ticks(low_, high_);
  return ticks.size() >= 2 ? ticks : linear_ticks(low_, high_, target);
}

TickLabels label_ticks(std::span<const double> ticks) {
  TickLabels out;
  double largest = 0, step = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    largest = std::max(largest, std::abs(ticks[i]));
    if (i > 0) step = std::min(step, ticks[i] - ticks[i - 1]);
  }
  if (largest <= 0) {
    out.labels.assign(ticks.size(), "0");
    return out;
  }
  const bool wide = !ticks.empty() && ticks.front() > 0 && largest / ticks.front() > 1e3;
  if (!wide && (largest >= 1e5 || largest < 1e-2)) {
    out.exponent = 3 * static_cast<int>(std::floor(std::log10(largest) / 3 + 1e-12));
  }
  const bool even = ticks.size() >= 2 &&
                    std::abs((ticks.back() - ticks.front()) / step - static_cast<double>(ticks.size() - 1)) < 0.01;
  for (const double tick : ticks) {
    const double scaled = decimal(tick, -out.exponent);
    if (even) {
      const double scaled_step = decimal(step, -out.exponent);
      const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(scaled_step) - 1e-9)), 0, 12);
      out.labels.push_back(fmt::format("{:.{}f}", scaled, decimals));
    } else if (scaled != 0 && (std::abs(scaled) < 1e-3 || std::abs(scaled) >= 1e4)) {
      const int power = static_cast<int>(std::floor(std::log10(std::abs(scaled)) + 1e-12));
      const double lead = scaled / std::pow(10.0, power);
      out.labels.push_back((std::abs(lead - 1) < 1e-9 ? "10" : fmt::format("{:g}·10", lead)) + superscript(power));
    } else {
      out.labels.push_back(fmt::format("{:.6g}", scaled));
    }
  }
  return out;
}

std::string scaled_unit(int exponent, std::string_view unit) {
  if (exponent == 0) return std::string(unit);
  return "10" + superscript(exponent) + (unit.empty() ? "" : " ") + std::string(unit);
}

}  // namespace corbel
