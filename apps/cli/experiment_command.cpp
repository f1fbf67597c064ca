#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/units.hpp"
#include "corbel/report/experiment_report.hpp"
#include "corbel/study/experiment.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

struct ExperimentArguments {
  std::string study;
  std::string table, space, objective;
  std::vector<std::string> constraints, methods;
  ExperimentOptions options;
  std::string folder;
};

ExperimentQuestion question_of(const ExperimentArguments& arguments, Monitor& monitor) {
  if (arguments.study.empty() == arguments.table.empty()) {
    throw Error(ErrorCode::usage,
                arguments.study.empty() ? "an experiment needs a study with a simulator, or a recorded table"
                                        : "an experiment is on a study or on a table, not on both",
                "corbel experiment STUDY, or corbel experiment --table FILE --objective METRIC");
  }
  if (arguments.table.empty()) {
    for (const auto& [given, name] :
         {std::pair{!arguments.objective.empty(), "--objective"},
          std::pair{!arguments.constraints.empty(), "--constraint"}, std::pair{!arguments.space.empty(), "--space"}}) {
      if (given) throw Error(ErrorCode::usage, fmt::format("{} belongs to --table", name), "change it in the study");
    }
    return experiment_on_study(StudyFile::load(arguments.study));
  }
  if (arguments.objective.empty()) {
    throw Error(ErrorCode::usage, "--table needs --objective, the column to minimise",
                fmt::format("corbel inspect {} tells its metrics", arguments.table));
  }
  std::vector<Constraint> constraints;
  for (const std::string& text : arguments.constraints) constraints.push_back(Constraint::parse(text, "--constraint"));
  std::optional<DesignSpace> space;
  if (!arguments.space.empty()) space = DesignSpace::from_config(Config::parse(arguments.space, "--space"));
  return experiment_on_table(arguments.table, space, arguments.objective, constraints, monitor);
}

std::filesystem::path folder_of(const ExperimentArguments& arguments) {
  if (!arguments.folder.empty()) return arguments.folder;
  if (arguments.study.empty()) return "experiment";
  return StudyFile::load(arguments.study).output / "experiment";
}

std::string figure(const json& value) {
  return value.is_number() ? format_for_people(value.get<double>()) : "-";
}

std::string ratio(const json& value) {
  return value.is_number() ? fmt::format("{:.4f}", value.get<double>()) : "-";
}

void print_results(const json& experiment) {
  const json& optimum = experiment["optimum"];
  const json& question = experiment["question"];
  fmt::print("{}: least {}", question["name"].get<std::string>(), question["objective"]["metric"].get<std::string>());
  std::string limits;
  for (const json& text : question["constraints"])
    limits += (limits.empty() ? " with " : ", ") + text.get<std::string>();
  fmt::print("{}; {} designs, {} seeds, {} asked for at a time\n", limits,
             format_for_people(question["designs"].get<double>(), 18), experiment["seeds"].get<std::uint64_t>(),
             experiment["batch"].get<std::size_t>());
  fmt::print("optimum {} ({})\n\n", figure(optimum["value"]), optimum["basis"].get<std::string>());
  Table table({"method", "queries", "best, median", "over optimum", "quarter to three quarters", "worst",
               "at the optimum", "queries until then", "seconds"});
  for (const json& row : experiment["results"]) {
    const auto over = [&](const char* which) {
      return ratio(row.value(fmt::format("best_over_optimum_{}", which), json()));
    };
    table.row({row["method"], std::to_string(row["budget"].get<std::uint64_t>()), figure(row["best_median"]),
               over("median"), fmt::format("{} to {}", over("q25"), over("q75")), over("max"),
               fmt::format("{} of {}", row["exact"].get<std::uint64_t>(), row["seeds"].get<std::uint64_t>()),
               figure(row["queries_to_optimum_median"]), fmt::format("{:.2f}", row["seconds"].get<double>())});
  }
  table.print();
}

void experiment(const ExperimentArguments& arguments, const Common& common, int& exit_code) {
  TerminalMonitor monitor(common.quiet);
  ExperimentOptions options = arguments.options;
  for (const std::string& text : arguments.methods) {
    for (ExperimentMethod& method : ExperimentMethod::parse_list(text)) options.methods.push_back(std::move(method));
  }
  if (arguments.methods.empty()) {
    for (const StrategyInfo& info : strategies()) options.methods.push_back(ExperimentMethod::parse(info.id));
  }
  if (common.seed) options.first_seed = *common.seed;
  if (common.threads) options.threads = *common.threads;
  const ExperimentQuestion question = question_of(arguments, monitor);
  options.folder = folder_of(arguments);
  const json found = run_experiment(question, options, monitor);
  const std::filesystem::path page = options.folder / "experiment.html";
  write_file(options.folder / "experiment.json", found.dump(1) + "\n");
  write_file(page, experiment_report(found));
  if (common.json()) {
    print_json(found);
  } else {
    print_results(found);
    fmt::print("\n{}\n", page.string());
  }
  const bool any = std::any_of(found["results"].begin(), found["results"].end(),
                               [](const json& row) { return row["found"].get<std::uint64_t>() > 0; });
  if (!any) exit_code = exit_no_answer;
}

}  // namespace

void add_experiment_command(CLI::App& app, Common& common, int& exit_code) {
  CLI::App* group = app.add_subcommand("experiment", "Compare search methods on a recorded table or a simulator");
  group->require_subcommand(1);
  const auto arguments = std::make_shared<ExperimentArguments>();
  CLI::App* command = group->add_subcommand(
      "online", "Methods that ask for one simulation after another; what `corbel experiment` does by itself");
  command->add_option("STUDY", arguments->study, "A study with a simulator; its objective and limits are searched");
  command->add_option("--table", arguments->table,
                      "A recorded table (CSV, CSV.gz) instead: every row can be asked for");
  command->add_option("--objective", arguments->objective, "The table's column to minimise");
  command->add_option("--constraint", arguments->constraints, "A limit, such as 'area_um2 <= 6e6'; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--space", arguments->space, "Name or file of the table's design space, instead of inferring it");
  command
      ->add_option("--methods", arguments->methods, "Strategies, or STRATEGY:OPTION=NUMBER,…; without any, all of them")
      ->expected(1, -1);
  command->add_option("--seeds", arguments->options.seeds, "Runs of each method")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000}))
      ->capture_default_str();
  command->add_option("--seed", common.seed, "The first of the seeds; 1 if absent")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 62));
  command->add_option("--budgets,--budget", arguments->options.budgets, "Queries after which the methods are compared")
      ->delimiter(',')
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
      ->capture_default_str();
  command->add_option("--batch", arguments->options.batch, "Designs a method is asked for at a time")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}))
      ->capture_default_str();
  command->add_option("--optimum", arguments->options.optimum, "The least objective, where it is known from elsewhere");
  command->add_option("--threads", common.threads, "Runs at a time; 0: all cores")->check(CLI::Range(0, 4096));
  command->add_option("--to", arguments->folder,
                      "Folder of runs and report; experiment in the study's output, or here");
  command->add_flag("--fresh", arguments->options.fresh, "Start over: remove the runs that are there first");
  add_common(*command, common);
  command->callback([arguments, &common, &exit_code] { experiment(*arguments, common, exit_code); });
}

}  // namespace corbel::cli
