#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "corbel/report/html.hpp"
#include "corbel/report/plot.hpp"
#include "corbel/report/sections.hpp"
#include "corbel/report/view.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using Align = HtmlTable::Align;
using Kind = ChartSeries::Kind;

/// More cannot be told apart, and would make the page large.
constexpr std::size_t most_dots = 3000, most_vertices = 400, most_marks = 200, shown_rows = 20;

/// The section, read once.
struct TradeOffs {
  explicit TradeOffs(const ReportView& all) : view(all), section(member(all.results, "pareto")) {
    for (const json& name : items_of(member(section, "metrics"))) metrics.push_back(text_of(name));
    const json& given = items_of(member(section, "directions"));
    for (std::size_t k = 0; k < metrics.size(); ++k)
      directions.push_back(k < given.size() ? direction_from(text_of(given[k])) : Direction::minimise);
    is_predicted = text_of(member(section, "basis")) == "predicted";
  }

  std::string label(std::size_t k) const { return view.metric_label(metrics[k]); }
  std::string value_text(std::size_t k, double value) const {
    return std::isfinite(value) ? view.metric_text(metrics[k], value) : "–";
  }

  const ReportView& view;
  const json& section;
  std::vector<std::string> metrics;
  std::vector<Direction> directions;  // of these
  bool is_predicted;
};

std::string tip_of(const TradeOffs& trade, const json& design) {
  std::string tip;
  for (std::size_t k = 0; k < trade.metrics.size(); ++k) {
    tip += fmt::format("{}{} {}", k == 0 ? "" : "\n", trade.label(k),
                       trade.value_text(k, element_of(member(design, "objectives"), k)));
  }
  for (const ReportParameter& parameter : trade.view.parameters) {
    tip += fmt::format("\n{} {}", parameter.name, trade.view.design_value(parameter, member(design, "design")));
  }
  return tip;
}

/// Of these points, those that no other beats in both, by x.
std::vector<ChartPoint> best_of_both(std::vector<ChartPoint> points, Direction x, Direction y) {
  std::erase_if(points, [](const ChartPoint& point) { return !std::isfinite(point.x) || !std::isfinite(point.y); });
  std::sort(points.begin(), points.end(), [x, y](const ChartPoint& a, const ChartPoint& b) {
    return std::pair(cost_of(x, a.x), cost_of(y, a.y)) < std::pair(cost_of(x, b.x), cost_of(y, b.y));
  });
  std::vector<ChartPoint> kept;
  for (ChartPoint& point : points) {
    if (kept.empty() || is_better(y, point.y, kept.back().y)) kept.push_back({point.x, point.y, ""});
  }
  // Where x is maximised the best x came first.
  std::sort(kept.begin(), kept.end(), [](const ChartPoint& a, const ChartPoint& b) { return a.x < b.x; });
  return kept;
}

std::string better_text(const TradeOffs& trade, std::size_t y, std::size_t x) {
  const auto way = [&](std::size_t k) { return trade.directions[k] == Direction::maximise ? "higher" : "lower"; };
  if (trade.directions[x] != trade.directions[y])
    return fmt::format("Better is {} {} and {} {}.", way(y), trade.label(y), way(x), trade.label(x));
  return trade.directions[x] == Direction::maximise ? "Higher is better." : "Lower is better.";
}

std::string pair_figure(const TradeOffs& trade, std::size_t y, std::size_t x) {
  Chart chart;
  chart.id = fmt::format("trade-off-{}-{}", y, x);
  chart.title = fmt::format("{} against {} of the Pareto front and of all designs within the limits", trade.label(y),
                            trade.label(x));
  const std::string better = better_text(trade, y, x);
  chart.description = better + " Each dot is a design within the limits; marks are those of the front.";
  for (auto [axis, metric] : {std::pair(&chart.x, x), std::pair(&chart.y, y)}) {
    axis->title = trade.label(metric);
    axis->unit = pretty_unit(trade.view.metric_unit(trade.metrics[metric]));
    for (const SimpleLimit& limit : limits_on(trade.view, trade.metrics[metric]))
      chart.guides.push_back({metric == x, limit.value, limit.text, limit.is_upper ? 1 : -1});
  }
  ChartSeries cloud{Kind::cloud, "logged", "within the limits", {}};
  for (const json& row : items_of(member(trade.section, "designs")))
    cloud.points.push_back({element_of(row, x), element_of(row, y), ""});
  ChartSeries front{trade.is_predicted ? Kind::diamonds : Kind::circles,
                    trade.is_predicted ? "predicted" : "true",
                    trade.is_predicted ? "Pareto front, predicted" : "Pareto front",
                    {}};
  for (const json& design : items_of(member(trade.section, "front"))) {
    const json& objectives = member(design, "objectives");
    front.points.push_back({element_of(objectives, x), element_of(objectives, y), tip_of(trade, design)});
  }
  const bool is_projection = trade.metrics.size() > 2;
  ChartSeries steps{Kind::steps, "pareto", is_projection ? "front of these two alone" : "", {}};
  steps.points = thinned_points(best_of_both(front.points, trade.directions[x], trade.directions[y]), most_vertices);
  cloud.points = thinned_points(std::move(cloud.points), most_dots);
  front.points = thinned_points(std::move(front.points), most_marks);
  chart.series = {std::move(cloud), std::move(steps), std::move(front)};
  if (!has_points(chart)) return "";
  std::string heading = fmt::format("{} against {}", trade.label(y), trade.label(x));
  if (!heading.empty() && heading[0] >= 'a' && heading[0] <= 'z')
    heading[0] = static_cast<char>(heading[0] - 'a' + 'A');
  return chart_figure(chart, heading,
                      is_projection ? better + " A mark off the line is in the front by the third metric." : better);
}

