#include "corbel/report/experiment_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "corbel/report/experiment_view.hpp"
#include "corbel/report/html.hpp"
#include "corbel/report/page.hpp"
#include "corbel/report/view.hpp"

namespace corbel {
namespace {

using nlohmann::json;
using Align = HtmlTable::Align;

std::string curves_section(const ExperimentView& view) {
  CurveGroup group;
  for (const json& curve : items_of(member(view.all, "curves"))) group.curves.push_back(&curve);
  group.title = "Best so far over the queries, median of the runs, for each method";
  group.caption = fmt::format(
      "The median of the runs. {}; a line begins where half of the runs have found a design within the "
      "limits.",
      view.better_text());
  group.x_title = group.x_words = "queries";
  group.y_title = "best so far";
  group.band = "the band that the middle half of the runs lies in";
  const std::string figures = curves_html(view, group);
  return fmt::format("<section><h2>Best so far</h2>{}</section>\n",
                     figures.empty() ? "<p>No run found a design within the limits.</p>" : figures);
}

std::string results_section(const ExperimentView& view) {
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
  const auto rank = [&](const json& row) {
    const auto best = number_of(member(row, "best_median"));
    return std::pair(number_of(member(row, "budget")).value_or(0),
                     best ? cost_of(view.direction, *best) : std::numeric_limits<double>::infinity());
  };
  const auto [best_run, worst_run] = view.ends("best_min", "best_max");
  const auto [better_quarter, worse_quarter] = view.ends("best_q25", "best_q75");
  std::stable_sort(order.begin(), order.end(), [&](const json* a, const json* b) { return rank(*a) < rank(*b); });
  for (const json* row : order) {
    const double budget = number_of(member(*row, "budget")).value_or(0);
    const auto seconds = number_of(member(*row, "seconds")), own = number_of(member(*row, "strategy_seconds"));
    const auto queries = number_of(member(*row, "queries_median")),
               until = number_of(member(*row, "queries_to_optimum_median"));
    const bool has_share = own && queries && *queries > 0;
    table.row({html_escape(text_of(member(*row, "method"))), count_text(budget), view.text(member(*row, "best_median")),
               fmt::format("{} to {}", view.text(member(*row, better_quarter)), view.text(member(*row, worse_quarter))),
               view.text(member(*row, best_run)), view.text(member(*row, worst_run)),
               fmt::format("{} of {}", html_escape(text_of(member(*row, "exact"))),
                           html_escape(text_of(member(*row, "seeds")))),
               until ? count_text(*until) : "–", seconds ? html_escape(seconds_text(*seconds)) : "–",
               has_share ? fmt::format("{:.3g} ms", 1000 * *own / *queries) : "–"},
              last_budget != 0 && budget != last_budget ? "rule" : "");
    last_budget = budget;
  }
  return fmt::format(
      "<section><h2>What each method found</h2><p>Best {} within the limits{}.</p><div "
      "class=\"scroll\">{}</div></section>\n",
      html_escape(view.metric), view.basis_text(), table.html());
}

std::string count_of(const json& node) {
  const auto value = number_of(node);
  return value ? count_text(*value) : std::string("–");
}

/// How an experiment was made: terms and what they are.
std::string conditions_section(const ExperimentView& view,
                               const std::vector<std::pair<std::string, std::string>>& further) {
  const json& question = member(view.all, "question");
  std::string out = "<section><h2>How it was made</h2><dl>";
  const auto add = [&](const std::string& name, const std::string& text) {
    out += fmt::format("<dt>{}</dt><dd>{}</dd>", html_escape(name), html_escape(text));
  };
  add("searched", fmt::format("{} ({}), {} designs of {} parameters", text_of(member(question, "name")),
                              text_of(member(question, "source")), count_of(member(question, "designs")),
                              count_of(member(question, "parameters"))));
  add("runs", fmt::format("{} of each method, seeds from {}", count_of(member(view.all, "seeds")),
                          count_of(member(view.all, "first_seed"))));
  for (const auto& [name, text] : further) add(name, text);
  return out + "</dl></section>\n";
}

std::string online_sections(const ExperimentView& view) {
  const json& queries = member(view.all, "queries");
  return results_section(view) + curves_section(view) +
         conditions_section(
             view, {{"asked for at a time", count_of(member(view.all, "batch")) + " designs"},
                    {"queries in all",
                     fmt::format("{}, of which {} gave a design within the limits and {} failed",
                                 count_of(member(queries, "all")), count_of(member(queries, "within_limits")),
                                 count_of(member(queries, "failed")))},
                    {"what counts",
                     text_of(member(view.all, "budgets_count")) == "feasible"
                         ? "Queries that gave a design within the limits; all methods have the same number of them. "
                           "Infeasible and failed ones were free. No method sees anything of a design before it asks "
                           "for it."
                         : "Every design a method asked for is a query, infeasible and failed ones too. All methods "
                           "have the same number of them, and see nothing of a design before they ask for it."}});
}

/// "1.0131 (1.2563)": the median and the worst of the runs.
std::string median_and_worst(const ExperimentView& view, const json& row, const char* name) {
  return fmt::format("{} ({})", view.text(member(row, std::string(name) + "_median")),
                     view.text(member(row, name + view.ends("_min", "_max").second)));
}

std::string offline_results(const ExperimentView& view) {
  HtmlTable table({{"method"},
                   {"rows", Align::number},
                   {"within limits", Align::number},
                   {"top-1", Align::number},
                   {"top-16", Align::number},
                   {"top-256", Align::number},
                   {"infeasible in top 256", Align::number},
                   {"held-out τ", Align::number},
                   {"time", Align::number}});
  double last_size = 0;
  for (const json& row : items_of(member(view.all, "results"))) {
    const double size = number_of(member(row, "log_size")).value_or(0);
    const auto share = number_of(member(row, "infeasible_share_top256_median")),
               worst = number_of(member(row, "infeasible_share_top256_max")),
               tau = number_of(member(row, "kendall_heldout_median")), seconds = number_of(member(row, "seconds"));
    table.row({html_escape(text_of(member(row, "method"))), count_text(size),
               count_of(member(row, "rows_within_limits_median")), median_and_worst(view, row, "top1"),
               median_and_worst(view, row, "top16"), median_and_worst(view, row, "top256"),
               share && worst ? fmt::format("{} ({})", percent_text(*share), percent_text(*worst)) : "–",
               tau ? fmt::format("{:.2f}", *tau) : "–", seconds ? html_escape(seconds_text(*seconds)) : "–"},
              last_size != 0 && size != last_size ? "rule" : "");
    last_size = size;
  }
  return fmt::format(
      "<section><h2>What the proposals are worth</h2><p>Best true {} of the 1, 16 and 256 best predicted designs{}: "
      "median "
      "of the runs, and in brackets the worst.</p><div class=\"scroll\">{}</div></section>\n",
      html_escape(view.metric), view.basis_text(), table.html());
}

std::string offline_curves(const ExperimentView& view) {
  std::string out;
  for (const json& size : items_of(member(view.all, "log_sizes"))) {
    CurveGroup group;
    for (const json& curve : items_of(member(view.all, "curves"))) {
      if (member(curve, "log_size") == size) group.curves.push_back(&curve);
    }
    const std::string rows = count_of(size);
    group.id = fmt::format("rows-{:.0f}-", number_of(size).value_or(0));
    group.title = fmt::format("Best of the first proposals, from logs of {} rows, for each method", rows);
    group.caption =
        fmt::format("The median of the runs. {}; a line begins where half of the runs have one within the limits.",
                    view.better_text());
    group.x_title = "proposals looked at, best predicted first";
    group.x_words = "proposals";
    group.y_title = "best of them";
    group.band = "the 95 % confidence interval of the median (order statistics; of fewer than 6 runs, all of them)";
    const std::string figures = curves_html(view, group);
    out += fmt::format("<section><h2>Best of the first proposals, logs of {} rows</h2>{}</section>\n", rows,
                       figures.empty() ? "<p>No method proposed a design within the limits.</p>" : figures);
  }
  return out;
}

std::string offline_sections(const ExperimentView& view) {
  const auto worst = number_of(member(view.all, "worst"));
  std::string log = "rows drawn at random among the designs of the space, another log for each seed";
  if (worst && *worst > 0) log += fmt::format("; of those within the limits only the worst {}", count_text(*worst));
  return offline_results(view) + offline_curves(view) +
         conditions_section(
             view,
             {{"log", log},
              {"simulations by the methods", "none: they see the log alone"},
              {"withheld",
               "the best fifth of the log's rows within the limits, and a fifth of the infeasible ones: "
               "they choose among candidates and are never fitted; τ is the rank correlation on them"},
              {"infeasible", "share of the designs that do not run, among those of the top 256 within the limits"}});
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
  const bool is_offline = text_of(member(experiment, "experiment")) == "offline";
  return html_page({name,
                    is_offline ? "Corbel experiment: designs proposed from logs alone"
                               : "Corbel experiment: search methods compared",
                    fmt::format("{} {}{}", view.direction == Direction::maximise ? "Most" : "Least",
                                html_escape(view.metric), limits),
                    is_offline ? offline_sections(view) : online_sections(view),
                    fmt::format("Made by Corbel {} from experiment.json. This file needs no network.",
                                html_escape(text_of(member(experiment, "corbel"))))});
}

}  // namespace corbel
