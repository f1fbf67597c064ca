#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "corbel/report/html.hpp"
#include "corbel/report/sections.hpp"
#include "corbel/report/view.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using Align = HtmlTable::Align;

constexpr std::size_t shown_proposals = 12, most_proposals = 300, most_constraint_columns = 3;

std::string true_cell(const ReportView& view, const json& proposal) {
  const std::string state = text_of(member(proposal, "simulated", "state"));
  if (state == "infeasible" || state == "failed") return fmt::format("<span class=\"broken-text\">{}</span>", state);
  const auto value = view.true_objective(proposal);
  return value ? html_escape(view.objective_text(value)) : "<span class=\"soft\">not known</span>";
}

/// Why a proposal came to nothing, to stand before its design.
std::string reason_line(const json& proposal) {
  const std::string state = text_of(member(proposal, "simulated", "state"));
  const std::string reason = text_of(member(proposal, "simulated", "reason"));
  if ((state != "infeasible" && state != "failed") || reason.empty()) return "";
  return fmt::format("<span class=\"broken-text\">{}</span> · ", html_escape(reason));
}

std::string margin_cell(const json& margin) {
  const auto left = number_of(member(margin, "left")), value = number_of(member(margin, "margin"));
  if (!value) return "<span class=\"soft\">not known</span>";
  const std::string basis = text_of(member(margin, "basis"));
  return fmt::format("{}<span{}>{}</span>{}", left ? html_escape(measured_with_unit(*left, "")) + " " : "",
                     *value < 0 ? " class=\"broken-text\"" : " class=\"soft\"", signed_percent_text(*value),
                     basis == "predicted" ? " <small>pred.</small>" : "");
}

const json& margin_of(const json& proposal, const std::string& constraint) {
  for (const json& margin : items_of(member(proposal, "margins"))) {
    if (text_of(member(margin, "constraint")) == constraint) return margin;
  }
  return member(proposal, "");
}

const json& tightest_margin(const json& proposal) {
  const json* tightest = nullptr;
  for (const json& margin : items_of(member(proposal, "margins"))) {
    const auto value = number_of(member(margin, "margin"));
    if (value && (!tightest || *value < *number_of(member(*tightest, "margin")))) tightest = &margin;
  }
  return tightest ? *tightest : member(json(), "");
}

/// The objective on each of several networks, true where that is known.
std::string workloads_line(const ReportView& view, const json& proposal) {
  std::string out;
  for (const ReportWorkload& workload : view.workloads) {
    const std::string metric = workload.metric(view.objective);
    const auto truth = number_of(member(proposal, "metrics", metric));
    const auto value = truth ? truth : number_of(member(proposal, "predicted_metrics", metric));
    if (!value) continue;
    out += fmt::format("{} {}{} · ", html_escape(workload.label), html_escape(view.metric_text(metric, value)),
                       truth ? "" : " <small>pred.</small>");
  }
  return out.empty() ? "" : out.substr(0, out.size() - std::string_view(" · ").size()) + "<br>";
}

std::string design_line(const ReportView& view, const json& design, bool is_chosen) {
  std::string out;
  for (const ReportParameter& parameter : view.parameters) {
    const bool differs = !is_chosen && member(view.best, "design").is_object() &&
                         member(design, parameter.name) != member(view.best, "design", parameter.name);
    const std::string value = html_escape(view.short_design_value(parameter, design));
    out += fmt::format("{}{} {}", out.empty() ? "" : " · ", html_escape(parameter.name),
                       differs ? "<b>" + value + "</b>" : value);
  }
  return out;
}

}  // namespace

