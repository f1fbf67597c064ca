#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "corbel/report/html.hpp"
#include "corbel/report/sections.hpp"
#include "corbel/report/view.hpp"

namespace corbel {
namespace {

using nlohmann::json;

/// How often the log holds a parameter's value; nothing if the log does not say.
std::optional<double> rows_with(const ReportView& view, const std::string& parameter, const std::string& value) {
  for (const json& known : items_of(member(view.results, "dataset", "parameters"))) {
    if (text_of(member(known, "name")) != parameter) continue;
    for (const json& entry : items_of(member(known, "values"))) {
      if (text_of(member(entry, "label")) == value) return number_of(member(entry, "rows"));
    }
  }
  return std::nullopt;
}

/// The metrics that a constraint reads and the model had to predict, each with its error on withheld rows; "" if no
/// error is known.
std::string limit_errors(const ReportView& view, const std::string& constraint) {
  const auto is_word = [](char c) {
    // A dot joins the names of a network and of its metric.
    return c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  const json& errors = member(view.results, "training", "errors");
  std::string out;
  for (const std::string& metric : keys_of(errors)) {
    const auto error = number_of(member(errors, metric));
    bool is_read = false;
    for (std::size_t at = constraint.find(metric); !metric.empty() && at != std::string::npos && !is_read;
         at = constraint.find(metric, at + 1)) {
      const std::size_t end = at + metric.size();
      is_read = (at == 0 || !is_word(constraint[at - 1])) && (end == constraint.size() || !is_word(constraint[end]));
    }
    if (!error || !is_read) continue;
    out += fmt::format("{}{} is off by {}", out.empty() ? "" : ", ", html_escape(view.metric_label(metric)),
                       error_text(*error));
  }
  return out;
}

/// The networks beside the study's own that the model learnt from: "m4, m5"; "" if there are none.
std::string other_networks(const ReportView& view) {
  const json& workloads = items_of(member(view.results, "training", "workloads"));
  std::string out;
  for (std::size_t w = 1; w < workloads.size(); ++w) {
    out += (out.empty() ? "" : ", ") + html_escape(text_of(member(workloads[w], "name")));
  }
  return out;
}

}  // namespace

std::vector<std::string> unknowns(const ReportView& view) {
  constexpr double rare_rows = 20, sure_enough = 0.95, ordered_enough = 0.5;
  std::vector<std::string> out;
  const json& dataset = member(view.results, "dataset");
  const std::string source = text_of(member(view.best, "source"));
  const std::string label = html_escape(view.metric_label(view.objective));
  const bool predicted_only = view.is_only_predicted();
  const auto own_error = number_of(member(view.results, "training", "errors", view.objective));
  const std::string others = other_networks(view);
  const bool is_unlogged = !others.empty() && number_of(member(dataset, "rows")) == 0.0;
  const bool withheld_own = number_of(member(view.results, "training", "rows", "withheld_feasible")) != 0.0;
  const char* on_withheld = others.empty() || withheld_own
                                ? "on the withheld designs, the best of the log (median)"
                                : "on the withheld designs of the other networks, the best of each (median)";

  if (predicted_only) {
    out.push_back(fmt::format(
        "Whether the prediction holds: no simulation of this design was run, its {} is what the model believes{}.",
        label, own_error ? fmt::format(", off by {} {}", error_text(*own_error), on_withheld) : ""));
    const auto guess = number_of(member(view.best, "predicted"));
    for (const json& metric : items_of(member(dataset, "metrics"))) {
      const bool is_maximised = view.direction == Direction::maximise;
      const auto best = number_of(member(metric, is_maximised ? "max" : "min"));
      if (text_of(member(metric, "name")) != view.objective || !guess || !best) continue;
      if (!is_better(view.direction, *guess, *best)) continue;
      out.push_back(fmt::format(
          "What lies {} the log: the prediction is {} than every logged {} ({} {}), so the model extrapolates.",
          is_maximised ? "above" : "below", is_maximised ? "higher" : "lower", label, is_maximised ? "most" : "least",
          html_escape(view.objective_text(best))));
    }
    if (is_unlogged) {
      out.push_back(
          fmt::format("How high its {} is: no design of this network was logged. Which designs are better was "
                      "learnt on {}; the value is a guess.",
                      label, others));
    }
    const auto feasibility = number_of(view.of_best("feasibility"));
    if (feasibility && *feasibility < sure_enough) {
      out.push_back(
          fmt::format("Whether it compiles and simulates: the model gives it {}.", percent_text(*feasibility, 0)));
    }
    if (!feasibility) out.push_back("Whether it compiles and simulates: there is no probability for it.");
  } else if (source == "validated" || source == "searched") {
    out.push_back(
        source == "validated" && view.is_from_table()
            ? fmt::format("How good {} is: true values here are its recorded ones.", html_escape(view.truth_source()))
            : fmt::format("How the silicon will do: true values here are those of {}, itself a model.",
                          html_escape(view.truth_source())));
  }
  if (!predicted_only && source != "searched" && own_error) {
    out.push_back(fmt::format("Whether another design is better: the model judged that, and its {} is off by {} {}.",
                              label, error_text(*own_error), on_withheld));
  }
  for (const json& margin : items_of(view.of_best("margins"))) {
    const std::string constraint = text_of(member(margin, "constraint")), text = html_code(constraint);
    if (!number_of(member(margin, "margin"))) {
      out.push_back(fmt::format("Whether {} is met: a value it reads is not known.", text));
    } else if (text_of(member(margin, "basis")) == "predicted") {
      const std::string errors = limit_errors(view, constraint);
      out.push_back(fmt::format("Whether {} is met: it was judged on a prediction{}.", text,
                                errors.empty() ? "" : fmt::format("; {} {}", errors, on_withheld)));
    }
  }
  if (source != "logged" && !is_unlogged) {
    for (const ReportParameter& parameter : view.parameters) {
      const std::string value = text_of(member(view.best, "design", parameter.name));
      const auto rows = rows_with(view, parameter.name, value);
      if (!rows || *rows >= rare_rows) continue;
      out.push_back(fmt::format("How {} behaves: {}.", html_code(fmt::format("{} = {}", parameter.name, value)),
                                *rows > 0 ? fmt::format("only {} of the logged rows have it", count_text(*rows))
                                          : std::string("it was never logged")));
    }
  }
  const auto rank_correlation = [&] {
    const json& candidates = items_of(member(view.results, "training", "candidates"));
    const auto chosen = number_of(member(view.results, "training", "chosen"));
    return chosen && *chosen >= 0 && *chosen < static_cast<double>(candidates.size())
               ? number_of(member(candidates[static_cast<std::size_t>(*chosen)], "kendall"))
               : std::nullopt;
  }();
  if (rank_correlation && *rank_correlation < ordered_enough) {
    out.push_back(fmt::format(
        "The order of the good designs: on the withheld best designs the model’s rank correlation is {:.2f} "
        "(1 is perfect, 0 is chance).",
        *rank_correlation));
  }
  if (number_of(member(dataset, "infeasible")) == 0.0 && others.empty()) {
    out.push_back("What fails: the log holds no infeasible design, so the model has never seen one.");
  }
  const auto scored = number_of(member(view.results, "search", "scored"));
  const auto designs = number_of(member(view.results, "study", "space", "designs"));
  if (scored && designs && *designs > 0 && !is_true(member(view.results, "search", "exhaustive"))) {
    out.push_back(fmt::format("What the search did not look at: it scored {} of {} designs ({:.2g} %).",
                              count_text(*scored), count_text(*designs), 100 * *scored / *designs));
  }
  const json& online = searched_by(view);
  const auto queries = number_of(member(online, "queries"));
  if (source == "searched" && queries && designs && *designs > 0 && !is_true(member(online, "exhaustive"))) {
    out.push_back(fmt::format("What {} queried {} of {} designs ({:.2g} %).",
                              text_of(member(view.best, "found_by")) == "rounds" ? "the rounds did not simulate: they"
                                                                                 : "the search did not simulate: it",
                              count_text(*queries), count_text(*designs), 100 * *queries / *designs));
  }
  if (const auto failed = number_of(member(view.results, "validation", "failed")); failed && *failed > 0) {
    out.push_back(
        *failed == 1 ? std::string("How 1 proposal would have done: its simulation failed.")
                     : fmt::format("How {} proposals would have done: their simulations failed.", count_text(*failed)));
  }
  const std::string seed = text_of(member(view.results, "study", "seed"));
  if (!seed.empty() && source != "logged") {
    out.push_back(fmt::format("What another run would propose: this is one run, with seed {}.", html_escape(seed)));
  }
  return out;
}

}  // namespace corbel
