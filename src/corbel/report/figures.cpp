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

/// What keeps the page small: more dots or vertices than this cannot be told apart.
constexpr std::size_t most_dots = 3000, most_vertices = 400, most_marks = 64;
constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// Every k-th point, and the last.
std::vector<ChartPoint> thinned(std::vector<ChartPoint> points, std::size_t most) {
  if (points.size() <= most) return points;
  const std::size_t every = (points.size() + most - 1) / most;
  std::vector<ChartPoint> kept;
  for (std::size_t i = 0; i < points.size(); i += every) kept.push_back(points[i]);
  if ((points.size() - 1) % every != 0) kept.push_back(points.back());
  return kept;
}

double coordinate(const json& node) {
  return number_of(node).value_or(unknown);
}

/// Element `index` of an array as a coordinate.
double element(const json& row, std::size_t index) {
  return row.is_array() && index < row.size() ? coordinate(row[index]) : unknown;
}

std::string figure(const Chart& chart, const std::string& heading, const std::string& caption) {
  return fmt::format("<figure><h3>{}</h3>{}<div class=\"plot\">{}</div><figcaption>{}</figcaption></figure>\n",
                     html_escape(heading), chart_legend(chart), chart_svg(chart), caption);
}

ChartAxis objective_axis(const ReportView& view, std::string_view qualifier = "") {
  const std::string label = view.metric_label(view.objective);
  return {qualifier.empty() ? label : fmt::format("{} {}", qualifier, label),
          pretty_unit(view.metric_unit(view.objective))};
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

/// The metric of a proposal: exact where known, else predicted.
double proposal_metric(const json& proposal, const std::string& metric) {
  for (const json* source : {&member(proposal, "simulated", "metrics"), &member(proposal, "metrics"),
                             &member(proposal, "predicted_metrics")}) {
    if (const auto value = number_of(member(*source, metric))) return *value;
  }
  return unknown;
}

void add_limits(Chart& chart, const ReportView& view, const std::string& metric, bool vertical) {
  for (const SimpleLimit& limit : limits_on(view, metric)) {
    chart.guides.push_back({vertical, limit.value, limit.text, limit.is_upper ? 1 : -1});
  }
}

}  // namespace