std::string ranking_section(const ReportView& view) {
  const json& proposals = items_of(member(view.results, "proposals"));
  if (proposals.empty()) {
    const bool on_simulator = member(view.results, "online").is_object() || member(view.results, "pareto").is_object();
    if (on_simulator && !member(view.results, "search").is_object()) return "";
    return fmt::format("<section><h2>Ranked proposals</h2><p>{}</p></section>\n",
                       member(view.results, "search").is_object()
                           ? "The search found no design that is predicted to be feasible and to meet every constraint."
                           : "The search has not run yet.");
  }
  std::vector<std::string> constraints;
  for (const json& margin : items_of(member(proposals[0], "margins")))
    constraints.push_back(text_of(member(margin, "constraint")));
  const bool one_margin = constraints.size() > most_constraint_columns;

  std::vector<HtmlTable::Column> columns = {{"#", Align::number},
                                            {"predicted", Align::number},
                                            {"true", Align::number},
                                            {"gain", Align::number},
                                            {"feasible", Align::number}};
  if (one_margin) columns.push_back({"tightest margin", Align::number});
  for (const std::string& constraint : constraints) {
    if (!one_margin) columns.push_back({html_code(constraint), Align::number});
  }
  columns.push_back({"nearest logged, distance", Align::number});

  HtmlTable first(columns, "ranking"), rest(columns, "ranking");
  std::size_t index = 0;
  for (const json& proposal : proposals) {
    if (index >= most_proposals) break;
    HtmlTable& table = index++ < shown_proposals ? first : rest;
    const auto gain = number_of(member(proposal, "gain")), feasibility = number_of(member(proposal, "feasibility"));
    const auto spread = number_of(member(proposal, "spread"));
    const json& nearest = member(proposal, "nearest");
    const auto distance = number_of(member(nearest, "distance"));
    std::vector<std::string> cells = {
        html_escape(text_of(member(proposal, "rank"))),
        html_escape(view.objective_text(number_of(member(proposal, "predicted")))) +
            (spread && *spread > 0 ? fmt::format(" <small>±{}</small>", percent_text(*spread)) : ""),
        true_cell(view, proposal), gain ? gain_text(*gain) : "–", feasibility ? percent_text(*feasibility, 0) : "–"};
    if (one_margin) {
      const json& margin = tightest_margin(proposal);
      cells.push_back(margin_cell(margin) + " " + html_code(text_of(member(margin, "constraint"))));
    }
    for (const std::string& constraint : constraints) {
      if (!one_margin) cells.push_back(margin_cell(margin_of(proposal, constraint)));
    }
    const json& within = member(nearest, "within_limits");
    cells.push_back(distance ? fmt::format("{} <small>at {:.3f}{}</small>",
                                           html_escape(view.objective_text(number_of(member(nearest, "objective")))),
                                           *distance, within.is_boolean() && !is_true(within) ? ", over a limit" : "")
                             : "–");
    const bool is_chosen = &proposal == &view.best_proposal && text_of(member(view.best, "source")) != "logged";
    table.row(cells, is_chosen ? "has-note chosen" : "has-note");
    table.note(workloads_line(view, proposal) + reason_line(proposal) +
                   design_line(view, member(proposal, "design"), is_chosen),
               is_chosen ? "chosen" : "");
  }
  std::string out = fmt::format(
      "<section><h2>Ranked proposals</h2><p class=\"soft\">Best prediction first; {} in {}. Bold: where a design "
      "differs from "
      "the chosen one, which is tinted. Gain compares a prediction with the model’s prediction for the best logged "
      "design, a true value with "
      "its logged value.</p>\n{}",
      html_escape(view.metric_label(view.objective)),
      view.metric_unit(view.objective).empty() ? "the log’s unit"
                                               : html_escape(pretty_unit(view.metric_unit(view.objective))),
      first.html());
  if (!rest.empty())
    out += fmt::format("<details><summary>Proposals {} to {}</summary>{}</details>\n", shown_proposals + 1, index,
                       rest.html());
  if (proposals.size() > index)
    out += fmt::format("<p class=\"soft\">{} more are in results.json.</p>\n", proposals.size() - index);
  return out + "</section>\n";
}

std::string selection_section(const ReportView& view) {
  const json& training = member(view.results, "training");
  const json& candidates = items_of(member(training, "candidates"));
  if (candidates.empty()) {
    return "<section><h2>Selection of the model</h2><p>No model was trained yet.</p></section>\n";
  }
  const auto chosen = number_of(member(training, "chosen"));
  HtmlTable table({{"α, negatives", Align::number},
                   {"β, infeasible", Align::number},
                   {"checkpoint", Align::number},
                   {"Kendall’s τ", Align::number},
                   {"AUC, infeasible kept out", Align::number},
                   {"score", Align::number},
                   {"verdict"}});
  const auto number = [](const json& node, int decimals) {
    const auto value = number_of(node);
    return value ? fmt::format("{:.{}f}", *value, decimals) : std::string("–");
  };
  std::optional<double> best_score;
  if (chosen && *chosen >= 0 && *chosen < static_cast<double>(candidates.size())) {
    best_score = number_of(member(candidates[static_cast<std::size_t>(*chosen)], "score"));
  }
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const json& candidate = candidates[i];
    const bool is_chosen = chosen && *chosen == static_cast<double>(i);
    const auto score = number_of(member(candidate, "score")), step = number_of(member(candidate, "step"));
    std::string verdict = is_chosen ? "<b>chosen</b>" : "not chosen";
    if (!is_chosen && score && best_score) verdict = fmt::format("lost by {:.3f}", *best_score - *score);
    table.row({html_escape(text_of(member(candidate, "alpha"))), html_escape(text_of(member(candidate, "beta"))),
               step ? "step " + count_text(*step) : "–", number(member(candidate, "kendall"), 3),
               number(member(candidate, "infeasible_auc"), 3), number(member(candidate, "score"), 3), verdict},
              is_chosen ? "chosen" : "");
  }
  return "<section><h2>Selection of the model</h2><p class=\"soft\">One model was trained per pair of weights; weights "
         "and checkpoint were "
         "chosen on logged rows withheld from training, by rank correlation and by how well infeasible designs are "
         "kept out.</p>\n" +
         table.html() + "</section>\n";
}

