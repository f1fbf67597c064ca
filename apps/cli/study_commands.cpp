#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "commands.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/export.hpp"
#include "corbel/report/report.hpp"
#include "corbel/study/online_search.hpp"
#include "corbel/study/pareto_search.hpp"
#include "corbel/study/pipeline.hpp"
#include "corbel/study/study_keys.hpp"
#include "import_preview.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

/// What the commands that work on a study have in common.
struct StudyArguments {
  std::string file;
  bool fresh = false;
  std::optional<std::uint64_t> designs;
  std::string strategy;
  std::optional<std::uint64_t> budget;
  std::optional<std::string> shard;
  std::string on = "surrogate";
  std::optional<std::size_t> batch;
  std::optional<std::size_t> rounds;
  std::optional<std::size_t> simulate;
  std::string pareto;
  bool is_pareto = false;
  std::vector<double> reference;
  std::string table;
  std::size_t rank = 0;
  std::string to;
  std::string data;
  std::optional<Store::GroupId> group;
  bool dry_run = false;
  bool hands_out = false;
};

StudyFile load_study(const StudyArguments& arguments, const Common& common) {
  StudyFile study = StudyFile::load(arguments.file);
  if (common.seed) study.seed = *common.seed;
  if (common.threads) study.threads = *common.threads;
  if (common.device) study.training.device = *common.device;
  if (common.store) study.store = *common.store;
  study.hands_out = arguments.hands_out;
  return study;
}

/// "2/8": the second of eight.
ScanShard parse_shard(const std::string& text) {
  constexpr std::uint64_t most = 10'000;
  ScanShard shard;
  const char* const end = text.data() + text.size();
  const auto [slash, index_fault] = std::from_chars(text.data(), end, shard.index);
  const bool divided = index_fault == std::errc{} && slash != end && *slash == '/';
  const auto [behind, count_fault] = std::from_chars(divided ? slash + 1 : end, end, shard.count);
  const bool read = divided && count_fault == std::errc{} && behind == end;
  if (!read || shard.index < 1 || shard.index > shard.count || shard.count > most) {
    throw Error(ErrorCode::usage, fmt::format("--shard: {} is no part of a scan", in_quotes(text)),
                fmt::format("write i/n, from 1/n to n/n, such as 2/8; n at most {}", most));
  }
  return shard;
}

void write_outputs(const Pipeline& pipeline) {
  const std::filesystem::path& output = pipeline.study().output;
  write_file(output / "report.html", html_report(pipeline.results()));
  if (pipeline.results().at("best").is_null()) {
    for (const char* name : {"design.json", "design.yaml"}) std::filesystem::remove(output / name);
    return;
  }
  write_file(output / "design.json", design_json(pipeline.results()));
  write_file(output / "design.yaml", design_yaml(pipeline.results()));
}

using StudyAction = std::function<void(Pipeline&, TerminalMonitor&)>;
using StudyAdjustment = std::function<void(StudyFile&, Monitor&)>;

void run_on_study(const StudyArguments& arguments, const Common& common, const StudyAction& action,
                  const StudyAdjustment& adjust) {
  TerminalMonitor monitor(common.quiet);
  StudyFile study = load_study(arguments, common);
  if (adjust) adjust(study, monitor);
  Pipeline pipeline(std::move(study), monitor);
  try {
    action(pipeline, monitor);
  } catch (const json::exception& error) {
    throw Error(ErrorCode::corrupt,
                fmt::format("{}: not of the shape this version writes: {}", pipeline.study().results_file().string(),
                            error.what()),
                "remove it and run the study again; the trials are kept");
  }
}