std::string objective_figure(const ReportView& view) {
  const json& plots = member(view.results, "plots");
  const std::string x_metric = text_of(member(plots, "x"));
  Chart chart;
  chart.width = 640;
  chart.height = 470;
  chart.y = objective_axis(view);
  ChartSeries within{Kind::cloud, "logged", "logged, inside the limits", {}};
  ChartSeries over{Kind::cloud, "over", "logged, over a limit", {}};
  std::vector<ChartPoint> logged_objectives;
  for (const json& row : items_of(member(plots, "logged"))) {
    const double y = element(row, 0), x = element(row, 1);
    if (x_metric.empty()) {
      if (std::isfinite(y)) logged_objectives.push_back({0, y, ""});
    } else {
      (element(row, 2) == 0 ? over : within).points.push_back({x, y, ""});
    }
  }
  if (x_metric.empty()) {
    // Without a second metric the designs stand in order, so that the page still shows how rare the good ones are.
    std::sort(logged_objectives.begin(), logged_objectives.end(),
              [](const ChartPoint& a, const ChartPoint& b) { return a.y < b.y; });
    for (std::size_t i = 0; i < logged_objectives.size(); ++i) {
      logged_objectives[i].x = 100 * static_cast<double>(i) / static_cast<double>(logged_objectives.size());
    }
    within.label = "logged";
    within.points = std::move(logged_objectives);
    chart.x = {"share of the logged designs that are better", "%"};
  } else {
    chart.x = {view.metric_label(x_metric), pretty_unit(view.metric_unit(x_metric))};
    add_limits(chart, view, x_metric, true);
  }
  add_limits(chart, view, view.objective, false);
  within.points = thinned(std::move(within.points), most_dots);
  over.points = thinned(std::move(over.points), most_dots);

  ChartSeries pareto{Kind::steps, "pareto", "Pareto front of the log", {}};
  if (!x_metric.empty()) {
    for (const json& row : items_of(member(plots, "pareto")))
      pareto.points.push_back({element(row, 1), element(row, 0), ""});
    std::sort(pareto.points.begin(), pareto.points.end(), [](const ChartPoint& a, const ChartPoint& b) {
      return std::isfinite(a.x) && (!std::isfinite(b.x) || a.x < b.x);
    });
    pareto.points = thinned(std::move(pareto.points), most_vertices);
  }

  ChartSeries links{Kind::links, "link", "", {}};
  ChartSeries predicted{Kind::diamonds, "predicted", "proposals, predicted", {}};
  ChartSeries simulated{Kind::circles, "true", "proposals, true", {}};
  ChartSeries chosen{Kind::stars, "chosen", "", {}};
  for (const json& proposal : items_of(member(view.results, "proposals"))) {
    if (predicted.points.size() >= most_marks) break;
    const double x = x_metric.empty() ? 0 : proposal_metric(proposal, x_metric);
    const double guess = coordinate(member(proposal, "predicted"));
    const std::string tip = proposal_tip(view, proposal, x_metric, x);
    predicted.points.push_back({x, guess, tip});
    if (const auto value = view.true_objective(proposal)) {
      simulated.points.push_back({x, *value, tip});
      links.points.push_back({x, guess, ""});
      links.points.push_back({x, *value, ""});
    }
  }
  if (const auto value = view.best_objective()) {
    const auto own = number_of(member(view.best, "metrics", x_metric));
    const double x = x_metric.empty() ? 0 : own ? *own : proposal_metric(view.best_proposal, x_metric);
    const bool is_true_value = number_of(member(view.best, "objective")).has_value();
    chosen.label = is_true_value ? "chosen design, true" : "chosen design, predicted";
    const json& described = view.best_proposal.is_null() ? view.best : view.best_proposal;
    chosen.points.push_back({x, *value, "chosen design\n" + proposal_tip(view, described, x_metric, x)});
  }
  chart.title = fmt::format("{} against {} of the logged designs and the proposals", chart.y.title, chart.x.title);
  chart.description =
      "Lower is better. Each dot is a logged feasible design; the line joins those that no other logged "
      "design beats in both.";
  const bool has_links = !links.points.empty();
  chart.series = {std::move(over),      std::move(within),    std::move(pareto), std::move(links),
                  std::move(predicted), std::move(simulated), std::move(chosen)};
  if (!has_points(chart)) return "";
  std::string caption = "Lower is better.";
  if (!chart.guides.empty()) caption += " Shaded: outside a limit of the study.";
  if (has_links) caption += " Thin links join a proposal’s prediction to its true value.";
  return figure(chart, fmt::format("{} against {}", chart.y.title, chart.x.title), caption);
}

std::string prediction_figure(const ReportView& view) {
  Chart chart;
  chart.width = 520;
  chart.height = 470;
  chart.identity = true;
  chart.x = objective_axis(view, "true");
  chart.y = objective_axis(view, "predicted");
  chart.title = "Predicted against true objective";
  chart.description = "Points on the diagonal are predicted exactly; below it the prediction promises too much.";
  ChartSeries withheld{Kind::cloud, "withheld", "logged, withheld from training", {}};
  std::vector<double> errors;
  for (const json& row : items_of(member(view.results, "training", "withheld"))) {
    const double truth = coordinate(member(row, "true")), guess = coordinate(member(row, "predicted"));
    withheld.points.push_back({truth, guess, ""});
    if (std::isfinite(truth) && std::isfinite(guess) && truth != 0) errors.push_back(std::abs(guess / truth - 1));
  }
  withheld.points = thinned(std::move(withheld.points), most_dots);
  ChartSeries validated{Kind::diamonds, "predicted", "proposals, simulated afterwards", {}};
  for (const json& proposal : items_of(member(view.results, "proposals"))) {
    if (validated.points.size() >= most_marks) break;
    if (const auto truth = view.true_objective(proposal)) {
      validated.points.push_back(
          {*truth, coordinate(member(proposal, "predicted")), proposal_tip(view, proposal, "", unknown)});
    }
  }
  chart.series = {std::move(withheld), std::move(validated)};
  if (!has_points(chart)) return "";
  std::string caption = "Below the line the prediction promises too much.";
  if (!errors.empty()) {
    std::nth_element(errors.begin(), errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2), errors.end());
    caption += fmt::format(
        " Median error on {} withheld designs: {}. Withheld are the best of the log, so this is extrapolation.",
        count_text(static_cast<double>(errors.size())), percent_text(errors[errors.size() / 2]));
  }
  return figure(chart, "Predicted against true", caption);
}