std::string failures_section(const ReportView& view) {
  const json& dataset = member(view.results, "dataset");
  std::string reasons;
  const auto infeasible = number_of(member(dataset, "infeasible"));
  HtmlTable table({{"reason"}, {"rows", Align::number}, {"of the infeasible", Align::number}, {""}});
  for (const json& reason : items_of(member(dataset, "reasons"))) {
    const std::string name = text_of(member(reason, "reason"));
    const auto rows = number_of(member(reason, "rows"));
    const bool known = rows && infeasible && *infeasible > 0;
    table.row({name.empty() ? "<span class=\"soft\">not stated</span>" : html_code(name),
               rows ? count_text(*rows) : "–", known ? percent_text(*rows / *infeasible) : "–",
               known ? fmt::format("<span class=\"meter\"><i style=\"width:{:.1f}%\"></i></span>",
                                   100 * std::clamp(*rows / *infeasible, 0.0, 1.0))
                     : ""});
  }
  if (!table.empty()) {
    reasons = table.html();
  } else if (!dataset.is_object()) {
    reasons = "<p>No data were collected yet.</p>";
  } else {
    reasons = infeasible == 0.0 ? "<p>No logged design is infeasible.</p>" : "<p>The log gives no reasons.</p>";
  }

  const auto rows = number_of(member(dataset, "rows"));
  HtmlTable networks({{"network"}, {"feasible", Align::number}, {"of the log", Align::number}});
  for (const json& workload : items_of(member(dataset, "workloads"))) {
    const auto feasible = number_of(member(workload, "feasible"));
    networks.row({html_escape(text_of(member(workload, "label"))), feasible ? count_text(*feasible) : "–",
                  feasible && rows && *rows > 0 ? percent_text(*feasible / *rows) : "–"});
  }
  if (!networks.empty()) reasons += "<h3 class=\"block\">Feasible on each network</h3>" + networks.html();

  std::vector<std::string> failed;
  for (const json& proposal : items_of(member(view.results, "proposals"))) {
    const json& simulated = member(proposal, "simulated");
    const std::string state = text_of(member(simulated, "state"));
    if (state != "infeasible" && state != "failed") continue;
    const std::string detail = text_of(member(simulated, "detail"));
    failed.push_back(fmt::format("#{} {}: {}{}", html_escape(text_of(member(proposal, "rank"))), state,
                                 html_code(text_of(member(simulated, "reason"))),
                                 detail.empty() ? "" : "; " + html_escape(detail)));
    if (failed.size() == 20) break;
  }
  std::string proposals = html_list(failed);
  if (proposals.empty()) {
    const auto simulated = number_of(member(view.results, "validation", "simulated"));
    proposals = simulated && *simulated > 0
                    ? fmt::format("<p>None of the {} that were checked.</p>", count_text(*simulated))
                    : std::string("<p>No proposal was simulated.</p>");
  }
  std::vector<std::string> warnings;
  for (const json& warning : items_of(member(dataset, "warnings"))) warnings.push_back(html_escape(text_of(warning)));
  return fmt::format(
      "<section><h2>What failed, and why</h2><div class=\"columns\"><div><h3>In the log</h3>{}</div>"
      "<div><h3>Among the proposals</h3>{}<h3 class=\"block\">Data warnings</h3>{}</div></div></section>\n",
      reasons, proposals, warnings.empty() ? "<p>None.</p>" : html_list(warnings));
}

