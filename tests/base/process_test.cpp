#include "corbel/base/process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "corbel/base/error.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

using End = RunResult::End;
using std::chrono::milliseconds;
using std::chrono::seconds;

RunResult run(const std::string& script, const RunLimits& limits = {}, const std::function<bool()>& stop = {}) {
  return ProcessRunner().run({{"sh", "-c", script}, {}, {}, {}}, limits, stop);
}

RunLimits limits_of(milliseconds time, milliseconds grace = seconds(30)) {
  RunLimits limits;
  limits.time = time;
  limits.grace = grace;
  return limits;
}

/// A pipe with a name: programs hold it open for writing, and its end tells that the last of them is gone.
class Lifeline {
 public:
  Lifeline() : path_((folder_ / "lifeline").string()) {
    mkfifo(path_.c_str(), 0600);
    reader_ = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  }
  ~Lifeline() { close(reader_); }
  const std::string& path() const { return path_; }
  /// Whether somebody wrote a line, and everybody who held it open is gone within the time.
  bool is_cut(milliseconds within = milliseconds(0)) {
    const auto end = std::chrono::steady_clock::now() + within;
    char buffer[64];
    for (;;) {
      const ssize_t got = read(reader_, buffer, sizeof buffer);
      was_held_ = was_held_ || got > 0;
      if (got > 0) continue;
      if (got == 0 && was_held_) return true;
      if (std::chrono::steady_clock::now() >= end) return false;
      pollfd ready{reader_, POLLIN, 0};
      poll(&ready, 1, 10);
    }
  }
  bool is_held(milliseconds within) {
    pollfd ready{reader_, POLLIN, 0};
    return poll(&ready, 1, static_cast<int>(within.count())) == 1 && (ready.revents & POLLIN) != 0;
  }

 private:
  TemporaryFolder folder_;
  std::string path_;
  int reader_ = -1;
  bool was_held_ = false;
};

TEST(Process, ReturnsOutputErrorsAndExitCode) {
  const RunResult result = run("echo said; echo warned >&2; exit 3");
  EXPECT_EQ(result.end, End::exited);
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.output, "said\n");
  EXPECT_EQ(result.errors, "warned\n");
  EXPECT_GT(result.seconds, 0);
}

TEST(Process, GivesInputFolderArgumentsAndEnvironment) {
  const TemporaryFolder folder;
  const auto input = folder.write("in.txt", "one\ntwo\n");
  const Command command{{"sh", "-c", "cat; pwd; echo \"$1|$GIVEN|${HOME:+kept}\"", "sh", "a b"},
                        folder.path(),
                        input,
                        {{"GIVEN", "x y"}, {"PATH", "/usr/bin:/bin"}}};
  const RunResult result = ProcessRunner().run(command, {}, {});
  const std::string real = std::filesystem::canonical(folder.path()).string();
  EXPECT_EQ(result.output, "one\ntwo\n" + real + "\na b|x y|" + (getenv("HOME") ? "kept" : "") + "\n");
}

TEST(Process, HasNothingToReadUnlessGiven) {
  EXPECT_EQ(run("cat; echo end").output, "end\n");
}

TEST(Process, SaysWhichSignalEndedIt) {
  const RunResult result = run("echo before; kill -SEGV $$");
  EXPECT_EQ(result.end, End::signalled);
  EXPECT_EQ(signal_name(result.status), "SIGSEGV");
  EXPECT_EQ(result.output, "before\n");
}

TEST(Process, StopsAtTheTimeLimitAsTheProgramWishes) {
  const RunResult result =
      run("trap 'echo cleared; exit 0' TERM; echo began; sleep 1000 & wait", limits_of(milliseconds(300)));
  EXPECT_EQ(result.end, End::timeout);
  EXPECT_EQ(result.output.substr(0, 6), "began\n");
  EXPECT_LT(result.seconds, 20) << "it was not killed after the grace, but ended at the wish";
}

TEST(Process, KillsWhatIgnoresTheWishToEnd) {
  const RunResult result =
      run("trap '' TERM; while :; do sleep 1000; done", limits_of(milliseconds(200), milliseconds(200)));
  EXPECT_EQ(result.end, End::timeout);
  EXPECT_GE(result.seconds, 0.4);
  EXPECT_LT(result.seconds, 20);
}

TEST(Process, EndsTheWholeGroupAtALimit) {
  Lifeline lifeline;
  const RunResult result =
      run("exec 9>" + lifeline.path() + "; echo held >&9; (trap '' TERM; sleep 1000; sleep 1000) & wait",
          limits_of(milliseconds(300)));
  EXPECT_EQ(result.end, End::timeout);
  EXPECT_TRUE(lifeline.is_cut(seconds(10)));
}

TEST(Process, EndsWhatAProgramLeavesBehind) {
  Lifeline lifeline;
  const RunResult result = run("exec 9>" + lifeline.path() + "; echo held >&9; sleep 1000 & echo done");
  EXPECT_EQ(result.end, End::exited);
  EXPECT_EQ(result.output, "done\n");
  EXPECT_LT(result.seconds, 100) << "its output stays open in the background, and is not waited for";
  EXPECT_TRUE(lifeline.is_cut(seconds(10)));
}

