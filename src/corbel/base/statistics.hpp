#pragma once

#include <vector>

namespace corbel {

/// The middle value, or the mean of the two in the middle; NaN for none.
double median(std::vector<double> values);

}  // namespace corbel
