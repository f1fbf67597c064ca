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

/// "1, 3 to 5, 8"
std::string ranges_text(const std::vector<std::uint64_t>& ascending) {
  std::string text;
  for (std::size_t i = 0, last = 0; i < ascending.size(); i = last + 1) {
    last = i;
    while (last + 1 < ascending.size() && ascending[last + 1] == ascending[last] + 1) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", ascending[i]);
    if (last > i) text += fmt::format(" to {}", ascending[last]);
  }
  return text;
}

std::string percent(const json& value) {
  return value.is_number() ? fmt::format("{:.1f} %", value.get<double>() * 100) : "-";
}

std::string times(const json& value) {
  return value.is_number() ? fmt::format("{:.2f}x", value.get<double>()) : "-";
}

std::string with_unit(const json& value, const json& results) {
  const std::string unit = results.at("study").at("objective").value("unit", "");
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
  for (const json& parameter : results.at("dataset").at("parameters")) {
    const std::string name = parameter.at("name");
    if (design.contains(name)) joined += (joined.empty() ? "" : " ") + text(parameter, name, design.at(name));
  }
  return joined;
}

std::string design_text(const json& results, const json& design) {
  return join_design(results, design, [](const json& parameter, const std::string& name, const json& value) {
    return fmt::format("{}={}", name, design_value(parameter, value, false));
  });
}

/// A row of a table that parameter_names() explains.
std::string bare_design_text(const json& results, const json& design) {
  return join_design(results, design, [](const json& parameter, const std::string&, const json& value) {
    return design_value(parameter, value, true);
  });
}

std::string parameter_names(const json& results, const json& design) {
  return join_design(results, design, [](const json&, const std::string& name, const json&) { return name; });
}

/// How a search by queries ended, behind what it says of itself.
void query_lines(const json& section, const char* all_queried, bool found) {
  fmt::print(", {} within the limits", people(section.at("within_limits")));
  if (section.at("failed") != 0) fmt::print(", {} set aside since they failed", people(section.at("failed")));
  fmt::print("; {} s\n", people(section.at("seconds"), 3));
  if (!section.at("exhaustive").get<bool>()) return;
  fmt::print("           every admitted design was queried: {}\n", found ? all_queried : "none is within the limits");
}

bool print_if_json(const json& results, const Common& common) {
  if (common.json()) print_json(results);
  return common.json();
}

void dataset_lines(const json& results) {
  const json& dataset = results.at("dataset");
  fmt::print("dataset    {} rows, {} feasible ({}), {} within the limits, from {}\n", people(dataset.at("rows")),
             people(dataset.at("feasible")),
             percent(dataset.at("feasible").get<double>() / std::max(1.0, dataset.at("rows").get<double>())),
             people(dataset.at("within_limits")), dataset.value("source", ""));
  const json& best = dataset.at("best_logged");
  if (!best.is_null()) fmt::print("           best logged: {}\n", with_unit(best.at("objective"), results));
  std::string networks;
  for (const json& workload : dataset.value("workloads", json::array())) {
    networks +=
        fmt::format("{}{} {}", networks.empty() ? "" : ", ", workload.at("label").get<std::string>(),
                    percent(workload.at("feasible").get<double>() / std::max(1.0, dataset.at("rows").get<double>())));
  }
  if (!networks.empty()) fmt::print("           feasible on {}\n", networks);
  for (const json& warning : dataset.at("warnings")) fmt::print("           note: {}\n", warning.get<std::string>());
}

void training_lines(const json& results) {
  const json& training = results.at("training");
  const json& chosen = training.at("candidates").at(training.at("chosen").get<std::size_t>());
  fmt::print(
      "model      {} network, alpha {}, beta {} of {} candidates; rank correlation on withheld designs {}, "
      "infeasible kept out (AUC) {}; {} s\n",
      training.value("network", ""), people(chosen.at("alpha")), people(chosen.at("beta")),
      training.at("candidates").size(), people(chosen.at("kendall"), 3), people(chosen.at("infeasible_auc"), 3),
      people(training.at("seconds"), 3));
  std::string others;
  const json workloads = training.value("workloads", json::array());
  for (std::size_t w = 1; w < workloads.size(); ++w) {
    const double rows = workloads[w].at("feasible").get<double>() + workloads[w].at("infeasible").get<double>();
    others += fmt::format("{}{} ({} rows)", others.empty() ? "" : ", ", workloads[w].at("name").get<std::string>(),
                          people(json(rows)));
  }
  if (!others.empty()) fmt::print("           learnt also from {}\n", others);
}

