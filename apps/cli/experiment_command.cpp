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
#include "corbel/study/offline_experiment.hpp"
#include "corbel/workload/network.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

using nlohmann::json;

/// Of each other network's table.
constexpr std::uint64_t default_also_rows = 4000;

/// What both kinds of experiment are told.
struct ExperimentArguments {
  std::string study;
  std::string table, space, objective;
  std::vector<std::string> constraints, methods;
  std::string workload;
  std::vector<std::string> also;
  std::optional<std::uint64_t> also_rows;
  std::string folder;
  ExperimentOptions online;
  OfflineOptions offline;
};

WorkloadSuite workload_of(const std::string& name) {
  const Network network = load_network(name);
  WorkloadSuite workload;
  workload.add({network, network.name, 1});
  return workload;
}

/// Adds the tables of --also to what the table of --table asks.
void add_others(const ExperimentArguments& arguments, const Goal& objective, std::span<const Constraint> constraints,
                ExperimentQuestion& question, Monitor& monitor) {
  const char* example = "such as --workload resnet50 --also mobilenet_v2=mobilenet.csv";
  if (arguments.workload.empty()) {
    throw Error(ErrorCode::usage, "--also needs --workload, the network that --table is of", example);
  }
  for (const std::string& text : arguments.also) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      throw Error(ErrorCode::usage, fmt::format("--also {}: not WORKLOAD=FILE", in_quotes(text)), example);
    }
    const std::string name = text.substr(0, equals);
    const WorkloadSuite workload = workload_of(name);
    std::vector<std::string> known = {question.study->workloads.fingerprint()};
    for (const ExperimentQuestion& other : question.others) known.push_back(other.study->workloads.fingerprint());
    if (std::find(known.begin(), known.end(), workload.fingerprint()) != known.end()) {
      throw Error(ErrorCode::usage,
                  fmt::format("--also {}: {} is the network of --table, or given twice", in_quotes(text), name),
                  "give tables of other networks, each once");
    }
    question.others.push_back(
        experiment_on_table(text.substr(equals + 1), question.study->space, objective, constraints, monitor, workload));
    question.others.back().name = name;
    question.others.back().rows = arguments.also_rows.value_or(default_also_rows);
  }
}

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
          std::pair{!arguments.constraints.empty(), "--constraint"}, std::pair{!arguments.space.empty(), "--space"},
          std::pair{!arguments.workload.empty(), "--workload"}, std::pair{!arguments.also.empty(), "--also"}}) {
      if (given) throw Error(ErrorCode::usage, fmt::format("{} belongs to --table", name), "change it in the study");
    }
    ExperimentQuestion question = experiment_on_study(StudyFile::load(arguments.study));
    if (!arguments.also_rows) return question;
    if (question.others.empty()) {
      throw Error(ErrorCode::usage, fmt::format("--also-rows: {} learns from no other network", arguments.study),
                  "name them in the study, under `learn_from:`");
    }
    for (ExperimentQuestion& other : question.others) other.rows = *arguments.also_rows;
    return question;
  }
  if (arguments.objective.empty()) {
    throw Error(ErrorCode::usage, "--table needs --objective, the column to minimise or maximise",
                fmt::format("corbel inspect {} tells its metrics", arguments.table));
  }
  std::vector<Constraint> constraints;
  for (const std::string& text : arguments.constraints) constraints.push_back(Constraint::parse(text, "--constraint"));
  std::optional<DesignSpace> space;
  if (!arguments.space.empty()) space = DesignSpace::from_config(Config::parse(arguments.space, "--space"));
  const Goal objective = Goal::parse(arguments.objective);
  const WorkloadSuite workload = arguments.workload.empty() ? WorkloadSuite() : workload_of(arguments.workload);
  ExperimentQuestion question = experiment_on_table(arguments.table, space, objective, constraints, monitor, workload);
  if (arguments.also_rows && arguments.also.empty()) {
    throw Error(ErrorCode::usage, "--also-rows: no table of another network is given", "add --also WORKLOAD=FILE");
  }
  if (!arguments.also.empty()) add_others(arguments, objective, constraints, question, monitor);
  return question;
}

/// Fills in what the command line leaves to defaults.
ExperimentQuestion set_up(const ExperimentArguments& arguments, const Common& common, ExperimentSetup& setup,
                          Monitor& monitor) {
  if (common.seed) setup.first_seed = *common.seed;
  if (common.threads) setup.threads = *common.threads;
  ExperimentQuestion question = question_of(arguments, monitor);
  setup.folder = arguments.study.empty() ? "experiment" : question.study->output / "experiment";
  if (!arguments.folder.empty()) setup.folder = arguments.folder;
  return question;
}

