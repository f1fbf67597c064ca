#include "corbel/report/report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "corbel/report/figures.hpp"
#include "corbel/report/html.hpp"
#include "corbel/report/sections.hpp"
#include "corbel/report/style.hpp"
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
  std::string goal = fmt::format("Least {}", html_escape(view.metric_label(view.objective)));
  if (!workload.empty()) goal += " of " + html_escape(workload);
  if (!view.workloads.empty()) goal += " of " + workloads_text(view);
  std::string limits;
  for (const nlohmann::json& constraint : items_of(member(results, "study", "constraints"))) {
    limits += fmt::format("{}<code>{}</code>", limits.empty() ? ", under " : " and ", html_escape(text_of(constraint)));
  }
  // The policy makes the browser itself refuse anything from outside the file.
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src "
      "'unsafe-inline'\">\n"
      "<title>{0} · Corbel report</title>\n<style>\n{1}</style>\n</head>\n<body>\n"
      "<header><div><p class=\"soft\">Corbel design report</p><h1>{0}</h1><p class=\"soft\">{2}{3}</p></div>"
      "<button type=\"button\" id=\"theme\" hidden>Dark</button></header>\n<main>\n{4}{5}{6}{7}{8}{9}{10}</main>\n"
      "<footer>Made by Corbel {11} from results.json. This file needs no network.</footer>\n"
      "<div id=\"tip\" hidden></div>\n<script>\n{12}</script>\n</body>\n</html>\n",
      html_escape(name), report_style(), goal, limits, headline_section(view), facts_strip(view), believe_section(view),
      ranking_section(view), selection_section(view), failures_section(view), provenance_section(view),
      html_escape(text_of(member(results, "corbel"))), report_script());
}

}  // namespace corbel
