#pragma once

#include <optional>
#include <string>
#include <vector>

namespace corbel {

struct ChartPoint {
  double x = 0, y = 0;
  std::string tip;         ///< shown on hover; plain text
  std::string label = {};  ///< of a mark: written beside it where that is free
};

struct ChartSeries {
  enum class Kind {
    cloud,    ///< many small dots, without tips
    circles,  ///< marks with tips
    diamonds,
    stars,
    line,
    steps,  ///< a line that holds its value until the next point
    links,  ///< separate segments: points 0–1, 2–3, …
    area,   ///< a filled polygon, cut at the frame, which it does not widen
  };
  Kind kind = Kind::cloud;
  std::string css_class;  ///< one of the style's series classes
  std::string label;      ///< in the legend; "" for none
  std::vector<ChartPoint> points;
};

/// A straight line at one value of an axis.
struct ChartGuide {
  bool vertical = true;
  double value = 0;
  std::string label;  ///< written at its end, outside the data
  int forbidden = 0;  ///< +1 shades what lies above the value, −1 what lies below
};

struct ChartAxis {
  std::string title = {}, unit = {};
  bool linear = false;       ///< never logarithmic
  bool logarithmic = false;  ///< a fixed range of positive numbers is logarithmic
  /// A fixed range; marks outside it are left out, lines are cut.
  std::optional<double> low = {}, high = {};
};

/// What to draw; `chart_svg` chooses scales and ticks. All text is plain and gets escaped.
struct Chart {
  std::string id;  ///< unique in the page, a name that HTML takes
  int width = 560, height = 420;
  std::string title;        ///< read by screen readers
  std::string description;  ///< one sentence on what there is to see
  ChartAxis x, y;
  std::vector<ChartSeries> series;
  std::vector<ChartGuide> guides;
  bool identity = false;  ///< both axes are alike, as x says, with the line y = x
  std::string identity_label = "predicted = true";
};

/// Whether there is any finite point to draw.
bool has_points(const Chart& chart);
std::string chart_svg(const Chart& chart);

struct LegendItem {
  std::string swatch;  ///< SVG, 24 × 16
  std::string label;   ///< plain text
};
std::vector<LegendItem> legend_items(const Chart& chart);
/// The legend as HTML, which wraps where an SVG would not; "" if no series has a label.
std::string chart_legend(const Chart& chart);

/// The chart as `<figure>`: heading, legend, plot and caption; heading and caption are plain text.
std::string chart_figure(const Chart& chart, const std::string& heading, const std::string& caption);
/// Every k-th point and the last, at most about `most`.
std::vector<ChartPoint> thinned_points(std::vector<ChartPoint> points, std::size_t most);

struct ChartBar {
  std::string label;
  double share = 0;  ///< in [0, 1]; NaN draws `note` only
  std::string note;  ///< right of the bar
  bool marked = false;
};
/// Horizontal bars of shares under two column headings.
/// @param reference  a share to mark with a dashed line; NaN for none
std::string bars_svg(const std::string& title, const std::string& share_heading, const std::string& note_heading,
                     const std::vector<ChartBar>& bars, double reference);

}  // namespace corbel
