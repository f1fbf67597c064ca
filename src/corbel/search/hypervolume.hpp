#pragma once

#include <span>
#include <vector>

namespace corbel {

/// The volume that a set of points dominates, up to a reference point; lower is better in every objective. Exact.
/// A point that is not below the reference in every objective adds nothing, nor does one with a NaN.
/// Two objectives: a sweep over sorted points. Three: a sweep over the third objective that keeps the staircase of the
/// other two in a search tree (Fonseca, Paquete and López-Ibáñez 2006; Beume et al. 2009). Both O(n log n).
/// @param points     each with as many objectives as the reference
/// @param reference  two or three finite numbers
/// @throws Error{invalid_input} for other sizes or a reference that is not finite
double hypervolume(std::span<const std::vector<double>> points, std::span<const double> reference);

}  // namespace corbel
