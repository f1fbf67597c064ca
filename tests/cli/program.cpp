#include "program.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

pid_t start(const std::vector<std::string>& arguments, const std::string& out, const std::string& err,
            const std::map<std::string, std::string>& variables = {}) {
  std::vector<std::string> words = {CORBEL_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
    execv(argv[0], argv.data());
    _exit(127);
  }
  return child;
}

}  // namespace

int wait_for(pid_t process) {
  int status = 0;
  waitpid(process, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Finished corbel(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& variables) {
  const TemporaryFolder folder;
  Finished finished;
  finished.exit_code = wait_for(start(arguments, folder / "out", folder / "err", variables));
  finished.out = read_text(folder / "out");
  finished.err = read_text(folder / "err");
  return finished;
}

pid_t start_corbel(const std::vector<std::string>& arguments) {
  return start(arguments, "/dev/null", "/dev/null");
}

nlohmann::json parse(const Finished& finished) {
  nlohmann::json value = nlohmann::json::parse(finished.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_FALSE(value.is_discarded()) << finished.out << finished.err;
  return value;
}

nlohmann::json parse_success(const Finished& finished) {
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  return parse(finished);
}

}  // namespace corbel::test
