#pragma once

#include <limits>
#include <string>
#include <vector>

#include "corbel/report/plot.hpp"

namespace corbel {

/// Horizontal bars, each divided into parts that add up to at most 1. All text is plain and gets escaped.
struct StackedBars {
  struct Bar {
    std::string label;
    std::vector<double> shares;                                   ///< one per part
    double reference = std::numeric_limits<double>::quiet_NaN();  ///< a share to mark; NaN for none
  };
  int width = 860;
  std::string title, axis_title;
  std::vector<std::string> parts;
  std::string reference_label;
  std::vector<Bar> bars;
};
int stacked_bars_height(const StackedBars& bars);
std::string stacked_bars_svg(const StackedBars& bars);
std::vector<LegendItem> legend_items(const StackedBars& bars);

/// A figure that is a file of its own: an SVG image, on a ground of its own, light or dark by the reader's preference,
/// which names no resource outside of it. All text but the panels is plain and gets escaped.
struct FigureFile {
  struct Panel {
    std::string heading;  ///< "" for none
    int width = 0, height = 0;
    std::string svg;  ///< of this size
  };
  std::string title, description;  ///< the description is for screen readers
  std::vector<LegendItem> legend;
  std::vector<Panel> panels;  ///< row by row, each as wide and high as the first
  int columns = 1;
  std::string note;  ///< below the panels; wrapped
};
FigureFile::Panel chart_panel(const Chart& chart, std::string heading = "");
std::string svg_file(const FigureFile& figure);

}  // namespace corbel
