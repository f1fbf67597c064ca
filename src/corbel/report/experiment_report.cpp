#include "corbel/report/experiment_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "corbel/report/html.hpp"
#include "corbel/report/page.hpp"
#include "corbel/report/plot.hpp"
#include "corbel/report/view.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using Kind = ChartSeries::Kind;

/// Colours of the style; further methods begin again.
constexpr std::size_t method_colours = 8;

/// How an experiment's numbers are told: over the optimum where there is one above 0, else as they are.
class ExperimentView {
 public:
  explicit ExperimentView(const json& experiment) : all(experiment) {
    const json& objective = member(all, "question", "objective");
    metric = text_of(member(objective, "metric"));
    unit = text_of(member(objective, "unit"));
    const auto value = number_of(member(all, "optimum", "value"));
    if (value && *value > 0) scale_ = *value;
    basis = text_of(member(all, "optimum", "basis"));
    optimum = value ? measured_with_unit(*value, unit) : "not known";
  }

  bool is_relative() const { return scale_ > 0; }
  double shown(double value) const { return is_relative() ? value / scale_ : value; }
  std::string text(const json& value) const {
    const auto number = number_of(value);
    if (!number) return "–";
    return is_relative() ? fmt::format("{:.4f}", shown(*number)) : html_escape(measured_with_unit(*number, unit));
  }
  std::string axis() const { return is_relative() ? "best so far over the optimum" : "best so far, " + metric; }

  const json& all;
  std::string metric, unit, basis, optimum;

 private:
  double scale_ = 0;
};

std::string colour(std::size_t method) {
  return "method" + std::to_string(method % method_colours);
}

std::vector<ChartPoint> curve_points(const ExperimentView& view, const json& curve, std::size_t column) {
  std::vector<ChartPoint> points;
  for (const json& row : items_of(member(curve, "points"))) {
    const double x = element_of(row, 0), y = view.shown(element_of(row, column));
    if (std::isfinite(x) && std::isfinite(y)) points.push_back({x, y, ""});
  }
  return points;
}

/// What all charts of the page have in common.
struct Axes {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();

  explicit Axes(const ExperimentView& view) {
    for (const json& curve : items_of(member(view.all, "curves"))) {
      for (const ChartPoint& point : curve_points(view, curve, 1)) {
        low = std::min(low, point.y);
        high = std::max(high, point.y);
      }
    }
    // A line on the frame would hardly be seen.
    if (low > 0) low /= 1.02;
  }

  void set(Chart& chart, const ExperimentView& view) const {
    chart.x.title = "queries";
    chart.y.title = view.axis();
    if (!view.is_relative()) chart.y.unit = pretty_unit(view.unit);
    if (!(low < high)) return;
    chart.y.low = low;
    chart.y.high = high;
    chart.y.logarithmic = low > 0;
  }
};

Chart comparison_chart(const ExperimentView& view, const Axes& axes) {
  Chart chart;
  chart.id = "comparison";
  chart.width = 1120;
  chart.height = 460;
  chart.title = "Best so far over the queries, median of the runs, for each method";
  chart.description = "Lower is better; a line begins where half of the runs have found a design within the limits.";
  axes.set(chart, view);
  std::size_t index = 0;
  for (const json& curve : items_of(member(view.all, "curves"))) {
    ChartSeries line{Kind::steps, colour(index), text_of(member(curve, "method")), curve_points(view, curve, 1)};
    ChartSeries end{Kind::circles, colour(index), "", {}};
    if (!line.points.empty()) {
      end.points = {line.points.back()};
      end.points[0].tip =
          fmt::format("{}\n{:.5g} after {} queries", line.label, end.points[0].y, count_text(end.points[0].x));
    }
    chart.series.push_back(std::move(line));
    chart.series.push_back(std::move(end));
    ++index;
  }
  return chart;
}

/// One method before the others: its median, and the middle half of its runs.
Chart method_chart(const ExperimentView& view, const Axes& axes, std::size_t chosen) {
  Chart chart;
  const json& curves = items_of(member(view.all, "curves"));
  chart.id = fmt::format("method-{}", chosen);
  chart.width = 380;
  chart.height = 240;
  chart.description = "The median run, and the band between the quarters of the runs; the other methods faint.";
  axes.set(chart, view);
  const std::vector<ChartPoint> lower = curve_points(view, curves[chosen], 2),
                                upper = curve_points(view, curves[chosen], 3);
  ChartSeries band{Kind::area, colour(chosen), "", {}};
  // Corners of the steps, along the upper quarter and back along the lower.
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
  for (std::size_t i = 0; i < curves.size(); ++i) {
    if (i != chosen) chart.series.push_back({Kind::steps, "other", "", curve_points(view, curves[i], 1)});
  }
  chart.series.push_back({Kind::steps, colour(chosen), "", curve_points(view, curves[chosen], 1)});
  return chart;
}

