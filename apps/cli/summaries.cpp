#include "summaries.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/units.hpp"
#include "corbel/study/findings.hpp"
#include "corbel/study/pipeline.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

std::string people(const json& value, int digits = 4) {
  if (value.is_number_integer()) return format_for_people(value.get<double>(), 18);
  if (value.is_number()) return format_for_people(value.get<double>(), digits);
  return value.is_string() ? value.get<std::string>() : "-";
}

std::string percent(const json& value) {
  return value.is_number() ? fmt::format("{:.1f} %", value.get<double>() * 100) : "-";
}

std::string times(const json& value) {
  return value.is_number() ? fmt::format("{:.2f}x", value.get<double>()) : "-";
}

std::string with_unit(const json& value, const json& results) {
  const std::string unit = results["study"]["objective"].value("unit", "");
  return value.is_number() ? people(value) + (unit.empty() ? "" : " " + unit) : "-";
}

/// A parameter's value with its unit: "2 MiB", "30 GB/s", "kcp_ws"; `bare` keeps only units that numbers need to be
/// read, for tables.
std::string design_value(const json& parameter, const json& value, bool bare) {
  const std::string unit = parameter.value("unit", "");
  if (unit == "bytes" && value.is_number()) return format_bytes(value.get<double>());
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  return people(value, 12) + (unit.empty() || bare ? "" : " " + unit);
}

/// In the order of the space.
template <class Function>
std::string join_design(const json& results, const json& design, const Function& text) {
  std::string joined;
  for (const json& parameter : results["dataset"]["parameters"]) {
    const std::string name = parameter["name"];
    if (design.contains(name)) joined += (joined.empty() ? "" : " ") + text(parameter, name, design[name]);
  }
  return joined;
}

std::string design_text(const json& results, const json& design) {
  return join_design(results, design, [](const json& parameter, const std::string& name, const json& value) {
    return fmt::format("{}={}", name, design_value(parameter, value, false));
  });
}

bool print_if_json(const json& results, const Common& common) {
  if (common.json()) print_json(results);
  return common.json();
}

void dataset_lines(const json& results) {
  const json& dataset = results["dataset"];
  fmt::print("dataset    {} rows, {} feasible ({}), {} within the limits, from {}\n", people(dataset["rows"]),
             people(dataset["feasible"]),
             percent(dataset["feasible"].get<double>() / std::max(1.0, dataset["rows"].get<double>())),
             people(dataset["within_limits"]), dataset.value("source", ""));
  const json& best = dataset["best_logged"];
  if (!best.is_null()) fmt::print("           best logged: {}\n", with_unit(best["objective"], results));
  for (const json& warning : dataset["warnings"]) fmt::print("           note: {}\n", warning.get<std::string>());
}

void training_lines(const json& results) {
  const json& training = results["training"];
  const json& chosen = training["candidates"][training["chosen"].get<std::size_t>()];
  fmt::print(
      "model      {} network, alpha {}, beta {} of {} candidates; rank correlation on withheld designs {}, "
      "infeasible kept out (AUC) {}; {} s\n",
      training.value("network", ""), people(chosen["alpha"]), people(chosen["beta"]), training["candidates"].size(),
      people(chosen["kendall"], 3), people(chosen["infeasible_auc"], 3), people(training["seconds"], 3));
}

void search_lines(const json& results) {
  const json& search = results["search"];
  fmt::print("search     {}: {} designs scored in {} s{}\n", search["method"].get<std::string>(),
             people(search["scored"]), people(search["seconds"], 3),
             search["exhaustive"].get<bool>() && search["scored"] > 0
                 ? "; every design was scored, the first is the surrogate's exact optimum"
                 : "");
  if (!results.contains("validation")) return;
  const json& validation = results["validation"];
  fmt::print("validated  {} designs, {} feasible, {} within the limits\n", people(validation["simulated"]),
             people(validation["feasible"]), people(validation["within_limits"]));
  if (!validation.contains("table")) return;
  const json& table = validation["table"];
  fmt::print(
      "table      optimum of {} designs {}; first proposal {} of it, best of the {} proposals {}, best logged {}\n",
      people(table["designs"]), with_unit(table["optimum"], results), times(table["first_over_optimum"]),
      people(validation["simulated"]), times(table["best_over_optimum"]), times(table["best_logged_over_optimum"]));
}

