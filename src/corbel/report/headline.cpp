#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "corbel/report/html.hpp"
#include "corbel/report/sections.hpp"
#include "corbel/report/view.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// A share whose rounding does not hide the few that are left: "97.0 %", "more than 99.9 %", "all".
std::string most_text(double share) {
  if (share >= 1) return "all";
  return share > 0.999 ? "more than 99.9 %" : percent_text(share);
}

/// Which limits stand between the search and a design, the one that most designs break first; "" if that is not known.
std::string blocked_text(const ReportView& view) {
  std::vector<std::pair<double, std::string>> shares;
  for (const json& entry : items_of(member(view.results, "search", "blocked"))) {
    const auto share = number_of(member(entry, "share"));
    const std::string constraint = text_of(member(entry, "constraint"));
    if (share && *share > 0 && !constraint.empty()) shares.emplace_back(*share, constraint);
  }
  if (shares.empty()) return "";
  std::stable_sort(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text = fmt::format("{} blocks most: {} of the designs scored break it", html_code(shares[0].second),
                                 most_text(shares[0].first));
  for (std::size_t i = 1; i < shares.size(); ++i) {
    text += fmt::format("; {} {}", html_code(shares[i].second), most_text(shares[i].first));
  }
  return text + ".";
}

std::string missing_design(const ReportView& view) {
  std::vector<std::string> reasons;
  const json& dataset = member(view.results, "dataset");
  if (!dataset.is_object()) {
    reasons.push_back("No data were collected yet: " + html_code("corbel sweep") + " or " + html_code("corbel import") +
                      ".");
  } else if (number_of(member(dataset, "feasible")) == 0.0) {
    reasons.push_back("The log holds no feasible design, so there was nothing to learn from.");
  } else if (!member(view.results, "training").is_object()) {
    reasons.push_back("No model was trained yet: " + html_code("corbel train") + ".");
  } else if (!member(view.results, "search").is_object()) {
    reasons.push_back("The search has not run yet: " + html_code("corbel search") + ".");
  } else if (items_of(member(view.results, "proposals")).empty() &&
             is_true(member(view.results, "search", "exhaustive"))) {
    reasons.push_back(
        "By the model there is none: every design that no exact limit rules out was scored, and none is predicted to "
        "be "
        "feasible and to meet every constraint. Loosen a constraint, or log designs closer to the limits.");
  } else if (items_of(member(view.results, "proposals")).empty()) {
    reasons.push_back(
        "The search found no design that is predicted to be feasible and to meet every constraint. Loosen "
        "a constraint, or log designs closer to the limits.");
  } else {
    reasons.push_back("No proposal met every constraint, and the log holds no design that does.");
  }
  if (const std::string blocked = blocked_text(view); !blocked.empty()) reasons.push_back(blocked);
  if (number_of(member(dataset, "within_limits")) == 0.0) {
    reasons.push_back("No logged design meets every constraint.");
  }
  return "<section><h2>What to build</h2><span class=\"pill bad\">no design</span>"
         "<p class=\"verdict\">There is no design to build yet.</p>" +
         html_list(reasons) + "</section>\n";
}

/// The best logged design as it was measured, and as the model sees it.
struct BestLogged {
  std::optional<double> measured, predicted;
  std::optional<double> model_error;  ///< relative, of `predicted`
};

BestLogged best_logged(const ReportView& view) {
  const json& logged = member(view.results, "dataset", "best_logged");
  BestLogged out{number_of(member(logged, "objective")), number_of(member(logged, "predicted")), {}};
  if (out.measured && out.predicted && *out.measured != 0) {
    out.model_error = std::abs(*out.predicted / *out.measured - 1);
  }
  return out;
}

/// Whether the value told of the chosen design is no better than what the best logged design measured. A prediction can
/// do that and still be the better one of two predictions.
bool is_beaten_by_log(const ReportView& view) {
  const auto value = view.best_objective(), measured = best_logged(view).measured;
  return value && measured && !is_better(view.direction, *value, *measured);
}

std::string pill(const ReportView& view) {
  const std::string source = text_of(member(view.best, "source"));
  if (source == "validated") {
    return fmt::format("<span class=\"pill good\">{}</span>",
                       view.is_from_table() ? "validated in a recorded table" : "validated by simulation");
  }
  if (source == "searched") return "<span class=\"pill good\">found by simulation</span>";
  if (source == "logged") return "<span class=\"pill warn\">a logged design, not a new one</span>";
  return fmt::format("<span class=\"pill warn\">predicted only, {}</span>",
                     is_beaten_by_log(view) ? "simulate it first" : "not simulated");
}

std::string verdict(const ReportView& view) {
  const std::string source = text_of(member(view.best, "source"));
  const std::string label = html_escape(view.metric_label(view.objective));
  const std::string value = html_escape(view.objective_text(view.best_objective()));
  const std::string rank = text_of(member(view.best, "rank"));
  const std::string name = rank.empty() ? "the proposal" : "proposal #" + html_escape(rank);
  const auto gain = number_of(member(view.best, "gain"));
  if (source == "logged") {
    return fmt::format("Keep the best logged design: {} <b>{}</b>. No proposal was found to beat it.", label, value);
  }
  if (source == "searched") {
    const auto queries = number_of(member(searched_by(view), "queries"));
    const bool in_rounds = text_of(member(view.best, "found_by")) == "rounds";
    return fmt::format(
        "Build the best design that {} found{}: {} <b>{}</b>{}.",
        in_rounds ? "the rounds" : "the search on the simulator",
        queries ? fmt::format(" in {} {}", count_text(*queries), in_rounds ? "simulations" : "queries") : "", label,
        value,
        gain && *gain > 1 ? fmt::format("; <b>{}</b> better than the best {}", gain_text(*gain),
                                        in_rounds ? "before them" : "logged design")
                          : "");
  }
  const BestLogged logged = best_logged(view);
  const std::string measured = html_escape(view.objective_text(logged.measured));
  std::string text;
  if (source == "validated") {
    text = fmt::format("Build {}: {} <b>{}</b>, confirmed by {}", name, label, value, html_escape(view.truth_source()));
    if (gain && *gain >= 1 && !is_beaten_by_log(view)) {
      text += fmt::format("; <b>{}</b> better than the best logged design", gain_text(*gain));
    } else if (gain && *gain < 1) {
      text += "; worse than the best logged design";
    }
    return text + ".";
  }
  if (is_beaten_by_log(view)) {
    text = fmt::format(
        "Simulate {} before you build: {} <b>{}</b> is only predicted, and the best logged design measured <b>{}</b>. ",
        name, label, value, measured);
    if (!logged.model_error) return text + "Only a simulation can tell which is better.";
    return text + fmt::format(
                      "The model predicts {} for that design and is off by {} there, so only a simulation can tell "
                      "which is better.",
                      html_escape(view.objective_text(logged.predicted)), error_text(*logged.model_error));
  }
  text = fmt::format("Try {}: {} <b>{}</b> by the model’s prediction", name, label, value);
  if (logged.measured) text += fmt::format(", against {} measured for the best logged design", measured);
  if (logged.measured && gain && *gain >= 1) {
    text += fmt::format("; <b>{}</b> better by the model’s predictions of both", gain_text(*gain));
  }
  return text + ". Simulate it before you build it.";
}

std::string tile(const std::string& value, const std::string& label) {
  return fmt::format("<div><b>{}</b><span>{}</span></div>", value, label);
}

std::string tiles(const ReportView& view) {
  const std::string source = text_of(member(view.best, "source"));
  const bool has_truth = number_of(member(view.best, "objective")).has_value();
  std::string out = tile(html_escape(view.objective_text(view.best_objective())),
                         fmt::format("{}, {}", html_escape(view.metric_label(view.objective)),
                                     source == "logged" ? "logged"
                                     : has_truth        ? "true"
                                                        : "predicted"));
  const BestLogged logged = best_logged(view);
  if (view.is_only_predicted() && is_beaten_by_log(view)) {
    // The gain is against the model's own prediction: as a figure of merit it would contradict the measured value.
    out += tile(html_escape(view.objective_text(logged.measured)), "best logged design, measured");
    if (logged.model_error) {
      out += tile(error_text(*logged.model_error),
                  fmt::format("error of the model at the best logged design, for which it predicts {}",
                              html_escape(view.objective_text(logged.predicted))));
    }
  } else if (const auto gain = number_of(member(view.best, "gain")); gain && source != "logged") {
    // The search compares a prediction with the prediction for the logged design, so that both carry the same bias.
    const auto reference = has_truth ? logged.measured : logged.predicted;
    std::string label = "gain over the best logged design";
    if (!has_truth) label = "predicted gain over the best logged design";
    if (reference)
      label += fmt::format(" ({}{})", html_escape(view.objective_text(reference)), has_truth ? "" : ", also predicted");
    out += tile(gain_text(*gain), label);
  }
  std::optional<double> tightest;
  std::string constraint;
  for (const json& margin : items_of(view.of_best("margins"))) {
    const auto value = number_of(member(margin, "margin"));
    if (value && (!tightest || *value < *tightest)) {
      tightest = value;
      constraint = text_of(member(margin, "constraint"));
    }
  }
  if (tightest) out += tile(signed_percent_text(*tightest), "tightest margin, " + html_code(constraint));
  const auto feasibility = number_of(view.of_best("feasibility"));
  if (source == "predicted" && feasibility)
    out += tile(percent_text(*feasibility, 0), "probability that it is feasible");
  const json& table = member(view.results, "validation", "table");
  if (const auto ratio = number_of(member(table, "best_over_optimum"))) {
    out += tile(gain_text(*ratio), fmt::format("of the table’s true optimum ({})",
                                               html_escape(view.objective_text(number_of(member(table, "optimum"))))));
  }
  return fmt::format("<div class=\"tiles\">{}</div>\n", out);
}

std::string margins_table(const ReportView& view) {
  const json& margins = items_of(view.of_best("margins"));
  if (margins.empty()) {
    const bool has_limits = !items_of(member(view.results, "study", "constraints")).empty();
    return has_limits ? "" : "<p class=\"soft\">The study sets no constraint.</p>\n";
  }
  HtmlTable table(
      {{"constraint"}, {"value", HtmlTable::Align::number}, {"margin", HtmlTable::Align::number}, {""}, {"known by"}});
  for (const json& margin : margins) {
    const std::string text = text_of(member(margin, "constraint"));
    const auto left = number_of(member(margin, "left")), value = number_of(member(margin, "margin"));
    const bool broken = value && *value < 0;
    std::string meter;
    if (value && text.find('<') != std::string::npos) {
      meter = fmt::format("<span class=\"meter{}\"><i style=\"width:{:.1f}%\"></i></span>", broken ? " broken" : "",
                          100 * std::clamp(1 - *value, 0.0, 1.0));
    }
    table.row(
        {html_code(text), left ? html_escape(measured_with_unit(*left, "")) : "–",
         value ? fmt::format("<span{}>{}</span>", broken ? " class=\"broken-text\"" : "", signed_percent_text(*value))
               : "not known",
         meter, html_escape(text_of(member(margin, "basis")))});
  }
  return "<h3>Margins to the constraints</h3>" + table.html();
}

/// A metric of the chosen design: exact, else predicted and marked so.
std::string chosen_metric(const ReportView& view, const std::string& metric) {
  if (metric == view.objective) {
    if (const auto value = number_of(member(view.best, "objective"))) return html_escape(view.objective_text(value));
    if (const auto value = number_of(member(view.best, "predicted"))) {
      return fmt::format("{} <small>predicted</small>", html_escape(view.objective_text(value)));
    }
  }
  if (const auto value = number_of(member(view.of_best("metrics"), metric)))
    return html_escape(view.metric_text(metric, value));
  if (const auto value = number_of(member(view.of_best("predicted_metrics"), metric))) {
    return fmt::format("{} <small>predicted</small>", html_escape(view.metric_text(metric, value)));
  }
  return "<span class=\"soft\">not known</span>";
}

/// Lets a narrow screen break a name after its underscores.
std::string breakable(const std::string& html) {
  std::string out;
  for (const char c : html) out += c == '_' ? std::string("_<wbr>") : std::string(1, c);
  return out;
}

std::string design_table(const ReportView& view) {
  const json& logged = member(view.results, "dataset", "best_logged");
  const bool compare = member(logged, "design").is_object() && text_of(member(view.best, "source")) != "logged" &&
                       member(logged, "design") != member(view.best, "design");
  std::vector<HtmlTable::Column> columns = {
      {"parameter"}, {view.is_only_predicted() ? "proposal" : "build", HtmlTable::Align::number}};
  if (compare) columns.push_back({"best logged", HtmlTable::Align::number});
  HtmlTable table(columns, "design");
  const json& design = member(view.best, "design");
  for (const ReportParameter& parameter : view.parameters) {
    const std::string value = html_escape(view.design_value(parameter, design));
    std::vector<std::string> cells = {breakable(html_code(parameter.name)), "<b>" + value + "</b>"};
    if (compare) {
      const std::string other = html_escape(view.design_value(parameter, member(logged, "design")));
      cells.push_back(fmt::format("<span{}>{}</span>", other == value ? " class=\"same\"" : "", other));
    }
    table.row(cells);
  }
  bool first = true;
  for (const std::string& metric : view.metrics()) {
    std::vector<std::string> cells = {html_escape(view.metric_label(metric)), chosen_metric(view, metric)};
    if (compare) {
      const auto value = metric == view.objective ? number_of(member(logged, "objective"))
                                                  : number_of(member(logged, "metrics", metric));
      cells.push_back(html_escape(view.metric_text(metric, value)));
    }
    table.row(cells, first ? "rule" : "");
    first = false;
  }
  return table.html();
}

/// What the chosen design does on each of several networks.
std::string workloads_table(const ReportView& view) {
  const std::vector<std::string> metrics = view.workload_metrics();
  if (metrics.empty()) return "";
  std::vector<HtmlTable::Column> columns = {{"network"}, {"weight", HtmlTable::Align::number}};
  for (const std::string& metric : metrics) {
    columns.push_back({html_escape(view.metric_label(metric)), HtmlTable::Align::number});
  }
  HtmlTable table(columns);
  for (const ReportWorkload& workload : view.workloads) {
    // Limits and the ranked table call it by its label.
    std::string name = html_escape(workload.title);
    if (workload.title != workload.label) {
      name += fmt::format(" <small class=\"mono\">{}</small>", html_escape(workload.label));
    }
    std::vector<std::string> cells = {std::move(name),
                                      workload.weight ? html_escape(value_with_unit(*workload.weight, "")) : "–"};
    for (const std::string& metric : metrics) cells.push_back(chosen_metric(view, workload.metric(metric)));
    table.row(cells);
  }
  const std::string rule = view.combine_text();
  return fmt::format("<h3>On each network{}</h3>", rule.empty() ? "" : ", combined by " + html_escape(rule)) +
         table.html();
}

std::string nearest_text(const ReportView& view) {
  const json& nearest = view.of_best("nearest");
  const auto distance = number_of(member(nearest, "distance"));
  if (!distance) return "";
  const json& within = member(nearest, "within_limits");
  return fmt::format(
      "<p class=\"soft\">The nearest logged feasible design is {:.3f} away (0 the same, 1 the far end of every "
      "parameter) and has {} {}{}.</p>\n",
      *distance, html_escape(view.metric_label(view.objective)),
      html_escape(view.objective_text(number_of(member(nearest, "objective")))),
      within.is_boolean() && !is_true(within) ? ", but breaks a limit" : "");
}

/// What a whole recorded table says of the answer that was given before looking, and of the best after looking.
std::string table_text(const ReportView& view) {
  const json& table = member(view.results, "validation", "table");
  const auto first = number_of(member(table, "first_over_optimum"));
  if (!first) return "";
  std::string text = fmt::format("Against the table’s true optimum: the first proposal, chosen without the table, {}",
                                 gain_text(*first));
  const auto best = number_of(member(table, "best_over_optimum")),
             checked = number_of(member(view.results, "validation", "simulated"));
  if (best && checked) text += fmt::format("; the best of the {} looked up {}", count_text(*checked), gain_text(*best));
  if (const auto logged = number_of(member(table, "best_logged_over_optimum"))) {
    text += fmt::format("; the best logged design {}", gain_text(*logged));
  }
  return "<p class=\"soft\">" + text + " (1.00× is the optimum).</p>\n";
}

/// What only a search of the whole space can say.
std::string exhaustive_text(const ReportView& view) {
  const json& search = member(view.results, "search");
  const auto scored = number_of(member(search, "scored")), pruned = number_of(member(search, "pruned"));
  if (!scored || !is_true(member(search, "exhaustive"))) return "";
  std::string text =
      fmt::format("Every design that could be proposed was scored by the model: {}", count_text(*scored));
  if (pruned && *pruned > 0) {
    text += fmt::format("; {} others are in the log or break a limit that is known exactly", count_text(*pruned));
  }
  if (const auto rescored = number_of(member(search, "rescored"))) {
    text += fmt::format(
        ". It ranked them in {} arithmetic, and scored {} again in single precision: all that could be among the best "
        "by "
        "the errors that were measured. All values here are in single precision",
        html_escape(text_of(member(search, "ranked_by"))), count_text(*rescored));
  }
  const bool found = !items_of(member(view.results, "proposals")).empty();
  return "<p class=\"soft\">" + text +
         (found
              ? ". Proposal #1 is the model’s exact optimum within the limits: no design outside the log has a better "
                "prediction.</p>\n"
              : ". By the model none of them is feasible and within the limits.</p>\n");
}

/// Whether the log supports the answer, where that is not plain from how its values are known.
std::string answer_text(const ReportView& view) {
  const std::string answer = text_of(member(view.results, "answer", "verdict"));
  if (text_of(member(view.best, "source")) != "predicted" || answer.empty()) return "";
  std::vector<std::string> reasons;
  for (const json& reason : items_of(member(view.results, "answer", "reasons"))) {
    reasons.push_back(html_escape(text_of(reason)));
  }
  if (answer == "not answerable") {
    return "<p><b>The log cannot answer this.</b> What stands below are designs worth simulating, not an answer:</p>" +
           html_list(reasons);
  }
  if (answer == "extrapolated") return "<p>This goes beyond the log:</p>" + html_list(reasons);
  return "<p class=\"soft\">The log supports it: the ranking holds on designs that were withheld, and this one lies "
         "among "
         "those that were logged.</p>";
}

}  // namespace

