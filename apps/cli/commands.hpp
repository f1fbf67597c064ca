#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace corbel::cli {

/// Exit codes; docs/commands.md.
enum Exit { exit_ok = 0, exit_error = 1, exit_usage = 2, exit_no_answer = 3, exit_interrupted = 130 };

/// Options that every command has.
struct Common {
  std::string format = "table";
  bool quiet = false;
  std::optional<std::uint64_t> seed;
  std::optional<std::size_t> threads;
  std::optional<std::string> device;
  std::optional<std::string> store;
  bool json() const { return format == "json"; }
};

/// Adds --store to a command on a study.
void add_store_option(CLI::App& command, Common& common);

/// Adds the options of `Common` to a command.
void add_common(CLI::App& command, Common& common);

/// Each adds its commands to the program, in the order that help shows them. A command's callback sets `exit_code`
/// where it is not exit_ok, and throws Error.
void add_start_commands(CLI::App& app, Common& common, int& exit_code);  // init
void add_study_commands(CLI::App& app, Common& common, int& exit_code);  // sweep … run
void add_ask_tell_commands(CLI::App& app, Common& common);               // among them, after search
void add_inspect_command(CLI::App& app, Common& common, int& exit_code);
void add_store_command(CLI::App& app, Common& common, int& exit_code);
void add_worker_command(CLI::App& app, Common& common, int& exit_code);
void add_status_command(CLI::App& app, Common& common);
void add_simulate_command(CLI::App& app, Common& common, int& exit_code);
void add_describe_command(CLI::App& app, Common& common, int& exit_code);
void add_experiment_command(CLI::App& app, Common& common, int& exit_code);
void add_bench_command(CLI::App& app, Common& common, int& exit_code);

}  // namespace corbel::cli