void search_lines(const json& results) {
  const json& search = results.at("search");
  const json pruned = search.value("pruned", json(nullptr));
  fmt::print("search     {}: {} designs scored{} in {} s\n", search.at("method").get<std::string>(),
             people(search.at("scored")),
             pruned.is_number() ? fmt::format(", {} left out unscored,", people(pruned)) : "",
             people(search.at("seconds"), 3));
  if (const json rescored = search.value("rescored", json(nullptr)); rescored.is_number()) {
    fmt::print("           ranked in {} arithmetic; {} of them scored again in single precision, which decides\n",
               search.at("ranked_by").get<std::string>(), people(rescored));
  }
  if (search.at("exhaustive").get<bool>() && search.at("scored") > 0) {
    fmt::print("           {}\n",
               results.at("proposals").empty()
                   ? "every design that is not logged was scored or left out: none is predicted to be "
                     "within the limits"
                   : "every design that is not logged was scored or breaks a limit exactly: the first "
                     "is the surrogate's exact optimum within the limits");
  }
  if (!results.contains("validation")) return;
  const json& validation = results.at("validation");
  fmt::print("validated  {} designs, {} feasible, {} within the limits\n", people(validation.at("simulated")),
             people(validation.at("feasible")), people(validation.at("within_limits")));
  if (!validation.contains("table")) return;
  const json& table = validation.at("table");
  fmt::print(
      "table      optimum of {} designs {}; first proposal {} of it, best of the {} proposals {}, best logged {}\n",
      people(table.at("designs")), with_unit(table.at("optimum"), results), times(table.at("first_over_optimum")),
      people(validation.at("simulated")), times(table.at("best_over_optimum")),
      times(table.at("best_logged_over_optimum")));
}

void proposals_table(const json& results, std::size_t most) {
  const json& proposals = results.at("proposals");
  if (proposals.empty()) {
    if (results.at("search").at("scored") == 0) {
      fmt::print("no design is left to propose: each is logged or breaks a limit that is known exactly\n");
      return;
    }
    fmt::print(
        "no design that was scored is predicted to be feasible within every limit; of designs drawn at random\n");
    for (const json& blocked : results.at("search").at("blocked")) {
      fmt::print("  {:>8} do not meet {}\n", percent(blocked.at("share")), blocked.at("constraint").get<std::string>());
    }
    return;
  }
  const std::string objective = results.at("study").at("objective").at("metric");
  std::vector<std::string> header = {"rank", "predicted", "true", "feasible", "verdict", "gain"};
  for (const json& margin : proposals.at(0).at("margins")) header.push_back(margin.at("constraint").get<std::string>());
  header.insert(header.end(), {"nearest logged", "design"});
  Table table(header);
  for (const json& proposal : proposals) {
    if (proposal.at("rank").get<std::size_t>() > most) break;
    const json& simulated = proposal.at("simulated");
    std::string truth = "-";
    if (!simulated.is_null()) {
      truth = simulated.at("state") == "complete" ? people(simulated.at("metrics").value(objective, json(nullptr)))
                                                  : simulated.at("reason").get<std::string>();
    }
    const json& nearest = proposal.at("nearest");
    std::vector<std::string> cells = {
        people(proposal.at("rank")),         people(proposal.at("predicted")), truth,
        percent(proposal.at("feasibility")), proposal.at("verdict"),           times(proposal.at("gain"))};
    for (const json& margin : proposal.at("margins")) {
      const char* certainty = margin.at("basis") == "predicted" ? "predicted" : "exact";
      cells.push_back(fmt::format("{} ({})", margin.at("text").get<std::string>(),
                                  margin.at("met").get<bool>() ? certainty : "broken"));
    }
    cells.push_back(nearest.is_null()
                        ? "-"
                        : fmt::format("{} at {}{}", people(nearest.at("objective")), people(nearest.at("distance"), 2),
                                      nearest.at("within_limits").get<bool>() ? "" : ", over a limit"));
    cells.push_back(bare_design_text(results, proposal.at("design")));
    table.row(std::move(cells));
  }
  table.print();
  fmt::print(
      "\npredicted, true: {} [{}]; gain: over the best logged design, of predictions by its own\nprediction; nearest: "
      "the nearest logged design's value "
      "and its distance, 0 to 1\ndesign: {}\n",
      objective, results.at("study").at("objective").value("unit", ""),
      parameter_names(results, proposals.at(0).at("design")));
}