std::string figure(const json& value) {
  return value.is_number() ? format_for_people(value.get<double>()) : "-";
}

std::string ratio(const json& value) {
  return value.is_number() ? fmt::format("{:.4f}", value.get<double>()) : "-";
}

void print_question(const json& experiment, const std::string& runs) {
  const json& optimum = experiment["optimum"];
  const json& question = experiment["question"];
  const json& objective = question["objective"];
  const bool is_maximised = objective["direction"] == to_string(Direction::maximise);
  fmt::print("{}: {} {}", question["name"].get<std::string>(), is_maximised ? "most" : "least",
             objective["metric"].get<std::string>());
  std::string limits;
  for (const json& text : question["constraints"])
    limits += (limits.empty() ? " with " : ", ") + text.get<std::string>();
  fmt::print("{}; {} designs, {} seeds{}\n", limits, format_for_people(question["designs"].get<double>(), 18),
             experiment["seeds"].get<std::uint64_t>(), runs);
  fmt::print("optimum {} ({})\n\n", figure(optimum["value"]), optimum["basis"].get<std::string>());
}

void print_online_results(const json& experiment) {
  print_question(experiment, fmt::format(", {} asked for at a time", experiment["batch"].get<std::size_t>()));
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

void print_offline_results(const json& experiment) {
  print_question(experiment, "");
  Table table({"method", "rows", "within limits", "top-1 over optimum", "top-16", "top-256", "infeasible in top 256",
               "held-out tau", "seconds"});
  for (const json& row : experiment["results"]) {
    const auto top = [&](const char* place) {
      const std::string name = fmt::format("{}_over_optimum_", place);
      return fmt::format("{} ({})", ratio(row.value(name + "median", json())), ratio(row.value(name + "max", json())));
    };
    const json& share = row["infeasible_share_top256_median"];
    const json& tau = row["kendall_heldout_median"];
    table.row({row["method"], std::to_string(row["log_size"].get<std::uint64_t>()),
               figure(row["rows_within_limits_median"]), top("top1"), top("top16"), top("top256"),
               share.is_number() ? fmt::format("{:.1f} %", 100 * share.get<double>()) : "-",
               tau.is_number() ? fmt::format("{:.2f}", tau.get<double>()) : "-",
               fmt::format("{:.1f}", row["seconds"].get<double>())});
  }
  table.print();
  fmt::print("\nmedian of the runs, in brackets the worst; tau: rank correlation on rows that were not shown\n");
}

/// Writes and prints what was found.
void conclude(const json& found, const std::filesystem::path& folder, const std::string& page_html,
              void (*print)(const json&), const Common& common) {
  const std::filesystem::path page = folder / "experiment.html";
  write_file(folder / "experiment.json", found.dump(1) + "\n");
  write_file(page, page_html);
  if (common.json()) {
    print_json(found);
  } else {
    print(found);
    fmt::print("\n{}\n", page.string());
  }
}

void online_experiment(const ExperimentArguments& arguments, const Common& common, int& exit_code) {
  TerminalMonitor monitor(common.quiet);
  ExperimentOptions options = arguments.online;
  for (const std::string& text : arguments.methods) {
    for (ExperimentMethod& method : ExperimentMethod::parse_list(text)) options.methods.push_back(std::move(method));
  }
  if (arguments.methods.empty()) {
    for (const StrategyInfo& info : strategies()) options.methods.push_back(ExperimentMethod::parse(info.id));
  }
  const ExperimentQuestion question = set_up(arguments, common, options, monitor);
  const json found = run_experiment(question, options, monitor);
  conclude(found, options.folder, experiment_report(found), print_online_results, common);
  const bool any = std::any_of(found["results"].begin(), found["results"].end(),
                               [](const json& row) { return row["found"].get<std::uint64_t>() > 0; });
  if (!any) exit_code = exit_no_answer;
}

void offline_experiment(const ExperimentArguments& arguments, const Common& common, int& exit_code) {
  TerminalMonitor monitor(common.quiet);
  OfflineOptions options = arguments.offline;
  for (const std::string& text : arguments.methods) {
    for (OfflineMethod& method : OfflineMethod::parse_list(text)) options.methods.push_back(std::move(method));
  }
  if (arguments.methods.empty()) {
    for (const OfflineMethodInfo& info : offline_methods()) options.methods.push_back(OfflineMethod::parse(info.id));
  }
  const ExperimentQuestion question = set_up(arguments, common, options, monitor);
  const json found = run_offline_experiment(question, options, monitor);
  conclude(found, options.folder, experiment_report(found), print_offline_results, common);
  const bool any = std::any_of(found["results"].begin(), found["results"].end(),
                               [](const json& row) { return row["top256_min"].is_number(); });
  if (!any) exit_code = exit_no_answer;
}

/// The options that both kinds have.
CLI::App* add_experiment(CLI::App& group, const char* name, const char* summary,
                         const std::shared_ptr<ExperimentArguments>& arguments, ExperimentSetup& setup,
                         Common& common) {
  CLI::App* command = group.add_subcommand(name, summary);
  command->add_option("STUDY", arguments->study, "A study with a simulator; its objective and limits are searched");
  command->add_option(
      "--table", arguments->table,
      "A recorded table (CSV, JSON lines or TFRecord, also packed) instead: every row can be asked for");
  command->add_option("--objective", arguments->objective, "The table's column to minimise, or maximise:COLUMN");
  command->add_option("--constraint", arguments->constraints, "A limit, such as 'area_um2 <= 6e6'; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--space", arguments->space, "Name or file of the table's design space, instead of inferring it");
  command->add_option("--seeds", setup.seeds, "Runs of each method")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000}))
      ->capture_default_str();
  command->add_option("--seed", common.seed, "The first of the seeds; 1 if absent")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 62));
  command->add_option("--threads", common.threads, "Runs at a time; 0: all cores")->check(CLI::Range(0, 4096));
  command->add_option("--to", arguments->folder,
                      "Folder of runs and report; experiment in the study's output, or here");
  command->add_flag("--fresh", setup.fresh, "Start over: remove the runs that are there first");
  command->add_option("--optimum", setup.optimum, "The best objective, where it is known from elsewhere");
  add_common(*command, common);
  return command;
}

}  // namespace

