#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corbel {

/// A program to run, without a shell.
struct Command {
  std::vector<std::string> arguments;  ///< the program first: a path, or a name to be found on PATH
  std::filesystem::path folder;        ///< where it runs; empty: here
  std::filesystem::path input;         ///< the file that is its standard input; empty: nothing to read
  std::vector<std::pair<std::string, std::string>> environment;  ///< beside what this process has
};

/// What a run may take; 0: no limit.
struct RunLimits {
  std::chrono::milliseconds time{0};
  /// Address space of each process of the run (RLIMIT_AS): allocations beyond it fail.
  std::uint64_t memory_bytes = 0;
  /// Of each of standard output and standard error; what is read is in memory.
  std::uint64_t output_bytes = 16 << 20;
  /// Largest file it may write (RLIMIT_FSIZE): beyond it the writer gets SIGXFSZ.
  std::uint64_t file_bytes = 0;
  /// Between the wish to end (SIGTERM) and the end (SIGKILL).
  std::chrono::milliseconds grace{2000};
};

/// How a run ended, and what it said.
struct RunResult {
  enum class End : std::uint8_t {
    exited,     ///< by itself, `status` is its exit code
    signalled,  ///< by a signal that nobody here sent; `status` is its number
    timeout,    ///< stopped at RunLimits::time
    output,     ///< stopped at RunLimits::output_bytes
    stopped,    ///< stopped because the caller asked
  };
  End end = End::exited;
  int status = 0;
  std::string output, errors;  ///< standard output and standard error, each at most the limit
  double seconds = 0;
};

/// Runs programs, each in a session and process group of its own, so that whatever it started ends with it: when the
/// program ends, at a limit, when the caller asks, and also when this process is killed (a small shell waits for that).
/// A process that leaves its group (setsid) is out of reach. Thread-safe.
class ProcessRunner {
 public:
  ProcessRunner();
  ~ProcessRunner();
  ProcessRunner(const ProcessRunner&) = delete;
  ProcessRunner& operator=(const ProcessRunner&) = delete;

  /// Returns once the program has ended and its process group is gone. Descriptors of this process are not inherited.
  /// @param stop  asked some times a second; true ends the run
  /// @throws Error{not_found, file_access} for a program, folder or input that cannot be used; Error{tool_failure}
  ///         where the system has no room for another process now
  RunResult run(const Command& command, const RunLimits& limits, const std::function<bool()>& stop) const;

 private:
  class Guard;
  std::unique_ptr<Guard> guard_;
};

/// "SIGSEGV"; "signal 42" for one without a name.
std::string signal_name(int signal);
/// 11 for "SIGSEGV"; 0 for a name that is none.
int signal_number(std::string_view name);

}  // namespace corbel
