#include "corbel/report/report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "corbel/report/figures.hpp"
#include "corbel/report/html.hpp"
#include "corbel/report/page.hpp"
#include "corbel/report/sections.hpp"
#include "corbel/report/view.hpp"

namespace corbel {
namespace {

std::string believe_section(const ReportView& view) {
  std::string out;
  const auto add = [&](const char* css_class, const std::string& content) {
    if (!content.empty()) out += fmt::format("<div class=\"{}\">{}</div>\n", css_class, content);
  };
  add("plots", objective_figures(view));
  add("plots", prediction_figure(view) + search_figure(view));
  add("block", training_figures(view));
  add("block", coverage_figures(view));
  if (out.empty()) out = "<p>There is nothing to plot yet.</p>\n";
  return "<section><h2>Why to believe it</h2>\n" + out + "</section>\n";
}

/// "MobileNetV2 and ResNet-50 (geometric mean)".
std::string workloads_text(const ReportView& view) {
  std::string text;
  for (std::size_t i = 0; i < view.workloads.size(); ++i) {
    if (i > 0) text += i + 1 == view.workloads.size() ? " and " : ", ";
    text += html_escape(view.workloads[i].title);
  }
  const std::string rule = view.combine_text();
  return rule.empty() ? text : fmt::format("{} ({})", text, html_escape(rule));
}

}  // namespace

std::string html_report(const nlohmann::json& results) {
  const ReportView view(results);
  std::string name = text_of(member(results, "study", "name"));
  if (name.empty()) name = "study";
  const std::string workload = text_of(member(results, "study", "workload", "title"));
  std::string goal = fmt::format("{} {}", view.direction == Direction::maximise ? "Most" : "Least",
                                 html_escape(view.metric_label(view.objective)));
  if (!workload.empty()) goal += " of " + html_escape(workload);
  if (!view.workloads.empty()) goal += " of " + workloads_text(view);
  std::string limits;
  for (const nlohmann::json& constraint : items_of(member(results, "study", "constraints"))) {
    limits += fmt::format("{}<code>{}</code>", limits.empty() ? ", under " : " and ", html_escape(text_of(constraint)));
  }
  return html_page({name, "Corbel design report", goal + limits,
                    headline_section(view) + facts_strip(view) + believe_section(view) + ranking_section(view) +
                        rounds_section(view) + online_section(view) + trade_off_section(view) +
                        selection_section(view) + failures_section(view) + provenance_section(view),
                    fmt::format("Made by Corbel {} from results.json. This file needs no network.",
                                html_escape(text_of(member(results, "corbel"))))});
}

}  // namespace corbel
