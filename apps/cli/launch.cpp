#include "launch.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>
#include <sstream>
#include <thread>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/process.hpp"
#include "temporary_folder.hpp"
#include "terminal.hpp"

namespace corbel::cli {
namespace {

constexpr const char* store_variable = "CORBEL_STORE";

std::string this_program() {
  std::error_code failed;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) throw Error(ErrorCode::file_access, "cannot tell where this program is", "start the workers yourself");
  return program.string();
}

/// The value that stands for a store in the environment: a file's path is seen from elsewhere, too.
std::string value_of(const StoreLocation& store) {
  return store.is_file() ? std::filesystem::absolute(store.file()).string() : store.url();
}

std::vector<std::string> arguments_of(const WorkerSettings& settings) {
  std::vector<std::string> arguments = {"worker", "--lease", fmt::format("{}", settings.lease_seconds)};
  if (settings.idle_exit_seconds) {
    arguments.insert(arguments.end(), {"--idle-exit", fmt::format("{}", *settings.idle_exit_seconds)});
  }
  if (!settings.study_folder.empty()) {
    arguments.insert(arguments.end(), {"--study-dir", std::filesystem::absolute(settings.study_folder).string()});
  }
  return arguments;
}

/// For /bin/sh.
std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

pid_t start(std::vector<std::string> words, const std::string& store) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) {
    throw Error(ErrorCode::tool_failure, fmt::format("cannot start another process: {}", std::strerror(errno)),
                "start fewer workers");
  }
  if (child > 0) return child;
  // A group of its own: Ctrl-C reaches it through its parent alone, once.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);
  setenv(store_variable, store.c_str(), 1);
  execv(argv[0], argv.data());
  _exit(127);
}

/// What became of a worker, if not what one expects.
void tell_end(pid_t worker, int status, Monitor& monitor) {
  if (WIFSIGNALED(status)) {
    monitor.message(fmt::format("worker {} was ended by {}; others take over its trials when its lease has run out",
                                worker, signal_name(WTERMSIG(status))));
  } else if (WEXITSTATUS(status) != 0 && stop_signal.load() == 0) {
    monitor.message(fmt::format("worker {} ended with code {}", worker, WEXITSTATUS(status)));
  }
}

}  // namespace

int launch_locally(const StoreLocation& store, const WorkerSettings& settings, std::size_t count, Monitor& monitor) {
  std::vector<std::string> words = {this_program()};
  const std::vector<std::string> more = arguments_of(settings);
  words.insert(words.end(), more.begin(), more.end());
  const std::size_t jobs = settings.jobs > 0 ? settings.jobs : std::max<std::size_t>(1, available_cores() / count);
  words.insert(words.end(), {"--jobs", std::to_string(jobs), "--quiet"});
  std::set<pid_t> workers;
  const auto pass_on = [&](int signal) {
    for (const pid_t worker : workers) kill(worker, signal);
  };
  try {
    while (workers.size() < count) workers.insert(start(words, value_of(store)));
  } catch (const Error&) {
    pass_on(SIGTERM);
    throw;
  }
  monitor.message(
      fmt::format("{} workers, {} at once each; what they do: corbel status {}", count, jobs, store.text()));
  bool all_well = true, asked = false;
  while (!workers.empty()) {
    int status = 0;
    const pid_t ended = waitpid(-1, &status, WNOHANG);
    if (ended > 0 && workers.erase(ended) > 0) {
      all_well = all_well && WIFEXITED(status) && WEXITSTATUS(status) == 0;
      tell_end(ended, status, monitor);
      continue;
    }
    if (const int signal = stop_signal.load(); signal != 0 && !asked) {
      asked = true;
      pass_on(signal);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  if (asked) return 128 + stop_signal.load();
  return all_well ? 0 : 1;
}

std::string slurm_script(const WorkerSettings& settings, std::size_t count) {
  std::string script = fmt::format("#!/bin/sh\n#SBATCH --job-name=corbel-worker\n#SBATCH --array=1-{}\n", count);
  if (settings.jobs > 0) script += fmt::format("#SBATCH --cpus-per-task={}\n", settings.jobs);
  script += "exec " + quoted(this_program());
  for (const std::string& argument : arguments_of(settings)) script += " " + quoted(argument);
  // As many as Slurm grants, however it was asked for them.
  return script + " --jobs \"${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-1}}\"\n";
}

std::string launch_on_slurm(const StoreLocation& store, const WorkerSettings& settings, std::size_t count,
                            const std::string& options, Monitor& monitor) {
  if (store.is_file()) {
    throw Error(ErrorCode::unsupported, store.text() + ": is a file of this machine, which a cluster cannot share",
                "use a PostgreSQL store, such as postgresql://user@host/database");
  }
  const TemporaryFolder folder("slurm");
  const std::filesystem::path script = folder.path() / "worker.sh";
  Command command{{"sbatch", "--parsable"}, {}, script, {{store_variable, value_of(store)}}};
  std::istringstream words(options);
  for (std::string word; words >> word;) command.arguments.push_back(word);
  RunLimits limits;
  limits.time = std::chrono::minutes(2);
  RunResult result;
  try {
    write_file(script, slurm_script(settings, count));
    result = ProcessRunner().run(command, limits, [&] { return monitor.stop_requested(); });
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("sbatch cannot be run: {}", error.what()),
                "run this where Slurm's programs are installed, or start `corbel worker` on the nodes yourself");
  }
  // "id", or "id;cluster".
  const std::string id = result.output.substr(0, result.output.find_first_of(";\n"));
  if (result.end != RunResult::End::exited || result.status != 0 || id.empty()) {
    throw Error(ErrorCode::tool_failure, fmt::format("sbatch refused the job: {}", printable(result.errors, 300)),
                "give it what your cluster wants by --slurm, such as --slurm '--partition=x --time=12:00:00'");
  }
  return id;
}

}  // namespace corbel::cli