TEST(Process, StopsWhoWritesWithoutEnd) {
  RunLimits limits = limits_of(seconds(60));
  limits.output_bytes = 100'000;
  const RunResult result = run("yes a line of a log", limits);
  EXPECT_EQ(result.end, End::output);
  EXPECT_EQ(result.output.size(), 100'000U);
  EXPECT_EQ(result.output.substr(0, 14), "a line of a lo");
  EXPECT_EQ(run("yes >&2", limits).end, End::output);
}

TEST(Process, TakesAsMuchAsTheLimitOfBothStreams) {
  RunLimits limits;
  limits.output_bytes = 300'000;
  const RunResult result = run("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2", limits);
  EXPECT_EQ(result.end, End::exited);
  EXPECT_EQ(result.output.size(), 300'000U);
  EXPECT_EQ(result.errors.size(), 300'000U);
}

TEST(Process, EndsWhenAsked) {
  Lifeline lifeline;
  const RunResult result = run("exec 9>" + lifeline.path() + "; echo held >&9; sleep 1000 & wait", {},
                               [&] { return lifeline.is_held(milliseconds(0)); });
  EXPECT_EQ(result.end, End::stopped);
  EXPECT_TRUE(lifeline.is_cut(seconds(10)));
}

TEST(Process, LimitsMemoryAndFiles) {
  RunLimits limits = limits_of(seconds(20));
  limits.memory_bytes = 512 << 20;
  EXPECT_EQ(run("until [ \"$(ulimit -v)\" = 524288 ]; do :; done; echo limited", limits).output, "limited\n");

  const TemporaryFolder folder;
  limits.file_bytes = 1 << 20;
  const std::string file = (folder / "file").string();
  const RunResult result =
      run("until [ \"$(ulimit -f)\" = 2048 ]; do :; done; exec head -c 2000000 /dev/zero >" + file, limits);
  EXPECT_EQ(result.end, End::signalled);
  EXPECT_EQ(signal_name(result.status), "SIGXFSZ");
  EXPECT_EQ(std::filesystem::file_size(file), 1U << 20);
}

TEST(Process, NamesAProgramThatCannotBeRun) {
  const TemporaryFolder folder;
  const auto code_of = [](const std::string& program, const std::string& part) {
    try {
      ProcessRunner().run({{program}, {}, {}, {}}, {}, {});
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      EXPECT_FALSE(error.hint().empty());
      return error.code();
    }
    ADD_FAILURE() << program << " ran";
    return ErrorCode::usage;
  };
  EXPECT_EQ(code_of("no_such_program_here", "PATH"), ErrorCode::not_found);
  EXPECT_EQ(code_of("/no/such/program", "/no/such/program"), ErrorCode::not_found);
  const auto script = folder.write("script", "#!/no/such/interpreter\n");
  EXPECT_EQ(code_of(script.string(), "script"), ErrorCode::file_access) << "not executable";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  EXPECT_EQ(code_of(script.string(), "script"), ErrorCode::file_access) << "no interpreter";
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

TEST(Process, LeavesNoDescriptorAndNoZombie) {
  const int inherited = open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as libraries do
  const std::size_t before = open_descriptors();
  {
    const ProcessRunner runner;
    // `ls` itself opens the folder that it lists.
    const RunResult first = runner.run({{"ls", "/proc/self/fd"}, {}, {}, {}}, {}, {});
    EXPECT_EQ(first.output, "0\n1\n2\n3\n");
    const std::size_t with_guard = open_descriptors();
    for (int i = 0; i < 20; ++i) runner.run({{"true"}, {}, {}, {}}, {}, {});
    EXPECT_EQ(open_descriptors(), with_guard);
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), 0) << "the guard lives, and nobody else waits to be buried";
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no child is left";
  close(inherited);
}

TEST(Process, RunsManySideBySide) {
  const ProcessRunner runner;
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&runner, &right, t] {
      for (int i = 0; i < 8; ++i) {
        const std::string word = std::to_string(100 * t + i);
        const RunResult result = runner.run({{"echo", word}, {}, {}, {}}, {}, {});
        if (result.end == End::exited && result.output == word + "\n") ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 64);
}

TEST(Process, ProgramsEndWithTheProcessThatRunsThem) {
  Lifeline lifeline;
  int asked[2];
  ASSERT_EQ(pipe(asked), 0);
  const pid_t child = fork();
  if (child == 0) {
    // Asked for the first time once the program is watched.
    const auto tell = [&] { return write(asked[1], "x", 1) != 1; };
    run("exec 9>" + lifeline.path() + "; echo held >&9; sleep 1000 & wait", {}, tell);
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(asked[0], &byte, 1), 1);
  ASSERT_TRUE(lifeline.is_held(seconds(20)));
  EXPECT_FALSE(lifeline.is_cut());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(lifeline.is_cut(seconds(20)));
  close(asked[0]);
  close(asked[1]);
}

TEST(Signals, HaveNames) {
  EXPECT_EQ(signal_name(SIGFPE), "SIGFPE");
  EXPECT_EQ(signal_number("SIGFPE"), SIGFPE);
  EXPECT_EQ(signal_number("SIGNONE"), 0);
  EXPECT_EQ(signal_number(signal_name(40)), 40);
}

}  // namespace
}  // namespace corbel::test
