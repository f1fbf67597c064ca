#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/units.hpp"
#include "corbel/study/ask_tell.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

struct AskTellArguments {
  std::string study;
  std::size_t designs = 1;
  bool waiting = false;
  std::string results;
};

StudyFile load(const AskTellArguments& arguments, const Common& common) {
  StudyFile study = StudyFile::load(arguments.study);
  if (common.seed) study.seed = *common.seed;
  if (common.store) study.store = *common.store;
  return study;
}

void print_asked(const StudyFile& study, const AskTell::Asked& asked, const Common& common) {
  if (common.json()) {
    json designs = json::array();
    for (const DesignId id : asked.designs) {
      designs.push_back({{"id", id}, {"design", study.space->design_json(study.space->design(id))}});
    }
    print_json({{"study", study.name}, {"designs", designs}, {"waiting", asked.waiting}});
    return;
  }
  if (!asked.designs.empty()) {
    std::vector<std::string> header = {"id"};
    for (const Parameter& parameter : study.space->parameters()) header.push_back(parameter.name());
    Table table(header);
    for (const DesignId id : asked.designs) {
      const Design design = study.space->design(id);
      std::vector<std::string> cells = {std::to_string(id)};
      for (std::size_t i = 0; i < design.size(); ++i) cells.push_back(study.space->parameters()[i].label(design[i]));
      table.row(std::move(cells));
    }
    table.print();
    fmt::print("\n");
  }
  if (asked.exhausted) fmt::print("no further design of the space is left within the limits\n");
  fmt::print("waiting    {} designs were given out and not told\n", count_text(asked.waiting));
}

void print_told(const StudyFile& study, const AskTell::Told& told, const Common& common) {
  if (common.json()) {
    json best = nullptr;
    if (told.best) {
      json metrics = json::object();
      for (const auto& [name, value] : told.best->metrics) metrics[name] = value;
      best = {{"id", told.best->id},
              {"design", study.space->design_json(study.space->design(told.best->id))},
              {"objective", told.best->objective},
              {"metrics", metrics}};
    }
    print_json({{"study", study.name},
                {"told", told.told},
                {"complete", told.complete},
                {"infeasible", told.infeasible},
                {"failed", told.failed},
                {"repeated", told.repeated},
                {"waiting", told.waiting},
                {"best", best}});
    return;
  }
  fmt::print("told       {} results: {} complete, {} infeasible, {} failed; {} of them were known\n",
             count_text(told.told), count_text(told.complete), count_text(told.infeasible), count_text(told.failed),
             count_text(told.repeated));
  fmt::print("waiting    {} designs were given out and not told\n", count_text(told.waiting));
  if (!told.best) {
    fmt::print("best       none yet: no complete design is within the limits\n");
    return;
  }
  const std::string unit = unit_of_metric(study.objective);
  fmt::print("best       {} {}{}{}\n           {}\n", study.objective, format_for_people(told.best->objective),
             unit.empty() ? "" : " ", unit, study.space->design_text(study.space->design(told.best->id)));
}

std::string read_results(const std::string& file) {
  if (file != "-") return read_file(file);
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

CLI::App* add(CLI::App& app, Common& common, const std::string& name, const std::string& help,
              const std::shared_ptr<AskTellArguments>& arguments) {
  CLI::App* command = app.add_subcommand(name, help);
  command->add_option("STUDY", arguments->study, "The study file (YAML)")->required();
  add_store_option(*command, common);
  add_common(*command, common);
  return command;
}

}  // namespace

void add_ask_tell_commands(CLI::App& app, Common& common) {
  const auto ask = std::make_shared<AskTellArguments>();
  CLI::App* command = add(app, common, "ask", "Give out designs for another program to evaluate", ask);
  auto* designs = command->add_option("-n,--designs", ask->designs, "How many")
                      ->check(CLI::Range(1, 100'000))
                      ->capture_default_str();
  command->add_flag("--waiting", ask->waiting, "Only list those given out and not told")->excludes(designs);
  command->add_option("--seed", common.seed, "Instead of the study's; another seed is another search")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 62));
  command->callback([ask, &common] {
    const StudyFile study = load(*ask, common);
    const AskTell exchange(study);
    print_asked(study, ask->waiting ? exchange.waiting() : exchange.ask(ask->designs), common);
  });

  const auto tell = std::make_shared<AskTellArguments>();
  command = add(app, common, "tell", "Take what another program found of designs", tell);
  command->add_option("RESULTS", tell->results, "A file of JSON, or - for standard input")->required();
  command->callback([tell, &common] {
    const StudyFile study = load(*tell, common);
    const bool from_input = tell->results == "-";
    print_told(study, AskTell(study).tell(read_results(tell->results), from_input ? "standard input" : tell->results),
               common);
  });
}

}  // namespace corbel::cli
