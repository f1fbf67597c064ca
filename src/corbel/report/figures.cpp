#include "corbel/report/figures.hpp"

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

/// More cannot be told apart, and would make the page large.
constexpr std::size_t most_dots = 3000, most_vertices = 400, most_marks = 64;

ChartAxis objective_axis(const ReportView& view, const std::string& qualifier = "") {
  ChartAxis axis;
  axis.title = qualifier + view.metric_label(view.objective);
  axis.unit = pretty_unit(view.metric_unit(view.objective));
  return axis;
}

std::string proposal_tip(const ReportView& view, const json& proposal, std::string_view x_metric, double x) {
  const std::string rank = text_of(member(proposal, "rank"));
  std::string tip = rank.empty() ? "" : fmt::format("#{}\n", rank);
  tip += fmt::format("predicted {}", view.objective_text(number_of(member(proposal, "predicted"))));
  if (const auto value = view.true_objective(proposal)) tip += fmt::format("\ntrue {}", view.objective_text(value));
  if (std::isfinite(x) && !x_metric.empty()) {
    tip += fmt::format("\n{} {}", view.metric_label(x_metric), view.metric_text(x_metric, x));
  }
  for (const ReportParameter& parameter : view.parameters) {
    tip += fmt::format("\n{} {}", parameter.name, view.design_value(parameter, member(proposal, "design")));
  }
  return tip;
}

