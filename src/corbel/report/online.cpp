#include <fmt/format.h>

#include <algorithm>
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

constexpr std::size_t shown_designs = 12;

std::string history_figure(const ReportView& view, const json& online) {
  Chart chart;
  chart.id = "online";
  chart.title = "Best simulated objective over the queries of the simulator";
  chart.description = "Steps down where the search simulated a better design.";
  chart.x.title = "queries";
  chart.y.title = "best simulated " + view.metric_label(view.objective);
  chart.y.unit = pretty_unit(view.metric_unit(view.objective));
  chart.series = {
      best_so_far("best so far, simulated", member(online, "history"), coordinate_of(member(online, "queries")))};
  if (!has_points(chart)) return "";
  return chart_figure(chart, "Best so far", "Every query is counted, those too that older trials answered.");
}

std::string counts_text(const json& online) {
  std::string text = fmt::format("Method: {}", html_escape(text_of(member(online, "method"))));
  const auto add = [&](const char* key, const char* words) {
    if (const auto value = number_of(member(online, key))) text += fmt::format("; {} {}", count_text(*value), words);
  };
  add("queries", "queries");
  add("simulated", "of them simulated for this search");
  add("feasible", "feasible");
  add("within_limits", "within every limit");
  if (const auto failed = number_of(member(online, "failed")); failed && *failed > 0) {
    add("failed", "set aside since their runs failed");
  }
  text += ".";
  if (is_true(member(online, "exhaustive"))) text += " Every admitted design was queried: there is no better one.";
  return fmt::format("<p class=\"soft\">{}</p>\n", text);
}

std::string designs_table(const ReportView& view, const json& top) {
  std::vector<HtmlTable::Column> columns = {{"#", Align::number},
                                            {html_escape(view.metric_label(view.objective)), Align::number}};
  std::vector<std::string> constraints;
  for (const json& margin : items_of(member(top[0], "margins"))) {
    constraints.push_back(text_of(member(margin, "constraint")));
    columns.push_back({html_code(constraints.back()), Align::number});
  }
  columns.push_back({"design"});
  HtmlTable table(columns);
  for (std::size_t i = 0; i < std::min(top.size(), shown_designs); ++i) {
    const json& found = top[i];
    std::vector<std::string> cells = {html_escape(text_of(member(found, "rank"))),
                                      html_escape(view.objective_text(number_of(member(found, "objective"))))};
    for (const std::string& constraint : constraints) {
      std::string cell = "–";
      for (const json& margin : items_of(member(found, "margins"))) {
        const auto left = number_of(member(margin, "left")), value = number_of(member(margin, "margin"));
        if (text_of(member(margin, "constraint")) != constraint || !left || !value) continue;
        cell = fmt::format("{} <span class=\"soft\">{}</span>", html_escape(measured_with_unit(*left, "")),
                           signed_percent_text(*value));
      }
      cells.push_back(cell);
    }
    std::string design;
    for (const ReportParameter& parameter : view.parameters) {
      design += fmt::format("{}{} {}", design.empty() ? "" : " · ", html_escape(parameter.name),
                            html_escape(view.short_design_value(parameter, member(found, "design"))));
    }
    cells.push_back(design);
    const bool is_chosen =
        text_of(member(view.best, "source")) == "searched" && member(found, "design") == member(view.best, "design");
    table.row(cells, is_chosen ? "chosen" : "");
  }
  return table.html();
}

}  // namespace

std::string online_section(const ReportView& view) {
  const json& online = member(view.results, "online");
  if (!online.is_object()) return "";
  const json& top = items_of(member(online, "top"));
  std::string out = "<section><h2>Search on the simulator</h2>" + counts_text(online) + history_figure(view, online);
  out += top.empty() ? "<p>No design that was simulated is within every limit.</p>\n" : designs_table(view, top);
  if (top.size() > shown_designs) {
    out += fmt::format("<p class=\"soft\">{} more are in results.json.</p>\n", top.size() - shown_designs);
  }
  return out + "</section>\n";
}

}  // namespace corbel