std::string training_figures(const ReportView& view) {
  const json& training = member(view.results, "training");
  const json& candidates = items_of(member(training, "candidates"));
  const double chosen_index = coordinate(member(training, "chosen"));
  struct Panel {
    std::string key, heading;
    bool is_rank;
  };
  std::string panels;
  for (const Panel& panel :
       {Panel{"loss", "Loss, total", false}, Panel{"loss_feasible", "Loss on feasible rows", false},
        Panel{"loss_infeasible", "Loss on infeasible rows", false}, Panel{"loss_negatives", "Loss on negatives", false},
        Panel{"kendall", "Rank correlation on withheld rows", true}}) {
    Chart chart;
    chart.width = 380;
    chart.height = 240;
    chart.title = panel.heading + " over training steps";
    chart.description = "The chosen candidate is drawn strong, the others faint; the mark is the checkpoint kept.";
    chart.x = {"step", ""};
    chart.y = {panel.is_rank ? "Kendall’s τ" : "loss", ""};
    chart.zero_to_one = panel.is_rank;
    ChartSeries chosen{Kind::line, "true", "", {}}, kept{Kind::circles, "true", "", {}};
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const json& candidate = candidates[i];
      std::vector<ChartPoint> points;
      for (const json& record : items_of(member(candidate, "history"))) {
        const double x = coordinate(member(record, "step")), y = coordinate(member(record, panel.key));
        if (std::isfinite(x) && std::isfinite(y)) points.push_back({x, y, ""});
      }
      const bool is_chosen = static_cast<double>(i) == chosen_index;
      if (is_chosen) {
        const double step = coordinate(member(candidate, "step"));
        for (const ChartPoint& point : points) {
          if (point.x == step) {
            kept.points = {
                {point.x, point.y, fmt::format("kept: step {}\n{} {:.4g}", count_text(step), panel.heading, point.y)}};
          }
        }
        chosen.points = thinned(std::move(points), most_vertices);
      } else {
        chart.series.push_back({Kind::line, "other", "", thinned(std::move(points), most_vertices)});
      }
    }
    chart.series.push_back(std::move(chosen));
    chart.series.push_back(std::move(kept));
    if (!has_points(chart)) continue;
    panels += fmt::format("<figure><h4>{}</h4><div class=\"plot\">{}</div></figure>\n", html_escape(panel.heading),
                          chart_svg(chart));
  }
  Chart selection;
  selection.width = 380;
  selection.height = 240;
  selection.title = "Candidates: rank correlation against how well infeasible designs are kept out";
  selection.description = "Up and to the right is better; the filled mark is the chosen candidate.";
  selection.x = {"AUC, infeasible kept out", ""};
  selection.y = {"Kendall’s τ", ""};
  ChartSeries others{Kind::circles, "loser", "", {}}, winner{Kind::circles, "true", "", {}};
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const json& candidate = candidates[i];
    ChartPoint point{coordinate(member(candidate, "infeasible_auc")), coordinate(member(candidate, "kendall")),
                     fmt::format("α {}, β {}\nscore {}", text_of(member(candidate, "alpha")),
                                 text_of(member(candidate, "beta")), text_of(member(candidate, "score")))};
    (static_cast<double>(i) == chosen_index ? winner : others).points.push_back(std::move(point));
  }
  selection.series = {std::move(others), std::move(winner)};
  if (has_points(selection)) {
    panels += fmt::format("<figure><h4>Selection of the candidate</h4><div class=\"plot\">{}</div></figure>\n",
                          chart_svg(selection));
  }
  if (panels.empty()) return "";
  return fmt::format(
      "<h3>Training</h3><ul class=\"legend\"><li><svg viewBox=\"0 0 24 16\" aria-hidden=\"true\"><g class=\"s true "
      "line\"><path "
      "d=\"M1 8H23\"/></g></svg>chosen candidate</li><li><svg viewBox=\"0 0 24 16\" aria-hidden=\"true\"><g class=\"s "
      "other "
      "line\"><path d=\"M1 8H23\"/></g></svg>the others</li><li><svg viewBox=\"0 0 24 16\" aria-hidden=\"true\"><g "
      "class=\"s "
      "true mark\"><circle cx=\"12\" cy=\"8\" r=\"4.5\"/></g></svg>checkpoint kept</li></ul>\n<div "
      "class=\"panels\">{}</div>\n",
      panels);
}

