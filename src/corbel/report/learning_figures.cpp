#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "corbel/base/number.hpp"
#include "corbel/report/figures.hpp"
#include "corbel/report/html.hpp"
#include "corbel/report/plot.hpp"
#include "corbel/report/view.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using Kind = ChartSeries::Kind;

constexpr std::size_t most_vertices = 400;
constexpr int panel_width = 380, panel_height = 240;

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

/// A value of a checkpoint; NaN where there is none. A candidate without a rank correlation had no withheld designs to
/// rank, whatever its checkpoints hold.
double checkpoint_value(const json& candidate, const json& record, const std::string& key) {
  const bool is_ranked = key != "kendall" || number_of(member(candidate, key));
  return is_ranked ? coordinate_of(member(record, key)) : std::numeric_limits<double>::quiet_NaN();
}

/// A value of the training history over the steps, for all candidates; the chosen one last, on top.
Chart history_chart(const ReportView& view, const std::string& key) {
  const json& training = member(view.results, "training");
  const json& candidates = items_of(member(training, "candidates"));
  const double chosen_index = coordinate_of(member(training, "chosen"));
  Chart chart;
  chart.id = "history-" + key;
  chart.width = panel_width;
  chart.height = panel_height;
  chart.description = "The chosen candidate is drawn strong, the others faint; the mark is the checkpoint kept.";
  chart.x.title = "step";
  chart.x.linear = true;
  ChartSeries chosen{Kind::line, "true", "chosen candidate", {}}, kept{Kind::circles, "true", "checkpoint kept", {}};
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    std::vector<ChartPoint> points;
    for (const json& record : items_of(member(candidates[i], "history"))) {
      const double x = coordinate_of(member(record, "step")), y = checkpoint_value(candidates[i], record, key);
      if (std::isfinite(x) && std::isfinite(y)) points.push_back({x, y, ""});
    }
    if (static_cast<double>(i) != chosen_index) {
      const char* label = chart.series.empty() ? "the others" : "";
      chart.series.push_back({Kind::line, "other", label, thinned_points(std::move(points), most_vertices)});
      continue;
    }
    const double step = coordinate_of(member(candidates[i], "step"));
    for (const ChartPoint& point : points) {
      if (point.x == step)
        kept.points = {{point.x, point.y, fmt::format("step {}\n{:.4g}", count_text(step), point.y)}};
    }
    chosen.points = thinned_points(std::move(points), most_vertices);
  }
  chart.series.push_back(std::move(chosen));
  chart.series.push_back(std::move(kept));
  return chart;
}

/// Whether there are two candidates to compare.
bool can_compare(const Chart& selection) {
  std::ptrdiff_t shown = 0;
  for (const ChartSeries& series : selection.series) {
    shown += std::count_if(series.points.begin(), series.points.end(),
                           [](const ChartPoint& point) { return std::isfinite(point.x) && std::isfinite(point.y); });
  }
  return shown > 1;
}

Chart selection_chart(const ReportView& view) {
  const json& training = member(view.results, "training");
  const double chosen_index = coordinate_of(member(training, "chosen"));
  Chart chart;
  chart.id = "selection";
  chart.width = panel_width;
  chart.height = panel_height;
  chart.title = "Candidates: rank correlation against how well infeasible designs are kept out";
  chart.description = "Up and to the right is better; the filled mark is the chosen candidate.";
  chart.x.title = "AUC, infeasible kept out";
  chart.y.title = "Kendall’s τ";
  ChartSeries others{Kind::circles, "loser", "", {}}, winner{Kind::circles, "true", "", {}};
  double index = 0;
  for (const json& candidate : items_of(member(training, "candidates"))) {
    ChartPoint point{coordinate_of(member(candidate, "infeasible_auc")), coordinate_of(member(candidate, "kendall")),
                     fmt::format("α {}, β {}\nscore {}", text_of(member(candidate, "alpha")),
                                 text_of(member(candidate, "beta")), text_of(member(candidate, "score")))};
    (index++ == chosen_index ? winner : others).points.push_back(std::move(point));
  }
  chart.series = {std::move(others), std::move(winner)};
  return chart;
}

/// Whether any line has a course: one checkpoint alone would be a dot in an empty plot.
bool has_course(const Chart& chart) {
  return std::any_of(chart.series.begin(), chart.series.end(),
                     [](const ChartSeries& series) { return series.points.size() > 1; });
}

/// The last checkpoint of each candidate, for a training too short to plot; "" without any.
std::string checkpoint_table(const ReportView& view) {
  using Align = HtmlTable::Align;
  const json& training = member(view.results, "training");
  const double chosen_index = coordinate_of(member(training, "chosen"));
  HtmlTable table({{"α, negatives", Align::number},
                   {"β, infeasible", Align::number},
                   {"step", Align::number},
                   {"loss, total", Align::number},
                   {"on feasible rows", Align::number},
                   {"on infeasible rows", Align::number},
                   {"on negatives", Align::number},
                   {"Kendall’s τ", Align::number}});
  double index = 0;
  for (const json& candidate : items_of(member(training, "candidates"))) {
    const bool is_chosen = index++ == chosen_index;
    const json& history = items_of(member(candidate, "history"));
    if (history.empty()) continue;
    const auto step = number_of(member(history.back(), "step"));
    std::vector<std::string> cells = {html_escape(text_of(member(candidate, "alpha"))),
                                      html_escape(text_of(member(candidate, "beta"))), step ? count_text(*step) : "–"};
    for (const char* key : {"loss", "loss_feasible", "loss_infeasible", "loss_negatives", "kendall"}) {
      const double value = checkpoint_value(candidate, history.back(), key);
      cells.push_back(std::isfinite(value) ? html_escape(measured_with_unit(value, "")) : "–");
    }
    table.row(cells, is_chosen ? "chosen" : "");
  }
  if (table.empty()) return "";
  return "<p class=\"soft\">Training kept one checkpoint only, so there is no course to plot.</p>" + table.html();
}