/// What a design does on each of several networks, as far as it is known.
void workloads_table(const json& results, const json& design) {
  const json workloads = results.at("study").value("workloads", json::array());
  const json predicted = design.value("predicted_metrics", json::object());
  const json& known = design.at("metrics");
  std::vector<std::string> metrics;
  for (const json& metric : results.at("dataset").at("metrics")) {
    const std::string name = metric.at("name");
    for (const json& workload : workloads) {
      const std::string own = workload.at("label").get<std::string>() + "." + name;
      if (!known.contains(own) && !predicted.contains(own)) continue;
      metrics.push_back(name);
      break;
    }
  }
  if (metrics.empty()) return;
  std::vector<std::string> header = {"network", "weight"};
  header.insert(header.end(), metrics.begin(), metrics.end());
  Table table(header);
  for (const json& workload : workloads) {
    const std::string label = workload.at("label");
    std::vector<std::string> cells = {label, people(workload.at("weight"))};
    for (const std::string& metric : metrics) {
      const std::string own = label + "." + metric;
      cells.push_back(known.contains(own)       ? people(known.at(own))
                      : predicted.contains(own) ? people(predicted.at(own)) + " (predicted)"
                                                : "-");
    }
    table.row(std::move(cells));
  }
  fmt::print("\n");
  table.print();
}

void answer_lines(const json& results) {
  const json& answer = results.at("answer");
  fmt::print("verdict    {}", answer.at("verdict").get<std::string>());
  const char* before = ": ";
  for (const json& reason : answer.at("reasons")) {
    fmt::print("{}{}\n", before, reason.get<std::string>());
    before = "           ";
  }
  if (answer.at("reasons").empty()) fmt::print("\n");
}

void best_lines(const json& results) {
  const json& best = results.at("best");
  if (best.is_null()) {
    fmt::print(
        "\nno answer  no design is known or predicted to meet every constraint; loosen one, or log more designs\n");
    return;
  }
  const std::string source = best.at("source");
  fmt::print("\nbest       {} ({})",
             with_unit(best.at("objective").is_number() ? best.at("objective") : best.at("predicted"), results),
             source == "validated"   ? "simulated"
             : source == "searched"  ? "found by simulation"
             : source == "predicted" ? "predicted, not simulated"
             : results.contains("proposals") && !results.at("proposals").empty()
                 ? "a logged design: no proposal was better"
                 : "the best logged design");
  const json& logged = results.at("dataset").at("best_logged");
  if ((source == "validated" || source == "searched") && best.at("gain").is_number()) {
    const bool by_rounds = best.value("found_by", "") == "rounds";
    fmt::print(", {} over the best {}", times(best.at("gain")), by_rounds ? "before the rounds" : "logged");
  }
  if (source == "predicted" && !logged.is_null()) {
    fmt::print("; the best logged, {}, the model puts at {}", with_unit(logged.at("objective"), results),
               with_unit(logged.at("predicted"), results));
  }
  fmt::print("\n           {}\n", design_text(results, best.at("design")));
  std::string metrics;
  for (const auto& [name, value] : best.at("metrics").items()) {
    if (name.find('.') != std::string::npos) continue;  // of one of several networks
    metrics += fmt::format("{}{} {}", metrics.empty() ? "" : ", ", name, people(value));
  }
  if (!metrics.empty()) fmt::print("           {}\n", metrics);
  workloads_table(results, best);
  answer_lines(results);
}

/// "28.4 mm2 (+2.1 %)".
std::string margin_text(const json& margin) {
  const json& value = margin.at("margin");
  const std::string text = margin.at("text");
  return value.is_number() ? fmt::format("{} ({:+.1f} %)", text, value.get<double>() * 100) : text;
}

void online_lines(const json& results) {
  const json& online = results.at("online");
  fmt::print("searched   {} on the simulator: {} queries, {} simulated for them, {} feasible",
             online.at("method").get<std::string>(), people(online.at("queries")), people(online.at("simulated")),
             people(online.at("feasible")));
  query_lines(online, "the first is the optimum", !online.at("top").empty());
}

