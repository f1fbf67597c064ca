#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace corbel {

/// Round numbers (1, 2 or 5 times a power of ten apart) inside [low, high], about `target` of them; each is the double
/// nearest to its decimal, so that 0.3 is 0.3. Empty unless low < high are finite.
std::vector<double> linear_ticks(double low, double high, int target);

/// Powers of ten inside [low, high], with 2 and 5 times them where there are few. Needs 0 < low < high.
std::vector<double> log_ticks(double low, double high);

/// How values map onto an axis.
class AxisScale {
 public:
  /// Of values to show: logarithmic when all are positive and the largest is over 10^1.5 times the smallest, else
  /// linear, starting at zero when the smallest is near it. Padded, never empty; values that are not finite are left
  /// out.
  static AxisScale around(std::span<const double> values, bool never_logarithmic = false);
  static AxisScale linear(double low, double high);
  static AxisScale logarithmic(double low, double high);  ///< needs 0 < low < high

  bool logarithmic() const { return logarithmic_; }
  double low() const { return low_; }
  double high() const { return high_; }
  /// 0 at the low end, 1 at the high end; beyond them outside [0, 1]. Negative infinity for what a logarithm lacks.
  double at(double value) const;
  std::vector<double> ticks(int target) const;

 private:
  AxisScale(double low, double high, bool logarithmic) : low_(low), high_(high), logarithmic_(logarithmic) {}
  double low_, high_;
  bool logarithmic_;
};

/// Labels of ticks, in units of 10^exponent: "20", "0.05"; the exponent is a multiple of 3, 0 for everyday sizes and
/// for ticks that span more than three decades ("100", "10⁴").
struct TickLabels {
  int exponent = 0;
  std::vector<std::string> labels;
};
TickLabels label_ticks(std::span<const double> ticks);

/// "10⁶ µm²" for exponent 6 and unit "µm²"; "" if there is neither.
std::string scaled_unit(int exponent, std::string_view unit);

}  // namespace corbel