namespace {

struct CoverageBin {
  std::string first, last;
  double rows = 0, infeasible = 0;
  bool marked = false;
};

/// Neighbouring values joined until at most `most` bins are left: an integer range may have thousands.
std::vector<CoverageBin> joined(const std::vector<CoverageBin>& values, std::size_t most) {
  const std::size_t per_bin = (values.size() + most - 1) / most;
  if (per_bin <= 1) return values;
  std::vector<CoverageBin> bins;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i % per_bin == 0) bins.push_back({values[i].first, "", 0, 0, false});
    CoverageBin& bin = bins.back();
    bin.last = values[i].first;
    bin.rows += values[i].rows;
    bin.infeasible += values[i].infeasible;
    bin.marked = bin.marked || values[i].marked;
  }
  return bins;
}

}  // namespace

std::string coverage_figures(const ReportView& view) {
  constexpr std::size_t most_bins = 20, most_parameters = 64;
  const json& dataset = member(view.results, "dataset");
  const double all = coordinate(member(dataset, "rows")), infeasible = coordinate(member(dataset, "infeasible"));
  std::string panels;
  std::size_t shown = 0;
  for (const json& parameter : items_of(member(dataset, "parameters"))) {
    if (++shown > most_parameters) break;
    const std::string name = text_of(member(parameter, "name")), unit = text_of(member(parameter, "unit"));
    const std::string chosen = text_of(member(view.best, "design", name));
    std::vector<CoverageBin> values;
    for (const json& value : items_of(member(parameter, "values"))) {
      std::string label = text_of(member(value, "label"));
      const bool marked = !chosen.empty() && label == chosen;
      const json number = json::parse(label, nullptr, false);
      if ((unit == "bytes" || unit == "B") && number_of(number)) label = value_with_unit(*number_of(number), unit);
      values.push_back({label, "", number_of(member(value, "rows")).value_or(0),
                        number_of(member(value, "infeasible")).value_or(0), marked});
    }
    if (values.empty()) continue;
    std::vector<ChartBar> bars;
    for (const CoverageBin& bin : joined(values, most_bins)) {
      const bool one = bin.last.empty() || bin.last == bin.first;
      bars.push_back({one ? bin.first : bin.first + "–" + bin.last, bin.rows > 0 ? bin.infeasible / bin.rows : unknown,
                      bin.rows > 0 ? count_text(bin.rows) : "none", bin.marked});
    }
    const std::string heading =
        unit.empty() || unit == "bytes" || unit == "B"
            ? html_escape(name)
            : fmt::format("{} <small>{}</small>", html_escape(name), html_escape(pretty_unit(unit)));
    panels += fmt::format(
        "<figure><h4>{}</h4>{}</figure>\n", heading,
        bars_svg("Share of infeasible rows per value of " + name, "infeasible", "rows", bars, infeasible / all));
  }
  if (panels.empty()) return "";
  return fmt::format(
      "<h3>Share of infeasible rows per parameter value</h3><p class=\"soft\">Dashed: the whole log. "
      "The arrow marks the chosen design’s value. Values with few rows say little.</p>\n"
      "<div class=\"panels\">{}</div>\n",
      panels);
}

std::string search_figure(const ReportView& view) {
  Chart chart;
  chart.width = 640;
  chart.height = 320;
  chart.title = "Best predicted objective over the designs scored";
  chart.description = "Steps down where the search found a better design.";
  chart.x = {"designs scored", ""};
  chart.y = objective_axis(view, "best predicted");
  ChartSeries history{Kind::steps, "true", "best so far, predicted", {}};
  for (const json& row : items_of(member(view.results, "search", "history"))) {
    history.points.push_back({element(row, 0), element(row, 1), ""});
  }
  if (const auto scored = number_of(member(view.results, "search", "scored"));
      scored && !history.points.empty() && *scored > history.points.back().x) {
    history.points.push_back({*scored, history.points.back().y, ""});
  }
  history.points = thinned(std::move(history.points), most_vertices);
  chart.series = {std::move(history)};
  if (!has_points(chart)) return "";
  if (const auto logged = number_of(member(view.results, "dataset", "best_logged", "objective"))) {
    chart.guides.push_back({false, *logged, "best logged", 0});
  }
  return figure(chart, "Search history", "Values are the model’s predictions, except the best logged design’s.");
}

}  // namespace corbel
