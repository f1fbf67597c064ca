#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "corbel/report/figures.hpp"
#include "corbel/report/html.hpp"
#include "corbel/report/plot.hpp"
#include "corbel/report/sections.hpp"
#include "corbel/report/view.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using Align = HtmlTable::Align;

constexpr std::size_t most_marks = 1500;

std::string best_figure(const ReportView& view, const json& rounds) {
  const std::string label = view.metric_label(view.objective);
  Chart chart;
  chart.id = "rounds";
  chart.title = fmt::format("Simulated {} over the simulations of the rounds", label);
  chart.description = "A dot per design within every limit; the line is the best so far, that of the log at 0.";
  chart.x.title = "simulations";
  chart.x.linear = true;
  chart.y.title = "simulated " + label;
  chart.y.unit = pretty_unit(view.metric_unit(view.objective));
  ChartSeries designs{ChartSeries::Kind::cloud, "logged", "designs within the limits", {}};
  double simulated = 0;
  for (const json& round : items_of(member(rounds, "rounds"))) {
    for (const json& design : items_of(member(round, "designs"))) {
      ++simulated;
      const auto objective = number_of(member(design, "objective"));
      if (objective && is_true(member(design, "within_limits"))) designs.points.push_back({simulated, *objective, ""});
    }
  }
  designs.points = thinned_points(std::move(designs.points), most_marks);
  chart.series = {std::move(designs), best_so_far("best so far", member(rounds, "history"), simulated)};
  if (!has_points(chart)) return "";
  return chart_figure(chart, "Best so far", "The sweep that the first round learnt from is not counted.");
}

std::string number_text(const json& value) {
  const auto number = number_of(value);
  return number ? fmt::format("{:.2f}", *number) : "–";
}

std::string rounds_table(const ReportView& view, const json& rounds) {
  HtmlTable table({{"round", Align::number},
                   {"learnt from", Align::number},
                   {"τ, withheld", Align::number},
                   {"simulated", Align::number},
                   {"feasible", Align::number},
                   {"within the limits", Align::number},
                   {"predicted to be", Align::number},
                   {"median error", Align::number},
                   {"τ, simulated", Align::number},
                   {"best so far", Align::number}});
  const auto count = [](const json& value) {
    const auto number = number_of(value);
    return number ? count_text(*number) : std::string("–");
  };
  for (const json& round : rounds) {
    const auto error = number_of(member(round, "median_error"));
    table.row({count(member(round, "round")), count(member(round, "rows")), number_text(member(round, "kendall")),
               count(member(round, "simulated")), count(member(round, "feasible")),
               count(member(round, "within_limits")), count(member(round, "predicted_within_limits")),
               error ? error_text(*error) : "–", number_text(member(round, "kendall_simulated")),
               html_escape(view.objective_text(number_of(member(round, "best"))))});
  }
  return table.html() +
         "<p class=\"soft\">τ: rank correlation of predicted and true values, on the withheld designs and on those of "
         "the "
         "round.</p>\n";
}

}  // namespace

std::string rounds_section(const ReportView& view) {
  const json& section = member(view.results, "rounds");
  if (!section.is_object()) return "";
  const json& rounds = items_of(member(section, "rounds"));
  std::string text;
  const auto queries = number_of(member(section, "queries")), budget = number_of(member(section, "budget"));
  if (queries && budget) {
    text = fmt::format("{} simulations of the {} that were allowed.", count_text(*queries), count_text(*budget));
  }
  const auto rows = number_of(member(section, "start", "rows"));
  if (rows) {
    text += fmt::format(" They began with {} rows, whose best is {}.", count_text(*rows),
                        html_escape(view.objective_text(number_of(member(section, "start", "best")))));
  }
  if (is_true(member(section, "exhausted"))) text += " No further design is within the limits that are known.";
  std::string out = fmt::format("<section><h2>Rounds of learning and simulating</h2><p class=\"soft\">{}</p>\n", text);
  if (const std::string figure = best_figure(view, section); !figure.empty()) {
    out += fmt::format("<div class=\"plots\">{}</div>\n", figure);
  }
  out += rounds.empty() ? "<p>No round has been simulated.</p>\n" : rounds_table(view, rounds);
  return out + "</section>\n";
}

}  // namespace corbel
