#include "corbel/base/statistics.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace corbel {

double median(std::vector<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double place = share * (static_cast<double>(values.size()) - 1);
  const auto below = static_cast<std::size_t>(place);
  const double rest = place - static_cast<double>(below);
  if (rest <= 0 || values[below] == values[below + 1]) return values[below];
  return values[below] + rest * (values[below + 1] - values[below]);
}

}  // namespace corbel