std::string curves_section(const ExperimentView& view) {
  const Axes axes(view);
  const Chart comparison = comparison_chart(view, axes);
  if (!has_points(comparison)) {
    return "<section><h2>Best so far</h2><p>No run found a design within the limits.</p></section>\n";
  }
  std::string panels;
  std::size_t index = 0;
  for (const json& curve : items_of(member(view.all, "curves"))) {
    const Chart chart = method_chart(view, axes, index++);
    if (!has_points(chart)) continue;
    panels +=
        fmt::format("<figure><h4>{}</h4>{}</figure>", html_escape(text_of(member(curve, "method"))), chart_svg(chart));
  }
  return fmt::format(
      "<section><h2>Best so far</h2>{}<div class=\"block\"><h3>Each method before the others</h3>"
      "<p class=\"soft\">The median run, and the band that the middle half of the runs lies in. All "
      "panels have the same axes.</p><div class=\"panels\">{}</div></div></section>\n",
      chart_figure(comparison, "",
                   "The median of the runs. Lower is better; a line begins where half "
                   "of the runs have found a design within the limits."),
      panels);
}

std::string results_section(const ExperimentView& view) {
  using Align = HtmlTable::Align;
  HtmlTable table({{"method"},
                   {"queries", Align::number},
                   {"median", Align::number},
                   {"quarter to three quarters", Align::number},
                   {"best run", Align::number},
                   {"worst run", Align::number},
                   {"at the optimum", Align::number},
                   {"queries until then, median", Align::number},
                   {"time of a run", Align::number},
                   {"strategy, per query", Align::number}});
  const json& rows = items_of(member(view.all, "results"));
  double last_budget = 0;
  // By budget, the best median first: what a reader compares.
  std::vector<const json*> order;
  for (const json& row : rows) order.push_back(&row);
  const auto rank = [](const json& row) {
    const auto best = number_of(member(row, "best_median"));
    return std::pair(number_of(member(row, "budget")).value_or(0),
                     best.value_or(std::numeric_limits<double>::infinity()));
  };
  std::stable_sort(order.begin(), order.end(), [&](const json* a, const json* b) { return rank(*a) < rank(*b); });
  for (const json* row : order) {
    const double budget = number_of(member(*row, "budget")).value_or(0);
    const auto seconds = number_of(member(*row, "seconds")), own = number_of(member(*row, "strategy_seconds"));
    const auto queries = number_of(member(*row, "queries_median")),
               until = number_of(member(*row, "queries_to_optimum_median"));
    const bool has_share = own && queries && *queries > 0;
    table.row({html_escape(text_of(member(*row, "method"))), count_text(budget), view.text(member(*row, "best_median")),
               fmt::format("{} to {}", view.text(member(*row, "best_q25")), view.text(member(*row, "best_q75"))),
               view.text(member(*row, "best_min")), view.text(member(*row, "best_max")),
               fmt::format("{} of {}", html_escape(text_of(member(*row, "exact"))),
                           html_escape(text_of(member(*row, "seeds")))),
               until ? count_text(*until) : "–", seconds ? html_escape(seconds_text(*seconds)) : "–",
               has_share ? fmt::format("{:.3g} ms", 1000 * *own / *queries) : "–"},
              last_budget != 0 && budget != last_budget ? "rule" : "");
    last_budget = budget;
  }
  return fmt::format("<section><h2>What each method found</h2><p>{}</p><div class=\"scroll\">{}</div></section>\n",
                     view.is_relative()
                         ? fmt::format("Best {} within the limits, over the optimum of {} ({}).",
                                       html_escape(view.metric), html_escape(view.optimum), html_escape(view.basis))
                         : fmt::format("Best {} within the limits; the optimum is {} ({}).", html_escape(view.metric),
                                       html_escape(view.optimum), html_escape(view.basis)),
                     table.html());
}

std::string conditions_section(const ExperimentView& view) {
  const json& question = member(view.all, "question");
  const auto count = [](const json& node) {
    const auto value = number_of(node);
    return value ? count_text(*value) : std::string("–");
  };
  std::string out = "<section><h2>How it was made</h2><dl>";
  const auto add = [&](const char* name, const std::string& text) {
    out += fmt::format("<dt>{}</dt><dd>{}</dd>", name, html_escape(text));
  };
  add("searched", fmt::format("{} ({}), {} designs of {} parameters", text_of(member(question, "name")),
                              text_of(member(question, "source")), count(member(question, "designs")),
                              count(member(question, "parameters"))));
  add("runs", fmt::format("{} of each method, seeds from {}", count(member(view.all, "seeds")),
                          count(member(view.all, "first_seed"))));
  add("asked for at a time", count(member(view.all, "batch")) + " designs");
  const json& queries = member(view.all, "queries");
  add("queries in all",
      fmt::format("{}, of which {} gave a design within the limits and {} failed", count(member(queries, "all")),
                  count(member(queries, "within_limits")), count(member(queries, "failed"))));
  add("what counts",
      "Every design a method asked for is a query, infeasible and failed ones too. All methods have the "
      "same number of them, and see nothing of a design before they ask for it.");
  return out + "</dl></section>\n";
}

}  // namespace

std::string experiment_report(const json& experiment) {
  const ExperimentView view(experiment);
  std::string limits;
  for (const json& constraint : items_of(member(experiment, "question", "constraints"))) {
    limits += fmt::format("{}<code>{}</code>", limits.empty() ? ", under " : " and ", html_escape(text_of(constraint)));
  }
  std::string name = text_of(member(experiment, "question", "name"));
  if (name.empty()) name = "experiment";
  return html_page({name, "Corbel experiment: search methods compared",
                    fmt::format("Least {}{}", html_escape(view.metric), limits),
                    results_section(view) + curves_section(view) + conditions_section(view),
                    fmt::format("Made by Corbel {} from experiment.json. This file needs no network.",
                                html_escape(text_of(member(experiment, "corbel"))))});
}

}  // namespace corbel
