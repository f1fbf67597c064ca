#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/study/study_file.hpp"
#include "summaries.hpp"
#include "terminal.hpp"

namespace corbel::cli {

void add_start_commands(CLI::App& app, Common& common, int&) {
  struct Arguments {
    std::string file = "study.yaml";
    std::string log;
    std::string objective;
    std::string simulator = "edge";
    bool force = false;
  };
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("init", "Write a commented study file to start from");
  command->add_option("STUDY", arguments->file, "The file to write")->capture_default_str();
  command->add_option("--from-log", arguments->log,
                      "Around this simulation log (CSV, JSON lines or TFRecord, also packed): its columns, its space");
  command->add_option("--simulator", arguments->simulator, "Around this simulator; process: a program of your own")
      ->check(CLI::IsMember({"edge", "process"}))
      ->capture_default_str()
      ->excludes("--from-log");
  command->add_option("--objective", arguments->objective,
                      "With --from-log: the metric to minimise, or maximise:METRIC");
  command->add_flag("--force", arguments->force, "Overwrite the file");
  add_common(*command, common);
  command->callback([arguments, &common] {
    const std::filesystem::path file = arguments->file;
    if (std::filesystem::exists(file) && !arguments->force) {
      throw Error(ErrorCode::file_access, fmt::format("{}: the file exists", file.string()),
                  "give another name, or --force to overwrite it");
    }
    std::string text;
    if (arguments->log.empty()) {
      text = arguments->simulator == "process" ? process_study_template() : study_template();
    } else {
      TerminalMonitor monitor(common.quiet);
      ImportSpec spec;
      spec.file = arguments->log;
      // The study's paths are seen from its own folder.
      const std::filesystem::path folder = std::filesystem::absolute(file).lexically_normal().parent_path();
      const std::filesystem::path log =
          std::filesystem::absolute(arguments->log).lexically_normal().lexically_relative(folder);
      text = study_template(log, plan_import(spec, std::nullopt, monitor), arguments->objective);
    }
    write_file(file, text);
    if (common.json()) {
      print_json({{"study", file.string()}});
    } else {
      fmt::print("{}\nnext: corbel run {}\n", file.string(), file.string());
    }
  });
}

}  // namespace corbel::cli
