#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "commands.hpp"
#include "corbel/base/error.hpp"
#include "corbel/dataset/store_location.hpp"
#include "corbel/version.hpp"
#include "terminal.hpp"

namespace corbel::cli {

void add_store_option(CLI::App& command, Common& common) {
  command.add_option("--store", common.store, "Instead of the study's: a file, or postgresql://user@host/database");
}

void add_common(CLI::App& command, Common& common) {
  command.add_option("--format", common.format, "table for people, json for programs")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command.add_flag("-q,--quiet", common.quiet, "No progress and no notes");
}

namespace {

/// One line: what is wrong, where, and the remedy.
int report(ErrorCode code, const std::string& said, const std::string& hint, bool json) {
  // Whatever is in a wrong place on the command line is repeated by those who complain about it.
  const std::string message = without_passwords(said);
  if (json) {
    const nlohmann::json error = {{"error", {{"code", to_string(code)}, {"message", message}, {"hint", hint}}}};
    fmt::print("{}\n", error.dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  fmt::print(stderr, "corbel: {}{}{}\n", message, hint.empty() ? "" : "; ", hint);
  if (code == ErrorCode::interrupted) return exit_interrupted;
  if (code == ErrorCode::usage) return exit_usage;
  return code == ErrorCode::too_little_data ? exit_no_answer : exit_error;
}

/// For errors found before the options are read.
bool asks_for_json(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool follows = arguments[i] == "--format" && i + 1 < arguments.size() && arguments[i + 1] == "json";
    if (follows || arguments[i] == "--format=json") return true;
  }
  return false;
}

/// CLI11 would only say that a subcommand is required.
void require_known_commands(CLI::App& app, const std::vector<std::string>& arguments) {
  CLI::App* at = &app;
  for (const std::string& argument : arguments) {
    const std::vector<CLI::App*> commands = at->get_subcommands({});
    if (commands.empty() || argument.starts_with('-')) return;
    const auto found = std::find_if(commands.begin(), commands.end(),
                                    [&](const CLI::App* command) { return command->get_name() == argument; });
    if (found == commands.end()) {
      std::vector<std::string> names;
      for (const CLI::App* command : commands) names.push_back(command->get_name());
      throw unknown_name("command", argument, names, "", ErrorCode::usage);
    }
    at = *found;
  }
}

/// `corbel experiment STUDY` is `corbel experiment online STUDY`.
std::vector<std::string> with_default_subcommand(std::vector<std::string> arguments) {
  if (arguments.empty() || arguments[0] != "experiment") return arguments;
  for (const char* other : {"online", "offline", "--help", "-h"}) {
    if (arguments.size() > 1 && arguments[1] == other) return arguments;
  }
  arguments.insert(arguments.begin() + 1, "online");
  return arguments;
}

int run(int argc, char** argv) {
  CLI::App app{"Designs hardware accelerators from simulation logs.", "corbel"};
  app.set_version_flag("--version", std::string(version));
  app.require_subcommand(1);
  app.get_formatter()->column_width(24);
  app.footer(
      "corbel COMMAND --help tells a command's options. To start: corbel init study.yaml, corbel run study.yaml");
  Common common;
  int exit_code = exit_ok;
  add_start_commands(app, common, exit_code);
  add_study_commands(app, common, exit_code);
  add_inspect_command(app, common, exit_code);
  add_store_command(app, common, exit_code);
  add_worker_command(app, common, exit_code);
  add_status_command(app, common);
  add_simulate_command(app, common, exit_code);
  add_describe_command(app, common, exit_code);
  add_experiment_command(app, common, exit_code);
  add_bench_command(app, common, exit_code);
  const std::vector<std::string> arguments = with_default_subcommand({argv + std::min(argc, 1), argv + argc});
  try {
    require_known_commands(app, arguments);
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return report(ErrorCode::usage, error.what(), "see corbel --help", asks_for_json(arguments));
  } catch (const Error& error) {
    return report(error.code(), error.what(), error.hint(), asks_for_json(arguments));
  } catch (const std::system_error& error) {
    return report(ErrorCode::file_access, fmt::format("cannot write the output: {}", error.code().message()),
                  "check where standard output goes", false);
  } catch (const std::bad_alloc&) {
    return report(ErrorCode::file_access, "out of memory", "ask for fewer designs, a smaller network or fewer threads",
                  common.json());
  } catch (const std::exception& error) {
    return report(ErrorCode::unsupported, fmt::format("unexpected failure: {}", error.what()),
                  "this is a fault of Corbel: please report it with the command and its input", common.json());
  }
  if (std::fflush(stdout) != 0) {
    return report(ErrorCode::file_access, fmt::format("cannot write the output: {}", std::strerror(errno)),
                  "check where standard output goes", false);
  }
  return exit_code;
}

}  // namespace
}  // namespace corbel::cli

int main(int argc, char** argv) {
  corbel::cli::install_signal_handlers();
  return corbel::cli::run(argc, argv);
}