void online_table(const json& results, std::size_t most) {
  const json& top = results.at("online").at("top");
  const std::string objective = results.at("study").at("objective").at("metric");
  if (top.empty()) {
    fmt::print("no design that was simulated is within every limit; loosen one, or raise the budget\n");
    return;
  }
  std::vector<std::string> header = {"rank", objective};
  for (const json& margin : top.at(0).at("margins")) header.push_back(margin.at("constraint").get<std::string>());
  std::vector<std::string> others;
  for (const auto& [name, value] : top.at(0).at("metrics").items()) {
    // Of several networks, the combined ones; what a limit begins with stands in its column.
    const bool has_column = std::any_of(header.begin(), header.end(), [&, start = name + " "](const std::string& text) {
      return text.starts_with(start);
    });
    if (name != objective && name.find('.') == std::string::npos && !has_column) others.push_back(name);
  }
  header.insert(header.end(), others.begin(), others.end());
  header.push_back("design");
  Table table(header);
  for (const json& found : top) {
    if (found.at("rank").get<std::size_t>() > most) break;
    std::vector<std::string> cells = {people(found.at("rank")), people(found.at("objective"))};
    for (const json& margin : found.at("margins")) cells.push_back(margin_text(margin));
    for (const std::string& name : others) cells.push_back(people(found.at("metrics").at(name)));
    cells.push_back(bare_design_text(results, found.at("design")));
    table.row(std::move(cells));
  }
  table.print();
  fmt::print("\ndesign: {}\n", parameter_names(results, top.at(0).at("design")));
}

void rounds_lines(const json& results) {
  const json& section = results.at("rounds");
  const json& start = section.at("start");
  fmt::print("rounds     {} of {} designs: {} of {} simulations made", section.at("rounds").size(),
             people(section.at("simulate")), people(section.at("queries")), people(section.at("budget")));
  if (section.at("failed") != 0) fmt::print(", {} set aside since they failed", people(section.at("failed")));
  fmt::print("\n           began with {} rows, {} within the limits; best {}\n", people(start.at("rows")),
             people(start.at("within_limits")),
             start.at("best").is_number() ? with_unit(start.at("best"), results) : "none");
  if (section.at("exhausted").get<bool>()) {
    fmt::print("           no further design is within the limits that are known\n");
  }
  if (section.at("rounds").empty()) return;
  Table table({"round", "learnt from", "tau withheld", "simulated", "feasible", "within limits", "predicted within",
               "median error", "tau", "best so far"});
  for (const json& round : section.at("rounds")) {
    table.row({people(round.at("round")), people(round.at("rows")) + " rows", people(round.at("kendall"), 2),
               people(round.at("simulated")), people(round.at("feasible")), people(round.at("within_limits")),
               people(round.at("predicted_within_limits")),
               round.at("median_error").is_number() ? percent(round.at("median_error")) : "-",
               people(round.at("kendall_simulated"), 2),
               round.at("best").is_number() ? with_unit(round.at("best"), results) : "-"});
  }
  fmt::print("\n");
  table.print();
  fmt::print("\ntau: rank correlation of predicted and true {}, on the withheld designs and on those simulated\n\n",
             results.at("study").at("objective").at("metric").get<std::string>());
}

void front_lines(const json& results) {
  const json& section = results.at("pareto");
  const bool is_predicted = section.at("basis") == "predicted";
  std::string method = section.at("method");
  if (section.at("strategy").is_string()) method += " by " + section.at("strategy").get<std::string>();
  fmt::print("searched   {} on the {}: {} queries", method, is_predicted ? "surrogate" : "simulator",
             people(section.at("queries")));
  if (!is_predicted) {
    fmt::print(", {} simulated for them, {} feasible", people(section.at("simulated")), people(section.at("feasible")));
  }
  query_lines(section, "the front is exact", !section.at("front").empty());
}