/// A command on a study: its action runs on a pipeline and prints.
CLI::App* add(CLI::App& app, Common& common, const std::string& name, const std::string& help,
              const std::shared_ptr<StudyArguments>& arguments, StudyAction action, StudyAdjustment adjust = {}) {
  CLI::App* command = app.add_subcommand(name, help);
  command->add_option("STUDY", arguments->file, "The study file (YAML)")->required();
  command->add_option("--seed", common.seed, "Instead of the study's: the same seed, the same answer")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 62));
  command->add_option("--threads", common.threads, "Instead of the study's; 0: all cores")->check(CLI::Range(0, 4096));
  add_store_option(*command, common);
  add_common(*command, common);
  command->callback([arguments, &common, action = std::move(action), adjust = std::move(adjust)] {
    run_on_study(*arguments, common, action, adjust);
  });
  return command;
}

void add_handing_out(CLI::App& command, StudyArguments& arguments) {
  command.add_flag("--hand-out", arguments.hands_out, "Leave all simulations to workers (corbel worker)");
}

/// @param number  as the user says it, or nothing
Store::GroupId chosen_group(const Store& store, std::optional<Store::GroupId> number) {
  const std::vector<Store::GroupId> groups = store.group_ids();
  if (groups.empty()) {
    throw Error(ErrorCode::too_little_data, fmt::format("{}: the store is empty", store.location().text()),
                "sweep or import some designs first");
  }
  if (number && std::ranges::find(groups, *number) != groups.end()) return *number;
  if (!number && groups.size() == 1) return groups.front();
  std::string list;
  for (const Store::GroupId id : groups) {
    const TrialGroup group = store.describe(id);
    list += fmt::format("{}{} ({}{}{})", list.empty() ? "" : ", ", id, group.simulator,
                        group.workload.empty() ? "" : " on ", group.workload);
  }
  throw Error(number ? ErrorCode::not_found : ErrorCode::usage,
              number ? fmt::format("{}: has no group {}", store.location().text(), *number)
                     : fmt::format("{}: holds {} groups of trials", store.location().text(), groups.size()),
              fmt::format("choose with --group one of {}", list));
}

/// Imports the study's log into nothing that stays.
void preview_import(const StudyFile& study, const Common& common, Monitor& monitor) {
  const ScratchStore scratch(study.store_location(), ImportMode::dry_run);
  Store store(scratch.location(), Store::Mode::read_write);
  ImportPreview preview;
  ImportSpec spec = *study.import;
  spec.identity = StudyKeys(study).log();
  preview.add(store, spec, study.space, ImportMode::dry_run, monitor);
  preview.print(ImportMode::dry_run, common);
}

/// The finished trials of a store or a study, as a table in a file.
void export_data(const StudyArguments& arguments, const Common& common) {
  TerminalMonitor monitor(common.quiet);
  const std::filesystem::path to = arguments.data;
  std::uint64_t rows = 0;
  if (names_store(arguments.file)) {
    const Store store(arguments.file, Store::Mode::snapshot);
    rows = export_trials({store, chosen_group(store, arguments.group)}, to, "", monitor);
  } else {
    Pipeline pipeline(load_study(arguments, common), monitor);
    rows = export_trials(pipeline.trials(), to, "", monitor);
  }
  if (common.json()) {
    print_json({{"data", to.string()}, {"rows", rows}});
  } else {
    fmt::print("{}: {} rows\n", to.string(), format_for_people(static_cast<double>(rows), 15));
  }
}

void add_fresh(CLI::App& command, StudyArguments& arguments,
               const char* what = "Start over: remove the study's trials, model and results first") {
  command.add_flag("--fresh", arguments.fresh, what);
}