namespace {

/// A word of a command line, quoted for a POSIX shell where it must be.
std::string shell_word(const std::string& word) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._/-+=:,@").find(c) != std::string_view::npos;
  };
  if (!word.empty() && word[0] != '-' && std::all_of(word.begin(), word.end(), is_plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

std::string provenance_section(const ReportView& view) {
  const json& study = member(view.results, "study");
  std::string list;
  const auto row = [&](const std::string& name, const std::string& html) {
    if (!html.empty()) list += fmt::format("<dt>{}</dt><dd>{}</dd>\n", html_escape(name), html);
  };
  const auto text = [](const json& node) { return html_escape(text_of(node)); };
  const auto with_fingerprint = [&](const json& node) {
    const std::string fingerprint = text(member(node, "fingerprint"));
    return text(member(node, "name")) +
           (fingerprint.empty() ? "" : fmt::format(" <small class=\"mono\">{}</small>", fingerprint));
  };
  row("Study", text(member(study, "name")));
  row("Study file", html_code(text_of(member(study, "file"))));
  row("Seed", text(member(study, "seed")));
  row("Objective", fmt::format("{} {}", to_string(view.direction), html_code(view.objective)));
  std::string constraints;
  for (const json& constraint : items_of(member(study, "constraints")))
    constraints += (constraints.empty() ? "" : "<br>") + html_code(text_of(constraint));
  row("Constraints", constraints.empty() ? "none" : constraints);
  row("Design space", with_fingerprint(member(study, "space")));
  const json& workload = member(study, "workload");
  if (workload.is_object()) {
    const std::string title = text(member(workload, "title"));
    std::string line = title.empty() ? text(member(workload, "name")) : title;
    if (const auto macs = number_of(member(workload, "macs"))) line += fmt::format(", {} MACs", count_text(*macs));
    if (const auto weights = number_of(member(workload, "parameters")))
      line += fmt::format(", {} parameters", count_text(*weights));
    row("Workload", line);
  }
  for (const json& each : items_of(member(study, "workloads"))) {
    std::string line = text(member(each, "title"));
    if (const auto batch = number_of(member(each, "batch")); batch && *batch != 1)
      line += ", batch " + count_text(*batch);
    line += fmt::format(", weight {}", text(member(each, "weight")));
    if (const auto macs = number_of(member(each, "macs"))) line += fmt::format(", {} MACs", count_text(*macs));
    if (const auto weights = number_of(member(each, "parameters")))
      line += fmt::format(", {} parameters", count_text(*weights));
    row("Workload " + text_of(member(each, "label")), line);
  }
  row("Combined by", html_escape(view.combine_text()));
  row("Data", text(member(view.results, "dataset", "source")));
  const json& simulator = member(study, "simulator");
  row("Simulator", simulator.is_object() ? with_fingerprint(simulator) : "none: the log alone");
  for (const std::string& name : keys_of(member(simulator, "settings")))
    row("· " + name, text(member(simulator, "settings", name)));
  const json& training = member(view.results, "training");
  row("Network", text(member(training, "network")));
  const auto rows_text = [](const json& rows) {
    std::string line;
    for (const std::string& name : keys_of(rows)) {
      if (const auto value = number_of(member(rows, name)))
        line += fmt::format("{}{} {}", line.empty() ? "" : ", ", html_escape(name), count_text(*value));
    }
    return line;
  };
  row("Rows", rows_text(member(training, "rows")));
  const json& workloads = items_of(member(training, "workloads"));
  for (std::size_t w = 1; w < workloads.size(); ++w) {
    row("Rows of " + text_of(member(workloads[w], "name")), rows_text(workloads[w]));
  }
  row("Model file", training.is_object() && !text_of(member(training, "model")).empty()
                        ? html_code(text_of(member(training, "model")))
                        : "");
  row("Search", text(member(view.results, "search", "method")));
  row("Made by", "Corbel " + text(member(view.results, "corbel")));
  const std::string file = text_of(member(study, "file")), seed = text_of(member(study, "seed"));
  std::string command;
  if (!file.empty()) {
    command =
        fmt::format("<h3 class=\"block\">To make it again</h3><pre>corbel run {}{}</pre>\n",
                    html_escape(shell_word(file)), seed.empty() ? "" : " --seed " + html_escape(shell_word(seed)));
  }
  return fmt::format("<section><h2>How it was made</h2><dl>{}</dl>{}</section>\n", list, command);
}

}  // namespace corbel
