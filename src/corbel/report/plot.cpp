#include "corbel/report/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "corbel/report/axis.hpp"
#include "corbel/report/html.hpp"

namespace corbel {
namespace {

using Kind = ChartSeries::Kind;

bool is_mark(Kind kind) {
  return kind == Kind::circles || kind == Kind::diamonds || kind == Kind::stars;
}

bool is_finite(const ChartPoint& point) {
  return std::isfinite(point.x) && std::isfinite(point.y);
}

/// Where the data go inside the chart, and how they get there.
struct Frame {
  AxisScale x = AxisScale::linear(0, 1), y = AxisScale::linear(0, 1);
  double left = 0, right = 0, top = 0, bottom = 0;

  /// Lines may leave the frame, where they are cut, but not by so much that coordinates get long.
  double to_x(double value) const { return left + std::clamp(x.at(value), -4.0, 5.0) * (right - left); }
  double to_y(double value) const { return bottom - std::clamp(y.at(value), -4.0, 5.0) * (bottom - top); }
  bool shows(const ChartPoint& point) const {
    if (!is_finite(point)) return false;
    const double h = x.at(point.x), v = y.at(point.y);
    return h >= 0 && h <= 1 && v >= 0 && v <= 1;
  }
};

std::string mark_svg(Kind kind, double x, double y) {
  switch (kind) {
    case Kind::diamonds:
      return fmt::format("<path d=\"M{} {}l5.5 5.5-5.5 5.5-5.5-5.5z\"/>", px(x), px(y - 5.5));
    case Kind::stars: {
      std::string path;
      for (int i = 0; i < 10; ++i) {
        const double angle = i * std::acos(-1.0) / 5, radius = i % 2 == 0 ? 10 : 4.2;
        path += fmt::format("{}{} {}", i == 0 ? "M" : "L", px(x + radius * std::sin(angle)),
                            px(y - radius * std::cos(angle)));
      }
      return fmt::format("<path d=\"{}z\"/>", path);
    }
    default:
      return fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"4.5\"/>", px(x), px(y));
  }
}

/// The style's class for how a series is drawn.
const char* role_of(Kind kind) {
  return kind == Kind::cloud ? "cloud" : kind == Kind::area ? "area" : is_mark(kind) ? "mark" : "line";
}

std::string series_svg(const ChartSeries& series, const Frame& frame, const std::string& clip) {
  std::string out;
  std::vector<const ChartPoint*> points;
  const bool is_line = series.kind != Kind::cloud && !is_mark(series.kind);
  for (const ChartPoint& point : series.points) {
    if (is_line ? is_finite(point) : frame.shows(point)) points.push_back(&point);
  }
  switch (series.kind) {
    case Kind::cloud: {
      // Zero-length strokes with round caps are the smallest way to write a dot. Several paths, as dots of one path
      // do not add up where they overlap.
      constexpr std::size_t dots_per_path = 60;
      for (std::size_t i = 0; i < points.size(); i += dots_per_path) {
        out += "<path d=\"";
        for (std::size_t j = i; j < std::min(i + dots_per_path, points.size()); ++j) {
          out += fmt::format("M{} {}h0", px(frame.to_x(points[j]->x)), px(frame.to_y(points[j]->y)));
        }
        out += "\"/>";
      }
      break;
    }
    case Kind::line:
    case Kind::area:
    case Kind::steps: {
      if (points.empty()) break;
      out += "<path d=\"";
      for (std::size_t i = 0; i < points.size(); ++i) {
        const std::string x = px(frame.to_x(points[i]->x)), y = px(frame.to_y(points[i]->y));
        if (i == 0) {
          out += fmt::format("M{} {}", x, y);
        } else {
          out += series.kind == Kind::steps ? fmt::format("H{}V{}", x, y) : fmt::format("L{} {}", x, y);
        }
      }
      // A line of one point would be invisible.
      out += points.size() == 1 ? "h.1\"/>" : "\"/>";
      break;
    }
    case Kind::links:
      out += "<path d=\"";
      for (std::size_t i = 0; i + 1 < series.points.size(); i += 2) {
        const ChartPoint &a = series.points[i], &b = series.points[i + 1];
        if (!is_finite(a) || !is_finite(b)) continue;
        out += fmt::format("M{} {}L{} {}", px(frame.to_x(a.x)), px(frame.to_y(a.y)), px(frame.to_x(b.x)),
                           px(frame.to_y(b.y)));
      }
      out += "\"/>";
      break;
    default:
      // The first is the best: draw it last, on top.
      for (auto it = points.rbegin(); it != points.rend(); ++it) {
        out += fmt::format("<g>{}<title>{}</title></g>",
                           mark_svg(series.kind, frame.to_x((*it)->x), frame.to_y((*it)->y)), html_escape((*it)->tip));
      }
  }
  const char* role = role_of(series.kind);
  return fmt::format("<g class=\"s {} {}\"{}>{}</g>\n", series.css_class, role,
                     is_line ? fmt::format(" clip-path=\"url(#{})\"", clip) : "", out);
}

/// Whether a guide's label stands above it. Others are named in the legend, where labels cannot meet each other or
/// data.
bool is_labelled_above(const Chart& chart, const ChartGuide& guide) {
  const auto vertical =
      std::count_if(chart.guides.begin(), chart.guides.end(), [](const ChartGuide& other) { return other.vertical; });
  return guide.vertical && vertical == 1;
}

std::string guide_svg(const ChartGuide& guide, const Frame& frame, bool label_above) {
  const double at = guide.vertical ? frame.x.at(guide.value) : frame.y.at(guide.value);
  std::string out;
  const double edge = std::clamp(at, 0.0, 1.0);
  if (guide.forbidden != 0) {
    const double from = guide.forbidden > 0 ? edge : 0, to = guide.forbidden > 0 ? 1 : edge;
    if (to > from) {
      const double width = frame.right - frame.left, height = frame.bottom - frame.top;
      out += guide.vertical
                 ? fmt::format("<rect class=\"forbidden\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                               px(frame.left + from * width), px(frame.top), px((to - from) * width), px(height))
                 : fmt::format("<rect class=\"forbidden\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                               px(frame.left), px(frame.bottom - to * height), px(width), px((to - from) * height));
    }
  }
  if (!(at >= 0 && at <= 1)) return out;
  if (!guide.vertical) {
    return out + fmt::format("<path class=\"guide\" d=\"M{} {}H{}\"/>", px(frame.left), px(frame.to_y(guide.value)),
                             px(frame.right));
  }
  const double x = frame.to_x(guide.value), half = label_width(guide.label) / 2;
  out += fmt::format("<path class=\"guide\" d=\"M{} {}V{}\"/>", px(x), px(frame.top), px(frame.bottom));
  if (label_above) {
    const double middle = std::clamp(x, frame.left + half, std::max(frame.left + half, frame.right - half));
    out += fmt::format("<text class=\"guide-label\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>", px(middle),
                       px(frame.top - 7), html_escape(guide.label));
  }
  return out;
}

struct Box {
  double left, top, right, bottom;
  bool holds(double x, double y) const { return left < x && x < right && top < y && y < bottom; }
  bool meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

/// Where a mark's name may stand: beside it, then ever farther above and below, on both sides.
struct LabelPlace {
  double x, base;  ///< of the label's near end, from the mark
  bool is_left;
};
const std::vector<LabelPlace>& label_places() {
  static const std::vector<LabelPlace> places = [] {
    std::vector<LabelPlace> list;
    for (const double drop : {0.0, 17.0, 32.0, 47.0, 62.0, 77.0, 92.0}) {
      const double side = 9 + 0.4 * drop;
      for (const double sign : {1.0, -1.0}) {
        list.push_back({side, 4 + sign * drop, false});
        list.push_back({-side, 4 - sign * drop, true});
      }
    }
    return list;
  }();
  return places;
}

/// Names beside their marks, each at the first place that is free; one away from its mark is tied to it by a thin line,
/// and one without a place is left to the tip. Dots are covered only where nothing else is free.
std::string point_labels_svg(const Chart& chart, const Frame& frame) {
  struct Mark {
    double x, y, half;
    const std::string* label;
  };
  constexpr double ascent = 10, descent = 4;
  std::vector<Mark> marks;
  std::vector<Box> taken, dots;
  for (const ChartSeries& series : chart.series) {
    if (!is_mark(series.kind) && series.kind != Kind::cloud) continue;
    const double half = series.kind == Kind::cloud ? 2 : series.kind == Kind::stars ? 9 : 5;
    for (const ChartPoint& point : series.points) {
      if (!frame.shows(point)) continue;
      const double x = frame.to_x(point.x), y = frame.to_y(point.y);
      (series.kind == Kind::cloud ? dots : taken).push_back({x - half, y - half, x + half, y + half});
      if (!point.label.empty()) marks.push_back({x, y, half, &point.label});
    }
  }
  std::string out;
  for (const Mark& mark : marks) {
    const double width = 0.9 * label_width(*mark.label);
    struct Placed {
      double x, base;
      Box box;
      double tie_x, tie_y, end_y;  ///< the tie, from a little outside of the mark to (x, end_y)
    };
    const auto placed = [&](const LabelPlace& place) {
      const double x = mark.x + place.x, base = mark.y + place.base, left = x - (place.is_left ? width : 0);
      const double end_y = place.base > 4 ? base - ascent : base + 2;
      const double from = 1.5 * mark.half / std::hypot(x - mark.x, end_y - mark.y);
      return Placed{x,
                    base,
                    {left, base - ascent, left + width, base + descent},
                    mark.x + from * (x - mark.x),
                    mark.y + from * (end_y - mark.y),
                    end_y};
    };
    const auto is_free = [&](const LabelPlace& place, bool of_dots) {
      const Placed at = placed(place);
      const auto meets = [&](const Box& other) {
        if (at.box.meets(other)) return true;
        for (double along = 0; place.base != 4 && along <= 1; along += 0.1) {
          if (other.holds(at.tie_x + along * (at.x - at.tie_x), at.tie_y + along * (at.end_y - at.tie_y))) return true;
        }
        return false;
      };
      const auto covers = [&](const Box& dot) { return at.box.meets(dot); };
      return at.box.left >= frame.left && at.box.right <= frame.right && at.box.top >= frame.top &&
             at.box.bottom <= frame.bottom && std::none_of(taken.begin(), taken.end(), meets) &&
             !(of_dots && std::any_of(dots.begin(), dots.end(), covers));
    };
    const std::vector<LabelPlace>& places = label_places();
    auto place =
        std::find_if(places.begin(), places.end(), [&](const LabelPlace& each) { return is_free(each, true); });
    if (place == places.end()) {
      place = std::find_if(places.begin(), places.end(), [&](const LabelPlace& each) { return is_free(each, false); });
    }
    if (place == places.end()) continue;
    const Placed at = placed(*place);
    taken.push_back(at.box);
    if (place->base != 4) {
      out +=
          fmt::format("<path class=\"tie\" d=\"M{} {}L{} {}\"/>", px(at.tie_x), px(at.tie_y), px(at.x), px(at.end_y));
    }
    out += fmt::format("<text class=\"halo\" text-anchor=\"{}\" x=\"{}\" y=\"{}\">{}</text>\n",
                       place->is_left ? "end" : "start", px(at.x), px(at.base), html_escape(*mark.label));
  }
  return out;
}

std::string axis_title(const ChartAxis& axis, int exponent) {
  const std::string unit = scaled_unit(exponent, axis.unit);
  return html_escape(unit.empty() ? axis.title : fmt::format("{} ({})", axis.title, unit));
}

Frame make_frame(const Chart& chart) {
  std::vector<double> xs, ys;
  for (const ChartSeries& series : chart.series) {
    if (series.kind == Kind::area) continue;
    for (const ChartPoint& point : series.points) {
      if (!is_finite(point)) continue;
      xs.push_back(point.x);
      ys.push_back(point.y);
    }
  }
  for (const ChartGuide& guide : chart.guides) (guide.vertical ? xs : ys).push_back(guide.value);
  Frame frame;
  const auto scale = [](const ChartAxis& axis, const std::vector<double>& values) {
    if (!axis.low || !axis.high || !(*axis.low < *axis.high)) return AxisScale::around(values, axis.linear);
    const bool logarithmic = axis.logarithmic && *axis.low > 0;
    return logarithmic ? AxisScale::logarithmic(*axis.low, *axis.high) : AxisScale::linear(*axis.low, *axis.high);
  };
  if (chart.identity) {
    xs.insert(xs.end(), ys.begin(), ys.end());
    frame.x = frame.y = scale(chart.x, xs);
    return frame;
  }
  frame.x = scale(chart.x, xs);
  frame.y = scale(chart.y, ys);
  return frame;
}

}  // namespace

bool has_points(const Chart& chart) {
  return std::any_of(chart.series.begin(), chart.series.end(), [](const ChartSeries& series) {
    return std::any_of(series.points.begin(), series.points.end(), is_finite);
  });
}

std::string chart_svg(const Chart& chart) {
  Frame frame = make_frame(chart);
  const std::vector<double> x_ticks = frame.x.ticks(chart.width / 90), y_ticks = frame.y.ticks(chart.height / 55);
  const TickLabels x_labels = label_ticks(x_ticks), y_labels = label_ticks(y_ticks);
  double widest = 0;
  for (const std::string& label : y_labels.labels) widest = std::max(widest, label_width(label));
  const bool labelled_above = std::any_of(chart.guides.begin(), chart.guides.end(),
                                          [&](const ChartGuide& guide) { return is_labelled_above(chart, guide); });
  frame.left = widest + 12;
  frame.right = chart.width - 14;
  frame.top = labelled_above ? 46 : 28;
  frame.bottom = chart.height - 46;

  std::string out = fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\"><title>{}</title><desc>{}</desc>\n",
      chart.width, chart.height, html_escape(chart.title), html_escape(chart.title), html_escape(chart.description));
  std::string grid, labels;
  double occupied = -1e9;
  for (std::size_t i = 0; i < x_ticks.size(); ++i) {
    const double x = frame.to_x(x_ticks[i]), half = label_width(x_labels.labels[i]) / 2;
    grid += fmt::format("M{} {}V{}", px(x), px(frame.top), px(frame.bottom));
    if (x - half < occupied + 4 || x + half > chart.width) continue;
    occupied = x + half;
    labels += fmt::format("<text text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>", px(x), px(frame.bottom + 17),
                          x_labels.labels[i]);
  }
  occupied = 1e9;
  for (std::size_t i = 0; i < y_ticks.size(); ++i) {
    const double y = frame.to_y(y_ticks[i]);
    grid += fmt::format("M{} {}H{}", px(frame.left), px(y), px(frame.right));
    if (y + 15 > occupied) continue;
    occupied = y;
    labels += fmt::format("<text text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>", px(frame.left - 7), px(y + 4),
                          y_labels.labels[i]);
  }
  out += fmt::format("<path class=\"grid\" d=\"{}\"/>\n<g class=\"axis\">{}\n", grid, labels);
  out += fmt::format("<text class=\"name\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}{}</text>",
                     px((frame.left + frame.right) / 2), chart.height - 8, axis_title(chart.x, x_labels.exponent),
                     frame.x.logarithmic() ? ", log" : "");
  // The vertical axis is named above it, where a phone needs no tilted head.
  out += fmt::format("<text class=\"name\" x=\"0\" y=\"14\">{}{}</text></g>\n", axis_title(chart.y, y_labels.exponent),
                     frame.y.logarithmic() ? ", log" : "");
  for (const ChartGuide& guide : chart.guides) {
    if (std::isfinite(guide.value)) out += guide_svg(guide, frame, is_labelled_above(chart, guide));
  }
  if (chart.identity) {
    out += fmt::format("<path class=\"identity\" d=\"M{} {}L{} {}\"/>\n", px(frame.left), px(frame.bottom),
                       px(frame.right), px(frame.top));
  }
  const std::string clip = chart.id + "-clip";
  out += fmt::format("<clipPath id=\"{}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\n", clip,
                     px(frame.left), px(frame.top), px(frame.right - frame.left), px(frame.bottom - frame.top));
  for (const ChartSeries& series : chart.series) out += series_svg(series, frame, clip);
  out += point_labels_svg(chart, frame);
  out += fmt::format("<path class=\"frame\" d=\"M{} {}V{}H{}\"/></svg>\n", px(frame.left), px(frame.top),
                     px(frame.bottom), px(frame.right));
  return out;
}

std::vector<LegendItem> legend_items(const Chart& chart) {
  std::vector<LegendItem> items;
  for (const ChartSeries& series : chart.series) {
    const bool any = std::any_of(series.points.begin(), series.points.end(), is_finite);
    if (series.label.empty() || !any) continue;
    std::string swatch, role = role_of(series.kind);
    switch (series.kind) {
      case Kind::cloud:
        swatch = "<path d=\"M6 5h0M13 11h0M18 5h0\"/>";
        role = "cloud solid";
        break;
      case Kind::area:
        swatch = "<path d=\"M1 2H23V14H1z\"/>";
        break;
      case Kind::circles:
      case Kind::diamonds:
      case Kind::stars:
        swatch = mark_svg(series.kind, 12, 8);
        role = "mark";
        break;
      case Kind::steps:
        swatch = "<path d=\"M1 4H12V12H23\"/>";
        break;
      default:
        swatch = "<path d=\"M1 8H23\"/>";
    }
    items.push_back({fmt::format("<g class=\"s {} {}\">{}</g>", series.css_class, role, swatch), series.label});
  }
  for (const ChartGuide& guide : chart.guides) {
    if (is_labelled_above(chart, guide)) continue;
    items.push_back({"<path class=\"guide\" d=\"M1 8H23\"/>", guide.label});
  }
  if (chart.identity) items.push_back({"<path class=\"identity\" d=\"M1 15L23 1\"/>", chart.identity_label});
  return items;
}

std::string chart_legend(const Chart& chart) {
  std::string items;
  for (const LegendItem& item : legend_items(chart)) {
    items += fmt::format("<li><svg viewBox=\"0 0 24 16\" aria-hidden=\"true\">{}</svg>{}</li>", item.swatch,
                         html_escape(item.label));
  }
  return items.empty() ? "" : fmt::format("<ul class=\"legend\">{}</ul>\n", items);
}

std::string chart_figure(const Chart& chart, const std::string& heading, const std::string& caption) {
  return fmt::format("<figure><h3>{}</h3>{}<div class=\"plot\">{}</div><figcaption>{}</figcaption></figure>\n",
                     html_escape(heading), chart_legend(chart), chart_svg(chart), html_escape(caption));
}

std::vector<ChartPoint> thinned_points(std::vector<ChartPoint> points, std::size_t most) {
  if (points.size() <= most) return points;
  const std::size_t every = (points.size() + most - 1) / most;
  std::vector<ChartPoint> kept;
  for (std::size_t i = 0; i < points.size(); i += every) kept.push_back(points[i]);
  if ((points.size() - 1) % every != 0) kept.push_back(points.back());
  return kept;
}

std::string bars_svg(const std::string& title, const std::string& share_heading, const std::string& note_heading,
                     const std::vector<ChartBar>& bars, double reference) {
  constexpr int width = 360, row = 20, top = 24;
  constexpr std::size_t longest_label = 14;
  double label_space = 0, note_space = label_width(note_heading);
  for (const ChartBar& bar : bars) {
    // A marked label is bold.
    label_space = std::max(label_space, (bar.marked ? 1.12 : 1.0) * label_width(shorten(bar.label, longest_label)));
    note_space = std::max(note_space, label_width(bar.note));
  }
  const double left = label_space + 22, share_space = label_width("100 %") + 6;
  const double full = width - note_space - share_space - 4 - left;
  const int height = top + row * static_cast<int>(bars.size()) + 4;
  std::string out = fmt::format(
      "<svg class=\"chart bars\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">"
      "<title>{}</title>\n",
      width, height, html_escape(title), html_escape(title));
  out += fmt::format(
      "<g class=\"axis\"><text x=\"{}\" y=\"14\">{}</text><text text-anchor=\"end\" x=\"{}\" "
      "y=\"14\">{}</text></g>\n",
      px(left), html_escape(share_heading), width, html_escape(note_heading));
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const ChartBar& bar = bars[i];
    const double y = top + row * static_cast<double>(i);
    out += fmt::format("<g class=\"row{}\">", bar.marked ? " marked" : "");
    if (bar.marked) out += fmt::format("<path class=\"pointer\" d=\"M0 {}l7 4.5-7 4.5z\"/>", px(y + 4.5));
    out += fmt::format("<text text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>", px(left - 8), px(y + 13.5),
                       html_escape(shorten(bar.label, longest_label)));
    if (std::isfinite(bar.share)) {
      const double share = std::clamp(bar.share, 0.0, 1.0);
      out += fmt::format(
          "<rect class=\"track\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"12\"/>"
          "<rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"12\"/>"
          "<text text-anchor=\"end\" x=\"{}\" y=\"{}\">{:.0f} %</text>",
          px(left), px(y + 3), px(full), px(left), px(y + 3), px(share * full), px(left + full + share_space),
          px(y + 13.5), 100 * share);
    }
    out += fmt::format("<text class=\"soft\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text></g>\n", width,
                       px(y + 13.5), html_escape(bar.note));
  }
  if (std::isfinite(reference)) {
    out += fmt::format("<path class=\"guide\" d=\"M{} {}V{}\"/>", px(left + std::clamp(reference, 0.0, 1.0) * full),
                       top - 2, height - 2);
  }
  return out + "</svg>\n";
}

}  // namespace corbel