std::string panel_html(const Chart& chart, std::string_view heading) {
  return fmt::format("<figure><h4>{}</h4><div class=\"plot\">{}</div></figure>\n", heading, chart_svg(chart));
}

}  // namespace

std::string training_figures(const ReportView& view) {
  static constexpr std::pair<const char*, const char*> losses[] = {{"loss", "Loss, total"},
                                                                   {"loss_feasible", "Loss on feasible rows"},
                                                                   {"loss_infeasible", "Loss on infeasible rows"},
                                                                   {"loss_negatives", "Loss on negatives"}};
  std::string panels, legend;
  bool is_single = false;
  const auto add = [&](Chart chart, const char* heading) {
    if (!has_points(chart)) return;
    if (!has_course(chart)) {
      is_single = true;
      return;
    }
    chart.title = std::string(heading) + " over training steps";
    if (legend.empty()) legend = chart_legend(chart);
    panels += panel_html(chart, heading);
  };
  for (const auto& [key, heading] : losses) {
    Chart chart = history_chart(view, key);
    chart.y.title = "loss";
    add(std::move(chart), heading);
  }
  Chart rank = history_chart(view, "kendall");
  rank.y.title = "Kendall’s τ";
  double least = 0;
  for (const ChartSeries& series : rank.series) {
    for (const ChartPoint& point : series.points) least = std::min(least, point.y);
  }
  rank.y.low = least < 0 ? -1 : 0;
  rank.y.high = 1;
  add(std::move(rank), "Rank correlation on withheld rows");
  const std::string table = is_single && panels.empty() ? checkpoint_table(view) : "";
  if (const Chart selection = selection_chart(view); can_compare(selection)) {
    panels += panel_html(selection, "Selection: up and right is better");
  }
  if (panels.empty() && table.empty()) return "";
  if (!panels.empty()) {
    panels = fmt::format("<div class=\"panels{}\">{}</div>\n", table.empty() ? "" : " block", panels);
  }
  return fmt::format("<h3>Training</h3>{}{}{}", table, legend, panels);
}

std::string coverage_figures(const ReportView& view) {
  constexpr std::size_t most_bins = 20, most_parameters = 64;
  const json& dataset = member(view.results, "dataset");
  const double all = coordinate_of(member(dataset, "rows")), infeasible = coordinate_of(member(dataset, "infeasible"));
  std::string panels;
  std::size_t shown = 0;
  for (const json& parameter : items_of(member(dataset, "parameters"))) {
    if (++shown > most_parameters) break;
    const std::string name = text_of(member(parameter, "name")), unit = text_of(member(parameter, "unit"));
    const bool is_bytes = unit == "bytes" || unit == "B";
    const std::string chosen = text_of(member(view.best, "design", name));
    std::vector<CoverageBin> values;
    for (const json& value : items_of(member(parameter, "values"))) {
      std::string label = text_of(member(value, "label"));
      const bool marked = !chosen.empty() && label == chosen;
      if (double number = 0; parse_number(label, number)) label = value_with_unit(number, is_bytes ? unit : "");
      values.push_back({label, "", number_of(member(value, "rows")).value_or(0),
                        number_of(member(value, "infeasible")).value_or(0), marked});
    }
    if (values.empty()) continue;
    std::vector<ChartBar> bars;
    for (const CoverageBin& bin : joined(values, most_bins)) {
      const bool one = bin.last.empty() || bin.last == bin.first;
      bars.push_back({one ? bin.first : bin.first + "–" + bin.last,
                      bin.rows > 0 ? bin.infeasible / bin.rows : std::numeric_limits<double>::quiet_NaN(),
                      bin.rows > 0 ? count_text(bin.rows) : "none", bin.marked});
    }
    const std::string heading = unit.empty() || is_bytes ? html_escape(name)
                                                         : fmt::format("{} <small>{}</small>", html_escape(name),
                                                                       html_escape(pretty_unit(unit)));
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
  const json& search = member(view.results, "search");
  Chart chart;
  chart.id = "search";
  chart.title = "Best predicted objective over the designs scored";
  chart.description = "Steps down where the search found a better design.";
  chart.x.title = "designs scored";
  chart.y.title = "best predicted " + view.metric_label(view.objective);
  chart.y.unit = pretty_unit(view.metric_unit(view.objective));
  chart.series = {
      best_so_far("best so far, predicted", member(search, "history"), coordinate_of(member(search, "scored")))};
  if (!has_points(chart)) return "";
  // The line is a prediction, so what it is compared with should be one too.
  const json& logged = member(view.results, "dataset", "best_logged");
  if (const auto predicted = number_of(member(logged, "predicted"))) {
    chart.guides.push_back({false, *predicted, "best logged, as predicted", 0});
  } else if (const auto objective = number_of(member(logged, "objective"))) {
    chart.guides.push_back({false, *objective, "best logged", 0});
  }
  std::string caption = fmt::format("Method: {}.", text_of(member(search, "method")));
  const auto scored = number_of(member(search, "scored")), seconds = number_of(member(search, "seconds"));
  if (scored && seconds && *seconds > 0) {
    caption += fmt::format(" {} designs scored in {}.", count_text(*scored), seconds_text(*seconds));
  }
  return chart_figure(chart, "Search history", caption);
}

}  // namespace corbel