void add_collecting(CLI::App& app, Common& common) {
  const auto sweep = std::make_shared<StudyArguments>();
  CLI::App* command = add(
      app, common, "sweep", "Simulate designs drawn at random, into the study's trials", sweep,
      [&common](Pipeline& pipeline, TerminalMonitor&) {
        if (pipeline.study().import) {
          throw Error(ErrorCode::unsupported,
                      fmt::format("{}: this study imports a log", pipeline.study().file.string()), "use corbel import");
        }
        if (pipeline.study().is_told()) {
          throw Error(ErrorCode::unsupported,
                      fmt::format("{}: there is no simulator to sweep with: this study lives on what it is told",
                                  pipeline.study().file.string()),
                      "add `simulator:`, or evaluate designs yourself with corbel ask and corbel tell");
        }
        pipeline.collect();
        print_dataset(pipeline.results(), common);
      },
      [sweep](StudyFile& study, Monitor& monitor) {
        if (sweep->designs) study.sweep_designs = *sweep->designs;
        if (sweep->fresh) clear_study(study, monitor);
      });
  add_fresh(*command, *sweep);
  command->add_option("-n,--designs", sweep->designs, "Rows wanted in all, feasible and infeasible")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}));

  add_handing_out(*command, *sweep);

  const auto import = std::make_shared<StudyArguments>();
  command = add(
      app, common, "import", "Read a simulation log (CSV, TSV, JSON lines, TFRecord) into the study's trials", import,
      [&common, import](Pipeline& pipeline, TerminalMonitor& monitor) {
        const StudyFile& study = pipeline.study();
        if (!study.import && !(study.is_told() && !study.learn_from.empty())) {
          throw Error(ErrorCode::unsupported, fmt::format("{}: this study has no `import:`", study.file.string()),
                      "add it, such as `import: {file: log.csv}`");
        }
        if (import->dry_run && study.import) return preview_import(study, common, monitor);
        pipeline.collect();
        print_dataset(pipeline.results(), common);
      },
      [import](StudyFile& study, Monitor& monitor) {
        if (import->fresh && !import->dry_run) clear_study(study, monitor);
      });
  command->add_flag("--dry-run", import->dry_run, "Only tell what would be imported");
  add_fresh(*command, *import);
}

void search_simulator(Pipeline& pipeline, const StudyArguments& arguments, const Common& common, int& exit_code) {
  if (!arguments.budget) {
    throw Error(ErrorCode::usage, "a search on the simulator needs a --budget: every query is a simulation",
                "add it, such as --budget 1000");
  }
  const SearchSettings& settings = pipeline.study().search;
  OnlineSettings online{settings.method, settings.options, *arguments.budget};
  if (arguments.batch) online.batch = *arguments.batch;
  pipeline.search_online(online);
  write_outputs(pipeline);
  print_online(pipeline.results(), common);
  if (pipeline.results().at("online").at("best").is_null()) exit_code = exit_no_answer;
}

void search_trade_offs(Pipeline& pipeline, const StudyArguments& arguments, const Common& common, int& exit_code) {
  const StudyFile& study = pipeline.study();
  const bool on_simulator = arguments.on == "simulator";
  if (on_simulator && !arguments.budget) {
    throw Error(ErrorCode::usage, "a search on the simulator needs a --budget: every query is a simulation",
                "add it, such as --budget 1000");
  }
  ParetoSettings settings;
  std::istringstream metrics(arguments.pareto);
  for (std::string text; std::getline(metrics, text, ',');) {
    const auto [metric, direction] = Goal::parse(text);
    settings.metrics.push_back(metric);
    if (direction == Direction::maximise) settings.maximised.push_back(metric);
  }
  if (settings.metrics.empty()) {
    settings.metrics = study.pareto;
    settings.maximised = study.pareto_maximised;
    settings.metrics_place = study.pareto_place;
  }
  if (settings.metrics.empty()) {
    throw Error(
        ErrorCode::usage, "--pareto names no metric to trade off, nor does the study",
        "name one or two, as in --pareto energy_mj,area_mm2, or add `pareto: [energy_mj, area_mm2]` to the study");
  }
  if (!arguments.strategy.empty()) settings.method = arguments.strategy;
  if (settings.method == study.search.method) settings.options = study.search.options;
  settings.budget = study.search.budget;
  if (arguments.batch) {
    settings.batch = *arguments.batch;
  } else if (!on_simulator) {
    settings.batch = 64;  // a network scores many designs as fast as one
  }
  settings.reference = arguments.reference;
  on_simulator ? pipeline.search_front(settings) : pipeline.predict_front(settings);
  if (on_simulator) write_outputs(pipeline);
  print_front(pipeline.results(), common);
  if (pipeline.results().at("pareto").at("front").empty()) exit_code = exit_no_answer;
}

