#include "corbel/base/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <system_error>

#include "corbel/base/error.hpp"
#include "corbel/base/internal/descriptor.hpp"
#include "corbel/base/text.hpp"

namespace corbel {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// How often the wish to stop is looked for; without pidfd_open (Linux before 5.3) also the program's end.
constexpr milliseconds stop_interval{100}, end_interval{10};

std::string reason(int error) {
  return std::generic_category().message(error);
}

Error no_room(const char* what, int failure) {
  return {ErrorCode::tool_failure, std::string(what) + ": " + reason(failure),
          "run fewer programs at once (`jobs`), or raise the limits of processes and open files (ulimit -u, -n)"};
}

struct Pipe {
  Descriptor read, write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw no_room("no pipe for a program's output", errno);
  Pipe pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  // The program's own standard descriptors are set in turn: none of them may be a pipe that is still needed.
  if (pipe.write.get() <= STDERR_FILENO) {
    Descriptor moved(fcntl(pipe.write.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!moved.valid()) throw no_room("no pipe for a program's output", errno);
    pipe.write = std::move(moved);
  }
  fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

/// What posix_spawn() is to do in the new process.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    // A session of its own: no terminal to wait for, and a group that can be killed as a whole.
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void open(int as, const char* path, int flags) { posix_spawn_file_actions_addopen(&actions_, as, path, flags, 0); }
  void take(int as, const Descriptor& descriptor) { posix_spawn_file_actions_adddup2(&actions_, descriptor.get(), as); }
  void enter(const std::string& folder) { posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str()); }

  /// @return 0 or an error number
  int spawn(pid_t& process, const std::string& program, const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment) {
    // Libraries may have opened descriptors that would be inherited.
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    const auto pointers = [](const std::vector<std::string>& texts) {
      std::vector<char*> list;
      for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
      list.push_back(nullptr);
      return list;
    };
    return posix_spawn(&process, program.c_str(), &actions_, &attributes_, pointers(arguments).data(),
                       pointers(environment).data());
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& own) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto is_replaced = [&](const auto& each) { return text.starts_with(each.first + "="); };
    if (std::none_of(own.begin(), own.end(), is_replaced)) all.emplace_back(text);
  }
  for (const auto& [name, value] : own) all.push_back(name + "=" + value);
  return all;
}

bool is_program(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

/// The path of a program: itself if it has a slash, else where PATH leads to.
std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (is_program(name)) return std::filesystem::absolute(name).string();
    std::error_code ignored;
    if (!std::filesystem::exists(name, ignored)) {
      throw Error(ErrorCode::not_found, "there is no program " + in_quotes(name), "check the path");
    }
    throw Error(ErrorCode::file_access, in_quotes(name) + " cannot be run as a program",
                "make it executable (chmod +x), or run it by its interpreter");
  }
  const char* path = std::getenv("PATH");
  for (const std::string_view folder : split(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    const std::filesystem::path found = std::filesystem::path(folder.empty() ? "." : folder) / name;
    if (is_program(found)) return std::filesystem::absolute(found).string();
  }
  throw Error(ErrorCode::not_found, "there is no program " + in_quotes(name) + " on PATH",
              "install it, or give its full path");
}

/// Appends what is there to read now to `into`, up to `limit` bytes in all; without `into` it is dropped. Reads no more
/// than a pipe can hold, so that somebody who writes without end keeps nobody here. Closes the descriptor at the end.
/// @return whether there was more than the limit
bool drain(Descriptor& from, std::string* into, std::uint64_t limit) {
  constexpr int most_reads = 17;
  std::array<char, 1 << 16> buffer;
  for (int i = 0; i < most_reads && from.valid(); ++i) {
    const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) {
      from.close();
      return false;
    }
    if (into == nullptr) continue;
    const std::size_t room = limit - into->size();
    into->append(buffer.data(), std::min(static_cast<std::size_t>(got), room));
    if (static_cast<std::size_t>(got) > room) return true;
  }
  return false;
}

void limit_resource(pid_t process, __rlimit_resource resource, std::uint64_t bytes) {
  if (bytes == 0) return;
  const rlimit limit{bytes, bytes};
  prlimit(process, resource, &limit, nullptr);
}

/// A program that runs: its group is killed and the program waited for at the latest by the destructor.
class Running {
 public:
  explicit Running(pid_t process) : process_(process), end_(static_cast<int>(syscall(SYS_pidfd_open, process, 0U))) {}
  ~Running() {
    if (is_reaped_) return;
    kill(SIGKILL);
    reap();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  /// Readable once the program has ended; −1 where the system has no such thing.
  int end_descriptor() const { return end_.get(); }
  void kill(int signal) const { ::kill(-process_, signal); }
  bool has_ended() {
    siginfo_t info{};
    // The process stays a zombie until reap(), so that its number cannot become another's.
    return waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
  }
  /// Waits for the program. @return as waitpid
  int reap() {
    int status = 0;
    while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    is_reaped_ = true;
    return status;
  }

 private:
  pid_t process_;
  Descriptor end_;
  bool is_reaped_ = false;
};

}  // namespace