void proposals_table(const json& results, std::size_t most) {
  const json& proposals = results["proposals"];
  if (proposals.empty()) {
    if (results["search"]["scored"] == 0) {
      fmt::print("no design is left to propose: each is logged or breaks a limit on parameters\n");
      return;
    }
    fmt::print(
        "no design that was scored is predicted to be feasible within every limit; of designs drawn at random\n");
    for (const json& blocked : results["search"]["blocked"]) {
      fmt::print("  {:>8} do not meet {}\n", percent(blocked["share"]), blocked["constraint"].get<std::string>());
    }
    return;
  }
  const std::string objective = results["study"]["objective"]["metric"];
  std::vector<std::string> header = {"rank", "predicted", "true", "feasible", "gain"};
  for (const json& margin : proposals[0]["margins"]) header.push_back(margin["constraint"].get<std::string>());
  header.insert(header.end(), {"nearest logged", "design"});
  Table table(header);
  for (const json& proposal : proposals) {
    if (proposal["rank"].get<std::size_t>() > most) break;
    const json& simulated = proposal["simulated"];
    std::string truth = "-";
    if (!simulated.is_null()) {
      truth = simulated["state"] == "complete" ? people(simulated["metrics"].value(objective, json(nullptr)))
                                               : simulated["reason"].get<std::string>();
    }
    const json& nearest = proposal["nearest"];
    std::vector<std::string> cells = {people(proposal["rank"]), people(proposal["predicted"]), truth,
                                      percent(proposal["feasibility"]), times(proposal["gain"])};
    for (const json& margin : proposal["margins"]) {
      const char* certainty = margin["basis"] == "predicted" ? "predicted" : "exact";
      cells.push_back(
          fmt::format("{} ({})", margin["text"].get<std::string>(), margin["met"].get<bool>() ? certainty : "broken"));
    }
    cells.push_back(nearest.is_null()
                        ? "-"
                        : fmt::format("{} at {}{}", people(nearest["objective"]), people(nearest["distance"], 2),
                                      nearest["within_limits"].get<bool>() ? "" : ", over a limit"));
    cells.push_back(
        join_design(results, proposal["design"], [](const json& parameter, const std::string&, const json& value) {
          return design_value(parameter, value, true);
        }));
    table.row(std::move(cells));
  }
  table.print();
  fmt::print(
      "\npredicted, true: {} [{}]; gain: over the best logged design, of predictions by its own\nprediction; nearest: "
      "the nearest logged design's value "
      "and its distance, 0 to 1\ndesign: {}\n",
      objective, results["study"]["objective"].value("unit", ""),
      join_design(results, proposals[0]["design"],
                  [](const json&, const std::string& name, const json&) { return name; }));
}

void best_lines(const json& results) {
  const json& best = results["best"];
  if (best.is_null()) {
    fmt::print(
        "\nno answer  no design is known or predicted to meet every constraint; loosen one, or log more designs\n");
    return;
  }
  const std::string source = best["source"];
  fmt::print("\nbest       {} ({})",
             with_unit(best["objective"].is_number() ? best["objective"] : best["predicted"], results),
             source == "validated"   ? "simulated"
             : source == "predicted" ? "predicted, not simulated"
                                     : "a logged design: no proposal was better");
  const json& logged = results["dataset"]["best_logged"];
  if (source == "validated" && best["gain"].is_number()) {
    fmt::print(", {} over the best logged", times(best["gain"]));
  }
  if (source == "predicted" && !logged.is_null()) {
    fmt::print("; the best logged, {}, the model puts at {}", with_unit(logged["objective"], results),
               with_unit(logged["predicted"], results));
  }
  fmt::print("\n           {}\n", design_text(results, best["design"]));
  std::string metrics;
  for (const auto& [name, value] : best["metrics"].items()) {
    metrics += fmt::format("{}{} {}", metrics.empty() ? "" : ", ", name, people(value));
  }
  if (!metrics.empty()) fmt::print("           {}\n", metrics);
}

}  // namespace

void print_json(const json& value) {
  fmt::print("{}\n", value.dump(1, ' ', false, json::error_handler_t::replace));
}

void print_dataset(const json& results, const Common& common) {
  if (!print_if_json(results, common)) dataset_lines(results);
}

void print_training(const json& results, const Common& common) {
  if (!print_if_json(results, common)) training_lines(results);
}

void print_proposals(const json& results, const Common& common) {
  if (print_if_json(results, common)) return;
  search_lines(results);
  fmt::print("\n");
  proposals_table(results, 20);
  best_lines(results);
}

void print_study(const json& results, const StudyFile& study, const Common& common) {
  if (print_if_json(results, common)) return;
  dataset_lines(results);
  if (results.contains("proposals")) {
    training_lines(results);
    search_lines(results);
    fmt::print("\n");
    proposals_table(results, 10);
  }
  best_lines(results);
  fmt::print("written    {}/report.html, results.json{}\n", study.output.string(),
             results["best"].is_null() ? "" : ", design.json, design.yaml");
}

void require_results(const Pipeline& pipeline) {
  if (pipeline.results().contains("study")) return;
  throw Error(ErrorCode::not_found,
              fmt::format("{}: no step of this study has run yet", pipeline.study().file.string()),
              fmt::format("first: corbel run {}", pipeline.study().file.string()));
}

void choose_rank(json& results, std::size_t rank) {
  const json proposals = results.value("proposals", json::array());
  if (rank > proposals.size()) {
    throw Error(ErrorCode::invalid_input, fmt::format("there is no proposal of rank {}", rank),
                fmt::format("the study has {} proposals", proposals.size()));
  }
  results["best"] = chosen_section(proposals[rank - 1], results["study"]["objective"]["metric"].get<std::string>());
}

}  // namespace corbel::cli
