#pragma once

#include <vector>

namespace corbel {

/// The middle value, or the mean of the two in the middle; NaN for none.
double median(std::vector<double> values);

/// The value that a share of the values lies below, interpolated between neighbours (type 7 of Hyndman and Fan 1996);
/// NaN for none. Between a finite and an infinite value it is the infinite one.
/// @param share  in [0, 1]
double quantile(std::vector<double> values, double share);

}  // namespace corbel