/// A shell that is told of every group and kills those that are left when this process is no more, however it ended.
class ProcessRunner::Guard {
 public:
  ~Guard() {
    if (shell_ <= 0) return;
    line_.close();
    while (waitpid(shell_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  void be_there() {
    std::call_once(started_, [this] { start(); });
  }
  /// A kill of this process between the start of a program and this call, some microseconds, leaves the program.
  void watch(pid_t group) { tell('+', group); }
  void forget(pid_t group) { tell('-', group); }

 private:
  static constexpr const char* script = R"(trap '' HUP INT TERM
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%% $group *} ${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -KILL "-$group"; done 2>/dev/null
)";

  void start() {
    std::array<int, 2> ends{};
    // A socket, since writing to a pipe whose reader was killed would raise SIGPIPE here.
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      throw no_room("no socket to watch programs by", errno);
    }
    line_ = Descriptor(ends[0]);
    const Descriptor other(ends[1]);
    SpawnPlan plan;
    plan.take(STDIN_FILENO, other);
    plan.open(STDOUT_FILENO, "/dev/null", O_WRONLY);
    plan.open(STDERR_FILENO, "/dev/null", O_WRONLY);
    if (const int failure = plan.spawn(shell_, "/bin/sh", {"sh", "-c", script}, environment_with({}))) {
      shell_ = 0;
      throw no_room("cannot start /bin/sh to watch programs", failure);
    }
  }
  void tell(char sign, pid_t group) const {
    const std::string line = sign + (" " + std::to_string(group)) + "\n";
    // A guard that somebody killed is no reason to stop the work.
    [[maybe_unused]] const ssize_t sent = send(line_.get(), line.data(), line.size(), MSG_NOSIGNAL);
  }

  std::once_flag started_;
  Descriptor line_;
  pid_t shell_ = 0;
};

ProcessRunner::ProcessRunner() : guard_(std::make_unique<Guard>()) {}
ProcessRunner::~ProcessRunner() = default;

RunResult ProcessRunner::run(const Command& command, const RunLimits& limits, const std::function<bool()>& stop) const {
  const std::string program = find_program(command.arguments.at(0));
  Pipe output = make_pipe(), errors = make_pipe();
  SpawnPlan plan;
  plan.open(STDIN_FILENO, command.input.empty() ? "/dev/null" : command.input.c_str(), O_RDONLY);
  plan.take(STDOUT_FILENO, output.write);
  plan.take(STDERR_FILENO, errors.write);
  if (!command.folder.empty()) plan.enter(command.folder.string());

  guard_->be_there();
  const Clock::time_point start = Clock::now();
  pid_t process = 0;
  if (const int failure = plan.spawn(process, program, command.arguments, environment_with(command.environment))) {
    if (failure == EAGAIN || failure == ENOMEM || failure == EMFILE || failure == ENFILE) {
      throw no_room(("cannot start " + in_quotes(program)).c_str(), failure);
    }
    const char* hint = failure == ENOENT    ? "is the interpreter that its first line names installed?"
                       : failure == ENOEXEC ? "it is no program of this machine, and names no interpreter"
                       : failure == E2BIG   ? "its arguments are too long; pass them in a file"
                                            : "check its permissions, and those of the folder it runs in";
    throw Error(ErrorCode::file_access, "cannot start " + in_quotes(program) + ": " + reason(failure), hint);
  }
  Running running(process);
  // Set from here, a moment after the start: posix_spawn cannot, and a program allocates little in that moment.
  limit_resource(process, RLIMIT_AS, limits.memory_bytes);
  limit_resource(process, RLIMIT_FSIZE, limits.file_bytes);
  output.write.close();
  errors.write.close();
  guard_->watch(process);

  RunResult result;
  bool is_ending = false;
  Clock::time_point kill_time;
  const auto end = [&](RunResult::End why) {
    if (is_ending) return;
    result.end = why;
    is_ending = true;
    kill_time = Clock::now() + limits.grace;
    running.kill(SIGTERM);
  };
  const auto read = [&](Descriptor& from, std::string& into) {
    const std::uint64_t limit = limits.output_bytes == 0 ? into.max_size() : limits.output_bytes;
    // On the way to the end it is read all the same, so that no writer blocks.
    if (drain(from, is_ending ? nullptr : &into, limit)) end(RunResult::End::output);
  };
  while (!running.has_ended()) {
    const Clock::time_point now = Clock::now();
    if (is_ending && now >= kill_time) running.kill(SIGKILL);
    if (stop && stop()) end(RunResult::End::stopped);
    milliseconds wait = running.end_descriptor() >= 0 ? stop_interval : end_interval;
    if (is_ending) {
      wait = std::min(wait, end_interval);
    } else if (limits.time.count() > 0) {
      const auto left = std::chrono::ceil<milliseconds>(start + limits.time - now);
      if (left.count() <= 0) end(RunResult::End::timeout);
      wait = std::clamp(left, milliseconds{0}, wait);
    }
    // poll() passes over descriptors that are −1.
    std::array<pollfd, 3> ready = {
        {{output.read.get(), POLLIN, 0}, {errors.read.get(), POLLIN, 0}, {running.end_descriptor(), POLLIN, 0}}};
    poll(ready.data(), ready.size(), static_cast<int>(wait.count()));
    if (ready[0].revents != 0) read(output.read, result.output);
    if (ready[1].revents != 0) read(errors.read, result.errors);
  }
  running.kill(SIGKILL);  // what it left behind in its group
  read(output.read, result.output);
  read(errors.read, result.errors);
  guard_->forget(process);
  const int status = running.reap();
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (is_ending) return result;
  result.end = WIFSIGNALED(status) ? RunResult::End::signalled : RunResult::End::exited;
  result.status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? "signal " + std::to_string(signal) : std::string("SIG") + name;
}

int signal_number(std::string_view name) {
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal_name(signal) == name) return signal;
  }
  return 0;
}

}  // namespace corbel