void front_table(const json& results, std::size_t most) {
  const json& section = results.at("pareto");
  const json& front = section.at("front");
  if (front.empty()) {
    fmt::print("no design was found within every limit; loosen one, or raise the budget\n");
    return;
  }
  const auto metrics = section.at("metrics").get<std::vector<std::string>>();
  std::vector<std::string> header = metrics;
  std::vector<std::size_t> margins;  // of limits on what has no column yet
  for (std::size_t i = 0; i < front.at(0).at("margins").size(); ++i) {
    const std::string limit = front.at(0).at("margins").at(i).at("constraint");
    const auto limits_it = [&](const std::string& metric) { return limit.starts_with(metric + " "); };
    if (std::any_of(metrics.begin(), metrics.end(), limits_it)) continue;
    margins.push_back(i);
    header.push_back(limit);
  }
  header.push_back("design");
  Table table(header);
  const std::size_t rows = std::min(front.size(), most);
  for (std::size_t row = 0; row < rows; ++row) {
    // Both ends, and evenly between them.
    const json& found = front.at(rows < 2 ? 0 : row * (front.size() - 1) / (rows - 1));
    std::vector<std::string> cells;
    for (const json& value : found.at("objectives")) cells.push_back(people(value));
    for (const std::size_t i : margins) cells.push_back(margin_text(found.at("margins").at(i)));
    cells.push_back(bare_design_text(results, found.at("design")));
    table.row(std::move(cells));
  }
  table.print();
  fmt::print("\ndesign: {}\n", parameter_names(results, front.at(0).at("design")));
  if (rows < front.size()) {
    fmt::print("{} of {} designs of the front, evenly spaced; all are in results.json\n", rows, front.size());
  }
  std::string point;
  for (std::size_t k = 0; k < section.at("metrics").size(); ++k) {
    point += fmt::format("{}{} {}", k == 0 ? "" : ", ", section.at("metrics").at(k).get<std::string>(),
                         people(section.at("reference").at(k)));
  }
  fmt::print("hypervolume {}, up to {} ({})\n", people(section.at("hypervolume")), point,
             section.at("reference_source") == "given" ? "as given" : "the worst found within the limits");
  if (section.at("basis") == "predicted") fmt::print("predicted, not simulated\n");
}

}  // namespace

bool has_answer(const json& results) {
  return !results.at("best").is_null() && results.at("answer").at("verdict") != "not answerable";
}

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

void print_rounds(const json& results, const Common& common) {
  if (print_if_json(results, common)) return;
  rounds_lines(results);
  training_lines(results);
  search_lines(results);
  fmt::print("\n");
  proposals_table(results, 10);
  best_lines(results);
}

void print_shard(const ScanShard& shard, const ShardOutcome& outcome, const Common& common) {
  const ScanResult& scanned = outcome.scanned;
  if (common.json()) {
    return print_json({{"shard",
                        {{"index", shard.index},
                         {"count", shard.count},
                         {"scored", scanned.scored},
                         {"pruned", scanned.pruned},
                         {"rescored", scanned.tolerance ? json(scanned.rescored) : json(nullptr)},
                         {"ranked_by", scanned.tolerance ? json(scanned.ranked_by) : json(nullptr)},
                         {"seconds", scanned.seconds},
                         {"missing", outcome.missing}}}});
  }
  fmt::print("scan       shard {} of {}: {} designs scored, {} left out unscored, in {} s\n", shard.index, shard.count,
             people(scanned.scored), people(scanned.pruned), people(scanned.seconds, 3));
  fmt::print("           missing: {} of {} shards ({}); the last to finish writes the proposals\n",
             outcome.missing.size(), shard.count, ranges_text(outcome.missing));
}

void print_online(const json& results, const Common& common) {
  if (print_if_json(results, common)) return;
  online_lines(results);
  fmt::print("\n");
  online_table(results, 20);
  if (!results.at("best").is_null()) best_lines(results);
}

void print_front(const json& results, const Common& common) {
  if (print_if_json(results, common)) return;
  front_lines(results);
  fmt::print("\n");
  front_table(results, 30);
}

void print_study(const json& results, const StudyFile& study, const Common& common) {
  if (print_if_json(results, common)) return;
  dataset_lines(results);
  if (study.search.rounds > 0 && results.contains("rounds")) rounds_lines(results);
  if (results.contains("proposals")) {
    training_lines(results);
    search_lines(results);
    fmt::print("\n");
    proposals_table(results, 10);
  }
  best_lines(results);
  fmt::print("written    {}/report.html, results.json{}\n", study.output.string(),
             results.at("best").is_null() ? "" : ", design.json, design.yaml");
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
  results["best"] =
      chosen_section(proposals[rank - 1], results.at("study").at("objective").at("metric").get<std::string>());
}

}  // namespace corbel::cli
