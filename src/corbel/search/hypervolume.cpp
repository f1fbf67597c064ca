#include "corbel/search/hypervolume.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

// Two objectives are three of which the last is the same for all, a unit below the reference.
using Point = std::array<double, 3>;

/// The area that points dominate up to a corner.
class Staircase {
 public:
  Staircase(double corner_x, double corner_y) : corner_x_(corner_x), corner_y_(corner_y) {}

  double area() const { return area_; }

  void add(double x, double y) {
    auto next = steps_.lower_bound(x);
    if (next != steps_.end() && next->first == x && next->second <= y) return;
    double height = corner_y_;  // of what is not yet dominated, from x on
    if (next != steps_.begin()) height = std::prev(next)->second;
    if (height <= y) return;
    double from = x;
    for (; next != steps_.end() && next->second >= y; next = steps_.erase(next)) {
      area_ += (next->first - from) * (height - y);
      from = next->first;
      height = next->second;
    }
    area_ += ((next == steps_.end() ? corner_x_ : next->first) - from) * (height - y);
    steps_.emplace_hint(next, x, y);
  }

 private:
  double corner_x_, corner_y_;
  std::map<double, double> steps_;  // y falls as x grows
  double area_ = 0;
};

}  // namespace

double hypervolume(std::span<const std::vector<double>> points, std::span<const double> reference) {
  const std::size_t objectives = reference.size();
  if (objectives != 2 && objectives != 3) {
    throw Error(ErrorCode::invalid_input,
                fmt::format("a hypervolume is of two or three objectives, not of {}", objectives));
  }
  if (!std::all_of(reference.begin(), reference.end(), [](double value) { return std::isfinite(value); }))
    throw Error(ErrorCode::invalid_input, "a hypervolume's reference point is not finite");
  const Point corner = {reference[0], reference[1], objectives == 3 ? reference[2] : 1};
  std::vector<Point> inside;
  for (const std::vector<double>& point : points) {
    if (point.size() != objectives) {
      throw Error(
          ErrorCode::invalid_input,
          fmt::format("a point of {} objectives cannot be compared with a reference of {}", point.size(), objectives));
    }
    const Point each = {point[0], point[1], objectives == 3 ? point[2] : 0};
    if (each[0] < corner[0] && each[1] < corner[1] && each[2] < corner[2]) inside.push_back(each);
  }
  std::sort(inside.begin(), inside.end(), [](const Point& a, const Point& b) { return a[2] < b[2]; });
  Staircase staircase(corner[0], corner[1]);
  double volume = 0;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    staircase.add(inside[i][0], inside[i][1]);
    const double next = i + 1 < inside.size() ? inside[i + 1][2] : corner[2];
    volume += staircase.area() * (next - inside[i][2]);
  }
  return volume;
}

}  // namespace corbel