std::string headline_section(const ReportView& view) {
  if (view.best.is_null()) return missing_design(view);
  const std::vector<std::string> not_known = unknowns(view);
  return fmt::format(
      "<section><h2>What to build</h2>{}\n<p class=\"verdict\">{}</p>\n{}<div class=\"columns wide-left\"><div>{}{}{}"
      "<h3 class=\"block\">What was not known</h3>{}</div><div>{}</div></div>{}</section>\n",
      pill(view), verdict(view), answer_text(view), tiles(view) + exhaustive_text(view),
      table_text(view) + margins_table(view), nearest_text(view),
      not_known.empty() ? "<p class=\"soft\">Nothing that these results could tell.</p>"
                        : html_list(not_known, "unknowns"),
      design_table(view), workloads_table(view));
}

std::string facts_strip(const ReportView& view) {
  const json& dataset = member(view.results, "dataset");
  const auto rows = number_of(member(dataset, "rows")), feasible = number_of(member(dataset, "feasible"));
  const auto within = number_of(member(dataset, "within_limits"));
  std::string out;
  const auto count = [&](const json& node, const std::string& label) {
    if (const auto value = number_of(node)) out += tile(count_text(*value), label);
  };
  const auto seconds = [&](const json& node, const std::string& label) {
    if (const auto value = number_of(node)) out += tile(seconds_text(*value), label);
  };
  count(member(dataset, "rows"), "rows in the log");
  if (rows && feasible && *rows > 0) out += tile(percent_text(*feasible / *rows), "of them feasible");
  if (rows && within && *rows > 0) out += tile(count_text(*within), "feasible inside every limit");
  count(member(view.results, "study", "space", "designs"), "designs in the space");
  count(member(view.results, "search", "scored"), is_true(member(view.results, "search", "exhaustive"))
                                                      ? "designs scored: all that were admitted"
                                                      : "designs scored");
  count(member(view.results, "search", "pruned"), "designs left out unscored: logged, or over an exact limit");
  count(member(view.results, "search", "rescored"), "of these scored again in single precision");
  count(member(view.results, "rounds", "queries"), "simulations of the rounds");
  count(member(view.results, "online", "queries"), "queries of the simulator");
  if (text_of(member(view.results, "pareto", "basis")) == "simulated") {
    count(member(view.results, "pareto", "queries"), "queries for the Pareto front");
  }
  seconds(member(view.results, "training", "seconds"), "training");
  seconds(member(view.results, "search", "seconds"), "search");
  count(member(view.results, "validation", "simulated"),
        view.is_from_table() ? "proposals looked up in a table" : "proposals simulated");
  return out.empty() ? "" : fmt::format("<div class=\"facts\">{}</div>\n", out);
}

}  // namespace corbel