std::string history_figure(const TradeOffs& trade) {
  Chart chart;
  chart.id = "hypervolume";
  chart.title = "Hypervolume of the front over the queries";
  chart.description = "Steps up where the search found designs that no earlier one dominates.";
  chart.x.title = trade.is_predicted ? "designs scored" : "queries";
  chart.y.title = "share of the final hypervolume";
  chart.y.linear = true;
  const auto final_volume = number_of(member(trade.section, "hypervolume"));
  if (!final_volume || *final_volume <= 0) return "";
  ChartSeries history{Kind::steps, "true", "hypervolume of the front", {}};
  for (const json& row : items_of(member(trade.section, "history")))
    history.points.push_back({element_of(row, 0), element_of(row, 1) / *final_volume, ""});
  const auto queries = number_of(member(trade.section, "queries"));
  if (queries && !history.points.empty() && *queries > history.points.back().x)
    history.points.push_back({*queries, history.points.back().y, ""});
  history.points = thinned_points(std::move(history.points), most_vertices);
  chart.series = {std::move(history)};
  if (!has_points(chart)) return "";
  return chart_figure(chart, "Hypervolume so far", "The volume that the front dominates, up to the reference point.");
}

std::string counts_text(const TradeOffs& trade) {
  const std::string strategy = text_of(member(trade.section, "strategy"));
  std::string text = "Method: " + html_escape(text_of(member(trade.section, "method")));
  if (!strategy.empty()) text += " by " + html_escape(strategy);
  const auto add = [&](const char* key, const char* words) {
    if (const auto value = number_of(member(trade.section, key))) {
      text += fmt::format("; {} {}", count_text(*value), words);
    }
  };
  add("queries", trade.is_predicted ? "designs scored on the surrogate" : "queries of the simulator");
  add("within_limits", "within every limit");
  if (const auto failed = number_of(member(trade.section, "failed")); failed && *failed > 0) {
    add("failed", "set aside since their runs failed");
  }
  text += fmt::format("; {} in the front.",
                      count_text(static_cast<double>(items_of(member(trade.section, "front")).size())));
  if (is_true(member(trade.section, "exhaustive"))) text += " Every admitted design was queried: the front is exact.";
  if (trade.is_predicted) text += " <b>Predicted, not simulated.</b>";
  return fmt::format("<p class=\"soft\">{}</p>\n", text);
}

std::string volume_text(const TradeOffs& trade) {
  const auto volume = number_of(member(trade.section, "hypervolume"));
  const json& point = items_of(member(trade.section, "reference"));
  if (!volume || point.empty()) return "";
  std::string at, unit;
  for (std::size_t k = 0; k < trade.metrics.size(); ++k) {
    at += fmt::format("{}{} {}", k == 0 ? "" : ", ", html_escape(trade.label(k)),
                      html_escape(trade.value_text(k, element_of(point, k))));
    unit += (k == 0 ? "" : "·") + pretty_unit(trade.view.metric_unit(trade.metrics[k]));
  }
  const bool is_given = text_of(member(trade.section, "reference_source")) == "given";
  return fmt::format(
      "<p>Hypervolume <b>{}</b>, up to the reference point {} ({}). Only hypervolumes up to the same point can be "
      "compared.</p>\n",
      html_escape(measured_with_unit(*volume, unit)), at,
      is_given ? "as given" : "the worst of the designs found within the limits");
}

std::string front_table(const TradeOffs& trade, const json& front) {
  std::vector<HtmlTable::Column> columns;
  for (std::size_t k = 0; k < trade.metrics.size(); ++k)
    columns.push_back({html_escape(trade.label(k)), Align::number});
  columns.push_back({"design"});
  HtmlTable table(columns);
  const std::size_t rows = std::min(front.size(), shown_rows);
  for (std::size_t row = 0; row < rows; ++row) {
    // Both ends, and evenly between them.
    const json& design = front[rows < 2 ? 0 : row * (front.size() - 1) / (rows - 1)];
    std::vector<std::string> cells;
    for (std::size_t k = 0; k < trade.metrics.size(); ++k) {
      cells.push_back(html_escape(trade.value_text(k, element_of(member(design, "objectives"), k))));
    }
    std::string values;
    for (const ReportParameter& parameter : trade.view.parameters) {
      values += fmt::format("{}{} {}", values.empty() ? "" : " · ", html_escape(parameter.name),
                            html_escape(trade.view.short_design_value(parameter, member(design, "design"))));
    }
    cells.push_back(values);
    table.row(cells);
  }
  std::string out = table.html();
  if (rows < front.size()) {
    out += fmt::format("<p class=\"soft\">{} of {} rows, evenly spaced; all are in results.json.</p>\n", rows,
                       front.size());
  }
  return out;
}

}  // namespace

std::string trade_off_section(const ReportView& view) {
  const TradeOffs trade(view);
  if (trade.metrics.size() < 2) return "";
  std::string out = "<section><h2>Trade-offs</h2>\n" + counts_text(trade);
  const json& front = items_of(member(trade.section, "front"));
  if (front.empty()) return out + "<p>No design was found within every limit.</p>\n</section>\n";
  std::string figures;
  for (std::size_t y = 0; y < trade.metrics.size(); ++y)
    for (std::size_t x = y + 1; x < trade.metrics.size(); ++x) figures += pair_figure(trade, y, x);
  figures += history_figure(trade);
  if (!figures.empty()) out += fmt::format("<div class=\"plots\">{}</div>\n", figures);
  return out + volume_text(trade) + front_table(trade, front) + "</section>\n";
}

}  // namespace corbel