void add_device(CLI::App& command, Common& common) {
  command
      .add_option("--device", common.device,
                  "That networks are trained and scan on, instead of the study's: cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}));
}

void add_rounds(CLI::App& command, StudyArguments& arguments) {
  command
      .add_option("--rounds", arguments.rounds,
                  "Learn, propose, simulate, again and again: at most so many times --simulate simulations")
      ->check(CLI::Range(1, most_rounds));
  command.add_option("--simulate", arguments.simulate, "Diverse designs that each of the --rounds simulates [64]")
      ->check(CLI::Range(1, most_simulated_per_round));
}

/// Into the study's own settings.
void take_rounds(const StudyArguments& arguments, StudyFile& study) {
  if (arguments.rounds) study.search.rounds = *arguments.rounds;
  if (!arguments.simulate) return;
  if (study.search.rounds == 0) {
    throw Error(ErrorCode::usage, "--simulate is how many designs each round simulates, and there are no rounds",
                "add --rounds, such as --rounds 4");
  }
  study.search.simulate = *arguments.simulate;
}

void refuse_beside_rounds(const StudyArguments& arguments) {
  if (!arguments.rounds && !arguments.simulate) return;
  const char* other = arguments.is_pareto            ? "--pareto"
                      : arguments.shard              ? "--shard"
                      : arguments.on == "simulator"  ? "--on simulator"
                      : arguments.batch              ? "--batch"
                      : !arguments.reference.empty() ? "--reference"
                                                     : nullptr;
  if (!other) return;
  throw Error(ErrorCode::usage,
              fmt::format("--rounds search the surrogate and simulate what it proposes, and {} is of "
                          "another search",
                          other),
              fmt::format("leave out {}, or --rounds and --simulate", other));
}

void start_search_over(Pipeline& pipeline, const StudyArguments& arguments) {
  const bool simulates = arguments.on == "simulator" || pipeline.study().search.rounds > 0;
  if (arguments.is_pareto) {
    throw Error(ErrorCode::usage, "--fresh is of the search for one best design, not of --pareto", "leave it out");
  }
  if (simulates || arguments.shard) {
    throw Error(ErrorCode::usage,
                simulates ? "--fresh: what was simulated is kept, and would answer the same questions again"
                          : "--fresh: other processes may be at the other shards",
                simulates ? "take another --seed, or start all over: corbel run --fresh"
                          : "remove the folder `scan` of the output when no process is at it");
  }
  pipeline.start_over("search");
}

void add_learning(CLI::App& app, Common& common, int& exit_code) {
  const auto train = std::make_shared<StudyArguments>();
  CLI::App* command = add(app, common, "train", "Learn a conservative surrogate from the trials", train,
                          [&common, train](Pipeline& pipeline, TerminalMonitor&) {
                            if (train->fresh) pipeline.start_over("training");
                            pipeline.train();
                            print_training(pipeline.results(), common);
                          });
  add_fresh(*command, *train, "Start over: remove the model and what rests on it first");
  add_device(*command, common);

  const auto search = std::make_shared<StudyArguments>();
  command = add(
      app, common, "search", "Search the surrogate, or the simulator, for the best designs within the limits", search,
      [&common, &exit_code, search](Pipeline& pipeline, TerminalMonitor&) {
        if (search->fresh) start_search_over(pipeline, *search);
        if (search->is_pareto) return search_trade_offs(pipeline, *search, common, exit_code);
        if (!search->reference.empty()) {
          throw Error(ErrorCode::usage, "--reference is what the hypervolume of a Pareto front is measured up to",
                      "add --pareto, or leave it out");
        }
        if (search->on == "simulator") return search_simulator(pipeline, *search, common, exit_code);
        if (search->batch) {
          throw Error(ErrorCode::usage, "--batch is how many designs are simulated side by side",
                      "add --on simulator, or leave it out");
        }
        if (search->shard) {
          const ScanShard shard = parse_shard(*search->shard);
          const ShardOutcome outcome = pipeline.search_shard(shard);
          if (!outcome.missing.empty()) return print_shard(shard, outcome, common);
        } else if (pipeline.study().search.rounds > 0) {
          pipeline.search_in_rounds();
          write_outputs(pipeline);
          print_rounds(pipeline.results(), common);
          if (!has_answer(pipeline.results())) exit_code = exit_no_answer;
          return;
        } else {
          pipeline.search();
        }
        print_proposals(pipeline.results(), common);
        if (!has_answer(pipeline.results())) exit_code = exit_no_answer;
      },
      [search](StudyFile& study, Monitor&) {
        if (!search->strategy.empty() && search->strategy != study.search.method) {
          study.search.method = search->strategy;
          study.search.options.clear();  // of another strategy
        }
        if (search->budget) study.search.budget = *search->budget;
        refuse_beside_rounds(*search);
        take_rounds(*search, study);
        if (!search->shard) return;
        parse_shard(*search->shard);
        if (search->on == "simulator") {
          throw Error(ErrorCode::usage, "--shard divides a scan of the surrogate, not of the simulator",
                      "leave out --on simulator, or --shard");
        }
        if (search->is_pareto) {
          throw Error(ErrorCode::usage, "--shard divides a scan for the objective alone, not for a Pareto front",
                      "leave out --pareto, or --shard");
        }
        if (study.search.method != "scan" && study.search.method != "auto") {
          throw Error(ErrorCode::usage, fmt::format("--shard divides a scan, not {}", study.search.method),
                      "add --strategy scan");
        }
      });
  command->add_option(
      "--strategy", search->strategy,
      "A row of `corbel describe strategy`, or scan: every design; for --pareto also nsga2, its default");
  command->add_option("--shard", search->shard,
                      "Of a scan only part i of n, such as 2/8; the last writes the proposals");
  command->add_option("--budget", search->budget, "Designs a strategy may score")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000}));
  command->add_option("--on", search->on, "What is searched: simulator needs no model, and every query is a simulation")
      ->check(CLI::IsMember({"surrogate", "simulator"}))
      ->capture_default_str();
  add_handing_out(*command, *search);
  command->add_option("--batch", search->batch, "Designs simulated side by side; part of the question [8]")
      ->check(CLI::Range(std::size_t{1}, std::size_t{100'000}));
  add_rounds(*command, *search);
  add_fresh(*command, *search, "Start over: remove what was found, and a scan under way, first");
  add_device(*command, common);

  CLI::Option* pareto = command->add_option(
      "--pareto", search->pareto,
      "Search for the Pareto front of the objective and these metrics, or of those the study lists");
  pareto->expected(0, 1)->type_name("[METRIC[,maximise:METRIC]]");
  command->parse_complete_callback([search, pareto] { search->is_pareto = pareto->count() > 0; });
  command->add_option("--reference", search->reference, "Worst point of the hypervolume, the objective's value first")
      ->delimiter(',');

  add_ask_tell_commands(app, common);

  const auto validate = std::make_shared<StudyArguments>();
  command = add(
      app, common, "validate", "Simulate the best proposals; the results join the trials", validate,
      [&common, &exit_code, validate](Pipeline& pipeline, TerminalMonitor&) {
        if (validate->table.empty()) {
          pipeline.validate();
        } else {
          pipeline.validate_with_table(validate->table);
        }
        write_outputs(pipeline);
        print_proposals(pipeline.results(), common);
        if (!has_answer(pipeline.results())) exit_code = exit_no_answer;
      },
      [validate](StudyFile& study, Monitor&) {
        if (validate->designs) study.validate_designs = static_cast<std::size_t>(*validate->designs);
      });
  command->add_option("-n,--designs", validate->designs, "How many of the best proposals")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000}));
  add_handing_out(*command, *validate);
  command->add_option("--table", validate->table,
                      "Look them up in a whole recorded table (CSV, JSON lines or TFRecord, also packed) instead");
}