void add_experiment_command(CLI::App& app, Common& common, int& exit_code) {
  CLI::App* group =
      app.add_subcommand("experiment", "Compare search methods, or learners, on a recorded table or a simulator");
  group->require_subcommand(1);
  const auto arguments = std::make_shared<ExperimentArguments>();

  CLI::App* online = add_experiment(
      *group, "online", "Methods that ask for one simulation after another; what `corbel experiment` does by itself",
      arguments, arguments->online, common);
  online
      ->add_option("--methods", arguments->methods, "Strategies, or STRATEGY:OPTION=NUMBER,…; without any, all of them")
      ->expected(1, -1);
  online->add_option("--budgets,--budget", arguments->online.budgets, "Queries after which the methods are compared")
      ->delimiter(',')
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
      ->capture_default_str();
  online->add_flag("--feasible-only", arguments->online.feasible_only,
                   "Budgets count the queries alone that give a design within the limits");
  online->add_option("--batch", arguments->online.batch, "Designs a method is asked for at a time")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}))
      ->capture_default_str();
  online->callback([arguments, &common, &exit_code] { online_experiment(*arguments, common, exit_code); });

  CLI::App* offline =
      add_experiment(*group, "offline", "Methods that propose designs from a random log, without any simulation",
                     arguments, arguments->offline, common);
  std::string methods;
  for (const OfflineMethodInfo& info : offline_methods()) {
    methods += (methods.empty() ? "" : ", ") + std::string(info.id);
  }
  offline
      ->add_option("--methods", arguments->methods,
                   fmt::format("Of {}; learners take the keys of `train:`, prime:network=attention,steps=800; without "
                               "any, all of them",
                               methods))
      ->expected(1, -1);
  offline->add_option("--log-size", arguments->offline.log_sizes, "Rows of the log, drawn at random; may be several")
      ->delimiter(',')
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{100'000'000}))
      ->capture_default_str();
  offline->add_option("--workload", arguments->workload, "Network that the table is of; for --also");
  offline
      ->add_option("--also", arguments->also,
                   "Table of another network, WORKLOAD=FILE, whose log teaches the learners, too; may be repeated. "
                   "A study says `learn_from:`")
      ->allow_extra_args(false);
  offline
      ->add_option("--also-rows", arguments->also_rows,
                   fmt::format("Rows of the log of each of them; without, {}, or as many designs as a study's "
                               "`learn_from:` says",
                               default_also_rows))
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000'000}));
  offline->add_option("--worst", arguments->offline.worst,
                      "Show only so many of the log's rows within the limits, the worst; 0: all");
  offline->callback([arguments, &common, &exit_code] { offline_experiment(*arguments, common, exit_code); });
}

}  // namespace corbel::cli