/// A metric of a proposal: exact where known, else predicted.
double metric_of(const json& proposal, const std::string& metric) {
  for (const json* source : {&member(proposal, "simulated", "metrics"), &member(proposal, "metrics"),
                             &member(proposal, "predicted_metrics")}) {
    if (const auto value = number_of(member(*source, metric))) return *value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

void add_limits(Chart& chart, const ReportView& view, const std::string& metric, bool vertical) {
  for (const SimpleLimit& limit : limits_on(view, metric)) {
    chart.guides.push_back({vertical, limit.value, limit.text, limit.is_upper ? 1 : -1});
  }
}

/// What both views of objective against the other axis share.
Chart objective_chart(const ReportView& view, const std::string& x_metric) {
  const json& plots = member(view.results, "plots");
  Chart chart;
  chart.y = objective_axis(view);
  chart.x.title = view.metric_label(x_metric);
  chart.x.unit = pretty_unit(view.metric_unit(x_metric));
  add_limits(chart, view, x_metric, true);
  add_limits(chart, view, view.objective, false);

  ChartSeries within{Kind::cloud, "logged", "logged, inside the limits", {}};
  ChartSeries over{Kind::cloud, "over", "logged, over a limit", {}};
  for (const json& row : items_of(member(plots, "logged"))) {
    (element_of(row, 2) == 0 ? over : within).points.push_back({element_of(row, 1), element_of(row, 0), ""});
  }
  ChartSeries pareto{Kind::steps, "pareto", "Pareto front of the log", {}};
  for (const json& row : items_of(member(plots, "pareto"))) {
    const ChartPoint point{element_of(row, 1), element_of(row, 0), ""};
    if (std::isfinite(point.x) && std::isfinite(point.y)) pareto.points.push_back(point);
  }
  std::sort(pareto.points.begin(), pareto.points.end(),
            [](const ChartPoint& a, const ChartPoint& b) { return a.x < b.x; });

  ChartSeries links{Kind::links, "link", "", {}};
  ChartSeries predicted{Kind::diamonds, "predicted", "proposals, predicted", {}};
  ChartSeries simulated{Kind::circles, "true", "proposals, true", {}};
  ChartSeries chosen{Kind::stars, "chosen", "", {}};
  for (const json& proposal : items_of(member(view.results, "proposals"))) {
    if (predicted.points.size() >= most_marks) break;
    const double x = metric_of(proposal, x_metric);
    const double guess = coordinate_of(member(proposal, "predicted"));
    const std::string tip = proposal_tip(view, proposal, x_metric, x);
    predicted.points.push_back({x, guess, tip});
    if (const auto value = view.true_objective(proposal)) {
      simulated.points.push_back({x, *value, tip});
      links.points.push_back({x, guess, ""});
      links.points.push_back({x, *value, ""});
    }
  }
  if (const auto value = view.best_objective()) {
    const double own = metric_of(view.best, x_metric);
    const double x = std::isfinite(own) ? own : metric_of(view.best_proposal, x_metric);
    const bool is_true_value = number_of(member(view.best, "objective")).has_value();
    chosen.label = is_true_value ? "chosen design, true" : "chosen design, predicted";
    const json& described = view.best_proposal.is_null() ? view.best : view.best_proposal;
    chosen.points.push_back({x, *value, "chosen design\n" + proposal_tip(view, described, x_metric, x)});
  }
  over.points = thinned_points(std::move(over.points), most_dots);
  within.points = thinned_points(std::move(within.points), most_dots);
  pareto.points = thinned_points(std::move(pareto.points), most_vertices);
  chart.series = {std::move(over),      std::move(within),    std::move(pareto), std::move(links),
                  std::move(predicted), std::move(simulated), std::move(chosen)};
  return chart;
}

std::string capitalised(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

/// The part of an axis that holds the values, with room around them.
void zoom(ChartAxis& axis, const std::vector<double>& values) {
  if (values.empty()) return;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double room = *high > *low ? 0.3 * (*high - *low) : 0.05 * std::abs(*low);
  axis.low = *low >= 0 ? std::max(0.0, *low - room) : *low - room;
  axis.high = *high + room;
}

}  // namespace

std::string objective_figures(const ReportView& view) {
  const std::string x_metric = text_of(member(view.results, "plots", "x"));
  if (x_metric.empty()) return "";
  Chart chart = objective_chart(view, x_metric);
  if (!has_points(chart)) return "";
  chart.id = "objective";
  chart.title = fmt::format("{} against {} of the logged designs and the proposals", chart.y.title, chart.x.title);
  const std::string better = view.direction == Direction::maximise
                                 ? fmt::format("Higher is better for {}, lower for {}.", chart.y.title, chart.x.title)
                                 : std::string(view.better_text());
  chart.description = better +
                      " Each dot is a logged feasible design; the line joins those that no other logged design beats "
                      "in both.";
  const std::string shaded = chart.guides.empty() ? "" : " Shaded: outside a limit of the study.";
  std::string out =
      chart_figure(chart, capitalised(fmt::format("{} against {}", chart.y.title, chart.x.title)), better + shaded);

  std::vector<double> xs, ys;
  for (const ChartSeries& series : chart.series) {
    const bool is_proposal =
        series.kind == Kind::diamonds || series.kind == Kind::circles || series.kind == Kind::stars;
    for (const ChartPoint& point : series.points) {
      if (!is_proposal || !std::isfinite(point.x) || !std::isfinite(point.y)) continue;
      xs.push_back(point.x);
      ys.push_back(point.y);
    }
  }
  if (xs.size() < 2) return out;
  if (const auto logged = number_of(member(view.results, "dataset", "best_logged", "objective"))) ys.push_back(*logged);
  zoom(chart.x, xs);
  zoom(chart.y, ys);
  chart.id = "objective-near";
  chart.title += ", near the proposals";
  for (ChartSeries& series : chart.series) {
    const bool is_shown_before = series.kind == Kind::cloud || series.kind == Kind::steps;
    if (is_shown_before) series.label.clear();
  }
  const bool has_links = !chart.series[3].points.empty();
  return out + chart_figure(chart, "The same, near the proposals",
                            has_links ? "Thin links join a proposal’s prediction to its true value."
                                      : "Predictions only: nothing was simulated.");
}

ChartSeries best_so_far(std::string label, const json& history, double end) {
  ChartSeries series{Kind::steps, "true", std::move(label), {}};
  for (const json& row : items_of(history)) series.points.push_back({element_of(row, 0), element_of(row, 1), ""});
  if (!series.points.empty() && end > series.points.back().x) {
    series.points.push_back({end, series.points.back().y, ""});
  }
  series.points = thinned_points(std::move(series.points), most_vertices);
  return series;
}

std::string prediction_figure(const ReportView& view) {
  Chart chart;
  chart.id = "prediction";
  chart.identity = true;
  chart.x = objective_axis(view, "true ");
  chart.y = objective_axis(view, "predicted ");
  chart.title = "Predicted against true objective";
  chart.description =
      fmt::format("Points on the diagonal are predicted exactly; {} it the prediction promises too much.",
                  view.direction == Direction::maximise ? "above" : "below");
  ChartSeries withheld{Kind::cloud, "withheld", "logged, withheld from training", {}};
  std::vector<double> errors;
  for (const json& row : items_of(member(view.results, "training", "withheld"))) {
    const double truth = coordinate_of(member(row, "true")), guess = coordinate_of(member(row, "predicted"));
    withheld.points.push_back({truth, guess, ""});
    if (std::isfinite(truth) && std::isfinite(guess) && truth != 0) errors.push_back(std::abs(guess / truth - 1));
  }
  withheld.points = thinned_points(std::move(withheld.points), most_dots);
  ChartSeries validated{Kind::diamonds, "predicted", "proposals, simulated afterwards", {}};
  for (const json& proposal : items_of(member(view.results, "proposals"))) {
    if (validated.points.size() >= most_marks) break;
    if (const auto truth = view.true_objective(proposal)) {
      validated.points.push_back({*truth, coordinate_of(member(proposal, "predicted")),
                                  proposal_tip(view, proposal, "", std::numeric_limits<double>::quiet_NaN())});
    }
  }
  chart.series = {std::move(withheld), std::move(validated)};
  if (!has_points(chart)) return "";
  std::string caption = fmt::format("{} the line the prediction promises too much.",
                                    view.direction == Direction::maximise ? "Above" : "Below");
  if (!errors.empty()) {
    std::nth_element(errors.begin(), errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2), errors.end());
    caption += fmt::format(
        " Median error on {} withheld designs: {}. Withheld are the best of the log, so this is extrapolation.",
        count_text(static_cast<double>(errors.size())), percent_text(errors[errors.size() / 2]));
  }
  return chart_figure(chart, "Predicted against true", caption);
}

}  // namespace corbel
