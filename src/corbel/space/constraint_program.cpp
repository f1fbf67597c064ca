#include "corbel/space/internal/constraint_program.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <limits>

namespace corbel {
namespace {

using Code = Instruction::Code;

constexpr double infinity = std::numeric_limits<double>::infinity();

double on_line(const Instruction& line, std::uint32_t index) {
  return line.value + line.step * index;
}

bool has_infinity(const Interval& a) {
  return a.low == -infinity || a.high == infinity;
}
bool has_zero(const Interval& a) {
  return a.low <= 0 && a.high >= 0;
}

Interval in_range(const MetricRange& range) {
  const bool unknown = !(range.low <= range.high) || (range.low == -infinity && range.high == infinity);
  return unknown ? Interval{-infinity, infinity, true} : Interval{range.low, range.high, false};
}

/// The interval that these values span, or everything where one of them is no number.
Interval hull(std::initializer_list<double> corners, bool nan) {
  Interval all{infinity, -infinity, nan};
  for (const double corner : corners) {
    if (std::isnan(corner)) return {-infinity, infinity, true};
    all.low = std::min(all.low, corner);
    all.high = std::max(all.high, corner);
  }
  return all;
}

Interval add(const Interval& a, const Interval& b) {
  const bool cancel = (a.high == infinity && b.low == -infinity) || (a.low == -infinity && b.high == infinity);
  return hull({a.low + b.low, a.high + b.high}, a.nan || b.nan || cancel);
}

Interval negate(const Interval& a) {
  return {-a.high, -a.low, a.nan};
}

Interval multiply(const Interval& a, const Interval& b) {
  const bool undefined = (has_zero(a) && has_infinity(b)) || (has_infinity(a) && has_zero(b));
  return hull({a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high}, a.nan || b.nan || undefined);
}

Interval divide(const Interval& a, const Interval& b) {
  // Of either sign, as the zero is.
  if (has_zero(b)) return {-infinity, infinity, a.nan || b.nan || has_zero(a) || (has_infinity(a) && has_infinity(b))};
  const bool undefined = has_infinity(a) && has_infinity(b);
  return hull({a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high}, a.nan || b.nan || undefined);
}

// By value: to GCC 12's sanitizer a reference into the stack reaches beyond it.
Interval lesser(Interval a, Interval b) {
  return {std::min(a.low, b.low), std::min(a.high, b.high), a.nan || b.nan};
}
Interval greater(Interval a, Interval b) {
  return {std::max(a.low, b.low), std::max(a.high, b.high), a.nan || b.nan};
}

}  // namespace

double ConstraintProgram::run(const Design& design, std::span<const double> metrics) const {
  std::array<double, max_constraint_stack> stack;
  double* top = stack.data();  // one past the last
  for (const Instruction& in : instructions) {
    switch (in.code) {
      case Code::constant:
        *top++ = in.value;
        break;
      case Code::metric:
        *top++ = metrics[in.index];
        break;
      case Code::lookup:
        *top++ = tables[in.offset + design[in.index]];
        break;
      case Code::line:
        *top++ = on_line(in, design[in.index]);
        break;
      case Code::scale:
        top[-1] *= in.value;
        break;
      case Code::negate:
        top[-1] = -top[-1];
        break;
      case Code::add:
        --top, top[-1] += top[0];
        break;
      case Code::subtract:
        --top, top[-1] -= top[0];
        break;
      case Code::multiply:
        --top, top[-1] *= top[0];
        break;
      case Code::divide:
        --top, top[-1] /= top[0];
        break;
      // Written so that a NaN on either side stays.
      case Code::min:
        --top, top[-1] = std::isnan(top[0]) || top[0] < top[-1] ? top[0] : top[-1];
        break;
      case Code::max:
        --top, top[-1] = std::isnan(top[0]) || top[0] > top[-1] ? top[0] : top[-1];
        break;
    }
  }
  return stack[0];
}

Interval ConstraintProgram::bounds(const DesignBox& box, std::span<const MetricRange> metrics) const {
  std::array<Interval, max_constraint_stack> stack;
  Interval* top = stack.data();  // one past the last
  for (const Instruction& in : instructions) {
    switch (in.code) {
      case Code::constant:
        *top++ = hull({in.value}, false);
        break;
      case Code::metric:
        *top++ = metrics.empty() ? Interval{-infinity, infinity, true} : in_range(metrics[in.index]);
        break;
      case Code::lookup:
        *top++ = {tables[in.offset + box.first[in.index]], tables[in.offset + box.last[in.index]], false};
        break;
      case Code::line:
        *top++ = hull({on_line(in, box.first[in.index]), on_line(in, box.last[in.index])}, false);
        break;
      case Code::scale:
        top[-1] = multiply(top[-1], hull({in.value}, false));
        break;
      case Code::negate:
        top[-1] = negate(top[-1]);
        break;
      case Code::add:
        --top, top[-1] = add(top[-1], top[0]);
        break;
      case Code::subtract:
        --top, top[-1] = add(top[-1], negate(top[0]));
        break;
      case Code::multiply:
        --top, top[-1] = multiply(top[-1], top[0]);
        break;
      case Code::divide:
        --top, top[-1] = divide(top[-1], top[0]);
        break;
      case Code::min:
        --top, top[-1] = lesser(top[-1], top[0]);
        break;
      case Code::max:
        --top, top[-1] = greater(top[-1], top[0]);
        break;
    }
  }
  return stack[0];
}

}  // namespace corbel
