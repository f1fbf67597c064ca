#include "corbel/report/experiment_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "corbel/report/html.hpp"
#include "corbel/report/plot.hpp"
#include "corbel/report/view.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using Kind = ChartSeries::Kind;

/// Colours of the style; further methods begin again.
constexpr std::size_t method_colours = 8;

std::string colour(std::size_t method) {
  return "method" + std::to_string(method % method_colours);
}

std::vector<ChartPoint> points_of(const ExperimentView& view, const json& curve, std::size_t column) {
  std::vector<ChartPoint> points;
  for (const json& row : items_of(member(curve, "points"))) {
    const double x = element_of(row, 0), y = view.shown(element_of(row, column));
    if (std::isfinite(x) && std::isfinite(y)) points.push_back({x, y, ""});
  }
  return points;
}

/// What all charts of a group have in common.
class Axes {
 public:
  Axes(const ExperimentView& view, const CurveGroup& group) : view_(view), group_(group) {
    for (const json* curve : group.curves) {
      for (const ChartPoint& point : points_of(view, *curve, 1)) {
        low_ = std::min(low_, point.y);
        high_ = std::max(high_, point.y);
      }
    }
    // A line on the frame would hardly be seen.
    if (low_ > 0) low_ /= 1.02;
  }

  void set(Chart& chart) const {
    chart.x.title = group_.x_title;
    chart.y.title = group_.y_title + (view_.is_relative() ? view_.ratio_title() : ", " + view_.metric);
    if (!view_.is_relative()) chart.y.unit = pretty_unit(view_.unit);
    if (!(low_ < high_)) return;
    chart.y.low = low_;
    chart.y.high = high_;
    chart.y.logarithmic = low_ > 0;
  }

 private:
  const ExperimentView& view_;
  const CurveGroup& group_;
  double low_ = std::numeric_limits<double>::infinity(), high_ = -std::numeric_limits<double>::infinity();
};

Chart comparison_chart(const ExperimentView& view, const CurveGroup& group, const Axes& axes) {
  Chart chart;
  chart.id = group.id + "comparison";
  chart.width = 1120;
  chart.height = 460;
  chart.title = group.title;
  chart.description = group.caption;
  axes.set(chart);
  std::size_t index = 0;
  for (const json* curve : group.curves) {
    ChartSeries line{Kind::steps, colour(index), text_of(member(*curve, "method")), points_of(view, *curve, 1)};
    ChartSeries end{Kind::circles, colour(index), "", {}};
    if (!line.points.empty()) {
      end.points = {line.points.back()};
      end.points[0].tip = fmt::format("{}\n{:.5g} after {} {}", line.label, end.points[0].y,
                                      count_text(end.points[0].x), group.x_words);
    }
    chart.series.push_back(std::move(line));
    chart.series.push_back(std::move(end));
    ++index;
  }
  return chart;
}

Chart method_chart(const ExperimentView& view, const CurveGroup& group, const Axes& axes, std::size_t chosen) {
  Chart chart;
  chart.id = fmt::format("{}method-{}", group.id, chosen);
  chart.width = 380;
  chart.height = 240;
  chart.description = fmt::format("The median run, and {}; the other methods faint.", group.band);
  axes.set(chart);
  const std::vector<ChartPoint> lower = points_of(view, *group.curves[chosen], 2),
                                upper = points_of(view, *group.curves[chosen], 3);
  ChartSeries band{Kind::area, colour(chosen), "", {}};
  // Corners of the steps, along the upper bound and back along the lower.
  const auto corner = [&](double x, double y) { band.points.push_back({x, y, ""}); };
  for (std::size_t i = 0; i < upper.size(); ++i) {
    if (i > 0) corner(upper[i].x, upper[i - 1].y);
    corner(upper[i].x, upper[i].y);
  }
  for (std::size_t i = lower.size(); i-- > 0 && !upper.empty();) {
    if (lower[i].x < upper.front().x) break;
    corner(lower[i].x, lower[i].y);
    if (i > 0 && lower[i - 1].x >= upper.front().x) corner(lower[i].x, lower[i - 1].y);
  }
  chart.series.push_back(std::move(band));
  for (std::size_t i = 0; i < group.curves.size(); ++i) {
    if (i != chosen) chart.series.push_back({Kind::steps, "other", "", points_of(view, *group.curves[i], 1)});
  }
  chart.series.push_back({Kind::steps, colour(chosen), "", points_of(view, *group.curves[chosen], 1)});
  return chart;
}

}  // namespace

ExperimentView::ExperimentView(const json& experiment) : all(experiment) {
  const json& objective = member(all, "question", "objective");
  metric = text_of(member(objective, "metric"));
  unit = text_of(member(objective, "unit"));
  direction = direction_from(text_of(member(objective, "direction")));
  const auto value = number_of(member(all, "optimum", "value"));
  if (value && *value > 0) scale_ = *value;
  basis_ = text_of(member(all, "optimum", "basis"));
  optimum_ = value ? measured_with_unit(*value, unit) : "not known";
}

std::string ExperimentView::text(const json& value) const {
  const auto number = number_of(value);
  if (!number) return "–";
  return is_relative() ? fmt::format("{:.4f}", shown(*number)) : html_escape(measured_with_unit(*number, unit));
}

std::pair<std::string, std::string> ExperimentView::ends(std::string low, std::string high) const {
  if (direction == Direction::maximise) std::swap(low, high);
  return {std::move(low), std::move(high)};
}

std::string ExperimentView::better_text() const {
  return is_relative() || direction == Direction::minimise ? "Lower is better" : "Higher is better";
}

std::string ExperimentView::ratio_title() const {
  return direction == Direction::maximise ? ", optimum over it" : " over the optimum";
}

std::string ExperimentView::basis_text() const {
  const char* relative =
      direction == Direction::maximise ? ", by how many times it is below the optimum" : ", over the optimum";
  return fmt::format("{} of {} ({})", is_relative() ? relative : "; the optimum is", html_escape(optimum_),
                     html_escape(basis_));
}

std::string curves_html(const ExperimentView& view, const CurveGroup& group) {
  const Axes axes(view, group);
  const Chart comparison = comparison_chart(view, group, axes);
  if (!has_points(comparison)) return "";
  std::string panels;
  for (std::size_t i = 0; i < group.curves.size(); ++i) {
    const Chart chart = method_chart(view, group, axes, i);
    if (!has_points(chart)) continue;
    panels += fmt::format("<figure><h4>{}</h4>{}</figure>", html_escape(text_of(member(*group.curves[i], "method"))),
                          chart_svg(chart));
  }
  return fmt::format(
      "{}<div class=\"block\"><h3>Each method before the others</h3><p class=\"soft\">The median run, and {}. All "
      "panels "
      "have the same axes.</p><div class=\"panels\">{}</div></div>",
      chart_figure(comparison, "", group.caption), group.band, panels);
}

}  // namespace corbel