void add_presenting(CLI::App& app, Common& common) {
  const auto report = std::make_shared<StudyArguments>();
  CLI::App* command = add(app, common, "report", "Write the HTML report of what the study knows", report,
                          [&common, report](Pipeline& pipeline, TerminalMonitor& monitor) {
                            require_results(pipeline);
                            if (!pipeline.answers_the_study()) {
                              monitor.message("note: the study has changed since these results were found");
                            }
                            std::filesystem::path to = pipeline.study().output / "report.html";
                            if (!report->to.empty()) to = report->to;
                            write_file(to, html_report(pipeline.results()));
                            if (common.json()) {
                              print_json({{"report", to.string()}});
                            } else {
                              fmt::print("{}\n", to.string());
                            }
                          });
  command->add_option("--to", report->to, "This file instead of OUTPUT/report.html");

  const auto exported = std::make_shared<StudyArguments>();
  const StudyAction export_design = [&common, exported](Pipeline& pipeline, TerminalMonitor&) {
    require_results(pipeline);
    json results = pipeline.results();
    if (exported->rank > 0) choose_rank(results, exported->rank);
    if (!pipeline.answers_the_study()) {
      throw Error(ErrorCode::mismatch,
                  fmt::format("{}: the study has changed since its results were found", pipeline.study().file.string()),
                  fmt::format("first: corbel run {}", pipeline.study().file.string()));
    }
    if (results.value("best", json(nullptr)).is_null()) {
      throw Error(ErrorCode::too_little_data, "no design is known or predicted to meet every constraint",
                  "loosen a constraint, or simulate more designs");
    }
    const std::filesystem::path folder =
        exported->to.empty() ? pipeline.study().output : std::filesystem::path(exported->to);
    write_file(folder / "design.json", design_json(results));
    write_file(folder / "design.yaml", design_yaml(results));
    if (common.json()) {
      print_json(json::parse(design_json(results)));
    } else {
      fmt::print("{}\n{}\n", (folder / "design.json").string(), (folder / "design.yaml").string());
    }
  };
  command = add(app, common, "export",
                "Write the chosen design, or another proposal, as JSON and YAML; with --data the trials", exported,
                export_design);
  command->callback([exported, &common, export_design] {
    if (!exported->data.empty()) return export_data(*exported, common);
    run_on_study(*exported, common, export_design, {});
  });
  command->add_option("--data", exported->data,
                      "Write all finished trials of the study, or of a store (trials.db, postgresql://…), to this file "
                      "instead: .csv, .tsv, .jsonl or .tfrecord, packed if .gz or .zst follows");
  command->add_option("--group", exported->group, "With --data of a store of several: the group of trials");
  command->add_option("--rank", exported->rank, "This row of the ranked table instead of the chosen design")
      ->check(CLI::Range(1, 1'000'000'000));
  command->add_option("--to", exported->to, "This folder instead of the study's output");
}

}  // namespace

void add_study_commands(CLI::App& app, Common& common, int& exit_code) {
  const auto run = std::make_shared<StudyArguments>();
  CLI::App* command = add(
      app, common, "run", "Do all of a study: sweep or import, train, search, validate, report", run,
      [&common, &exit_code, run](Pipeline& pipeline, TerminalMonitor&) {
        pipeline.run();
        write_outputs(pipeline);
        print_study(pipeline.results(), pipeline.study(), common);
        if (!has_answer(pipeline.results())) exit_code = exit_no_answer;
      },
      [run](StudyFile& study, Monitor& monitor) {
        take_rounds(*run, study);
        if (run->fresh) clear_study(study, monitor);
      });
  add_fresh(*command, *run);
  add_rounds(*command, *run);
  add_device(*command, common);
  add_handing_out(*command, *run);
  add_collecting(app, common);
  add_learning(app, common, exit_code);
  add_presenting(app, common);
}

}  // namespace corbel::cli
